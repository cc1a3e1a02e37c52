package sched

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// ecs.md 2.9: the base first, then the ratio of the weights.
func TestDivide(t *testing.T) {
	a, b := Share{Provider: "a", Base: 2, Weight: 1}, Share{Provider: "b", Weight: 3}
	zero := Share{Provider: "zero"}
	for _, c := range []struct {
		name   string
		shares []Share
		have   map[string]int
		n      int
		want   []int
	}{
		{"base alone", []Share{a, b}, nil, 2, []int{2, 0}},
		{"base, then one to each of equal load", []Share{a, b}, nil, 3, []int{2, 1}},
		{"base and a whole round", []Share{a, b}, nil, 6, []int{3, 3}},
		{"base and two rounds", []Share{a, b}, nil, 10, []int{4, 6}},
		{"the base is filled already", []Share{a, b}, map[string]int{"a": 2}, 4, []int{1, 3}},
		{"what is missing comes first", []Share{a, b}, map[string]int{"a": 8}, 3, []int{0, 3}},
		{"a base of the last share", []Share{{Provider: "x", Weight: 1}, {Provider: "y", Base: 1, Weight: 1}}, nil, 3,
			[]int{1, 2}},
		{"a weight of 0 is unused", []Share{zero, b}, nil, 5, []int{0, 5}},
		{"a weight of 0 has its base", []Share{{Provider: "z", Base: 2}, b}, nil, 5, []int{2, 3}},
		{"no weights", []Share{zero}, nil, 5, []int{0}},
		{"no weights but a base", []Share{{Provider: "z", Base: 2}}, nil, 5, []int{2}},
		{"no shares", nil, nil, 5, []int{}},
		{"equal weights alternate", []Share{{Provider: "x", Weight: 1}, {Provider: "y", Weight: 1}}, nil, 5, []int{3,
			2}},
	} {
		if got := Divide(c.shares, c.have, c.n); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// shares draws a strategy with at least one weight.
func shares(rt *rapid.T) []Share {
	n := rapid.IntRange(1, 4).Draw(rt, "shares")
	list := make([]Share, n)
	for k := range list {
		list[k] = Share{Provider: fmt.Sprint("p", k), Weight: rapid.IntRange(0, 5).Draw(rt, "weight")}
	}
	list[rapid.IntRange(0, n-1).Draw(rt, "weighted")].Weight = rapid.IntRange(1, 5).Draw(rt, "its weight")
	list[rapid.IntRange(0, n-1).Draw(rt, "based")].Base = rapid.IntRange(0, 6).Draw(rt, "base")
	return list
}

// inRatio checks that the tasks keep the base and the ratio as well as whole tasks can: no share could give a task to
// another one and both would be nearer to the ratio.
func inRatio(rt *rapid.T, list []Share, count map[string]int) {
	rt.Helper()
	extra := func(s Share) int { return max(0, count[s.Provider]-s.Base) }
	any := false
	for _, s := range list {
		any = any || extra(s) > 0
		if s.Weight == 0 && extra(s) > 0 {
			rt.Fatalf("%s has a weight of 0 and %d tasks beyond its base: %v", s.Provider, extra(s), count)
		}
	}
	for _, s := range list {
		if any && count[s.Provider] < s.Base {
			rt.Fatalf("%s has %d tasks, less than its base, and others have tasks: %v", s.Provider, count[s.Provider],
				count)
		}
		for _, o := range list {
			if s.Weight > 0 && o.Weight > 0 && extra(s)*o.Weight > (extra(o)+1)*s.Weight {
				rt.Fatalf("%s has too many tasks beside %s: %v of %v", s.Provider, o.Provider, count, list)
			}
		}
	}
}

// A service of several providers keeps its ratio, however tasks are added and removed (ecs.md 2.9).
func TestSharesKeepTheirRatio(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		list := shares(rt)
		count, total := map[string]int{}, 0
		for range rapid.IntRange(1, 8).Draw(rt, "changes") {
			if n := rapid.IntRange(-20, 20).Draw(rt, "change"); n >= 0 {
				for k, more := range Divide(list, count, n) {
					count[list[k].Provider] += more
				}
				total += n
			} else {
				removed := stopTasks(list, count, min(-n, total))
				total -= removed
			}
			inRatio(rt, list, count)
			sum := 0
			for _, n := range count {
				sum += n
			}
			if sum != total {
				rt.Fatalf("%d tasks are in %v", total, count)
			}
		}
	})
}

// stopTasks scales in by n tasks, as the tasks of a service without any other difference.
func stopTasks(list []Share, count map[string]int, n int) int {
	tasks, provider := tasksOfProviders(count)
	for _, v := range ScaleInShares(World{}, "service:s", tasks, nil, list, n, 0) {
		count[provider[v.TaskID]]--
	}
	return n
}

func tasksOfProviders(count map[string]int) (tasks []Task, provider map[string]string) {
	provider = map[string]string{}
	for p, n := range count {
		for k := range n {
			id := fmt.Sprint(p, "/", k)
			tasks = append(tasks, Task{ID: id, Provider: p, Running: true, Healthy: true})
			provider[id] = p
		}
	}
	return tasks, provider
}

// What is added in parts is divided as what is added at once.
func TestDivideInParts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		list, n := shares(rt), rapid.IntRange(0, 40).Draw(rt, "n")
		parts := rapid.IntRange(0, n).Draw(rt, "first part")
		count := map[string]int{}
		for _, part := range []int{parts, n - parts} {
			for k, more := range Divide(list, count, part) {
				count[list[k].Provider] += more
			}
		}
		for k, want := range Divide(list, nil, n) {
			if got := count[list[k].Provider]; got != want {
				rt.Fatalf("%s has %d tasks in two parts and %d at once", list[k].Provider, got, want)
			}
		}
	})
}

// Tasks of providers that have left the strategy go first, then those of the provider with too many; protected ones
// stay (ecs.md 2.7, 2.9).
func TestScaleInShares(t *testing.T) {
	list := []Share{{Provider: "a", Base: 1, Weight: 1}, {Provider: "b", Weight: 1}}
	tasks, provider := tasksOfProviders(map[string]int{"a": 3, "b": 2, "gone": 1})
	var order []string
	for _, v := range ScaleInShares(World{}, "service:s", tasks, nil, list, len(tasks), 0) {
		order = append(order, provider[v.TaskID])
	}
	if want := []string{"gone", "b", "a", "b", "a", "a"}; !slices.Equal(order, want) {
		t.Errorf("stopped in the order %v, want %v", order, want)
	}

	for k := range tasks {
		tasks[k].Protected = tasks[k].Provider == "a"
	}
	for _, v := range ScaleInShares(World{}, "service:s", tasks, nil, list, len(tasks), 0) {
		if provider[v.TaskID] == "a" {
			t.Errorf("the protected task %s is stopped", v.TaskID)
		}
	}
}

// An unhealthy task goes before a healthy one of a provider with too many (ecs.md 2.7).
func TestScaleInSharesKeepsTheClasses(t *testing.T) {
	list := []Share{{Provider: "a", Weight: 1}, {Provider: "b", Weight: 1}}
	tasks, provider := tasksOfProviders(map[string]int{"a": 5, "b": 1})
	for k := range tasks {
		tasks[k].Healthy = tasks[k].Provider == "a"
	}
	first := ScaleInShares(World{}, "service:s", tasks, nil, list, 1, 0)
	if len(first) != 1 || provider[first[0].TaskID] != "b" {
		t.Errorf("stopped %v first, want the unhealthy task of b", first)
	}
}

// A request for a provider is placed on its instances alone, and only they explain why there is no room (ecs.md 1.7.4).
func TestPlanOnAProvider(t *testing.T) {
	instance := func(name, provider string, cpu int) *Instance {
		return &Instance{ARN: "arn/" + name, Provider: provider, Status: StatusActive, AgentConnected: true,
			Registered: Resources{CPU: 1024, Memory: 1024, ENI: 9}, Free: Resources{CPU: cpu, Memory: 1024, ENI: 9}}
	}
	w := World{Instances: []*Instance{instance("1", "", 1024), instance("2", "p", 1024), instance("3", "q", 0)}}
	ask := func(provider string, n int) Result {
		return Plan(w, []Request{{Group: "service:s", Count: n, Provider: provider, Needs: Resources{CPU: 512,
			Memory: 10}}})
	}
	if got := ask("p", 3); len(got.Placements) != 2 || got.Placements[0].InstanceARN != "arn/2" ||
		len(got.Refusals[0]) != 1 || got.Failures[0].Reason != ReasonCPU {
		t.Errorf("on p: %+v", got)
	}
	if got := ask("", 4); len(got.Placements) != 4 {
		t.Errorf("without a provider every instance is used: %+v", got)
	}
	none := ask("empty", 1)
	want := "(service s) was unable to place a task because no container instance met all of its requirements. " +
		"Reason: No Container Instances were found in your capacity provider."
	if len(none.Failures) != 1 || none.Failures[0].Event("s") != want {
		t.Errorf("on a provider without instances: %+v", none)
	}
	if on := Eligible(w, Request{Provider: "q"}); !slices.Equal(on, []string{"arn/3"}) {
		t.Errorf("eligible for q: %v", on)
	}
	big := Request{Provider: "q", Needs: Resources{CPU: 2048}}
	if on, lacks := TooLarge(w, big); on != "arn/3" || lacks == "" {
		t.Errorf("too large on q: %s %s", on, lacks)
	}
}

// What Divide gives last, scaling in takes first, so that a service which grows and shrinks again has the tasks that it
// had (ecs.md 2.9).
func TestScaleInUndoesDivide(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		list := shares(rt)
		before, more := map[string]int{}, rapid.IntRange(0, 20).Draw(rt, "more")
		for k, n := range Divide(list, nil, rapid.IntRange(0, 20).Draw(rt, "first")) {
			before[list[k].Provider] = n
		}
		after := map[string]int{}
		for k, n := range Divide(list, before, more) {
			after[list[k].Provider] = before[list[k].Provider] + n
		}
		stopTasks(list, after, more)
		for p, n := range before {
			if after[p] != n {
				rt.Fatalf("%s has %d tasks, and had %d: %v became %v", p, after[p], n, before, after)
			}
		}
	})
}

// Every task is chosen once, whatever the shares; the first n of a long list are the list for n.
func TestScaleInSharesChoosesEachOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		list := shares(rt)
		count := map[string]int{"gone": rapid.IntRange(0, 3).Draw(rt, "gone")}
		for _, s := range list {
			count[s.Provider] = rapid.IntRange(0, 6).Draw(rt, s.Provider)
		}
		tasks, _ := tasksOfProviders(count)
		for k := range tasks {
			tasks[k].Running = rapid.Bool().Draw(rt, "running")
			tasks[k].Deployment = rapid.IntRange(0, 1).Draw(rt, "deployment")
		}
		all := ScaleInShares(World{}, "service:s", tasks, nil, list, len(tasks), 0)
		seen := map[string]bool{}
		for _, v := range all {
			if seen[v.TaskID] {
				rt.Fatalf("%s is chosen twice", v.TaskID)
			}
			seen[v.TaskID] = true
		}
		if len(seen) != len(tasks) {
			rt.Fatalf("%d of %d tasks are chosen", len(seen), len(tasks))
		}
		n := rapid.IntRange(0, len(tasks)).Draw(rt, "n")
		if some := ScaleInShares(World{}, "service:s", tasks, nil, list, n, 0); !slices.Equal(some, all[:n]) {
			rt.Fatalf("the first %d are %v, and alone they are %v", n, all[:n], some)
		}
	})
}

// Without a strategy, scaling in does not look at capacity providers.
func TestScaleInWithoutShares(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tasks, _ := tasksOfProviders(map[string]int{"a": rapid.IntRange(0, 4).Draw(rt, "a"), "b": 2})
		with := ScaleIn(World{}, "service:s", tasks, nil, len(tasks), 1)
		for k := range tasks {
			tasks[k].Provider = ""
		}
		if without := ScaleIn(World{}, "service:s", tasks, nil, len(tasks), 1); !slices.Equal(with, without) {
			rt.Fatalf("%v with capacity providers and %v without", with, without)
		}
	})
}

// From which provider the next task is taken (ecs.md 2.7, 2.9).
func TestMostLoaded(t *testing.T) {
	a, b, zero := Share{Provider: "a", Base: 1, Weight: 1}, Share{Provider: "b", Weight: 2}, Share{Provider: "zero"}
	for _, c := range []struct {
		name       string
		candidates []string
		count      map[string]int
		want       string
	}{
		{"a provider that has left the strategy", []string{"a", "gone"}, map[string]int{"a": 9, "gone": 1}, "gone"},
		{"a weight of 0", []string{"a", "b", "zero"}, map[string]int{"a": 9, "b": 9, "zero": 1}, "zero"},
		{"the most for its weight", []string{"a", "b"}, map[string]int{"a": 4, "b": 5}, "a"},
		{"the later of equal ones", []string{"a", "b"}, map[string]int{"a": 2, "b": 2}, "b"},
		{"the base last", []string{"a", "b"}, map[string]int{"a": 1, "b": 1}, "b"},
		{"the base if nothing else is left", []string{"a"}, map[string]int{"a": 1}, "a"},
		{"one whose tasks are all protected is none", []string{"b"}, map[string]int{"a": 9, "b": 1}, "b"},
	} {
		if got := mostLoaded([]Share{a, b, zero}, c.candidates, c.count); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// A strategy that names a provider which no task has, and tasks of no provider, are no reason to stop.
func TestScaleInSharesOfNone(t *testing.T) {
	if got := ScaleInShares(World{}, "service:s", nil, nil, []Share{{Provider: "a", Weight: 1}}, 3, 0); len(got) != 0 {
		t.Errorf("stopped %v", got)
	}
}
