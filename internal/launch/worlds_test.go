package launch

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/sched"
	"github.com/berthhq/berth/internal/state"
)

// Worlds returns the same as World, whatever has changed since the last call and whatever was planned with its result.
func TestWorldsShowWhatIsThere(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		store := open(t)
		var worlds Worlds
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
		Need:          ecs.Resources{CPU: 10, PortsTCP: []int{8080 + step}},
		LastStatus:    rapid.SampledFrom([]ecs.TaskStatus{ecs.Pending, ecs.Running, ecs.Stopped}).Draw(rt, "last"),
		DesiredStatus: rapid.SampledFrom([]ecs.TaskStatus{ecs.Running, ecs.Stopped}).Draw(rt, "desired")}
	if rapid.Bool().Draw(rt, "put task") {
		tx.Tasks.Put(task)
	} else {
		tx.Tasks.Delete(task.TaskARN)
	}
}
