package sched

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func taskGen(w World) *rapid.Generator[[]Task] {
	return rapid.Custom(func(t *rapid.T) []Task {
		var list []Task
		for k := range rapid.IntRange(0, 12).Draw(t, "tasks") {
			x := Task{ID: fmt.Sprintf("t%02d", k), Deployment: rapid.IntRange(0, 1).Draw(t, "deployment"),
				Running:   rapid.IntRange(0, 4).Draw(t, "running") > 0,
				Healthy:   rapid.IntRange(0, 4).Draw(t, "healthy") > 0,
				Protected: rapid.IntRange(0, 4).Draw(t, "protected") == 0,
				Needs: Resources{CPU: rapid.IntRange(1, 3).Draw(t, "cpu") * 64,
					Memory: rapid.IntRange(1, 3).Draw(t, "memory") * 64}}
			if n := rapid.IntRange(0, len(w.Instances)).Draw(t, "on"); n < len(w.Instances) {
				x.InstanceARN = w.Instances[n].ARN
			}
			list = append(list, x)
		}
		return list
	})
}

// count sets the world's number of tasks of group g on each instance to the number in tasks.
func count(w World, tasks []Task) {
	for k := range w.Instances {
		w.Instances[k].TaskGroups = map[string]int{}
	}
	for _, x := range tasks {
		if k := index(w, x.InstanceARN); k >= 0 {
			w.Instances[k].TaskGroups["g"]++
		}
	}
}

// TestScaleInCountsTheWholeGroup: tasks that cannot be stopped count too when zones are compared (ecs.md
// 2.7).
func TestScaleInCountsTheWholeGroup(t *testing.T) {
	w := cluster(2)
	w.Instances[0].TaskGroups = map[string]int{"g": 1, "other": 9}
	w.Instances[1].TaskGroups = map[string]int{"g": 5}
	tasks := []Task{
		{ID: "a", InstanceARN: w.Instances[0].ARN, Running: true, Healthy: true},
		{ID: "b", InstanceARN: w.Instances[1].ARN, Running: true, Healthy: true},
	}
	if v := ScaleIn(w, "g", tasks, nil, 1, 7); len(v) != 1 || v[0].TaskID != "b" {
		t.Errorf("stopped %+v, want the task beside the four that stay", v)
	}
}

// TestScaleInOrder: tasks that are unhealthy or not running go first, then those on instances that are
// leaving, then those of older deployments. Protected tasks never go. The victims of a smaller scale-in are
// the first victims of a larger one (ecs.md 2.7, 3.10).
func TestScaleInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := worldGen(5).Draw(t, "world")
		tasks := taskGen(w).Draw(t, "list")
		count(w, tasks)
		strategies := rapid.SliceOfN(rapid.SampledFrom(strategySamples), 0, 3).Draw(t, "strategies")
		seed := rapid.Uint64().Draw(t, "seed")
		all := ScaleIn(w, "g", tasks, strategies, len(tasks), seed)
		task := func(v Victim) Task {
			return tasks[slices.IndexFunc(tasks, func(t Task) bool { return t.ID == v.TaskID })]
		}
		weight := func(v Victim) int {
			x := task(v)
			k := index(w, x.InstanceARN)
			switch {
			case x.Protected:
				t.Fatalf("protected task %+v", x)
			case !x.Running:
				return 0
			case !x.Healthy:
				return 1
			case k < 0 || w.Instances[k].Status != StatusActive:
				return 2
			}
			return 3
		}
		if !slices.IsSortedFunc(all, func(a, b Victim) int {
			return cmp.Or(cmp.Compare(weight(a), weight(b)), cmp.Compare(task(a).Deployment, task(b).Deployment))
		}) {
			t.Fatalf("order %+v of %+v", all, tasks)
		}
		free := slices.DeleteFunc(slices.Clone(tasks), func(x Task) bool { return x.Protected })
		if len(all) != len(free) {
			t.Fatalf("%d victims of %d unprotected tasks", len(all), len(free))
		}
		n := rapid.IntRange(0, len(tasks)).Draw(t, "n")
		some := ScaleIn(World{rapid.Permutation(w.Instances).Draw(t, "w")}, "g",
			rapid.Permutation(tasks).Draw(t, "p"), strategies, n, seed)
		if want := all[:min(n, len(all))]; !slices.Equal(some, want) && len(some)+len(want) > 0 {
			t.Fatalf("the first %d are %v, of %v", n, some, all)
		}
	})
}

// TestScaleInEqualsNaive: among tasks of the same rank, each victim is on an instance that the inverted
// strategies prefer when everything is counted again.
func TestScaleInEqualsNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := worldGen(5).Draw(t, "world")
		for k := range w.Instances {
			w.Instances[k].Status = StatusActive
			w.Instances[k].Free = Resources{CPU: 64 * rapid.IntRange(0, 2).Draw(t, "free CPU"), Memory: 64}
		}
		tasks := slices.DeleteFunc(taskGen(w).Draw(t, "list"), func(x Task) bool { return x.InstanceARN == "" })
		for k := range tasks {
			tasks[k].Running, tasks[k].Healthy, tasks[k].Deployment = true, true, 0
		}
		count(w, tasks)
		chain := rapid.SliceOfN(rapid.SampledFrom(strategySamples[:5]), 1, 3).Draw(t, "strategies")
		left := slices.Clone(tasks)
		now := copyWorld(w)
		for _, v := range ScaleIn(w, "g", tasks, chain, len(tasks), 1) {
			k := slices.IndexFunc(left, func(x Task) bool { return x.ID == v.TaskID })
			chosen := inverted(now, left, left[k], chain)
			next := map[string]bool{}
			for _, x := range left {
				if x.Protected || next[x.InstanceARN] {
					continue // the first task by ID stands for its instance
				}
				next[x.InstanceARN] = true
				if slices.Compare(inverted(now, left, x, chain), chosen) < 0 {
					t.Fatalf("%s was stopped although %s is preferable\n%+v", v.TaskID, x.ID, left)
				}
			}
			i := now.Instances[index(now, left[k].InstanceARN)]
			i.Free = i.Free.plus(left[k].Needs)
			left = slices.Delete(left, k, k+1)
		}
	})
}

// inverted returns what the strategies minimise when a task is stopped.
func inverted(w World, left []Task, x Task, chain []Strategy) []int {
	i := w.Instances[index(w, x.InstanceARN)]
	var key []int
	var fields []string
	for _, s := range chain {
		n := 0
		switch s.kind {
		case byFreeCPU:
			n = i.Free.CPU + x.Needs.CPU
		case byFreeMemory:
			n = i.Free.Memory + x.Needs.Memory
		case byAttribute, byInstance:
			if s.kind == byAttribute {
				fields = append(fields, s.attribute)
			}
			for _, o := range left {
				j := w.Instances[index(w, o.InstanceARN)]
				same := s.kind == byAttribute || j.ARN == i.ARN
				for _, f := range fields {
					a, _ := i.attribute(f)
					b, _ := j.attribute(f)
					same = same && (a == b || s.kind == byInstance)
				}
				if same {
					n++
				}
			}
		}
		key = append(key, -n)
	}
	return key
}
