// Package instance makes ECS follow the machines: a container instance whose EC2 instance ends is deregistered, and tasks on one that is no
// longer part of its cluster, or whose machine stops, are ended, so that their services replace them.
//
// It is the only writer of a container instance's INACTIVE status beside DeregisterContainerInstance.
package instance

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// Controller is a control.Reconciler whose keys are container instance ARNs.
type Controller struct {
	store *state.Store
	now   func() time.Time
}

// New makes the controller; now is the clock.
func New(store *state.Store, now func() time.Time) *Controller {
	return &Controller{store: store, now: now}
}

// Keys are the container instances that a change of themselves, of their machine or of one of their tasks concerns.
func (c *Controller) Keys(ch state.Change) []string {
	switch v := ch.New.(type) {
	case *ecs.ContainerInstance:
		if v != nil {
			return []string{v.ContainerInstanceARN}
		}
	case *ecs.Task:
		if v != nil && v.LastStatus != ecs.Stopped && (v.DesiredStatus == ecs.Stopped || isNew(ch)) {
			return []string{v.ContainerInstanceARN}
		}
	case *fleet.Instance:
		if v != nil {
			return c.of(v.ID)
		}
	}
	return nil
}

// isNew reports whether the task was just placed, perhaps on a machine that is about to stop.
func isNew(ch state.Change) bool {
	old, _ := ch.Old.(*ecs.Task)
	return old == nil
}

func (c *Controller) of(ec2InstanceID string) []string {
	var keys []string
	for ci := range c.store.View().ContainerInstances.By(state.ByEC2Instance, ec2InstanceID) {
		keys = append(keys, ci.ContainerInstanceARN)
	}
	return keys
}

// All names every container instance.
func (c *Controller) All(s *state.Snapshot) []string {
	var keys []string
	for ci := range s.ContainerInstances.All() {
		keys = append(keys, ci.ContainerInstanceARN)
	}
	return keys
}

// Reconcile deregisters the instance if its machine has ended, and ends the tasks that have nothing to run on any more.
func (c *Controller) Reconcile(ctx context.Context, key string) (time.Duration, error) {
	snap := c.store.View()
	ci, ok := snap.ContainerInstances.Get(key)
	if !ok || !anything(&snap.Tables, ci) {
		return 0, nil
	}
	now := c.now()
	return 0, c.store.Update(ctx, func(tx *state.Tx) error {
		ci, ok := tx.ContainerInstances.Get(key)
		if !ok {
			return nil
		}
		if ends(&tx.Tables, ci) {
			n := *ci
			n.Status, n.AgentConnected, n.DeregisteredAt = ecs.InstanceInactive, false, now
			n.StatusReason = hostReason(ci, "terminated")
			n.Version++
			tx.ContainerInstances.Put(&n)
			ci = &n
		}
		if reason := whyTasksEnd(&tx.Tables, ci); reason != "" {
			endTasks(tx, ci, reason, now)
		}
		return nil
	})
}

// anything reports whether there is something to do.
func anything(t *state.Tables, ci *ecs.ContainerInstance) bool {
	if ends(t, ci) {
		return true
	}
	if whyTasksEnd(t, ci) == "" {
		return false
	}
	for task := range t.Tasks.By(state.ByInstance, ci.ContainerInstanceARN) {
		if task.DesiredStatus == ecs.Running || task.LastStatus != ecs.Stopped && task.MayStop() {
			return true
		}
	}
	return false
}

// ends reports whether the instance is to be deregistered because its machine has ended or is about to.
func ends(t *state.Tables, ci *ecs.ContainerInstance) bool {
	s := machineState(t, ci)
	return ci.Present() && (s == fleet.ShuttingDown || s == fleet.Terminated)
}

// machineState is that of the EC2 instance; "" when it is not one of ours, which is nobody's to end.
func machineState(t *state.Tables, ci *ecs.ContainerInstance) fleet.InstanceState {
	a, err := arn.Parse(ci.ContainerInstanceARN)
	if err != nil {
		return ""
	}
	i, ok := t.Instances.Get(fleet.InstanceARN(a.Region, a.Account, ci.EC2InstanceID))
	if !ok {
		return ""
	}
	return i.State
}

// whyTasksEnd is the reason for the end of whatever is left on the instance, "" if tasks may run there (ecs.md 1.5.4). A machine that is
// stopped takes its tasks along and leaves the container instance, which is there again when it is started.
func whyTasksEnd(t *state.Tables, ci *ecs.ContainerInstance) string {
	if ci.Status == ecs.InstanceInactive {
		return cmp.Or(ci.StatusReason, "Container instance deregistration forced by user")
	}
	if s := machineState(t, ci); s == fleet.Stopping || s == fleet.Stopped {
		return hostReason(ci, "stopped")
	}
	return ""
}

func hostReason(ci *ecs.ContainerInstance, what string) string {
	return fmt.Sprintf("Host EC2 (instance %s) %s.", ci.EC2InstanceID, what)
}

// endTasks ends the tasks of an instance. One that serves a load balancer is taken out of it first, like any other: whoever holds a
// connection to it keeps it as long as the machine lives.
func endTasks(tx *state.Tx, ci *ecs.ContainerInstance, reason string, now time.Time) {
	for task := range tx.Tasks.By(state.ByInstance, ci.ContainerInstanceARN) {
		if task.LastStatus == ecs.Stopped {
			continue
		}
		n := task.Stop(ecs.TerminationNotice, reason, now)
		if n.MayStop() {
			n = n.Ended(ecs.TerminationNotice, reason, now)
		}
		if n != task {
			tx.Tasks.Put(n)
		}
	}
}
