package route

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/elb"
)

// newTable returns a table of compiled listeners, which must be in the order of their load
// balancers' creation.
func newTable(listeners []*Listener, addresses map[string]netip.Addr) *Table {
	t := &Table{ports: map[int]*port{}, own: map[netip.AddrPort]*Listener{}}
	for _, l := range listeners {
		if at := addresses[l.LoadBalancerARN]; at.IsValid() {
			t.own[netip.AddrPortFrom(at, uint16(l.Port))] = l
		}
		p := t.ports[l.Port]
		if p == nil {
			p = &port{tls: l.TLS, first: l, byName: map[string]*Listener{}}
			t.ports[l.Port] = p
		}
		if p.tls != l.TLS {
			t.Problems = append(t.Problems,
				fmt.Sprintf("listener %s cannot share port %d: load balancer %s, created earlier, "+
					"speaks another protocol there", l.ARN, l.Port, p.first.LoadBalancerARN))
			continue
		}
		p.all = append(p.all, l)
		for _, name := range l.names {
			if p.byName[name] == nil {
				p.byName[name] = l
			}
		}
	}
	return t
}

// compileListener makes the listener without its rules.
func compileListener(lb *elb.LoadBalancer, l *elb.Listener) *Listener {
	dns := strings.ToLower(lb.DNSName)
	return &Listener{ARN: l.ARN, LoadBalancerARN: lb.ARN, DNSName: lb.DNSName, Port: l.Port,
		TLS:          l.Protocol == elb.HTTPS,
		Certificates: l.Certificates, Settings: lb.Settings(),
		HideServer: l.Attribute(elb.ServerHeaderAttribute) == "false", SetHeader: responseHeaders(l),
		names: []string{dns, strings.ToLower(lb.Name) + ".localhost", dns + ".localhost"}}
}

func responseHeaders(l *elb.Listener) []Field {
	var out []Field
	for _, key := range elb.ListenerAttributes.Keys() {
		name, ok := strings.CutSuffix(strings.TrimPrefix(key, elb.ResponseHeaderAttribute), ".header_value")
		if value := l.Attribute(key); ok && value != "" {
			out = append(out, Field{Name: strings.ReplaceAll(name, "_", "-"), Value: value})
		}
	}
	return out
}

// compileRule makes the rule. use returns the use of a target group; nil when there is no such
// group.
func compileRule(r *elb.Rule, conditions []condition, use func(arn string) *Use) (*Rule, error) {
	out := &Rule{ARN: r.ARN, Priority: r.Priority, conditions: conditions}
	for _, a := range r.Actions {
		switch {
		case a.Forward != nil:
			out.Forward = compileForward(a.Forward, use)
		case a.Redirect != nil:
			redirect := a.Redirect.WithDefaults()
			out.Redirect = &redirect
		case a.FixedResponse != nil:
			out.Fixed = a.FixedResponse
		}
	}
	if out.Forward == nil && out.Redirect == nil && out.Fixed == nil {
		return nil, fmt.Errorf("none of its actions can be carried out")
	}
	return out, nil
}

func compileConditions(in []elb.Condition) ([]condition, error) {
	var out []condition
	for _, c := range in {
		compiled, err := compileCondition(c)
		if err != nil {
			return nil, err
		}
		out = append(out, compiled)
	}
	return out, nil
}

func compileForward(f *elb.Forward, use func(arn string) *Use) *Forward {
	out := &Forward{Sticky: time.Duration(f.StickySeconds) * time.Second}
	sum := uint64(0)
	for _, w := range f.TargetGroups {
		if u := use(w.ARN); u != nil {
			sum += uint64(w.Weight)
			out.uses, out.upTo = append(out.uses, u), append(out.upTo, sum)
		}
	}
	return out
}

// compileGroup makes the group with its targets, which must be in the order of their keys.
func compileGroup(g *elb.TargetGroup, targets []*Target) *Group {
	out := &Group{ARN: g.ARN, TLS: g.Protocol == elb.HTTPS, GroupSettings: g.Settings(), HealthCheck: g.HealthCheck,
		Registered: make([]*Target, 0, len(targets))}
	for _, t := range targets {
		if !t.Draining {
			out.Registered = append(out.Registered, t)
		}
	}
	out.choose()
	return out
}

// choose decides which targets new requests may be sent to (alb.md F1-F6): the healthy ones; all
// that have been judged when too few are healthy; all registered ones when none is healthy and at
// least one is unhealthy. While all targets of a group wait for their first probe, there is none.
func (g *Group) choose() {
	healthy, judged := 0, 0
	for _, t := range g.Registered {
		if t.healthy {
			healthy++
		}
		if t.judged {
			judged++
		}
	}
	short := healthy < g.MinHealthy || healthy*100 < g.MinHealthyPercent*len(g.Registered)
	switch {
	case healthy == 0 && judged > 0:
		g.choices, g.FailOpen = g.Registered, true
	case short && judged > healthy:
		g.choices, g.FailOpen = g.having(judged, func(t *Target) bool { return t.judged }), true
	default:
		g.choices = g.having(healthy, func(t *Target) bool { return t.healthy })
	}
}

// having returns the n registered targets for which is returns true.
func (g *Group) having(n int, is func(*Target) bool) []*Target {
	if n == len(g.Registered) {
		return g.Registered
	}
	out := make([]*Target, 0, n)
	for _, t := range g.Registered {
		if is(t) {
			out = append(out, t)
		}
	}
	return out
}

// compileTarget makes a target that has not been judged yet.
func compileTarget(t *elb.Target) (*Target, error) {
	addr, err := netip.ParseAddr(t.Address)
	if err != nil {
		return nil, fmt.Errorf("target %s has no address that can be reached: %q", t.Key(), t.Address)
	}
	return &Target{Key: t.Key(), ID: t.ID, State: elb.Initial, Address: netip.AddrPortFrom(addr, uint16(t.Port)),
		Registered: t.Registered, Draining: t.IsDraining(), DrainUntil: t.DrainUntil}, nil
}

// byPriority orders rules; the default rule comes last.
func byPriority(x, y *elb.Rule) int {
	last := func(r *elb.Rule) int {
		if r.IsDefault() {
			return 1 << 30
		}
		return r.Priority
	}
	return cmp.Or(cmp.Compare(last(x), last(y)), cmp.Compare(x.ARN, y.ARN))
}

// find returns the index of the target with the key, or the index where it would be inserted.
func find(targets []*Target, key string) (int, bool) {
	return slices.BinarySearchFunc(targets, key, func(t *Target, key string) int { return cmp.Compare(t.Key, key) })
}
