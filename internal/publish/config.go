package publish

import (
	"net/netip"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/route"
	"github.com/berthhq/berth/internal/state"
)

// rowKey identifies a row that is part of the configuration of edges.
type rowKey struct {
	kind kind
	key  string
}

type kind int

const (
	aLoadBalancer kind = iota
	aListener
	aRule
	aTargetGroup
	aTarget
	theBlock
)

// concerns returns the row that was changed, if it is part of the configuration of edges.
func concerns(c state.Change, _ *state.Snapshot) []rowKey {
	switch c := c.(type) {
	case state.Changed[elb.LoadBalancer]:
		return []rowKey{{aLoadBalancer, c.Key}}
	case state.Changed[elb.Listener]:
		return []rowKey{{aListener, c.Key}}
	case state.Changed[elb.Rule]:
		return []rowKey{{aRule, c.Key}}
	case state.Changed[elb.TargetGroup]:
		return []rowKey{{aTargetGroup, c.Key}}
	case state.Changed[elb.Target]:
		return []rowKey{{aTarget, c.Key}}
	case state.Changed[fleet.Block]:
		return []rowKey{{theBlock, c.Key}}
	}
	return nil
}

// whole returns the configuration of an edge with all load balancers of a snapshot.
func whole(s *state.Snapshot, edge string) route.Config {
	c := route.Config{
		Revision:     s.Rev,
		Listeners:    values(s.Listeners.All()),
		Rules:        values(s.Rules.All()),
		TargetGroups: values(s.TargetGroups.All()),
		Targets:      values(s.Targets.All()),
	}
	addLoadBalancers(&c, s)
	for h := range s.TargetHealth.All() {
		v, ok := h.Edges[edge]
		if !ok {
			v = h.Verdict
		}
		v.Key = h.Key
		c.Health = append(c.Health, v)
	}
	return c
}

// changed returns a configuration with the given rows as they are in a snapshot. Rows that do not exist are in Gone.
func changed(s *state.Snapshot, keys []rowKey) route.Config {
	var c route.Config
	for _, k := range keys {
		switch k.kind {
		case aLoadBalancer:
			if lb, ok := s.LoadBalancers.Get(k.key); ok {
				addLoadBalancer(&c, lb, s.Block())
			} else {
				c.Gone.LoadBalancers = append(c.Gone.LoadBalancers, k.key)
			}
		case aListener:
			row(&s.Listeners, k.key, &c.Listeners, &c.Gone.Listeners)
		case aRule:
			row(&s.Rules, k.key, &c.Rules, &c.Gone.Rules)
		case aTargetGroup:
			row(&s.TargetGroups, k.key, &c.TargetGroups, &c.Gone.TargetGroups)
		case aTarget:
			row(&s.Targets, k.key, &c.Targets, &c.Gone.Targets)
		case theBlock: // it determines the addresses of load balancers
			addLoadBalancers(&c, s)
		}
	}
	return c
}

// row appends the row with the key to rows if it exists, and otherwise the key to gone.
func row[T any](t *state.Table[T], key string, rows *[]T, gone *[]string) {
	if v, ok := t.Get(key); ok {
		*rows = append(*rows, *v)
	} else {
		*gone = append(*gone, key)
	}
}

func addLoadBalancers(c *route.Config, s *state.Snapshot) {
	block := s.Block()
	for lb := range s.LoadBalancers.All() {
		addLoadBalancer(c, lb, block)
	}
}

// addLoadBalancer adds a load balancer and the address at which containers reach it.
func addLoadBalancer(c *route.Config, lb *elb.LoadBalancer, block *fleet.Block) {
	c.LoadBalancers = append(c.LoadBalancers, *lb)
	if at := block.GatewayAddress(lb.Slot); at.IsValid() {
		if c.Addresses == nil {
			c.Addresses = map[string]netip.Addr{}
		}
		c.Addresses[lb.ARN] = at
	}
}

func values[T any](rows func(func(*T) bool)) []T {
	var out []T
	for r := range rows {
		out = append(out, *r)
	}
	return out
}
