package instance

import (
	"slices"
	"testing"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

const clusterARN = "arn:aws:ecs:us-east-1:123456789012:cluster/c"

// A container instance has the capacity provider of its Auto Scaling group while the cluster has that, and while the
// instance is a member of the group.
func TestInstanceHasTheProviderOfItsGroup(t *testing.T) {
	g := &fleet.AutoScalingGroup{Name: "g", ID: "1", Region: region, Account: account}
	c := &ecs.Cluster{ClusterARN: clusterARN, ClusterName: "c", Status: ecs.ClusterActive}
	i := &fleet.Instance{Region: region, Account: account, ID: "i-1", State: fleet.Running,
		Scaling: fleet.Membership{Group: "g", Lifecycle: fleet.LifecycleInService}}
	store, controller := open(t, func(tx *state.Tx) {
		tx.AutoScalingGroups.Put(g)
		tx.Clusters.Put(c)
		tx.CapacityProviders.Put(&ecs.CapacityProvider{CapacityProviderARN: ecs.ProviderARN(clusterARN, "p"), Name: "p",
			Status:                   ecs.CapacityProviderActive,
			AutoScalingGroupProvider: ecs.AutoScalingGroupProvider{AutoScalingGroupARN: g.ARN()}})
		tx.Instances.Put(i)
		tx.ContainerInstances.Put(&ecs.ContainerInstance{ContainerInstanceARN: instanceARN, ClusterARN: clusterARN,
			EC2InstanceID: "i-1", Status: ecs.InstanceActive})
	})
	change := func(fn func(tx *state.Tx)) {
		t.Helper()
		if err := store.Update(t.Context(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := controller.Reconcile(t.Context(), instanceARN); err != nil {
			t.Fatal(err)
		}
	}
	has := func(want string) {
		t.Helper()
		if ci, _ := store.View().ContainerInstances.Get(instanceARN); ci.CapacityProviderName != want {
			t.Errorf("the capacity provider is %q, want %q", ci.CapacityProviderName, want)
		}
	}
	change(func(*state.Tx) {})
	has("")
	with := *c
	with.CapacityProviders = []string{"p"}
	change(func(tx *state.Tx) { tx.Clusters.Put(&with) })
	has("p")
	keys := controller.Keys(state.Changed[ecs.Cluster]{Key: clusterARN, Old: c, New: &with}, store.View())
	if !slices.Equal(keys, []string{instanceARN}) {
		t.Errorf("the association wakes %v", keys)
	}
	out := *i
	out.Scaling = fleet.Membership{}
	change(func(tx *state.Tx) { tx.Instances.Put(&out) })
	has("")
	change(func(tx *state.Tx) { tx.Instances.Put(i) })
	has("p")
	change(func(tx *state.Tx) { tx.Clusters.Put(c) })
	has("")
}

// A task that has waited and gets a place is looked at like a new one: its machine may be about to stop.
func TestPlacedTaskWakesItsInstance(t *testing.T) {
	waiting := task("1")
	waiting.ContainerInstanceARN = ""
	placed := task("1")
	var c Controller
	keys := c.Keys(state.Changed[ecs.Task]{Key: placed.TaskARN, Old: waiting, New: placed}, nil)
	if !slices.Equal(keys, []string{instanceARN}) {
		t.Errorf("it wakes %v", keys)
	}
	if keys := c.Keys(state.Changed[ecs.Task]{Key: placed.TaskARN, Old: placed, New: placed}, nil); len(keys) != 0 {
		t.Errorf("a task that stays wakes %v", keys)
	}
}
