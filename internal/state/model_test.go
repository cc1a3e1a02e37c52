package state_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// model is the tables of services and tasks as plain maps.
type model struct {
	services map[string]ecs.Service
	tasks    map[string]ecs.Task
}

func (m model) clone() model { return model{maps.Clone(m.services), maps.Clone(m.tasks)} }

// Names that begin alike, that contain one another, and odd ones.
var (
	keys    = rapid.SampledFrom([]string{"a", "ab", "abc", "b", "b/a", "b/", "é\x00", "\uffff", "\x00"})
	entries = rapid.SampledFrom([]string{"", "x", "xy", "x\x00", "y", strings.Repeat("long", 40)})
)

// TestAgainstAModel runs random transactions, failures, compactions and
// restarts, and compares everything that can be read with plain maps.
func TestAgainstAModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		j := mem.New()
		s := open(t, j)
		defer func() { s.Close() }()
		m := model{map[string]ecs.Service{}, map[string]ecs.Task{}}
		rt.Repeat(map[string]func(*rapid.T){
			"update": func(rt *rapid.T) {
				next := m.clone()
				fail := rapid.IntRange(0, 4).Draw(rt, "fail") == 0
				err := s.Update(t.Context(), func(tx *state.Tx) error {
					for range rapid.IntRange(0, 6).Draw(rt, "steps") {
						step(rt, tx, next)
						compare(rt, &tx.Tables, next)
					}
					if fail {
						return errAbort
					}
					return nil
				})
				switch {
				case fail && !errors.Is(err, errAbort) || !fail && err != nil:
					rt.Fatalf("update: %v", err)
				case !fail:
					m = next
				}
			},
			"compact": func(rt *rapid.T) {
				if err := s.Compact(context.Background()); err != nil {
					rt.Fatal(err)
				}
			},
			"reopen": func(rt *rapid.T) {
				live := s.View()
				s.Close()
				s = open(t, j.Reopen())
				if got := s.View(); got.Rev != live.Rev || got.Dump() != live.Dump() {
					rt.Fatalf("replayed revision %d\n%s\nlive was %d\n%s", got.Rev, got.Dump(), live.Rev, live.Dump())
				}
			},
			"": func(rt *rapid.T) { compare(rt, &s.View().Tables, m) },
		})
	})
}

var errAbort = errors.New("abort")

// step does one random write to both.
func step(rt *rapid.T, tx *state.Tx, m model) {
	key := keys.Draw(rt, "key")
	switch rapid.IntRange(0, 3).Draw(rt, "what") {
	case 0:
		tx.Tasks.Delete(key)
		delete(m.tasks, key)
	case 1:
		tx.Services.Delete(key)
		delete(m.services, key)
	case 2:
		v := ecs.Service{ServiceARN: key, ClusterARN: entries.Draw(rt, "cluster"), LoadBalancers: balancers(rt)}
		tx.Services.Put(new(v))
		m.services[key] = v
	default:
		v := ecs.Task{
			TaskARN:              key,
			ClusterARN:           entries.Draw(rt, "cluster"),
			ServiceARN:           entries.Draw(rt, "service"),
			ContainerInstanceARN: entries.Draw(rt, "instance"),
			LoadBalancers:        balancers(rt),
		}
		tx.Tasks.Put(new(v))
		m.tasks[key] = v
	}
}

func balancers(rt *rapid.T) (lbs []ecs.LoadBalancer) {
	for range rapid.IntRange(0, 3).Draw(rt, "balancers") {
		lbs = append(lbs, ecs.LoadBalancer{TargetGroupARN: entries.Draw(rt, "target group")})
	}
	return lbs
}

// compare reads the tables in every way there is.
func compare(rt *rapid.T, got *state.Tables, want model) {
	taskKeys := func(keep func(ecs.Task) bool) []string { return keysWhere(want.tasks, keep) }
	same(rt, "all tasks", got.Tasks.All(), taskKeys(func(ecs.Task) bool { return true }))
	if got.Tasks.Len() != len(want.tasks) || got.Services.Len() != len(want.services) {
		rt.Fatalf("lengths %d and %d, want %d and %d", got.Tasks.Len(), got.Services.Len(), len(want.tasks), len(want.services))
	}
	for _, key := range []string{"", "a", "ab", "abc", "abcd", "b", "b/", "b/a", "\x00", "\uffff"} {
		v, ok := got.Tasks.Get(key)
		w, wanted := want.tasks[key]
		if ok != wanted || ok && fmt.Sprint(*v) != fmt.Sprint(w) {
			rt.Fatalf("Get(%q) = %v, %t; want %v, %t", key, v, ok, w, wanted)
		}
		same(rt, fmt.Sprintf("prefix %q", key), got.Tasks.Prefix(key), taskKeys(func(t ecs.Task) bool { return strings.HasPrefix(t.TaskARN, key) }))
	}
	for _, e := range []string{"", "x", "xy", "x\x00", "y", "z", strings.Repeat("long", 40)} {
		same(rt, "by cluster", got.Tasks.By(state.ByCluster, e), taskKeys(func(t ecs.Task) bool { return e != "" && t.ClusterARN == e }))
		same(rt, "by service", got.Tasks.By(state.ByService, e), taskKeys(func(t ecs.Task) bool { return e != "" && t.ServiceARN == e }))
		same(rt, "by instance", got.Tasks.By(state.ByInstance, e), taskKeys(func(t ecs.Task) bool { return e != "" && t.ContainerInstanceARN == e }))
		same(rt, "by target group", got.Tasks.By(state.ByTargetGroup, e), taskKeys(func(t ecs.Task) bool { return has(t.LoadBalancers, e) }))
		same(rt, "services by target group", got.Services.By(state.ByTargetGroup, e),
			keysWhere(want.services, func(s ecs.Service) bool { return has(s.LoadBalancers, e) }))
	}
}

func keysWhere[T any](m map[string]T, keep func(T) bool) []string {
	var keys []string
	for key, v := range m {
		if keep(v) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

func has(lbs []ecs.LoadBalancer, arn string) bool {
	return slices.ContainsFunc(lbs, func(lb ecs.LoadBalancer) bool { return lb.TargetGroupARN == arn })
}

func same[T any](rt *rapid.T, what string, got iter.Seq[*T], want []string) {
	var keys []string
	for v := range got {
		switch v := any(v).(type) {
		case *ecs.Task:
			keys = append(keys, v.TaskARN)
		case *ecs.Service:
			keys = append(keys, v.ServiceARN)
		}
	}
	if !slices.Equal(keys, want) {
		rt.Fatalf("%s: got %q, want %q", what, keys, want)
	}
}

// An iteration shows the table as it was when the iteration began, so that a
// transaction may write what it iterates over.
func TestIterationDoesNotSeeLaterWrites(t *testing.T) {
	s := open(t, mem.New())
	update(t, s, func(tx *state.Tx) {
		for n := range 100 {
			tx.Clusters.Put(cluster(n))
		}
		seen := 0
		for c := range tx.Clusters.All() {
			seen++
			tx.Clusters.Delete(c.ClusterARN)
			tx.Clusters.Put(cluster(1000 + seen))
		}
		if seen != 100 || tx.Clusters.Len() != 100 {
			t.Errorf("saw %d clusters and left %d, want 100 and 100", seen, tx.Clusters.Len())
		}
	})
}
