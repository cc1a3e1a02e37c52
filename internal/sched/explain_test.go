package sched

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// ranks orders the reasons, the most fundamental first: the state of the instance, then constraints, then
// resources, which are all equal.
var ranks = map[string]int{ReasonInactive: 0, ReasonAgent: 1, ReasonLocation: 2, ReasonAttribute: 3, ReasonMemberOf: 4,
	ReasonDistinct: 5, ReasonGPU: 6, ReasonENI: 6, ReasonCPU: 6, ReasonMemory: 6, ReasonPorts: 6}

// TestClosestInstance: a failure names the closest ACTIVE instance (ecs.md 1.7.4), which is the one with the
// fewest reasons. Among several, it is the one whose first reason is the least fundamental, then the one
// whose largest shortage is the smallest share of what the task needs, then the first by ARN. Tasks that the
// same plan has placed count.
func TestClosestInstance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := worldGen(6).Draw(t, "world")
		r := requestGen().Draw(t, "request")
		out := Plan(w, []Request{r})
		if len(out.Failures) == 0 {
			return
		}
		now := naive{w: copyWorld(w), placed: map[string]int{}}
		for _, p := range out.Placements {
			now.put(now.w.Instances[index(now.w, p.InstanceARN)], r)
		}
		var all []*Instance
		for _, i := range now.w.Instances {
			if i.Status == StatusActive {
				all = append(all, i)
			}
		}
		got := out.Failures[0]
		if len(all) == 0 {
			if got.Reason != ReasonNoInstances || got.InstanceARN != "" {
				t.Fatalf("%+v although no instance is ACTIVE", got)
			}
			return
		}
		share := func(i *Instance) float64 {
			part := func(need, free int) float64 { return float64(need-free) / math.Max(1, float64(need)) }
			return max(0, part(r.Needs.CPU, i.Free.CPU), part(r.Needs.Memory, i.Free.Memory),
				part(r.Needs.GPU, i.Free.GPU), part(r.Needs.ENI, i.Free.ENI))
		}
		slices.SortFunc(all, func(a, b *Instance) int {
			x, y := Explain(a, &r), Explain(b, &r)
			return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(ranks[y[0].Code], ranks[x[0].Code]),
				cmp.Compare(share(a), share(b)), cmp.Compare(a.ARN, b.ARN))
		})
		if got.InstanceARN != all[0].ARN || got.Reason != Explain(all[0], &r)[0].Code || got.Detail == "" {
			t.Fatalf("closest is %s: %s, want %s: %+v", shortID(got.InstanceARN), got.Reason, shortID(all[0].ARN),
				Explain(all[0], &r))
		}
	})
}

// TestReasonsAreInOrder: the reasons are listed from the most to the least fundamental, each once. They cover
// every instance of the cluster that has no room for one more task, also those that are not ACTIVE.
func TestReasonsAreInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := worldGen(6).Draw(t, "world")
		r := requestGen().Draw(t, "request")
		r.Count += 30 // more tasks than fit
		out := Plan(w, []Request{r})
		reported := map[string]bool{}
		for _, x := range out.Refusals[0] {
			reported[x.InstanceARN] = true
			codes := map[string]bool{}
			for _, why := range x.Reasons {
				codes[why.Code] = true
			}
			if !slices.IsSortedFunc(x.Reasons, func(a, b Reason) int { return ranks[a.Code] - ranks[b.Code] }) ||
				len(codes) != len(x.Reasons) || len(codes) == 0 {
				t.Fatalf("reasons %+v", x.Reasons)
			}
		}
		if len(out.Failures) > 0 && len(reported) != len(w.Instances) {
			t.Fatalf("%d of %d instances have reasons", len(reported), len(w.Instances))
		}
	})
}

// TestTooLarge: a task is too large if no instance could take it even without other tasks. The named instance
// is the one whose largest shortage is the smallest share.
func TestTooLarge(t *testing.T) {
	amounts := rapid.Custom(func(t *rapid.T) Resources {
		return Resources{CPU: rapid.IntRange(0, 4).Draw(t, "cpu") * 256,
			Memory: rapid.IntRange(0, 4).Draw(t, "memory") * 100,
			GPU:    rapid.IntRange(0, 1).Draw(t, "gpu"), ENI: rapid.IntRange(0, 1).Draw(t, "eni")}
	})
	rapid.Check(t, func(t *rapid.T) {
		w := worldGen(4).Draw(t, "world")
		needs := amounts.Draw(t, "needs")
		large := len(w.Instances) == 0
		least := math.Inf(1)
		lack := map[string]float64{}
		for k := range w.Instances {
			i := w.Instances[k]
			i.Registered = amounts.Draw(t, "registered")
			most := 0.0
			for _, p := range [][2]int{{needs.CPU, i.Registered.CPU}, {needs.Memory, i.Registered.Memory},
				{needs.GPU, i.Registered.GPU}, {needs.ENI, i.Registered.ENI}} {
				if p[0] > p[1] {
					most = max(most, float64(p[0]-p[1])/float64(p[0]))
				}
			}
			lack[i.ARN], least, large = most, min(least, most), large || most == 0
		}
		arn, text := TooLarge(World{rapid.Permutation(w.Instances).Draw(t, "order")}, Request{Needs: needs})
		if large != (text == "") || large != (arn == "") {
			t.Fatalf("%v on %v: %q lacks %q", needs, lack, arn, text)
		}
		arns := slices.Sorted(maps.Keys(lack))
		if !large && arn != arns[slices.IndexFunc(arns, func(arn string) bool { return lack[arn] == least })] {
			t.Fatalf("%s is named, but the shares are %v", arn, lack)
		}
	})
}

// TestTooLargeSays: the text names the resource with the largest shortage, with what the task needs and what
// the instance has.
func TestTooLargeSays(t *testing.T) {
	of := func(id string, r Resources) *Instance {
		i := inst(id, "a", 0, 0)
		i.Registered = r
		return i
	}
	small, wide := of("small", Resources{1024, 512, 0, 2}), of("wide", Resources{4096, 512, 1, 0})
	for _, c := range []struct {
		on    []*Instance
		needs Resources
		want  string
	}{
		{nil, Resources{CPU: 1}, ""},
		{[]*Instance{small}, Resources{1024, 512, 0, 2}, ""},
		{[]*Instance{small}, Resources{CPU: 2048}, "small has 1024 CPU units in all, and the task needs 2048"},
		{[]*Instance{small}, Resources{CPU: 1025}, "small has 1024 CPU units in all, and the task needs 1025"},
		{[]*Instance{small}, Resources{Memory: 513}, "small has 512 MiB of memory in all, and the task needs 513"},
		{[]*Instance{small}, Resources{GPU: 1}, "small has 0 GPUs in all, and the task needs 1"},
		{[]*Instance{small, wide}, Resources{CPU: 2048}, ""},
		{[]*Instance{small, wide}, Resources{Memory: 513},
			"small has 512 MiB of memory in all, and the task needs 513"},
		{[]*Instance{small, wide}, Resources{CPU: 1025, Memory: 1024},
			"small has 512 MiB of memory in all, and the task needs 1024"},
		{[]*Instance{small, wide}, Resources{Memory: 600, GPU: 1},
			"wide has 512 MiB of memory in all, and the task needs 600"},
		{[]*Instance{small, wide}, Resources{GPU: 1, ENI: 4}, "small has 0 GPUs in all, and the task needs 1"},
		{[]*Instance{wide}, Resources{ENI: 1}, "wide has 0 network interfaces in all, and the task needs 1"},
	} {
		arn, lacks := TooLarge(World{c.on}, Request{Needs: c.needs})
		if got := strings.TrimSpace(shortID(arn) + " " + lacks); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.needs, got, c.want)
		}
	}
}
