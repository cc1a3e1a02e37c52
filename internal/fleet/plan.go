package fleet

import (
	"cmp"
	"slices"
	"time"
)

// GroupPlan is what a group does next: instances to launch and to terminate, with one activity for each.
type GroupPlan struct {
	Remove []Removal // unhealthy ones first, then those of a scale-in
	Launch []Launch
	// Blocked is true if the group should shrink more, but all its other instances are protected.
	Blocked bool
	// Again is when to plan again without a change; zero is never.
	Again time.Time
}

// Removal is an instance to terminate.
type Removal struct {
	Instance *Instance
	Cause    string
	// Why is the reason of CauseTaken for an instance that is replaced; "" in a scale-in.
	Why string
}

// Launch is an instance to launch.
type Launch struct {
	Slot        Subnet
	Cause       string
	Rebalancing bool
}

// PlanGroup compares what a group wants with the instances it has (ecs.md 5.5 to 5.8). It replaces
// unhealthy instances, launches missing ones in the zones with the fewest, ends surplus ones by the
// termination policies, and balances the zones when the number is right. members are the instances
// whose GroupKey is the group's. Those that are terminating or in standby do not count; those in
// standby stay until the group is deleted. The plan does not depend on their order. Launches and
// counted instances together never exceed Desired, except by one instance (or a tenth) while
// rebalancing.
func PlanGroup(g *AutoScalingGroup, members []*Instance, now time.Time) GroupPlan {
	p := planner{g: g, now: now}
	for _, m := range members {
		deleted := g.Status == DeleteInProgress && m.Scaling.Lifecycle.Resting()
		if m.Scaling.Lifecycle.Launching() || m.Scaling.Lifecycle == LifecycleInService || deleted {
			p.stay = append(p.stay, m)
		}
	}
	slices.SortFunc(p.stay, func(a, b *Instance) int { return cmp.Compare(a.ID, b.ID) })
	if g.Status == DeleteInProgress {
		p.removeAll()
		return p.plan
	}
	replaced := p.removeUnhealthy()
	counted := 0
	for _, m := range p.stay {
		if m.Scaling.Counts() {
			counted++
		}
	}
	switch {
	case counted < g.Desired:
		p.grow(counted, replaced)
	case counted > g.Desired:
		p.shrink(counted)
	default:
		p.rebalance()
	}
	return p.plan
}

type planner struct {
	g    *AutoScalingGroup
	now  time.Time
	stay []*Instance // pending or in service, not removed by this plan
	plan GroupPlan
}

func (p *planner) removeAll() {
	for _, m := range p.stay {
		p.plan.Remove = append(p.plan.Remove, Removal{Instance: m, Cause: CauseUserRequest(p.now, 0, 0)})
	}
}

// wake sets Again to t unless it is earlier.
func (p *planner) wake(t time.Time) {
	if p.plan.Again.IsZero() || t.Before(p.plan.Again) {
		p.plan.Again = t
	}
}

// removeUnhealthy plans the removal of unhealthy instances and returns their number.
func (p *planner) removeUnhealthy() int {
	if p.g.IsSuspended(ProcessReplaceUnhealthy) || p.g.IsSuspended(ProcessTerminate) {
		return 0
	}
	var stay []*Instance
	for _, m := range p.stay {
		why := p.verdict(m)
		if why == WhyLifetime && len(p.plan.Remove) > 0 {
			why = "" // only one instance at a time is replaced for its age
		}
		if why == "" {
			stay = append(stay, m)
			continue
		}
		p.plan.Remove = append(p.plan.Remove, Removal{Instance: m, Cause: CauseTaken(p.now, why), Why: why})
	}
	p.stay = stay
	return len(p.plan.Remove)
}

// verdict returns why an instance must be replaced, or "".
func (p *planner) verdict(m *Instance) string {
	if m.Scaling.Health == Unhealthy {
		return cmp.Or(m.Scaling.HealthCause, WhyUser)
	}
	if p.g.IsSuspended(ProcessHealthCheck) {
		return ""
	}
	if m.Desired != Running || m.State != Pending && m.State != Running {
		return WhyGone
	}
	if m.Impaired() && m.Scaling.Lifecycle == LifecycleInService {
		ripe := m.Scaling.InServiceAt.Add(time.Duration(p.g.GracePeriod) * time.Second)
		if !p.now.Before(ripe) {
			return WhyImpaired
		}
		p.wake(ripe)
	}
	if p.g.MaxLifetime > 0 {
		old := m.LaunchedAt.Add(time.Duration(p.g.MaxLifetime) * time.Second)
		if !p.now.Before(old) {
			return WhyLifetime
		}
		p.wake(old)
	}
	return ""
}

func (p *planner) grow(counted, replaced int) {
	if p.g.IsSuspended(ProcessLaunch) {
		return
	}
	if p.now.Before(p.g.NextLaunch) {
		p.wake(p.g.NextLaunch)
		return
	}
	start := withNote(p.g.Note, causeLaunch(p.now, counted, p.g.Desired))
	zones := p.zoneCounts()
	for i := range p.g.Desired - counted {
		slot, ok := emptiest(p.g.Slots(), zones)
		if !ok {
			return
		}
		zones[slot.Zone.Name]++
		cause := start
		if i < replaced {
			cause = causeReplace(p.now)
		}
		p.plan.Launch = append(p.plan.Launch, Launch{Slot: slot, Cause: cause})
	}
}

func (p *planner) shrink(counted int) {
	if p.g.IsSuspended(ProcessTerminate) {
		return
	}
	var countable []*Instance
	for _, m := range p.stay {
		if m.Scaling.Counts() {
			countable = append(countable, m)
		}
	}
	surplus := counted - p.g.Desired
	victims := Victims(p.g, countable, surplus, p.now)
	for _, v := range victims {
		cause := withNote(p.g.Note, causeShrink(p.now, counted, p.g.Desired, v.ID))
		p.plan.Remove = append(p.plan.Remove, Removal{Instance: v, Cause: cause})
	}
	p.plan.Blocked = len(victims) < surplus
}

// rebalance plans to launch instances in the zone with the fewest, if the zone with the most has at least two more or
// is no longer a zone of the group. A later plan terminates the surplus instance when the new one is in service.
func (p *planner) rebalance() {
	slots := p.g.Slots()
	if p.g.IsSuspended(ProcessRebalance) || p.g.IsSuspended(ProcessLaunch) ||
		p.g.IsSuspended(ProcessTerminate) || p.now.Before(p.g.NextLaunch) {
		return
	}
	for _, m := range p.stay {
		if m.Scaling.Lifecycle != LifecycleInService {
			return
		}
	}
	zones := p.zoneCounts()
	for range max(1, p.g.Desired/10) {
		to, ok := emptiest(slots, zones)
		from := fullest(p.g, p.stay, zones)
		if !ok || from == "" || isSlot(slots, from) && zones[from]-zones[to.Zone.Name] < 2 {
			return
		}
		zones[to.Zone.Name]++
		zones[from]--
		p.plan.Launch = append(p.plan.Launch,
			Launch{Slot: to, Cause: causeRebalance(p.now, to.Zone.Name), Rebalancing: true})
		if zones[from] == 0 {
			delete(zones, from)
		}
	}
}

func (p *planner) zoneCounts() map[string]int {
	zones := map[string]int{}
	for _, m := range p.stay {
		zones[m.Zone]++
	}
	return zones
}

// emptiest returns the first slot with the fewest instances.
func emptiest(slots []Subnet, zones map[string]int) (Subnet, bool) {
	if len(slots) == 0 {
		return Subnet{}, false
	}
	return slices.MinFunc(slots, func(a, b Subnet) int {
		return cmp.Compare(zones[a.Zone.Name], zones[b.Zone.Name])
	}), true
}

func isSlot(slots []Subnet, zone string) bool {
	return slices.ContainsFunc(slots, func(s Subnet) bool { return s.Zone.Name == zone })
}

func withNote(note, cause string) string {
	if note == "" {
		return cause
	}
	return note + "  " + cause
}
