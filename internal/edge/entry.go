package edge

import (
	"net/netip"
	"time"
)

// Entry describes a request that has ended, or a WebSocket that was closed. Access logs and metrics are made
// from it.
type Entry struct {
	LoadBalancerARN string
	ListenerARN     string
	TargetGroupARN  string // "" if no target group was chosen
	Target          string // host:port; "" if no target was chosen
	TargetID        string
	RulePriority    int // 0 for the default rule, -1 for none
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
	FailOpen        bool   // it was sent although its target group had too few healthy targets
	NonSticky       bool   // stickiness is on, but the cookie chose no target
	Reused          bool   // it was sent over a connection that had carried another request
}
