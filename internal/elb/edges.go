package elb

import (
	"maps"
	"slices"
	"time"
)

// HealthBy returns a target's health from the verdicts of the attached edges. old is the health so far, or
// nil. said has, by the edge's id, new verdicts of some of the edges. The target is healthy only if every
// edge finds it healthy, and drained only if all have finished with it. If several edges do not find it
// healthy, the reason is that of the first one, by id, that finds it unhealthy. An edge without a verdict
// about this registration counts with the verdict that was known when the edge attached, if there was one.
func HealthBy(t *Target, old *TargetHealth, edges []string, said map[string]Verdict) *TargetHealth {
	if old == nil || !old.Registered.Equal(t.Registered) {
		old = &TargetHealth{Verdict: Verdict{Key: t.Key(), Registered: t.Registered, State: Initial,
			Reason:      ReasonRegistration,
			Description: registeringDescription, Since: t.Registered}}
	}
	edges = slices.Sorted(slices.Values(edges))
	views := make([]Verdict, len(edges))
	for i, id := range edges {
		views[i] = viewOf(id, old, said)
	}
	switch len(views) {
	case 0:
		return &TargetHealth{Verdict: old.Verdict}
	case 1:
		return &TargetHealth{Verdict: views[0]}
	}
	out := &TargetHealth{Verdict: worst(views), Edges: make(map[string]Verdict, len(edges))}
	out.Drained = !slices.ContainsFunc(views, func(v Verdict) bool { return !v.Drained })
	for i, v := range views {
		v.Key = "" // the row has it
		out.Edges[edges[i]] = v
	}
	return out
}

// viewOf is what one edge holds of a target.
func viewOf(id string, old *TargetHealth, said map[string]Verdict) Verdict {
	v, ok := said[id]
	if !ok || !v.Registered.Equal(old.Registered) {
		v, ok = old.Edges[id]
	}
	if !ok {
		v = old.Verdict
	}
	v.Key = old.Key
	return v
}

// worst is the view that decides: the first unhealthy one, else the first that has not judged, else
// the one that became healthy last.
func worst(views []Verdict) Verdict {
	for _, state := range []string{Unhealthy, Initial} {
		if i := slices.IndexFunc(views, func(v Verdict) bool { return v.State == state }); i >= 0 {
			return views[i]
		}
	}
	return slices.MaxFunc(views, func(a, b Verdict) int { return a.Since.Compare(b.Since) })
}

// Bound is where one edge serves a listener.
type Bound struct {
	// Address is host:port as bound, "" when the port could not be bound at all.
	Address string
	// Reason says in plain words why Address differs from what was asked, or why there is none; ""
	// when all is as asked.
	Reason string
	Since  time.Time
}

// BoundBy returns where a listener is served, given where the edges that serve have bound it, by
// their ids. If several edges have a problem, that of the first by id is used. It is nil when no edge
// has said anything.
func BoundBy(listenerARN string, edges map[string]Bound) *BoundListener {
	var out *BoundListener
	for _, id := range slices.Sorted(maps.Keys(edges)) {
		if b := edges[id]; out == nil || out.Reason == "" && b.Reason != "" {
			out = &BoundListener{ListenerARN: listenerARN, Bound: b}
		}
	}
	if len(edges) > 1 {
		out.Edges = edges
	}
	return out
}
