package sched

import (
	"maps"
	"slices"
)

// Move is one step towards balanced availability zones: start a task in one zone and, once it is
// healthy, stop one in the other.
type Move struct {
	From, To    string // zones
	InstanceARN string // in To, for the new task
}

// Rebalance returns the next step that evens out the tasks of a service over the zones where they
// may run, and whether there is one (ecs.md 2.8). Zones are balanced when their counts differ by at
// most one. No task is moved into a zone without room, and none at all unless the first strategy is
// a spread over zones.
func Rebalance(w World, r Request) (Move, bool) {
	if !SpreadsZones(r.Strategies, r.DefaultSpread) {
		return Move{}, false
	}
	count := tasksByZone(w, r)
	names := slices.Sorted(maps.Keys(count))
	byCount := func(a, b string) int { return count[a] - count[b] }
	if len(names) == 0 {
		return Move{}, false
	}
	from := slices.MaxFunc(names, byCount)
	slices.SortStableFunc(names, byCount)
	for _, to := range names {
		if count[from]-count[to] < 2 {
			break
		}
		one := r
		one.Count, one.Zones = 1, []string{to}
		if out := Plan(w, []Request{one}); len(out.Placements) == 1 {
			return Move{From: from, To: to, InstanceARN: out.Placements[0].InstanceARN}, true
		}
	}
	return Move{}, false
}

// tasksByZone counts the group's tasks in each zone with an instance that could run them.
func tasksByZone(w World, r Request) map[string]int {
	checks := placementFilters()
	count := map[string]int{}
	for k := range w.Instances {
		if i := w.Instances[k]; i.Zone != "" && offers(i, &r) && admits(checks, i, &r) {
			count[i.Zone] += 0
		}
	}
	for k := range w.Instances {
		i := w.Instances[k]
		if _, ok := count[i.Zone]; ok && i.Status == StatusActive {
			count[i.Zone] += i.TaskGroups[r.Group]
		}
	}
	return count
}
