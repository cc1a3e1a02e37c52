package instance

import (
	"log/slog"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

const (
	region, account = "us-east-1", "123456789012"
	instanceARN     = "arn:aws:ecs:us-east-1:123456789012:container-instance/c/1"
)

func open(t *testing.T, rows func(tx *state.Tx)) (*state.Store, control.Controller[string]) {
	t.Helper()
	store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if err := store.Update(t.Context(), func(tx *state.Tx) error { rows(tx); return nil }); err != nil {
		t.Fatal(err)
	}
	env := control.System(store, slog.New(slog.DiscardHandler))
	env.Now = func() time.Time { return time.Unix(100, 0) }
	return store, control.Planned(env, Controller{})
}

func task(n string, targets ...ecs.TaskTarget) *ecs.Task {
	return &ecs.Task{TaskARN: "arn:aws:ecs:us-east-1:123456789012:task/c/" + n,
		ContainerInstanceARN: instanceARN, LastStatus: ecs.Running,
		DesiredStatus: ecs.Running, Targets: targets, Containers: []ecs.Container{{Name: "a", LastStatus: ecs.Running}}}
}

// When its machine ends, a container instance is deregistered and its tasks end. A task with a target ends
// when the target is drained (ecs.md 1.5.4, 1.3.10).
func TestMachineThatEndsTakesItsTasksAlong(t *testing.T) {
	store, c := open(t, func(tx *state.Tx) {
		tx.Instances.Put(&fleet.Instance{Region: region, Account: account, ID: "i-1", State: fleet.ShuttingDown})
		tx.ContainerInstances.Put(&ecs.ContainerInstance{ContainerInstanceARN: instanceARN,
			EC2InstanceID: "i-1", Status: ecs.InstanceDraining, AgentConnected: true})
		tx.Tasks.Put(task("plain"))
		tx.Tasks.Put(task("served", ecs.TaskTarget{TargetGroupARN: "tg", ID: "i-1", Port: 1}))
	})
	if _, err := c.Reconcile(t.Context(), instanceARN); err != nil {
		t.Fatal(err)
	}
	snap := store.View()
	if ci, _ := snap.ContainerInstances.Get(instanceARN); ci.Status != ecs.InstanceInactive || ci.AgentConnected {
		t.Errorf("container instance is %s, connected %v", ci.Status, ci.AgentConnected)
	}
	plain, _ := snap.Tasks.Get(task("plain").TaskARN)
	if plain.LastStatus != ecs.Stopped || plain.StoppedReason != "Host EC2 (instance i-1) terminated." ||
		plain.Containers[0].LastStatus != ecs.Stopped {
		t.Errorf("plain task = %s, %q", plain.LastStatus, plain.StoppedReason)
	}
	served, _ := snap.Tasks.Get(task("served").TaskARN)
	if served.LastStatus != ecs.Deactivating {
		t.Errorf("served task = %s, want DEACTIVATING until its target is out of use", served.LastStatus)
	}
	// The target is drained now.
	if err := store.Update(t.Context(), func(tx *state.Tx) error {
		n := *served
		n.Targets, n.LastStatus = nil, ecs.Stopping
		tx.Tasks.Put(&n)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Reconcile(t.Context(), instanceARN); err != nil {
		t.Fatal(err)
	}
	if served, _ = store.View().Tasks.Get(served.TaskARN); served.LastStatus != ecs.Stopped {
		t.Errorf("served task = %s, want STOPPED", served.LastStatus)
	}
	before := store.View().Rev
	if _, err := c.Reconcile(t.Context(), instanceARN); err != nil || store.View().Rev != before {
		t.Errorf("a further look wrote something or failed: %v", err)
	}
}

// Container instances on machines of others are never deregistered by Berth.
func TestExternalInstanceStays(t *testing.T) {
	store, c := open(t, func(tx *state.Tx) {
		tx.ContainerInstances.Put(&ecs.ContainerInstance{
			ContainerInstanceARN: instanceARN, EC2InstanceID: "mi-1", Status: ecs.InstanceActive,
		})
		tx.Tasks.Put(task("plain"))
	})
	if _, err := c.Reconcile(t.Context(), instanceARN); err != nil {
		t.Fatal(err)
	}
	if ci, _ := store.View().ContainerInstances.Get(instanceARN); ci.Status != ecs.InstanceActive {
		t.Errorf("status = %s", ci.Status)
	}
}

// When a machine stops, all its tasks end, even those that were just placed. The container instance stays
// until the machine starts again (ecs.md 1.5.4).
func TestMachineThatStopsTakesItsTasksAlong(t *testing.T) {
	machine := &fleet.Instance{Region: region, Account: account, ID: "i-1", State: fleet.Running}
	store, c := open(t, func(tx *state.Tx) {
		tx.Instances.Put(machine)
		tx.ContainerInstances.Put(&ecs.ContainerInstance{ContainerInstanceARN: instanceARN,
			EC2InstanceID: "i-1", Status: ecs.InstanceActive, AgentConnected: true})
		tx.Tasks.Put(task("plain"))
	})
	reconcile(t, c)
	if plain, _ := store.View().Tasks.Get(task("plain").TaskARN); plain.LastStatus != ecs.Running {
		t.Fatalf("the task of a running machine is %s", plain.LastStatus)
	}
	put(t, store, func(tx *state.Tx) {
		n := *machine
		n.State = fleet.Stopping
		tx.Instances.Put(&n)
	})
	reconcile(t, c)
	late := task("late")
	if keys := c.Keys(state.Changed[ecs.Task]{Key: late.TaskARN, New: late}, store.View()); len(keys) != 1 ||
		keys[0] != instanceARN {
		t.Errorf("a new task concerns %v", keys)
	}
	put(t, store, func(tx *state.Tx) { tx.Tasks.Put(late) })
	reconcile(t, c)
	for _, name := range []string{"plain", "late"} {
		if got, _ := store.View().Tasks.Get(task(name).TaskARN); got.LastStatus != ecs.Stopped ||
			got.StoppedReason != "Host EC2 (instance i-1) stopped." || got.StopCode != ecs.TerminationNotice {
			t.Errorf("%s task = %s, %s %q", name, got.LastStatus, got.StopCode, got.StoppedReason)
		}
	}
	if ci, _ := store.View().ContainerInstances.Get(instanceARN); ci.Status != ecs.InstanceActive {
		t.Errorf("status = %s, want the instance to stay", ci.Status)
	}
}

// After DeregisterContainerInstance with force, the controller ends the instance's tasks (ecs.md 1.3.10).
func TestDeregistrationByForceEndsTasks(t *testing.T) {
	store, c := open(t, func(tx *state.Tx) {
		tx.ContainerInstances.Put(&ecs.ContainerInstance{
			ContainerInstanceARN: instanceARN, Status: ecs.InstanceInactive,
		})
		tx.Tasks.Put(task("plain"))
		told := task("told")
		told.DesiredStatus, told.StopCode, told.StoppedReason, told.LastStatus = ecs.Stopped,
			ecs.UserInitiated, "mine", ecs.Stopping
		tx.Tasks.Put(told)
	})
	reconcile(t, c)
	if plain, _ := store.View().Tasks.Get(task("plain").TaskARN); plain.LastStatus != ecs.Stopped ||
		plain.StoppedReason != "Container instance deregistration forced by user" {
		t.Errorf("plain task = %s, %q", plain.LastStatus, plain.StoppedReason)
	}
	if told, _ := store.View().Tasks.Get(task("told").TaskARN); told.LastStatus != ecs.Stopped ||
		told.StoppedReason != "mine" || told.StopCode != ecs.UserInitiated {
		t.Errorf("the task that was stopped before = %s, %s %q; want its first reason", told.LastStatus,
			told.StopCode, told.StoppedReason)
	}
}

// While an agent is disconnected, no task is ended (ecs.md 1.3.2).
func TestDisconnectionEndsNothing(t *testing.T) {
	store, c := open(t, func(tx *state.Tx) {
		tx.Instances.Put(&fleet.Instance{Region: region, Account: account, ID: "i-1", State: fleet.Running})
		tx.ContainerInstances.Put(&ecs.ContainerInstance{
			ContainerInstanceARN: instanceARN, EC2InstanceID: "i-1", Status: ecs.InstanceActive,
		})
		tx.Tasks.Put(task("plain"))
	})
	before := store.View().Rev
	reconcile(t, c)
	if after := store.View().Rev; after != before {
		t.Error("something was written for a disconnected agent")
	}
}

// A change of a machine only has the key of its own container instance, whatever else is in the store.
func TestKeysOfAMachine(t *testing.T) {
	machine := &fleet.Instance{Region: region, Account: account, ID: "i-1", State: fleet.Running}
	store, c := open(t, func(tx *state.Tx) {
		tx.ContainerInstances.Put(&ecs.ContainerInstance{
			ContainerInstanceARN: instanceARN, EC2InstanceID: "i-1", Status: ecs.InstanceActive,
		})
		tx.ContainerInstances.Put(&ecs.ContainerInstance{
			ContainerInstanceARN: instanceARN + "2", EC2InstanceID: "i-2", Status: ecs.InstanceActive,
		})
	})
	if keys := c.Keys(state.Changed[fleet.Instance]{New: machine}, store.View()); len(keys) != 1 ||
		keys[0] != instanceARN {
		t.Errorf("keys %v", keys)
	}
}

func reconcile(t *testing.T, c control.Controller[string]) {
	t.Helper()
	if again, err := c.Reconcile(t.Context(), instanceARN); err != nil || again != 0 {
		t.Fatalf("Reconcile = %v, %v", again, err)
	}
}

func put(t *testing.T, store *state.Store, rows func(tx *state.Tx)) {
	t.Helper()
	if err := store.Update(t.Context(), func(tx *state.Tx) error { rows(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}
