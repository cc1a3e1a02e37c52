package edge

import (
	"net/netip"
	"time"
)

// Entry is what is known of a request when it has ended; of a WebSocket, when it is closed. Access logs and metrics are made of it.
type Entry struct {
	LoadBalancerARN string
	ListenerARN     string
	TargetGroupARN  string // "" when the request went to none
	Target          string // host:port, "" when it was not sent to one
	TargetID        string
	RulePriority    int // 0 is the default rule, -1 none
	Client          netip.AddrPort
	Type            string // http, https, ws, wss
	Method          string
	Host            string
	URL             string // as sent
	Minor           int    // HTTP/1.Minor
	UserAgent       string
	TraceID         string
	Created         time.Time     // request received, connection opened
	Ended           time.Time     // response generated, connection closed
	Request         time.Duration // received to sent; -1 when not sent
	Target1st       time.Duration // sent to first byte of the response's head; -1 when there was none
	Response        time.Duration // head received to first byte sent to the client; -1 when there was none
	Status          int
	TargetStatus    int // 0 when there was none
	Received, Sent  int64
	Action          string // forward, redirect, fixed-response
	RedirectURL     string
	ErrorReason     string
	Class, Reason   string // desync classification, "-" when compliant
	FailOpen        bool   // sent although its target group had too few healthy targets
	NonSticky       bool   // stickiness is on and the target had to be chosen anew
	Reused          bool   // sent over a connection that had carried another request
}
