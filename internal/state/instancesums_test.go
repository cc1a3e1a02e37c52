package state_test

import (
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// The sums over container instances that the store maintains equal those computed from all rows.
func TestSumsOfContainerInstances(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := open(t, mem.New())
		defer s.Close()
		for range rapid.IntRange(1, 20).Draw(rt, "writes") {
			key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "key")
			update(t, s, func(tx *state.Tx) {
				if rapid.IntRange(0, 3).Draw(rt, "deleted") == 0 {
					tx.ContainerInstances.Delete(key)
					return
				}
				tx.ContainerInstances.Put(&ecs.ContainerInstance{
					ContainerInstanceARN: key, ClusterARN: rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "cluster"),
					Status: rapid.SampledFrom([]string{ecs.InstanceActive, ecs.InstanceDraining,
						ecs.InstanceInactive}).Draw(rt, "status"),
					Registered: ecs.Resources{CPU: rapid.IntRange(0, 3).Draw(rt, "cpu"), Memory: 1024},
					Attributes: []ecs.Attribute{{Name: ecs.AttributeZone,
						Value: rapid.SampledFrom([]string{"", "z1", "z2"}).Draw(rt, "zone")}},
				})
			})
			compareInstances(rt, s.View())
		}
	})
}

// A write that changes nothing that a sum counts leaves the sum as it is: agents change their rows with each message.
func TestSumsStayWhatTheyAre(t *testing.T) {
	s := open(t, mem.New())
	defer s.Close()
	put := func(version int64, memory int) {
		update(t, s, func(tx *state.Tx) {
			tx.ContainerInstances.Put(&ecs.ContainerInstance{ContainerInstanceARN: "i", ClusterARN: "c",
				Status: ecs.InstanceActive, Version: version, Registered: ecs.Resources{Memory: memory},
				Attributes: []ecs.Attribute{{Name: ecs.AttributeZone, Value: "z"}}})
			tx.Tasks.Put(&ecs.Task{TaskARN: "t", ClusterARN: "c", ServiceARN: "s", ContainerInstanceARN: "i",
				LastStatus: ecs.Running, DesiredStatus: ecs.Running, Version: version,
				Need: ecs.Resources{Memory: memory}})
		})
	}
	sums := func() string {
		v := s.View()
		return fmt.Sprintf("%p %p %p %p %p", v.AttributesOf("i"), v.ActiveInZones("c"), v.TasksOnInstance("i"),
			v.TasksOfService("s"), v.TasksOfCluster("c"))
	}
	put(1, 16)
	before := sums()
	put(2, 16)
	if after := sums(); after != before {
		t.Errorf("the sums were %s, and are %s", before, after)
	}
	put(3, 32)
	v := s.View()
	if v.RegisteredIn("c").Memory != 32 || v.TasksOnInstance("i").Used.Memory != 32 {
		t.Errorf("%+v and %+v, want 32 MiB", v.RegisteredIn("c"), v.TasksOnInstance("i"))
	}
}

func compareInstances(rt *rapid.T, now *state.Snapshot) {
	zones := map[string]map[string]int{"x": {}, "y": {}}
	registered := map[string]ecs.Resources{}
	for i := range now.ContainerInstances.All() {
		if i.Status != ecs.InstanceInactive {
			sum := registered[i.ClusterARN]
			sum.CPU, sum.Memory = sum.CPU+i.Registered.CPU, sum.Memory+i.Registered.Memory
			registered[i.ClusterARN] = sum
		}
		if i.Status == ecs.InstanceActive && i.Zone() != "" {
			zones[i.ClusterARN][i.Zone()]++
		}
		if got := now.AttributesOf(i.ContainerInstanceARN)[ecs.AttributeZone]; got != i.Attributes[0].Value {
			rt.Fatalf("the zone of %s is %q", i.ContainerInstanceARN, got)
		}
	}
	for cluster, want := range zones {
		if got := now.RegisteredIn(cluster); got.CPU != registered[cluster].CPU ||
			got.Memory != registered[cluster].Memory {
			rt.Fatalf("instances of %s have registered %+v, want %+v", cluster, got, registered[cluster])
		}
		if got := now.ActiveInZones(cluster); !maps.Equal(got, want) {
			rt.Fatalf("ACTIVE instances of %s by zone are %v, want %v", cluster, got, want)
		}
	}
}
