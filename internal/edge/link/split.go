package link

import (
	"encoding/json"
	"maps"
	"net/netip"
	"slices"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/route"
)

// splitter distributes rows over values of type P, and begins a new one when the last has enough bytes.
type splitter[P any] struct {
	parts []P
	size  int
	begin func() P
}

// room returns the part for a row.
func (s *splitter[P]) room(row any) (*P, error) {
	data, err := json.Marshal(row)
	if err != nil {
		return nil, err
	}
	if s.size += len(data); len(s.parts) == 0 || s.size > partSize {
		s.parts, s.size = append(s.parts, s.begin()), len(data)
	}
	return &s.parts[len(s.parts)-1], nil
}

// fill puts rows into parts.
func fill[P, T any](s *splitter[P], rows []T, list func(*P) *[]T) error {
	for _, row := range rows {
		p, err := s.room(row)
		if err != nil {
			return err
		}
		into := list(p)
		*into = append(*into, row)
	}
	return nil
}

// splitConfig splits a configuration into parts that fit into frames. There is at least one.
func splitConfig(c route.Config) ([]part, error) {
	s := &splitter[part]{begin: func() part {
		return part{Config: route.Config{Revision: c.Revision, Since: c.Since}, More: true}
	}}
	addresses := c.Addresses
	for _, lb := range c.LoadBalancers {
		p, err := s.room(lb)
		if err != nil {
			return nil, err
		}
		p.LoadBalancers = append(p.LoadBalancers, lb)
		if at, ok := addresses[lb.ARN]; ok {
			if p.Addresses == nil {
				p.Addresses = map[string]netip.Addr{}
			}
			p.Addresses[lb.ARN] = at
		}
	}
	for _, err := range []error{
		fill(s, c.Listeners, func(p *part) *[]elb.Listener { return &p.Listeners }),
		fill(s, c.Rules, func(p *part) *[]elb.Rule { return &p.Rules }),
		fill(s, c.TargetGroups, func(p *part) *[]elb.TargetGroup { return &p.TargetGroups }),
		fill(s, c.Targets, func(p *part) *[]elb.Target { return &p.Targets }),
		fill(s, c.Health, func(p *part) *[]elb.Verdict { return &p.Health }),
		fill(s, c.Gone.LoadBalancers, func(p *part) *[]string { return &p.Gone.LoadBalancers }),
		fill(s, c.Gone.Listeners, func(p *part) *[]string { return &p.Gone.Listeners }),
		fill(s, c.Gone.Rules, func(p *part) *[]string { return &p.Gone.Rules }),
		fill(s, c.Gone.TargetGroups, func(p *part) *[]string { return &p.Gone.TargetGroups }),
		fill(s, c.Gone.Targets, func(p *part) *[]string { return &p.Gone.Targets }),
	} {
		if err != nil {
			return nil, err
		}
	}
	if len(s.parts) == 0 {
		s.parts = append(s.parts, s.begin())
	}
	s.parts[len(s.parts)-1].More = false
	return s.parts, nil
}

// join adds a part to the parts before it.
func join(c *route.Config, p *part) {
	c.Revision, c.Since = p.Revision, p.Since
	c.LoadBalancers = append(c.LoadBalancers, p.LoadBalancers...)
	c.Listeners = append(c.Listeners, p.Listeners...)
	c.Rules = append(c.Rules, p.Rules...)
	c.TargetGroups = append(c.TargetGroups, p.TargetGroups...)
	c.Targets = append(c.Targets, p.Targets...)
	c.Health = append(c.Health, p.Health...)
	if c.Addresses == nil {
		c.Addresses = map[string]netip.Addr{}
	}
	maps.Copy(c.Addresses, p.Addresses)
	c.Gone.LoadBalancers = append(c.Gone.LoadBalancers, p.Gone.LoadBalancers...)
	c.Gone.Listeners = append(c.Gone.Listeners, p.Gone.Listeners...)
	c.Gone.Rules = append(c.Gone.Rules, p.Gone.Rules...)
	c.Gone.TargetGroups = append(c.Gone.TargetGroups, p.Gone.TargetGroups...)
	c.Gone.Targets = append(c.Gone.Targets, p.Gone.Targets...)
}

// splitReport splits a report into reports that fit into frames.
func splitReport(r route.Report) ([]route.Report, error) {
	s := &splitter[route.Report]{
		begin: func() route.Report { return route.Report{Epoch: r.Epoch, Revision: r.Revision} },
	}
	if err := fill(s, r.Targets, func(r *route.Report) *[]elb.Verdict { return &r.Targets }); err != nil {
		return nil, err
	}
	if err := fill(s, r.Counts, func(r *route.Report) *[]route.SubjectCounts { return &r.Counts }); err != nil {
		return nil, err
	}
	for _, arn := range slices.Sorted(maps.Keys(r.Listeners)) {
		part, err := s.room(r.Listeners[arn])
		if err != nil {
			return nil, err
		}
		if part.Listeners == nil {
			part.Listeners = map[string]elb.Bound{}
		}
		part.Listeners[arn] = r.Listeners[arn]
	}
	return s.parts, nil
}
