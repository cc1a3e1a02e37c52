package route

import (
	"encoding/json"
	"time"
)

// Counter identifies one value of Counts. Values only grow.
type Counter int

// Counters. Statuses of answers are counted by class: the named counter is that of 1xx, and those
// of 2xx to 5xx follow it.
const (
	Requests     Counter = iota // requests that ended, or became WebSockets, after a target was chosen
	Answered                    // 1xx to 5xx that clients got, from targets or from the load balancer
	_                           // 2xx
	_                           // 3xx
	_                           // 4xx
	_                           // 5xx
	TargetStatus                // 1xx to 5xx that targets answered
	_
	_
	_
	_
	OwnStatus // 1xx to 5xx that the load balancer made
	_
	_
	_
	_
	GrouplessStatus // 1xx to 5xx that the load balancer made without a target group
	_
	_
	_
	_
	Own500
	Own502
	Own503
	Own504
	Redirects
	FixedResponses
	RedirectsTooLong
	RuleEvaluations      // rules with conditions that were evaluated
	FailOpen             // requests sent although the group had too few healthy targets
	NonSticky            // requests with stickiness for which the target had to be chosen again
	NonCompliant         // requests that break the rules of HTTP
	DroppedHeaders       // requests from which header fields with invalid names were dropped
	IPv6Requests         // of Requests
	ReceivedBytes        // bytes from clients
	SentBytes            // bytes to clients
	IPv6Bytes            // bytes of both directions
	ClientConnections    // accepted connections of clients
	RejectedConnections  // connections of clients that were closed at once because the edge is stopping
	ClientTLSErrors      // handshakes with clients that failed
	MalformedRequests    // requests that could not be read
	TargetConnections    // connections made to targets
	ConnectionErrors     // connections to targets that could not be made
	TargetTLSErrors      // handshakes with targets that failed
	WebSockets           // WebSockets opened
	Responses            // responses that targets began to send
	ResponseNanoseconds  // sum of the times from sending a request to the first byte of its response
	ResponsesWithin      // responses by time, one for each bound of ResponseBounds; the last has the rest
	responsesWithinOther = ResponsesWithin + Counter(len(ResponseBounds))
	Counters             = responsesWithinOther + 1 // number of counters
)

// ResponseBounds are the upper bounds by which the response times of targets are counted.
var ResponseBounds = [...]time.Duration{5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second,
	2500 * time.Millisecond, 5 * time.Second, 10 * time.Second}

// Counts are the values of one subject.
type Counts [Counters]uint64

// names are the names of the counters in JSON. A name never changes its meaning, and an unknown one
// is ignored.
var names = func() [Counters]string {
	n := [Counters]string{Requests: "requests", Own500: "own_500", Own502: "own_502", Own503: "own_503",
		Own504: "own_504", Redirects: "redirects", FixedResponses: "fixed_responses",
		RedirectsTooLong: "redirects_too_long", RuleEvaluations: "rule_evaluations", FailOpen: "fail_open",
		NonSticky: "non_sticky", NonCompliant: "non_compliant", DroppedHeaders: "dropped_headers",
		IPv6Requests: "ipv6_requests", ReceivedBytes: "received_bytes", SentBytes: "sent_bytes",
		IPv6Bytes: "ipv6_bytes", ClientConnections: "client_connections", RejectedConnections: "rejected_connections",
		ClientTLSErrors: "client_tls_errors", MalformedRequests: "malformed_requests",
		TargetConnections: "target_connections", ConnectionErrors: "connection_errors",
		TargetTLSErrors: "target_tls_errors", WebSockets: "websockets", Responses: "responses",
		ResponseNanoseconds: "response_ns", responsesWithinOther: "responses_within_other"}
	for class, digit := range "12345" {
		n[Answered+Counter(class)] = "answered_" + string(digit) + "xx"
		n[TargetStatus+Counter(class)] = "target_" + string(digit) + "xx"
		n[OwnStatus+Counter(class)] = "own_" + string(digit) + "xx"
		n[GrouplessStatus+Counter(class)] = "groupless_" + string(digit) + "xx"
	}
	for i, bound := range ResponseBounds {
		n[ResponsesWithin+Counter(i)] = "responses_within_" + bound.String()
	}
	return n
}()

// String returns the counter's name.
func (c Counter) String() string { return names[c] }

// Add adds other to the counts.
func (c *Counts) Add(other *Counts) {
	for i := range c {
		c[i] += other[i]
	}
}

// Since returns what was counted after earlier; ok is false when a value of earlier is greater.
func (c *Counts) Since(earlier *Counts) (grown Counts, ok bool) {
	for i := range c {
		if c[i] < earlier[i] {
			return Counts{}, false
		}
		grown[i] = c[i] - earlier[i]
	}
	return grown, true
}

// MarshalJSON writes the counters that are not 0, by name.
func (c Counts) MarshalJSON() ([]byte, error) {
	out := map[string]uint64{}
	for i, n := range c {
		if n > 0 {
			out[names[i]] = n
		}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *Counts) UnmarshalJSON(data []byte) error {
	var in map[string]uint64
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	for i, name := range names {
		c[i] = in[name]
	}
	return nil
}

// Subject is what has counts: a load balancer, one of its listeners, one of the target groups its
// rules forward to, or, if no load balancer is named, a target.
type Subject struct {
	LoadBalancerARN string `json:",omitempty"`
	ListenerARN     string `json:",omitempty"`
	TargetGroupARN  string `json:",omitempty"`
	Target          string `json:",omitempty"` // its key
}

// SubjectCounts is what an edge has counted for a subject since Began, and how many connections are
// open now.
type SubjectCounts struct {
	Subject
	Began   time.Time
	Counts  Counts
	Clients int64 `json:",omitempty"` // connections of clients
	Targets int64 `json:",omitempty"` // connections to targets
	Sockets int64 `json:",omitempty"` // WebSockets
}
