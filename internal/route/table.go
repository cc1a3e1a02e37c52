package route

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/elb"
)

// Table is a compiled Config.
type Table struct {
	Revision uint64
	// Groups and Targets hold every target group in use and every target of one, each at its Index. Draining targets are among
	// them: they are not chosen any more but may still be busy.
	Groups  []*Group
	Targets []*Target
	// Problems says what of the configuration was left out, and why.
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
	// HideServer removes the Server field of every response; SetHeader replaces fields in it (alb.md TL11).
	HideServer bool
	SetHeader  []Field
	rules      []*Rule // by priority, the default rule last
}

// Rule is what to do with a request; exactly one of Forward, Redirect and Fixed is set.
type Rule struct {
	ARN      string
	Priority int // 0 is the default rule
	Forward  *Forward
	Redirect *elb.Redirect
	Fixed    *elb.FixedResponse

	conditions []condition
}

// Forward is a weighted choice between groups.
type Forward struct {
	// Sticky is how long a client stays with a group; 0 means it does not.
	Sticky time.Duration
	groups []*Group
	upTo   []uint64 // running sums of weights
}

// Group is a target group.
type Group struct {
	Index int
	ARN   string
	TLS   bool // targets speak TLS
	elb.GroupSettings
	HealthCheck elb.HealthCheck
	// Registered are the targets that are not draining, in the order of their keys.
	Registered []*Target
	// FailOpen says that too few targets are healthy and unhealthy ones are chosen as well (alb.md F1-F3).
	FailOpen bool

	choices []*Target // new requests go to one of these
	byKey   map[string]*Target
}

// Target is where requests go.
type Target struct {
	Index      int
	Key        string
	ID         string
	Group      *Group
	Address    netip.AddrPort
	Registered time.Time
	Draining   bool
	DrainUntil time.Time
	State      string // elb.Initial, elb.Healthy or elb.Unhealthy
	SlowStart  time.Time
}

// Ports returns the ports that have a listener, in order.
func (t *Table) Ports() []int { return slices.Sorted(maps.Keys(t.ports)) }

// OwnAddresses returns where listeners of load balancers are that have an address to themselves, in order.
func (t *Table) OwnAddresses() []netip.AddrPort {
	return slices.SortedFunc(maps.Keys(t.own), netip.AddrPort.Compare)
}

// Own returns the listener at an address that a load balancer has to itself; nil when there is none.
func (t *Table) Own(at netip.AddrPort) *Listener { return t.own[at] }

// TLS reports whether the port speaks TLS.
func (t *Table) TLS(number int) bool {
	p := t.ports[number]
	return p != nil && p.tls
}

// On returns the listeners that share the port, first-created load balancer first.
func (t *Table) On(number int) []*Listener {
	if p := t.ports[number]; p != nil {
		return p.all
	}
	return nil
}

// Listener returns the listener that a request for host at the port is for: that of the load balancer whose name host is, else
// that of the load balancer that was created first. It is nil when the port has none.
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

// Match returns the rule the request meets; nil only if the listener has no default rule, which the API does not let happen.
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

// hostOnly cuts port and final dot off a Host.
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
