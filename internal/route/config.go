package route

import (
	"net/netip"

	"github.com/berthhq/berth/internal/elb"
)

// Config is everything an edge must know, as plain values that can be written down and sent. The order of its lists has no meaning.
type Config struct {
	// Revision is the revision of the state it describes.
	Revision      uint64
	LoadBalancers []elb.LoadBalancer
	Listeners     []elb.Listener
	Rules         []elb.Rule
	TargetGroups  []elb.TargetGroup
	Targets       []elb.Target
	// Addresses are those that load balancers have to themselves, by ARN, beside the one that all of them share.
	Addresses map[string]netip.Addr
	// Health is what is known of the targets: from the control plane, what was last reported; at Compile, what is seen now.
	Health []elb.TargetHealth
}

// Report is what an edge has seen since it last reported: verdicts on targets, ends of drains, addresses listeners are served at.
// It is plain values, as Config is.
type Report struct {
	Targets   []elb.TargetHealth
	Listeners []elb.BoundListener
}

// Field is a header field as it came.
type Field = struct{ Name, Value string }

// Request is what rules look at. Host may hold a port; Path is as sent, Query without its question mark.
type Request struct {
	Method, Host, Path, Query string
	Header                    []Field
	// Source is the TCP peer.
	Source netip.Addr
}
