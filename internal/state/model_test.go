package state_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// model is the tables of services and tasks as plain maps.
type model struct {
	services map[string]ecs.Service
	tasks    map[string]ecs.Task
}

func (m model) clone() model { return model{maps.Clone(m.services), maps.Clone(m.tasks)} }

// Names that have a common prefix, names that contain another one, and odd ones.
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

// step makes one random write to the store and to the model.
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
		v := ecs.Service{ServiceARN: key, ClusterARN: entries.Draw(rt, "cluster")}
		tx.Services.Put(new(v))
		m.services[key] = v
	default:
		v := ecs.Task{
			TaskARN:              key,
			ClusterARN:           entries.Draw(rt, "cluster"),
			CapacityProviderName: entries.Draw(rt, "provider"),
			ServiceARN:           entries.Draw(rt, "service"),
			ContainerInstanceARN: entries.Draw(rt, "instance"),
			Targets:              targets(rt),
			StartedBy:            entries.Draw(rt, "deployment"),
			AvailabilityZone:     entries.Draw(rt, "zone"),
			LastStatus: rapid.SampledFrom(
				[]ecs.TaskStatus{ecs.Pending, ecs.Running, ecs.Stopped}).Draw(rt, "last"),
			DesiredStatus: rapid.SampledFrom([]ecs.TaskStatus{ecs.Running, ecs.Stopped}).Draw(rt, "desired"),
			Need:          ecs.Resources{CPU: rapid.IntRange(0, 9).Draw(rt, "cpu")},
			WasHealthy:    rapid.Bool().Draw(rt, "was healthy"),
			EndCounted:    rapid.Bool().Draw(rt, "counted"),
			StartedAt:     rapid.SampledFrom([]time.Time{{}, time.Unix(1, 0), time.Unix(1, 1)}).Draw(rt, "started"),
		}
		if rapid.Bool().Draw(rt, "special") {
			v.Need.PortsTCP, v.ProtectedUntil = []int{80}, time.Unix(9, 0)
		}
		tx.Tasks.Put(new(v))
		m.tasks[key] = v
	}
}

func targets(rt *rapid.T) (all []ecs.TaskTarget) {
	for range rapid.IntRange(0, 3).Draw(rt, "targets") {
		all = append(all, ecs.TaskTarget{TargetGroupARN: entries.Draw(rt, "target group"), ID: "i", Port: 80})
	}
	return all
}

// compareSums computes the sums over tasks from the rows, and compares them with those in the store.
func compareSums(rt *rapid.T, got *state.Tables, want model) {
	for _, entry := range []string{"x", "xy", "x\x00", "y"} {
		instance, service, cluster := newSums(), newSums(), newSums()
		for _, t := range want.tasks {
			if t.ContainerInstanceARN == entry {
				instance.add(t, t.Group, "")
			}
			if t.ServiceARN == entry {
				service.add(t, t.StartedBy, t.AvailabilityZone)
			}
			if t.ClusterARN == entry {
				cluster.add(t, "", "")
			}
		}
		instance.same(rt, "instance "+entry, got.TasksOnInstance(entry))
		service.same(rt, "service "+entry, got.TasksOfService(entry))
		cluster.same(rt, "cluster "+entry, got.TasksOfCluster(entry))
	}
}

// sums are ecs.TaskSums in another form.
type sums struct {
	counts                    map[ecs.TaskCount]int // without their numbers
	cpu, withPorts, protected int
}

func newSums() *sums { return &sums{counts: map[ecs.TaskCount]int{}} }

func (s *sums) add(t ecs.Task, label, zone string) {
	s.counts[ecs.TaskCount{Label: label, Zone: zone, Provider: t.CapacityProviderName,
		LastStatus: t.LastStatus, DesiredStatus: t.DesiredStatus,
		WasHealthy: t.WasHealthy}]++
	if t.Live() {
		s.cpu += t.Need.CPU
		s.withPorts += len(t.Need.PortsTCP)
		s.protected += len(t.Need.PortsTCP) // a task has both or none
	}
}

func (s *sums) same(rt *rapid.T, of string, got *ecs.TaskSums) {
	is := newSums()
	if got != nil {
		for _, c := range got.Counts {
			n := c.Tasks
			c.Tasks = 0
			is.counts[c] = n
		}
		is.cpu, is.withPorts, is.protected = got.Used.CPU, len(got.Ports), len(got.Protected)
	}
	if !reflect.DeepEqual(is, s) {
		rt.Fatalf("sums of %s are %+v, want %+v", of, is, s)
	}
}

// compare reads the tables in every possible way.
func compare(rt *rapid.T, got *state.Tables, want model) {
	compareSums(rt, got, want)
	taskKeys := func(keep func(ecs.Task) bool) []string { return keysWhere(want.tasks, keep) }
	same(rt, "all tasks", got.Tasks.All(), taskKeys(func(ecs.Task) bool { return true }))
	if got.Tasks.Len() != len(want.tasks) || got.Services.Len() != len(want.services) {
		rt.Fatalf("lengths %d and %d, want %d and %d", got.Tasks.Len(), got.Services.Len(),
			len(want.tasks), len(want.services))
	}
	for _, key := range []string{"", "a", "ab", "abc", "abcd", "b", "b/", "b/a", "\x00", "\uffff"} {
		v, ok := got.Tasks.Get(key)
		w, wanted := want.tasks[key]
		if ok != wanted || ok && fmt.Sprint(*v) != fmt.Sprint(w) {
			rt.Fatalf("Get(%q) = %v, %t; want %v, %t", key, v, ok, w, wanted)
		}
		last, ok := got.Tasks.Last(key)
		under := taskKeys(func(t ecs.Task) bool { return strings.HasPrefix(t.TaskARN, key) })
		if ok != (len(under) > 0) || ok && last.TaskARN != under[len(under)-1] {
			rt.Fatalf("Last(%q) = %v, %t; want the last of %q", key, last, ok, under)
		}
		same(rt, fmt.Sprintf("prefix %q", key), got.Tasks.Prefix(key),
			taskKeys(func(t ecs.Task) bool { return strings.HasPrefix(t.TaskARN, key) }))
	}
	for _, e := range []string{"", "x", "xy", "x\x00", "y", "z", strings.Repeat("long", 40)} {
		same(rt, "by cluster", got.Tasks.By(state.TasksByCluster, e),
			taskKeys(func(t ecs.Task) bool { return e != "" && t.ClusterARN == e }))
		same(rt, "by service", got.Tasks.By(state.TasksByService, e),
			taskKeys(func(t ecs.Task) bool { return e != "" && t.ServiceARN == e }))
		of := func(keep func(*ecs.Task) bool) []string {
			return taskKeys(func(t ecs.Task) bool { return e != "" && t.ServiceARN == e && keep(&t) })
		}
		same(rt, "present by service", got.Tasks.By(state.TasksByServicePresent, e),
			of(func(t *ecs.Task) bool { return t.LastStatus != ecs.Stopped }))
		same(rt, "moving by service", got.Tasks.By(state.TasksByServiceMoving, e), of((*ecs.Task).Moving))
		same(rt, "uncounted by service", got.Tasks.By(state.TasksByServiceUncounted, e), of((*ecs.Task).Uncounted))
		unproven := of((*ecs.Task).Unproven)
		slices.SortStableFunc(unproven, func(a, b string) int {
			return want.tasks[a].StartedAt.Compare(want.tasks[b].StartedAt)
		})
		same(rt, "unproven by service", got.Tasks.By(state.TasksByServiceUnproven, e), unproven)
		same(rt, "by instance", got.Tasks.By(state.TasksByInstance, e),
			taskKeys(func(t ecs.Task) bool { return e != "" && t.ContainerInstanceARN == e }))
		same(rt, "by target", got.Tasks.By(state.TasksByTarget, elb.TargetKey(e, "i", 80)),
			taskKeys(func(t ecs.Task) bool { return has(t.Targets, e) }))
		same(rt, "services by cluster", got.Services.By(state.ServicesByCluster, e),
			keysWhere(want.services, func(s ecs.Service) bool { return e != "" && s.ClusterARN == e }))
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

func has(targets []ecs.TaskTarget, arn string) bool {
	return slices.ContainsFunc(targets, func(t ecs.TaskTarget) bool { return t.TargetGroupARN == arn })
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

// An iteration shows the table as it was at the beginning of the iteration, so a transaction may write to the
// table it iterates over.
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
