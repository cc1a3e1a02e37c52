// Package instance makes container instances follow their EC2 instances. It deregisters a container
// instance whose EC2 instance ends. It stops the tasks on one that no longer belongs to its
// cluster, or whose machine stops, so that services replace them. It gives a container instance the
// capacity provider of its Auto Scaling group.
//
// Besides DeregisterContainerInstance, it alone sets a container instance's status to INACTIVE.
package instance

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/provider"
	"github.com/berthhq/berth/internal/state"
)

// Controller is a control.Planner whose keys are container instance ARNs.
type Controller struct{}

// Keys returns the container instances that a change affects: of themselves, of their machine, or
// of one of their tasks.
func (Controller) Keys(c state.Change, s *state.Snapshot) (keys []string) {
	switch c := c.(type) {
	case state.Changed[ecs.ContainerInstance]:
		if c.New != nil {
			return []string{c.Key}
		}
	case state.Changed[ecs.Task]:
		// perhaps placed on a machine that is about to stop
		placed := c.Old == nil || c.New != nil && c.Old.ContainerInstanceARN != c.New.ContainerInstanceARN
		if t := c.New; t != nil && t.LastStatus != ecs.Stopped && (t.DesiredStatus == ecs.Stopped || placed) {
			return []string{t.ContainerInstanceARN}
		}
	case state.Changed[ecs.Cluster]:
		if c.Old == nil || c.New == nil || !slices.Equal(c.Old.CapacityProviders, c.New.CapacityProviders) {
			for ci := range s.ContainerInstances.By(state.ContainerInstancesByCluster, c.Key) {
				keys = append(keys, ci.ContainerInstanceARN)
			}
		}
	case state.Changed[fleet.Instance]:
		if c.New != nil {
			for ci := range s.ContainerInstances.By(state.ContainerInstancesByEC2Instance, c.New.ID) {
				keys = append(keys, ci.ContainerInstanceARN)
			}
		}
	}
	return keys
}

// All returns all container instances.
func (Controller) All(s *state.Snapshot) (keys []string) {
	for ci := range s.ContainerInstances.All() {
		keys = append(keys, ci.ContainerInstanceARN)
	}
	return keys
}

// Step deregisters the container instance if its machine has ended, and stops tasks that can no
// longer run on it.
func (Controller) Step(tx *state.Tx, key string, m control.Moment) (time.Duration, error) {
	ci, ok := tx.ContainerInstances.Get(key)
	if !ok {
		return 0, nil
	}
	if ends(&tx.Tables, ci) {
		n := *ci
		n.Status, n.AgentConnected, n.DeregisteredAt = ecs.InstanceInactive, false, m.Now
		n.StatusReason = hostReason(ci, "terminated")
		n.Version++
		tx.ContainerInstances.Put(&n)
		ci = &n
	}
	name := provider.Of(&tx.Tables, ci.ClusterARN, ci.EC2InstanceID)
	if ci.Present() && name != ci.CapacityProviderName {
		n := *ci
		n.CapacityProviderName = name
		n.Version++
		tx.ContainerInstances.Put(&n)
		ci = &n
	}
	if reason := whyTasksEnd(&tx.Tables, ci); reason != "" {
		endTasks(tx, ci, reason, m.Now)
	}
	return 0, nil
}

// ends reports whether the container instance must be deregistered because its machine has ended or
// is ending.
func ends(t *state.Tables, ci *ecs.ContainerInstance) bool {
	s := machineState(t, ci)
	return ci.Present() && (s == fleet.ShuttingDown || s == fleet.Terminated)
}

// machineState returns the state of the EC2 instance. It is "" for a machine that is not one of
// ours; those are left alone.
func machineState(t *state.Tables, ci *ecs.ContainerInstance) fleet.InstanceState {
	i, ok := provider.EC2Instance(t, ci.ContainerInstanceARN, ci.EC2InstanceID)
	if !ok {
		return ""
	}
	return i.State
}

// whyTasksEnd returns the reason to stop the tasks on the container instance; "" if they may run
// there (ecs.md 1.5.4). When a machine is stopped, its tasks end but the container instance stays,
// and can be used again when the machine is started.
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

// endTasks stops the tasks of a container instance. A task that serves a load balancer is
// deregistered first like any other; its connections last as long as the machine runs.
func endTasks(tx *state.Tx, ci *ecs.ContainerInstance, reason string, now time.Time) {
	for task := range tx.Tasks.By(state.TasksByInstance, ci.ContainerInstanceARN) {
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
