package route

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/elb"
)

// Table is the compiled listeners and rules of all load balancers. Target groups are compiled
// separately, as Group.
type Table struct {
	// Problems says which ports were left out, and why.
	Problems []string
	ports    map[int]*port
	own      map[netip.AddrPort]*Listener
}

type port struct {
	tls    bool
	first  *Listener
	byName map[string]*Listener
	all    []*Listener // in the order of their load balancers' creation
}

// Listener is a port of one load balancer.
type Listener struct {
	ARN             string
	LoadBalancerARN string
	DNSName         string
	Port            int
	TLS             bool
	Certificates    []string
	elb.Settings
	// HideServer removes the Server field of every response; SetHeader replaces fields in it
	// (alb.md TL11).
	HideServer bool
	SetHeader  []Field
	// Kept belongs to the caller; see Changes.
	Kept any

	names    []string // the host names it serves, in lower case
	rules    []*Rule  // by priority, the default rule last
	problems []string
}

// Rule is what to do with a request. Exactly one of Forward, Redirect and Fixed is set.
type Rule struct {
	ARN      string
	Priority int // 0 is the default rule
	Forward  *Forward
	Redirect *elb.Redirect
	Fixed    *elb.FixedResponse
	// Tried is how many rules with conditions are evaluated before and including this one.
	Tried int

	conditions []condition
}

// Forward is a weighted choice between groups.
type Forward struct {
	// Sticky is how long a client stays with a group; 0 means not at all.
	Sticky time.Duration
	uses   []*Use
	upTo   []uint64 // running sums of weights
}

// Use is a target group as the rules of one load balancer refer to it. It stays the same while both
// exist, also when the group's settings or targets change.
type Use struct {
	LoadBalancerARN string
	GroupARN        string
	// Kept belongs to the caller; see Changes.
	Kept any
}

// Group is a compiled target group: its settings, and which of its targets new requests may be sent
// to. It is never changed; a change of a target makes a new Group.
type Group struct {
	ARN string
	TLS bool // targets speak TLS
	elb.GroupSettings
	HealthCheck elb.HealthCheck
	// Registered are the targets that are not draining, in the order of their keys.
	Registered []*Target
	// FailOpen says that too few targets are healthy, so unhealthy ones are used as well (alb.md
	// F1-F3).
	FailOpen bool

	choices []*Target // new requests are sent to one of these, which are in the order of their keys
}

// Target is where requests are sent.
type Target struct {
	Key        string
	ID         string
	Address    netip.AddrPort
	Registered time.Time
	Draining   bool
	DrainUntil time.Time
	State      string // elb.Initial, elb.Healthy or elb.Unhealthy
	SlowStart  time.Time
	// Kept belongs to the caller; see Changes.
	Kept any

	healthy, judged bool // derived from State
}

// judge sets the state of a target.
func (t *Target) judge(state string, slowStart time.Time) {
	t.State, t.SlowStart, t.healthy, t.judged = state, slowStart, state == elb.Healthy, state != elb.Initial
}

// Ports returns the ports that have a listener, in order.
func (t *Table) Ports() []int { return slices.Sorted(maps.Keys(t.ports)) }

// OwnAddresses returns the addresses and ports of the listeners of load balancers with an address
// of their own, in order.
func (t *Table) OwnAddresses() []netip.AddrPort {
	return slices.SortedFunc(maps.Keys(t.own), netip.AddrPort.Compare)
}

// Own returns the listener at an address of one load balancer alone; nil when there is none.
func (t *Table) Own(at netip.AddrPort) *Listener { return t.own[at] }

// TLS reports whether the port speaks TLS.
func (t *Table) TLS(number int) bool {
	p := t.ports[number]
	return p != nil && p.tls
}

// On returns the listeners that share the port, those of the first-created load balancer first.
func (t *Table) On(number int) []*Listener {
	if p := t.ports[number]; p != nil {
		return p.all
	}
	return nil
}

// Listener returns the listener that a request for host at the port belongs to: that of the load
// balancer named host, else that of the load balancer that was created first. It is nil when no
// listener has the port.
func (t *Table) Listener(number int, host string) *Listener {
	p := t.ports[number]
	if p == nil {
		return nil
	}
	if len(p.all) > 1 {
		if l := p.byName[strings.ToLower(hostOnly(host))]; l != nil {
			return l
		}
	}
	return p.first
}

// Match returns the rule that the request meets. It is nil only for a listener without a default
// rule, which the API does not allow.
func (l *Listener) Match(r *Request) *Rule {
	for _, rule := range l.rules {
		if rule.matches(r) {
			return rule
		}
	}
	return nil
}

func (r *Rule) matches(req *Request) bool {
	for i := range r.conditions {
		if !r.conditions[i].matches(req) {
			return false
		}
	}
	return true
}

// hostOnly removes the port and the final dot from a Host.
func hostOnly(host string) string {
	if strings.HasPrefix(host, "[") {
		if i := strings.IndexByte(host, ']'); i > 0 {
			return host[1:i]
		}
		return host
	}
	if i := strings.IndexByte(host, ':'); i >= 0 {
		host = host[:i]
	}
	return strings.TrimSuffix(host, ".")
}
