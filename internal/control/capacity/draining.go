package capacity

import (
	"fmt"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/provider"
	"github.com/berthhq/berth/internal/state"
)

// draining does what ECS does with an instance that has the lifecycle action of the managed-draining hook (ecs.md
// 4.10). It makes the container instance DRAINING, waits until no task is left on it, and completes the action. If
// other hooks then still hold the instance, it keeps the container instance DRAINING. It is a control.Planner whose
// keys are the ARNs of EC2 instances. Each step follows from the rows alone, so a server that is killed goes on where
// it was.
type draining struct{}

// Keys implements control.Planner. It returns the instances that have the hook's action and have changed, or whose
// container instance has changed, or that a task may have left.
func (draining) Keys(c state.Change, s *state.Snapshot) []string {
	switch c := c.(type) {
	case state.Changed[fleet.Instance]:
		if c.New != nil && c.New.Scaling.HasAction(fleet.DrainingHook) {
			return []string{c.Key}
		}
	case state.Changed[ecs.ContainerInstance]:
		if c.New != nil && (c.Old == nil || c.Old.Status != c.New.Status) {
			return draining{}.leaving(s, c.New)
		}
	case state.Changed[ecs.Task]:
		if c.Old == nil || c.New != nil && c.New.LastStatus == c.Old.LastStatus {
			return nil
		}
		if ci, ok := s.ContainerInstances.Get(c.Old.ContainerInstanceARN); ok && ci.Status == ecs.InstanceDraining {
			return draining{}.leaving(s, ci)
		}
	}
	return nil
}

// leaving returns the EC2 instance of a container instance if it has the hook's action.
func (draining) leaving(s *state.Snapshot, ci *ecs.ContainerInstance) []string {
	i, ok := provider.EC2Instance(&s.Tables, ci.ContainerInstanceARN, ci.EC2InstanceID)
	if !ok || !i.Scaling.HasAction(fleet.DrainingHook) {
		return nil
	}
	return []string{i.ARN()}
}

// All implements control.Planner.
func (draining) All(s *state.Snapshot) (keys []string) {
	for i := range s.Instances.All() {
		if i.Scaling.HasAction(fleet.DrainingHook) {
			keys = append(keys, i.ARN())
		}
	}
	return keys
}

// Step implements control.Planner. An instance without a container instance has nothing to drain, and control/instance
// takes one that does not run out of its cluster.
func (draining) Step(tx *state.Tx, key string, _ control.Moment) (time.Duration, error) {
	i, ok := tx.Instances.Get(key)
	if !ok || !i.Scaling.HasAction(fleet.DrainingHook) || i.State != fleet.Running {
		return 0, nil
	}
	left := 0
	for ci := range tx.Tables.ContainerInstances.By(state.ContainerInstancesByEC2Instance, i.ID) {
		if !ci.Present() {
			continue
		}
		if ci.Status == ecs.InstanceActive {
			n := *ci
			n.Status = ecs.InstanceDraining
			n.Version++
			tx.ContainerInstances.Put(&n)
		}
		left += tasksLeft(&tx.Tables, ci, i.Impaired())
	}
	why := ""
	switch done, waits := i.Complete(fleet.DrainingHook, fleet.Continue); {
	case waits && left > 0:
		why = fmt.Sprintf("Amazon ECS drains the instance before it is terminated; tasks that are left: %d.", left)
	case waits:
		tx.Instances.Put(done)
	}
	tx.ExplainActivity(i.Scaling.TerminatedBy, why)
	return 0, nil
}

// tasksLeft returns how many tasks an instance must not be terminated with. Of an impaired instance these are the tasks
// that a service has not replaced yet: nobody will report that a task has stopped, because the agent has failed.
func tasksLeft(t *state.Tables, ci *ecs.ContainerInstance, impaired bool) (n int) {
	for task := range t.Tasks.By(state.TasksByInstance, ci.ContainerInstanceARN) {
		if task.LastStatus == ecs.Stopped ||
			impaired && (task.ServiceARN == "" || task.MayStop() || t.OfDaemon(task)) {
			continue
		}
		n++
	}
	return n
}
