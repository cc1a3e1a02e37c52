package sched

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestNothingIsOversubscribed: no plan uses more of an instance than is free, uses a port twice, breaks a
// constraint or places a task on an instance that must not get one (ecs.md 2.1, 2.5).
func TestNothingIsOversubscribed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, requests := planGen(t)
		now := copyWorld(w)
		state := naive{w: now, placed: map[string]int{}}
		for _, p := range Plan(w, requests).Placements {
			i, r := now.Instances[index(now, p.InstanceARN)], requests[p.Request]
			if !state.fits(i, r) {
				t.Fatalf("task of %+v does not fit on %+v", r, *i)
			}
			state.put(i, r)
		}
	})
}

// TestEveryTaskIsAccountedFor: for each request, the placements and the failures add up to the requested
// number.
func TestEveryTaskIsAccountedFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, requests := planGen(t)
		out := Plan(w, requests)
		for k, r := range requests {
			n := 0
			for _, p := range out.Placements {
				if p.Request == k {
					n++
				}
			}
			failed := 0
			for _, f := range out.Failures {
				if f.Request == k {
					failed++
				}
			}
			if n+failed != r.Count {
				t.Fatalf("request %d: %d placed, %d failed, %d wanted", k, n, failed, r.Count)
			}
			if _, reported := out.Refusals[k]; reported != (failed > 0) {
				t.Fatalf("request %d: %d failed, reasons were reported: %v", k, failed, reported)
			}
		}
	})
}

// TestOrderOfInstancesDoesNotMatter: a plan does not depend on the order in which the instances are listed.
func TestOrderOfInstancesDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, requests := planGen(t)
		shuffled := World{Instances: rapid.Permutation(w.Instances).Draw(t, "shuffled")}
		if a, b := Plan(w, requests), Plan(shuffled, requests); !reflect.DeepEqual(a, b) {
			t.Fatalf("plans differ:\n%+v\n%+v", a, b)
		}
	})
}

// TestSpreadIsEven: when every instance has room for all tasks, the numbers per zone differ by at most one,
// and so do those per instance within a zone (ecs.md 2.3, 2.4).
func TestSpreadIsEven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := cluster(rapid.IntRange(1, 12).Draw(t, "instances"))
		r := Request{Group: "service:web", Count: rapid.IntRange(0, 40).Draw(t, "count"), DefaultSpread: true}
		perZone, perInstance := map[string]int{}, map[string]map[string]int{}
		for _, i := range w.Instances {
			perZone[i.Zone] = 0
			if perInstance[i.Zone] == nil {
				perInstance[i.Zone] = map[string]int{}
			}
			perInstance[i.Zone][i.ARN] = 0
		}
		for _, p := range Plan(w, []Request{r}).Placements {
			zone := w.Instances[index(w, p.InstanceARN)].Zone
			perZone[zone]++
			perInstance[zone][p.InstanceARN]++
		}
		for what, counts := range map[string]map[string]int{"zones": perZone, "a": perInstance[zones[0]],
			"b": perInstance[zones[1]], "c": perInstance[zones[2]]} {
			if list := slices.Sorted(maps.Values(counts)); len(list) > 0 && list[len(list)-1]-list[0] > 1 {
				t.Fatalf("%s: %v", what, counts)
			}
		}
	})
}

// TestBinpackUsesFewInstances: equal instances are filled one after the other (ecs.md 2.3).
func TestBinpackUsesFewInstances(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := cluster(rapid.IntRange(1, 9).Draw(t, "instances"))
		for k := range w.Instances {
			w.Instances[k].Free = Resources{CPU: 1024, Memory: 1024}
		}
		r := Request{Group: "g", Count: rapid.IntRange(0, 40).Draw(t, "count"), Needs: Resources{CPU: 256, Memory: 128},
			Strategies: []Strategy{{kind: rapid.SampledFrom([]strategyKind{byFreeCPU, byFreeMemory}).Draw(t, "by")}}}
		out := Plan(w, []Request{r})
		used := map[string]bool{}
		for _, p := range out.Placements {
			used[p.InstanceARN] = true
		}
		if want := (len(out.Placements) + 3) / 4; len(used) != want {
			t.Fatalf("%d tasks on %d instances, but %d are enough", len(out.Placements), len(used), want)
		}
	})
}

// TestReasonsAreTrue: an instance has reasons if and only if the task does not fit on it. When the cause of a
// reason is removed, the reason is gone.
func TestReasonsAreTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := worldGen(6).Draw(t, "world")
		r := requestGen().Draw(t, "request")
		n := naive{w: copyWorld(w)}
		for k := range w.Instances {
			i := w.Instances[k]
			reasons := Explain(i, &r)
			if n.fits(i, r) != (len(reasons) == 0) {
				t.Fatalf("fits: %v, reasons %v\n%+v\n%+v", n.fits(i, r), reasons, i, r)
			}
			for _, reason := range reasons {
				cured, lighter := cure(*i, r, reason.Code)
				if slices.ContainsFunc(Explain(&cured, &lighter),
					func(x Reason) bool { return x.Code == reason.Code }) {
					t.Fatalf("%v stays without its cause: %+v %+v", reason, cured, lighter)
				}
			}
		}
	})
}

// cure removes the cause of a reason from the instance and the request.
func cure(i Instance, r Request, code string) (Instance, Request) {
	switch code {
	case ReasonInactive:
		i.Status = StatusActive
	case ReasonAgent:
		i.AgentConnected = true
	case ReasonLocation:
		r.Zones = []string{i.Zone}
	case ReasonAttribute:
		i.Attributes = maps.Clone(i.Attributes)
		for _, a := range r.RequiredAttributes {
			i.Attributes[a.Name] = a.Value
		}
	case ReasonMemberOf:
		r.Constraints = slices.DeleteFunc(slices.Clone(r.Constraints), func(c Constraint) bool { return c.expr != nil })
	case ReasonDistinct:
		i.TaskGroups = map[string]int{}
	case ReasonGPU:
		i.Free.GPU = r.Needs.GPU
	case ReasonENI:
		i.Free.ENI = r.Needs.ENI
	case ReasonCPU:
		i.Free.CPU = r.Needs.CPU
	case ReasonMemory:
		i.Free.Memory = r.Needs.Memory
	case ReasonPorts:
		i.PortsTCP, i.PortsUDP = nil, nil
	}
	return i, r
}

// TestRandomIsFair: over many seeds, every instance that fits is chosen about equally often, whichever was
// chosen before.
func TestRandomIsFair(t *testing.T) {
	w := cluster(4)
	first, pairs := map[string]int{}, map[string]int{}
	const rounds = 4000
	for seed := range uint64(rounds) {
		p := Plan(w, []Request{{Group: "g", Count: 2, Seed: seed, Strategies: []Strategy{{kind: byChance}}}}).Placements
		first[p[0].InstanceARN]++
		pairs[fmt.Sprint(shortID(p[0].InstanceARN), shortID(p[1].InstanceARN))]++
	}
	for arn, n := range first {
		if n < rounds/4*85/100 || n > rounds/4*115/100 {
			t.Errorf("%s was first %d times of %d", shortID(arn), n, rounds)
		}
	}
	if len(pairs) != 16 {
		t.Errorf("%d of 16 pairs", len(pairs))
	}
	for pair, n := range pairs {
		if n < rounds/16*70/100 || n > rounds/16*130/100 {
			t.Errorf("%s came %d times of %d", pair, n, rounds)
		}
	}
}

// TestEventNamesTheInstanceShortly: an event names an instance by its id and not by its ARN (ecs.md 1.7.4).
func TestEventNamesTheInstanceShortly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, requests := planGen(t)
		for _, f := range Plan(w, requests).Failures {
			text := f.Event("web")
			if !strings.HasPrefix(text, "(service web) was unable to place a task because no container "+
				"instance met all of its requirements. ") ||
				strings.Contains(text, "arn:") {
				t.Fatal(text)
			}
		}
	})
}
