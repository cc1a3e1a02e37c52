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

// Compile makes the table of a configuration.
func Compile(c Config) *Table {
	b := &builder{
		table:  &Table{Revision: c.Revision, ports: map[int]*port{}, own: map[netip.AddrPort]*Listener{}},
		groups: map[string]*Group{},
		health: map[string]elb.TargetHealth{},
	}
	for _, h := range c.Health {
		b.health[h.Key] = h
	}
	b.addGroups(c)
	b.addTargets(c.Targets)
	for _, g := range b.table.Groups {
		g.choose()
	}
	b.addListeners(c)
	return b.table
}

type builder struct {
	table  *Table
	groups map[string]*Group
	health map[string]elb.TargetHealth
}

func (b *builder) problem(format string, args ...any) {
	b.table.Problems = append(b.table.Problems, fmt.Sprintf(format, args...))
}

// addGroups takes the groups that a rule forwards to; the others receive nothing and are not probed (alb.md H8).
func (b *builder) addGroups(c Config) {
	used := map[string]bool{}
	for i := range c.Rules {
		for _, arn := range elb.Uses(c.Rules[i].Actions) {
			used[arn] = true
		}
	}
	for _, g := range sortedBy(c.TargetGroups, func(g elb.TargetGroup) string { return g.ARN }) {
		if !used[g.ARN] {
			continue
		}
		group := &Group{Index: len(b.table.Groups), ARN: g.ARN, TLS: g.Protocol == elb.HTTPS, GroupSettings: g.Settings(),
			HealthCheck: g.HealthCheck, byKey: map[string]*Target{}}
		b.groups[g.ARN] = group
		b.table.Groups = append(b.table.Groups, group)
	}
}

func (b *builder) addTargets(targets []elb.Target) {
	for _, t := range sortedBy(targets, func(t elb.Target) string { return t.Key() }) {
		group := b.groups[t.TargetGroupARN]
		if group == nil {
			continue
		}
		addr, err := netip.ParseAddr(t.Address)
		if err != nil {
			b.problem("target %s has no address that can be reached: %q", t.Key(), t.Address)
			continue
		}
		target := &Target{Index: len(b.table.Targets), Key: t.Key(), ID: t.ID, Group: group, State: elb.Initial,
			Address:    netip.AddrPortFrom(addr, uint16(t.Port)),
			Registered: t.Registered, Draining: t.IsDraining(), DrainUntil: t.DrainUntil}
		if h, ok := b.health[target.Key]; ok && h.Registered.Equal(t.Registered) {
			target.State, target.SlowStart = h.State, h.SlowStart
		}
		b.table.Targets = append(b.table.Targets, target)
		if !target.Draining {
			group.Registered = append(group.Registered, target)
		}
	}
}

// choose decides which targets new requests may go to (alb.md F1-F6): the healthy ones; all that have been judged when too few are
// healthy; every registered one when none is healthy and at least one was found unhealthy. A group whose targets all wait for
// their first probe has no choice.
func (g *Group) choose() {
	var healthy, judged []*Target
	for _, t := range g.Registered {
		if t.State == elb.Healthy {
			healthy = append(healthy, t)
		}
		if t.State != elb.Initial {
			judged = append(judged, t)
		}
	}
	short := len(healthy) < g.MinHealthy || len(healthy)*100 < g.MinHealthyPercent*len(g.Registered)
	switch {
	case len(healthy) == 0 && len(judged) > 0:
		g.choices, g.FailOpen = g.Registered, true
	case short && len(judged) > len(healthy):
		g.choices, g.FailOpen = judged, true
	default:
		g.choices = healthy
	}
	for _, t := range g.choices {
		g.byKey[t.Key] = t
	}
}

func (b *builder) addListeners(c Config) {
	rules := map[string][]elb.Rule{}
	for _, r := range c.Rules {
		rules[r.ListenerARN] = append(rules[r.ListenerARN], r)
	}
	listeners := map[string][]elb.Listener{}
	for _, l := range c.Listeners {
		listeners[l.LoadBalancerARN] = append(listeners[l.LoadBalancerARN], l)
	}
	lbs := slices.Clone(c.LoadBalancers)
	slices.SortFunc(lbs, func(x, y elb.LoadBalancer) int {
		return cmp.Or(x.Created.Compare(y.Created), cmp.Compare(x.ARN, y.ARN))
	})
	for i := range lbs {
		for _, l := range sortedBy(listeners[lbs[i].ARN], func(l elb.Listener) string { return l.ARN }) {
			b.addListener(c, &lbs[i], &l, rules[l.ARN])
		}
	}
}

func (b *builder) addListener(c Config, lb *elb.LoadBalancer, l *elb.Listener, rules []elb.Rule) {
	listener := &Listener{ARN: l.ARN, LoadBalancerARN: lb.ARN, DNSName: lb.DNSName, Port: l.Port, TLS: l.Protocol == elb.HTTPS,
		Certificates: l.Certificates, Settings: lb.Settings(), HideServer: l.Attribute(elb.ServerHeaderAttribute) == "false",
		SetHeader: responseHeaders(l)}
	listener.rules = b.compileRules(rules)
	if at, ok := c.Addresses[lb.ARN]; ok && at.IsValid() {
		b.table.own[netip.AddrPortFrom(at, uint16(l.Port))] = listener
	}
	p := b.table.ports[l.Port]
	if p == nil {
		p = &port{tls: listener.TLS, first: listener, byName: map[string]*Listener{}}
		b.table.ports[l.Port] = p
	}
	if p.tls != listener.TLS {
		b.problem("listener %s cannot share port %d: load balancer %s, created earlier, speaks another protocol there", l.ARN, l.Port, p.first.LoadBalancerARN)
		return
	}
	p.all = append(p.all, listener)
	dns := strings.ToLower(lb.DNSName)
	for _, name := range []string{dns, strings.ToLower(lb.Name) + ".localhost", dns + ".localhost"} {
		if p.byName[name] == nil {
			p.byName[name] = listener
		}
	}
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

func (b *builder) compileRules(rules []elb.Rule) []*Rule {
	rules = slices.Clone(rules)
	last := func(r elb.Rule) int { // the default rule sorts behind every priority
		if r.IsDefault() {
			return 1 << 30
		}
		return r.Priority
	}
	slices.SortFunc(rules, func(x, y elb.Rule) int { return cmp.Or(cmp.Compare(last(x), last(y)), cmp.Compare(x.ARN, y.ARN)) })
	var out []*Rule
	for _, r := range rules {
		compiled, err := b.compileRule(&r)
		if err != nil {
			b.problem("rule %s is left out: %v", r.ARN, err)
			continue
		}
		out = append(out, compiled)
	}
	return out
}

func (b *builder) compileRule(r *elb.Rule) (*Rule, error) {
	out := &Rule{ARN: r.ARN, Priority: r.Priority}
	for _, c := range r.Conditions {
		compiled, err := compileCondition(c)
		if err != nil {
			return nil, err
		}
		out.conditions = append(out.conditions, compiled)
	}
	for _, a := range r.Actions {
		switch {
		case a.Forward != nil:
			out.Forward = b.compileForward(a.Forward)
		case a.Redirect != nil:
			redirect := a.Redirect.WithDefaults()
			out.Redirect = &redirect
		case a.FixedResponse != nil:
			out.Fixed = a.FixedResponse
		}
	}
	if out.Forward == nil && out.Redirect == nil && out.Fixed == nil {
		return nil, fmt.Errorf("it has no action that can be carried out")
	}
	return out, nil
}

func (b *builder) compileForward(f *elb.Forward) *Forward {
	out := &Forward{Sticky: time.Duration(f.StickySeconds) * time.Second}
	sum := uint64(0)
	for _, w := range f.TargetGroups {
		if g := b.groups[w.ARN]; g != nil {
			sum += uint64(w.Weight)
			out.groups, out.upTo = append(out.groups, g), append(out.upTo, sum)
		}
	}
	return out
}

func sortedBy[T any](in []T, key func(T) string) []T {
	out := slices.Clone(in)
	slices.SortFunc(out, func(x, y T) int { return cmp.Compare(key(x), key(y)) })
	return out
}
