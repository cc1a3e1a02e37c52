package launch

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/sched"
	"github.com/berthhq/berth/internal/state"
)

// Worlds returns the same as World, whatever has changed since the last call and whatever was planned with its result.
// What it returned before stays as it was.
func TestWorldsShowWhatIsThere(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		store := open(t)
		write(t, store, func(tx *state.Tx) {
			tx.TaskDefinitions.Put(&ecs.TaskDefinition{TaskDefinitionARN: "host", NetworkMode: ecs.NetworkHost})
		})
		var worlds Worlds
		var earlier sched.World
		var printed string
		for step := range rapid.IntRange(1, 12).Draw(rt, "steps") {
			err := store.Update(t.Context(), func(tx *state.Tx) error {
				change(rt, tx, step)
				return nil
			})
			if err != nil {
				rt.Fatal(err)
			}
			tables := &store.View().Tables
			got, want := worlds.Of(tables, clusterARN), World(tables, clusterARN)
			if !reflect.DeepEqual(got, want) {
				rt.Fatalf("kept %+v\nfresh %+v", got, want)
			}
			if now := print(earlier); now != printed {
				rt.Fatalf("an earlier world was changed from\n%s\nto\n%s", printed, now)
			}
			earlier, printed = got, print(got)
			for on, sums := range tables.TasksOnInstances("") {
				if sums != tables.TasksOnInstance(on) {
					rt.Fatalf("the sums of %s are %+v, want %+v", on, sums, tables.TasksOnInstance(on))
				}
			}
			request := sched.Request{Count: 3, Group: "g", Needs: sched.Resources{CPU: 1, Memory: 1},
				PortsTCP: []uint16{80}, HostNetwork: rapid.Bool().Draw(rt, "host")}
			sched.Plan(got, []sched.Request{request})
		}
		if err := store.Update(t.Context(), func(tx *state.Tx) error { tx.Clear(); return nil }); err != nil {
			rt.Fatal(err)
		}
		worlds.Of(&store.View().Tables, clusterARN)
		if len(worlds.shown) > 0 {
			rt.Fatal("a cluster without instances is still kept")
		}
	})
}

// After one task has started, a plan does not copy the other instances: with twice as many of them, which all
// share this machine, it makes as many allocations.
func TestAPlanCopiesWhatChanged(t *testing.T) {
	allocations := func(instances int) float64 {
		store := open(t)
		write(t, store, func(tx *state.Tx) {
			tx.TaskDefinitions.Put(&ecs.TaskDefinition{TaskDefinitionARN: "host", NetworkMode: ecs.NetworkHost})
			for k := range instances {
				ci := instance(fmt.Sprintf("%04d", k))
				ci.Address = fmt.Sprintf("127.0.%d.%d", 1+k/200, 1+k%200)
				tx.ContainerInstances.Put(ci)
				tx.Tasks.Put(&ecs.Task{TaskARN: fmt.Sprint("t", k), ClusterARN: clusterARN, Group: "g",
					ContainerInstanceARN: ci.ContainerInstanceARN, TaskDefinitionARN: "host",
					Need:       ecs.Resources{CPU: 1, PortsTCP: []int{9000 + k}},
					LastStatus: ecs.Running, DesiredStatus: ecs.Running})
			}
		})
		before := &store.View().Tables
		write(t, store, func(tx *state.Tx) {
			on := instance("0001").ContainerInstanceARN
			tx.Tasks.Put(&ecs.Task{TaskARN: "new", ClusterARN: clusterARN, ContainerInstanceARN: on, Group: "g",
				LastStatus: ecs.Running, DesiredStatus: ecs.Running})
		})
		after := &store.View().Tables
		var worlds Worlds
		worlds.Of(before, clusterARN)
		request := sched.Request{Count: 1, Group: "g", Needs: sched.Resources{CPU: 1}, DefaultSpread: true}
		return testing.AllocsPerRun(10, func() {
			for _, tables := range []*state.Tables{after, before} {
				out := sched.Plan(worlds.Of(tables, clusterARN), []sched.Request{request})
				if len(out.Placements) != 1 {
					t.Errorf("%+v", out)
				}
			}
		})
	}
	few, many := allocations(200), allocations(400)
	if many > few+20 { // some slices and maps grow
		t.Errorf("%v allocations with 200 instances, %v with 400", few, many)
	}
}

// print shows a world with what its instances point to.
func print(w sched.World) string {
	var b strings.Builder
	for _, i := range w.Instances {
		fmt.Fprintf(&b, "%+v machine %+v\n", *i, cmp.Or(i.Machine, &sched.Machine{}))
	}
	return regexp.MustCompile(`0x[0-9a-f]+`).ReplaceAllString(b.String(), "pointer")
}

// change puts, changes or removes a container instance and a task.
func change(rt *rapid.T, tx *state.Tx, step int) {
	ci := instance(fmt.Sprint(rapid.IntRange(0, 3).Draw(rt, "instance")))
	if rapid.IntRange(0, 3).Draw(rt, "short ARN") == 0 {
		ci.ContainerInstanceARN = strings.Replace(ci.ContainerInstanceARN, "/c/", "/", 1)
	}
	states := []string{ecs.InstanceActive, ecs.InstanceDraining, ecs.InstanceInactive}
	ci.Status = rapid.SampledFrom(states).Draw(rt, "status")
	ci.Address = rapid.SampledFrom([]string{"10.0.0.1", "127.0.1.1"}).Draw(rt, "address")
	ci.Registered.CPU = rapid.SampledFrom([]int{1024, 2048}).Draw(rt, "CPU")
	if rapid.Bool().Draw(rt, "attribute") {
		ci.Attributes = append(ci.Attributes, ecs.Attribute{Name: "step", Value: fmt.Sprint(step)})
	}
	if rapid.Bool().Draw(rt, "put instance") {
		tx.ContainerInstances.Put(ci)
	} else if rapid.Bool().Draw(rt, "remove instance") {
		tx.ContainerInstances.Delete(ci.ContainerInstanceARN)
	}
	task := &ecs.Task{TaskARN: fmt.Sprint("t", rapid.IntRange(0, 3).Draw(rt, "task")), ClusterARN: clusterARN,
		ContainerInstanceARN: ci.ContainerInstanceARN, Group: "g",
		TaskDefinitionARN: rapid.SampledFrom([]string{"host", "other"}).Draw(rt, "definition"),
		Need:              ecs.Resources{CPU: 10, PortsTCP: []int{8080 + step}},
		LastStatus:        rapid.SampledFrom([]ecs.TaskStatus{ecs.Pending, ecs.Running, ecs.Stopped}).Draw(rt, "last"),
		DesiredStatus:     rapid.SampledFrom([]ecs.TaskStatus{ecs.Running, ecs.Stopped}).Draw(rt, "desired")}
	if rapid.Bool().Draw(rt, "put task") {
		tx.Tasks.Put(task)
	} else {
		tx.Tasks.Delete(task.TaskARN)
	}
}

func write(t *testing.T, store *state.Store, what func(*state.Tx)) {
	t.Helper()
	err := store.Update(t.Context(), func(tx *state.Tx) error {
		what(tx)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
