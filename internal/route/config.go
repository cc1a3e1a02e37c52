package route

import (
	"errors"
	"net/netip"

	"github.com/berthhq/berth/internal/elb"
)

// Config is what an edge must know, as plain values that can be stored and sent: either everything,
// or what has changed since an earlier revision. The order of its lists has no meaning.
type Config struct {
	// Revision is the revision of the state that the edge has once it has applied this.
	Revision uint64
	// Since is the revision that this configuration changes; 0 means that it holds everything.
	Since uint64 `json:",omitempty"`

	LoadBalancers []elb.LoadBalancer `json:",omitempty"`
	Listeners     []elb.Listener     `json:",omitempty"`
	Rules         []elb.Rule         `json:",omitempty"`
	TargetGroups  []elb.TargetGroup  `json:",omitempty"`
	Targets       []elb.Target       `json:",omitempty"`
	// Addresses are the addresses that belong to one load balancer alone, by ARN of the load
	// balancer. All load balancers also share one address.
	Addresses map[string]netip.Addr `json:",omitempty"`
	// Health is the health of the targets as it was last reported. An edge uses it for targets that
	// are new to it.
	Health []elb.Verdict `json:",omitempty"`
	// Gone names what no longer exists; it is empty when Since is 0.
	Gone Gone
}

// Gone names what was deleted: ARNs, and the keys of targets.
type Gone struct {
	LoadBalancers []string `json:",omitempty"`
	Listeners     []string `json:",omitempty"`
	Rules         []string `json:",omitempty"`
	TargetGroups  []string `json:",omitempty"`
	Targets       []string `json:",omitempty"`
}

// ErrGap means that a configuration changes another revision than the one in use: changes in
// between are missing.
var ErrGap = errors.New("route: the configuration does not follow the one in use")

// Report is what an edge has seen since its last report: the health of targets, ends of drains, the
// addresses of its listeners, and counts. Like Config it consists of plain values.
type Report struct {
	// Epoch distinguishes starts of an edge: a later start has a greater one. Counts start from 0
	// in each.
	Epoch int64
	// Revision is that of the configuration in use.
	Revision  uint64
	Targets   []elb.Verdict        `json:",omitempty"`
	Listeners map[string]elb.Bound `json:",omitempty"` // by ARN
	// Counts are sums since the start, and not since the last report, so a report that is lost or
	// arrives twice does no harm. Only subjects with traffic since the last report are listed.
	Counts []SubjectCounts `json:",omitempty"`
}

// Field is a header field as it was received.
type Field = struct{ Name, Value string }

// Request is what rules look at. Host may include a port; Path is as sent, Query without its
// question mark.
type Request struct {
	Method, Host, Path, Query string
	Header                    []Field
	// Source is the TCP peer.
	Source netip.Addr
}
