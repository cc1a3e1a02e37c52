package fleet

import (
	"cmp"
	"slices"
	"time"
)

// Termination policies (ecs.md 5.7).
const (
	PolicyDefault               = "Default"
	PolicyOldestInstance        = "OldestInstance"
	PolicyNewestInstance        = "NewestInstance"
	PolicyOldestConfiguration   = "OldestLaunchConfiguration"
	PolicyOldestTemplate        = "OldestLaunchTemplate"
	PolicyClosestToInstanceHour = "ClosestToNextInstanceHour"
	PolicyAllocationStrategy    = "AllocationStrategy"
)

// PolicyNames returns the termination policies in the order DescribeTerminationPolicyTypes lists them.
func PolicyNames() []string {
	return []string{PolicyAllocationStrategy, PolicyClosestToInstanceHour, PolicyDefault, PolicyNewestInstance,
		PolicyOldestInstance, PolicyOldestConfiguration, PolicyOldestTemplate}
}

// Victims chooses up to n of the candidates to terminate in a scale-in, in order. Each time it takes the zone with the
// most instances, whatever the policies are. In the zone, each policy in turn narrows the choice, and the lowest id
// breaks a tie, so the result does not depend on the order of the candidates. It never chooses protected instances, so
// the result may be shorter than n.
func Victims(g *AutoScalingGroup, candidates []*Instance, n int, now time.Time) []*Instance {
	left := slices.Clone(candidates)
	var victims []*Instance
	for range n {
		v := nextVictim(g, left, now)
		if v == nil {
			break
		}
		victims = append(victims, v)
		left = slices.DeleteFunc(left, func(m *Instance) bool { return m.ID == v.ID })
	}
	return victims
}

func nextVictim(g *AutoScalingGroup, left []*Instance, now time.Time) *Instance {
	zones := map[string]int{}
	for _, m := range left {
		zones[m.Zone]++
	}
	zone := fullest(g, left, zones)
	var in []*Instance
	for _, m := range left {
		if m.Zone == zone && !m.Scaling.Protected {
			in = append(in, m)
		}
	}
	if len(in) == 0 {
		return nil
	}
	for _, policy := range g.Policies {
		in = narrow(in, policy, now)
	}
	in = narrow(in, PolicyDefault, now)
	return slices.MinFunc(in, func(a, b *Instance) int { return cmp.Compare(a.ID, b.ID) })
}

// fullest returns the zone from which to take an instance: a zone in which the group no longer launches, or else the
// one with the most instances. It considers only zones with an unprotected instance, and returns "" if there is none.
func fullest(g *AutoScalingGroup, members []*Instance, zones map[string]int) string {
	best, bestCount := "", 0
	slots := g.Slots()
	for _, m := range members {
		count := zones[m.Zone]
		if count > 0 && !isSlot(slots, m.Zone) {
			count += 1 << 30
		}
		if m.Scaling.Protected || count == 0 {
			continue
		}
		if count > bestCount || count == bestCount && m.Zone < best {
			best, bestCount = m.Zone, count
		}
	}
	return best
}

// narrow keeps the instances that a policy ranks first: at least one if there are any.
func narrow(in []*Instance, policy string, now time.Time) []*Instance {
	switch policy {
	case PolicyOldestInstance:
		return lowest(in, func(m *Instance) int64 { return m.LaunchedAt.UnixNano() })
	case PolicyNewestInstance:
		return lowest(in, func(m *Instance) int64 { return -m.LaunchedAt.UnixNano() })
	case PolicyOldestConfiguration, PolicyOldestTemplate:
		return oldestSource(in)
	case PolicyClosestToInstanceHour:
		return lowest(in, func(m *Instance) int64 { return untilInstanceHour(m, now) })
	case PolicyDefault:
		return lowest(oldestSource(in), func(m *Instance) int64 { return untilInstanceHour(m, now) })
	}
	return in // AllocationStrategy has no effect, since a group has only one instance type
}

// oldestSource returns the instances with the oldest launch configuration. Every launch configuration counts as older
// than any template.
func oldestSource(in []*Instance) []*Instance {
	fromTemplate := func(m *Instance) int64 {
		if m.Scaling.Source.Configuration == "" {
			return 1
		}
		return 0
	}
	return lowest(lowest(in, fromTemplate), func(m *Instance) int64 { return m.Scaling.SourceAt.UnixNano() })
}

func untilInstanceHour(m *Instance, now time.Time) int64 {
	age := max(0, now.Sub(m.LaunchedAt))
	return int64((time.Hour - age%time.Hour) / time.Second)
}

func lowest(in []*Instance, rank func(*Instance) int64) []*Instance {
	if len(in) == 0 {
		return in
	}
	best := rank(slices.MinFunc(in, func(a, b *Instance) int { return cmp.Compare(rank(a), rank(b)) }))
	var kept []*Instance
	for _, m := range in {
		if rank(m) == best {
			kept = append(kept, m)
		}
	}
	return kept
}
