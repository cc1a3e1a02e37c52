package elb

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// at returns a time the given number of seconds after the start of the tests.
func at(seconds int) time.Time { return time.Unix(1_700_000_000+int64(seconds), 0).UTC() }

// drawVerdict draws the verdict of an edge about a target that was registered at one of two times.
func drawVerdict(rt *rapid.T) Verdict {
	v := Verdict{
		Registered: at(rapid.IntRange(0, 1).Draw(rt, "registered")),
		State:      rapid.SampledFrom([]string{Initial, Healthy, Unhealthy}).Draw(rt, "state"),
		Since:      at(rapid.IntRange(0, 9).Draw(rt, "since")),
		Drained:    rapid.Bool().Draw(rt, "drained"),
	}
	if v.State == Unhealthy {
		v.Reason = ReasonTimeout
	}
	return v
}

// The verdicts of edges arrive in any order. The target is healthy only if all edges find it healthy, and
// drained only if all edges have finished with it. A verdict about an earlier registration is ignored
// (decision 0381).
func TestHealthByAllEdges(t *testing.T) {
	target := &Target{TargetGroupARN: "tg", ID: "i-1", Port: 80, Registered: at(1)}
	rapid.Check(t, func(rt *rapid.T) {
		var edges []string
		for i := range rapid.IntRange(0, 3).Draw(rt, "edges") {
			edges = append(edges, fmt.Sprint("edge-", i))
		}
		var health *TargetHealth
		latest := map[string]Verdict{} // the last verdict of each edge about this registration
		for range rapid.IntRange(1, 5).Draw(rt, "rounds") {
			said := map[string]Verdict{}
			for _, e := range edges {
				if rapid.Bool().Draw(rt, e+" says something") {
					said[e] = drawVerdict(rt)
					if said[e].Registered.Equal(target.Registered) {
						latest[e] = said[e]
					}
				}
			}
			order := slices.Clone(edges)
			slices.Reverse(order)
			other := HealthBy(target, health, order, said)
			health = HealthBy(target, health, edges, said)
			if other.State != health.State || other.Reason != health.Reason || other.Drained != health.Drained {
				rt.Fatalf("the order of edges changes the result: %+v or %+v", health, other)
			}
			checkHealth(rt, target, health, edges, latest)
		}
	})
}

func checkHealth(rt *rapid.T, target *Target, health *TargetHealth, edges []string, latest map[string]Verdict) {
	if health.Key != target.Key() || !health.Registered.Equal(target.Registered) {
		rt.Fatalf("the health of %s has the key %s, registered %v", target.Key(), health.Key, health.Registered)
	}
	if len(edges) < 2 && len(health.Edges) != 0 || len(edges) > 1 && len(health.Edges) != len(edges) {
		rt.Fatalf("of %d edges %d are stored", len(edges), len(health.Edges))
	}
	if len(edges) == 0 {
		return
	}
	worst, drained := Healthy, true
	for _, e := range edges {
		state, done := Initial, false
		if v, ok := latest[e]; ok {
			state, done = v.State, v.Drained
		}
		if state == Unhealthy || state == Initial && worst == Healthy {
			worst = state
		}
		drained = drained && done
	}
	if health.State != worst || health.Drained != drained {
		rt.Fatalf("it is %s and drained: %v, want %s and %v; edges say %+v", health.State, health.Drained, worst,
			drained,
			latest)
	}
}

// A new edge starts with the existing verdict, so attaching a second edge does not make a healthy target
// unhealthy.
func TestANewEdgeHoldsWhatIsKnown(t *testing.T) {
	target := &Target{TargetGroupARN: "tg", ID: "i-1", Port: 80, Registered: at(1)}
	healthy := Verdict{Registered: at(1), State: Healthy, Since: at(5)}
	one := HealthBy(target, nil, []string{"a"}, map[string]Verdict{"a": healthy})
	if one.State != Healthy || len(one.Edges) != 0 {
		t.Fatalf("one edge: %+v", one)
	}
	two := HealthBy(target, one, []string{"a", "b"}, nil)
	if two.State != Healthy || len(two.Edges) != 2 || two.Edges["b"].State != Healthy {
		t.Errorf("a second edge: %+v", two)
	}
	sick := Verdict{Registered: at(1), State: Unhealthy, Reason: ReasonTimeout, Since: at(7)}
	if both := HealthBy(target, two, []string{"b", "a"}, map[string]Verdict{"b": sick}); both.State != Unhealthy ||
		both.Reason != ReasonTimeout || both.Edges["a"].State != Healthy {
		t.Errorf("the second edge finds it unhealthy: %+v", both)
	}
	// The second edge detaches, and its verdict no longer counts.
	if left := HealthBy(target, two, []string{"a"}, nil); left.State != Healthy || len(left.Edges) != 0 {
		t.Errorf("one edge is left: %+v", left)
	}
	again := *target
	again.Registered = at(9)
	if fresh := HealthBy(&again, two, []string{"a"}, map[string]Verdict{"a": healthy}); fresh.State != Initial ||
		fresh.Reason != ReasonRegistration || !fresh.Since.Equal(at(9)) {
		t.Errorf("registered again: %+v", fresh)
	}
	if none := HealthBy(target, nil, nil, nil); none.State != Initial || none.Description == "" {
		t.Errorf("no edge: %+v", none)
	}
}

// If several edges have a problem, that of the first by id is used.
func TestBoundBy(t *testing.T) {
	asked := func(port int) Bound { return Bound{Address: fmt.Sprint("127.0.0.1:", port), Since: at(port)} }
	moved := Bound{Address: "127.0.0.1:8080", Reason: "port 80 is taken"}
	closed := Bound{Reason: "no port is free"}
	for _, tt := range []struct {
		name  string
		edges map[string]Bound
		want  *Bound
		kept  int
	}{
		{"no edge", nil, nil, 0},
		{"one edge as asked", map[string]Bound{"a": asked(80)}, new(asked(80)), 0},
		{"one edge elsewhere", map[string]Bound{"a": moved}, &moved, 0},
		{"two edges as asked", map[string]Bound{"a": asked(80), "b": asked(81)}, new(asked(80)), 2},
		{"the second elsewhere", map[string]Bound{"a": asked(80), "b": moved}, &moved, 2},
		{"both elsewhere", map[string]Bound{"a": closed, "b": moved}, &closed, 2},
	} {
		got := BoundBy("listener", tt.edges)
		switch {
		case tt.want == nil:
			if got != nil {
				t.Errorf("%s: %+v", tt.name, got)
			}
		case got.Bound != *tt.want || got.ListenerARN != "listener" || len(got.Edges) != tt.kept:
			t.Errorf("%s: %+v, want %+v and %d edges", tt.name, got, *tt.want, tt.kept)
		case tt.kept > 0 && !maps.Equal(got.Edges, tt.edges):
			t.Errorf("%s: edges %+v", tt.name, got.Edges)
		}
	}
}

// A slot that was freed is used again as late as possible. No slot is used twice at a time, and NextSlot
// returns none when all are in use.
func TestNextSlot(t *testing.T) {
	const last = 4
	rapid.Check(t, func(rt *rapid.T) {
		var all []*LoadBalancer
		var given []int
		for i := range rapid.IntRange(1, 15).Draw(rt, "steps") {
			if len(all) > 0 && rapid.Bool().Draw(rt, "delete") {
				at := rapid.IntRange(0, len(all)-1).Draw(rt, "which")
				all = slices.Delete(slices.Clone(all), at, at+1)
				continue
			}
			slot := NextSlot(slices.Values(all), last)
			taken := slices.ContainsFunc(all, func(l *LoadBalancer) bool { return l.Slot == slot && slot > 0 })
			numbered := 0
			for _, l := range all {
				if l.Slot > 0 {
					numbered++
				}
			}
			if taken || slot < 0 || slot > last || (slot == 0) != (numbered == last) {
				rt.Fatalf("slot %d while %d of %d are in use", slot, numbered, last)
			}
			all = append(all, &LoadBalancer{ARN: fmt.Sprint(i), Slot: slot, Created: at(i)})
			given = append(given, slot)
		}
		if len(given) >= 2 && given[0] != 1 {
			rt.Fatalf("the first slots are %v", given)
		}
	})
	// One load balancer is made and deleted again and again. It gets another slot each time until all were
	// used.
	var got []int
	for i := range 6 {
		keep := &LoadBalancer{Slot: 1, Created: at(0)}
		newest := &LoadBalancer{Slot: max(1, 1+(i%3)), Created: at(i + 1)}
		got = append(got, NextSlot(slices.Values([]*LoadBalancer{keep, newest}), last))
	}
	if want := []int{2, 3, 4, 2, 3, 4}; !slices.Equal(got, want) {
		t.Errorf("slots after the newest of 1, 2, 3: %v, want %v", got, want)
	}
}

// alb.md D1: a deregistered target gets no new requests, and its connections may end within the delay.
func TestDeregister(t *testing.T) {
	target := &Target{TargetGroupARN: "tg", ID: "10.0.0.1", Port: 3000, Registered: at(1)}
	gone := target.Deregister(at(5), 300*time.Second)
	if !gone.IsDraining() || !gone.Draining.Equal(at(5)) || !gone.DrainUntil.Equal(at(305)) ||
		!gone.Registered.Equal(at(1)) || gone.Key() != target.Key() {
		t.Errorf("deregistered: %+v", gone)
	}
	if target.IsDraining() {
		t.Error("Deregister changed its receiver")
	}
}

// The keys of a group's targets are a range of their table, and no other group's targets are in that range.
func TestTargetKeys(t *testing.T) {
	one := TargetGroupARN("us-east-1", "123456789012", "web", "1111111111111111")
	two := TargetGroupARN("us-east-1", "123456789012", "web", "1111111111111112")
	var keys []string
	for _, group := range []string{one, two} {
		for _, id := range []string{"i-0123456789abcdef0", "10.0.0.1", "2001:db8::1"} {
			for _, port := range []int{80, 8080} {
				key := TargetKey(group, id, port)
				keys = append(keys, key)
				if GroupOfTargetKey(key) != group {
					t.Errorf("the group of %s is %s", key, GroupOfTargetKey(key))
				}
				for _, g := range []string{one, two} {
					if starts := len(key) > len(TargetPrefix(g)) &&
						key[:len(TargetPrefix(g))] == TargetPrefix(g); starts !=
						(g == group) {
						t.Errorf("%s is among the targets of %s: %v", key, g, starts)
					}
				}
			}
		}
	}
	slices.Sort(keys)
	if len(slices.Compact(keys)) != 12 {
		t.Errorf("12 targets have the keys %q", keys)
	}
}
