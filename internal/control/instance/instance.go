// Package instance makes ECS follow the machines: a container instance whose EC2 instance ends is deregistered, and tasks on an instance
// that is no longer part of its cluster are ended, so that their services replace them.
//
// It is the only writer of a container instance's INACTIVE status beside DeregisterContainerInstance.
package instance

import (
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
		if v != nil && v.DesiredStatus == ecs.Stopped && v.LastStatus != ecs.Stopped {
			return []string{v.ContainerInstanceARN}
		}
	case *fleet.Instance:
		if v != nil {
			return c.of(v.ID)
		}
	}
	return nil
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

// Reconcile deregisters the instance if its machine is gone, and ends its tasks if it is INACTIVE.
func (c *Controller) Reconcile(ctx context.Context, key string) (time.Duration, error) {
	snap := c.store.View()
	ci, ok := snap.ContainerInstances.Get(key)
	if !ok || !c.anything(&snap.Tables, ci) {
		return 0, nil
	}
	now := c.now()
	return 0, c.store.Update(ctx, func(tx *state.Tx) error {
		ci, ok := tx.ContainerInstances.Get(key)
		if !ok {
			return nil
		}
		if state, gone := machineGone(&tx.Tables, ci); gone && ci.Present() {
			n := *ci
			n.Status, n.AgentConnected, n.DeregisteredAt = ecs.InstanceInactive, false, now
			n.StatusReason = fmt.Sprintf("Host EC2 (instance %s) %s.", ci.EC2InstanceID, state)
			n.Version++
			tx.ContainerInstances.Put(&n)
			ci = &n
		}
		endTasks(tx, ci, now)
		return nil
	})
}

// anything reports whether there is something to do.
func (c *Controller) anything(t *state.Tables, ci *ecs.ContainerInstance) bool {
	if _, gone := machineGone(t, ci); gone && ci.Present() {
		return true
	}
	if ci.Status != ecs.InstanceInactive {
		return false
	}
	for task := range t.Tasks.By(state.ByInstance, ci.ContainerInstanceARN) {
		if task.DesiredStatus == ecs.Running || task.LastStatus != ecs.Stopped && task.MayStop() {
			return true
		}
	}
	return false
}

// machineGone says whether the EC2 instance has ended or is about to, and which. An instance that never was one of ours is nobody's to end.
func machineGone(t *state.Tables, ci *ecs.ContainerInstance) (how string, gone bool) {
	a, err := arn.Parse(ci.ContainerInstanceARN)
	if err != nil {
		return "", false
	}
	i, ok := t.Instances.Get(fleet.InstanceARN(a.Region, a.Account, ci.EC2InstanceID))
	if ok && (i.State == fleet.ShuttingDown || i.State == fleet.Terminated) {
		return "terminated", true
	}
	return "", false
}

// endTasks ends the tasks of an INACTIVE instance. One that serves a load balancer is taken out of it first, like any other: whoever holds
// a connection to it keeps it as long as the machine lives.
func endTasks(tx *state.Tx, ci *ecs.ContainerInstance, now time.Time) {
	if ci.Status != ecs.InstanceInactive {
		return
	}
	reason := ci.StatusReason
	if reason == "" {
		reason = "Container instance deregistration forced by user"
	}
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
