// Package reap deletes rows that are no longer needed: stopped tasks, and deleted clusters, services, capacity
// providers and container instances, after the time for which AWS still describes them; old service deployments; task
// definitions whose deletion was requested and which nothing uses; and the history of alarms.
package reap

import (
	"slices"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/deploy"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

// Kept is how long something that has ended can still be described (ecs.md 1.5.5 for tasks; AWS
// publishes no time for the others).
const Kept = time.Hour

// Controller is a control.Planner.
type Controller struct{}

// Key identifies a row that has ended or may have.
type Key struct {
	of kind
	id string // primary key
}

// kind says which table a key belongs to.
type kind string

const (
	task       kind = "task"
	cluster    kind = "cluster"
	service    kind = "service"
	instance   kind = "instance"
	definition kind = "definition"
	deployment kind = "deployment"
	provider   kind = "capacity provider"
	history    kind = "history" // of an alarm; the key has the ARN of the alarm
)

// Keys returns the changed row if it has ended, and the task definitions that it no longer uses.
func (Controller) Keys(c state.Change, s *state.Snapshot) []Key {
	switch c := c.(type) {
	case state.Changed[ecs.Task]:
		switch {
		case c.New == nil:
			return []Key{{definition, c.Old.TaskDefinitionARN}}
		case c.New.LastStatus == ecs.Stopped:
			return []Key{{task, c.Key}}
		}
	case state.Changed[ecs.Cluster]:
		return over(c, cluster, func(v *ecs.Cluster) bool { return v.Status == ecs.ClusterInactive })
	case state.Changed[ecs.CapacityProvider]:
		return over(c, provider, func(v *ecs.CapacityProvider) bool { return v.Status == ecs.CapacityProviderInactive })
	case state.Changed[ecs.Service]:
		return serviceKeys(c, s)
	case state.Changed[ecs.ServiceProgress]:
		return definitionsLeft(c.Old, c.New)
	case state.Changed[ecs.ServiceDeployment]:
		return over(c, deployment, (*ecs.ServiceDeployment).Ended)
	case state.Changed[alarm.HistoryItem]:
		return []Key{{history, c.Last().ARN}}
	case state.Changed[ecs.ContainerInstance]:
		return over(c, instance, func(v *ecs.ContainerInstance) bool { return v.Status == ecs.InstanceInactive })
	case state.Changed[ecs.TaskDefinition]:
		return over(c, definition, func(v *ecs.TaskDefinition) bool {
			return v.Status == ecs.TaskDefinitionDeleteInProgress
		})
	}
	return nil
}

// over returns the key of a changed row if it exists and has ended.
func over[T any](c state.Changed[T], of kind, is func(*T) bool) []Key {
	if c.New == nil || !is(c.New) {
		return nil
	}
	return []Key{{of, c.Key}}
}

// serviceKeys returns the key of the service if it has ended, and those of task definitions it no
// longer uses.
func serviceKeys(c state.Changed[ecs.Service], s *state.Snapshot) []Key {
	keys := over(c, service, func(v *ecs.Service) bool { return v.Status == ecs.ServiceInactive })
	if len(keys) > 0 {
		keys = append(keys, definitionsLeft(s.Progress(c.Key), nil)...)
	}
	return keys
}

// definitionsLeft returns the keys of the task definitions that a service no longer uses.
func definitionsLeft(old, now *ecs.ServiceProgress) (keys []Key) {
	if old == nil {
		return nil
	}
	for _, d := range old.Deployments {
		if now == nil || !uses(now, d.Revision.TaskDefinition) {
			keys = append(keys, Key{definition, d.Revision.TaskDefinition})
		}
	}
	return keys
}

// uses reports whether tasks of a service are made from the definition, or may be after a rollback.
func uses(p *ecs.ServiceProgress, definition string) bool {
	return slices.ContainsFunc(p.Deployments, func(d ecs.Deployment) bool {
		return d.Revision.TaskDefinition == definition
	})
}

// All returns the keys of everything that has ended.
func (c Controller) All(s *state.Snapshot) (keys []Key) {
	add := func(ch state.Change) { keys = append(keys, c.Keys(ch, s)...) }
	for v := range s.Tasks.All() {
		add(state.Changed[ecs.Task]{Key: v.TaskARN, New: v})
	}
	for v := range s.Clusters.All() {
		add(state.Changed[ecs.Cluster]{Key: v.ClusterARN, New: v})
	}
	for v := range s.CapacityProviders.All() {
		add(state.Changed[ecs.CapacityProvider]{Key: v.CapacityProviderARN, New: v})
	}
	for v := range s.Services.All() {
		add(state.Changed[ecs.Service]{Key: v.ServiceARN, New: v})
	}
	for v := range s.ServiceDeployments.All() {
		add(state.Changed[ecs.ServiceDeployment]{Key: v.ServiceDeploymentARN, New: v})
	}
	for v := range s.ContainerInstances.All() {
		add(state.Changed[ecs.ContainerInstance]{Key: v.ContainerInstanceARN, New: v})
	}
	for v := range s.AlarmHistory.All() {
		if k := (Key{history, v.ARN}); len(keys) == 0 || keys[len(keys)-1] != k { // those of an alarm lie together
			keys = append(keys, k)
		}
	}
	for v := range s.TaskDefinitions.All() {
		add(state.Changed[ecs.TaskDefinition]{Key: v.TaskDefinitionARN, New: v})
	}
	return keys
}

// Step deletes a row if it is due, or says when it will be.
func (Controller) Step(tx *state.Tx, key Key, m control.Moment) (time.Duration, error) {
	id := key.id
	switch key.of {
	case task:
		if v, ok := tx.Tasks.Get(id); ok && v.LastStatus == ecs.Stopped {
			return after(v.StoppedAt.Add(Kept), m, func() { tx.Tasks.Delete(id) })
		}
	case cluster:
		if v, ok := tx.Clusters.Get(id); ok && v.Status == ecs.ClusterInactive {
			return after(v.DeletedAt.Add(Kept), m, func() { tx.Clusters.Delete(id) })
		}
	case provider:
		if v, ok := tx.CapacityProviders.Get(id); ok && v.Status == ecs.CapacityProviderInactive {
			return after(v.DeletedAt.Add(Kept), m, func() { tx.CapacityProviders.Delete(id) })
		}
	case service:
		if v, ok := tx.Services.Get(id); ok && v.Status == ecs.ServiceInactive {
			return after(v.DeletedAt.Add(Kept), m, func() { forgetService(tx, id) })
		}
	case deployment:
		if v, ok := tx.ServiceDeployments.Get(id); ok && v.Ended() {
			if deploy.Due(&tx.Tables, v, m.Now) {
				deploy.Forget(tx, v)
				return 0, nil
			}
			return max(0, v.FinishedAt.Add(ecs.KeptServiceDeploymentsFor).Sub(m.Now)), nil
		}
	case instance:
		if v, ok := tx.ContainerInstances.Get(id); ok && v.Status == ecs.InstanceInactive {
			if hasTasks(&tx.Tables, id) {
				return hasTasksAgain, nil
			}
			return after(v.DeregisteredAt.Add(Kept), m, func() { tx.ContainerInstances.Delete(id) })
		}
	case history:
		for v := range tx.AlarmHistory.Prefix(alarm.HistoryPrefix(id)) { // the oldest first
			if wait := v.At.Add(alarm.KeptFor).Sub(m.Now); wait > 0 {
				return wait, nil
			}
			tx.AlarmHistory.Delete(v.Key())
		}
	case definition:
		if v, ok := tx.TaskDefinitions.Get(id); ok && v.Status == ecs.TaskDefinitionDeleteInProgress &&
			!used(&tx.Tables, id) {
			tx.TaskDefinitions.Delete(id)
		}
	}
	return 0, nil
}

// after calls forget if the time has come, and otherwise returns how long it is until then.
func after(at time.Time, m control.Moment, forget func()) (time.Duration, error) {
	if wait := at.Sub(m.Now); wait > 0 {
		return wait, nil
	}
	forget()
	return 0, nil
}

// hasTasksAgain is how soon to look again at a container instance with tasks that have not ended. A
// load balancer may delay them for up to an hour, and they need the row of their instance until
// then.
const hasTasksAgain = time.Minute

func hasTasks(t *state.Tables, instanceARN string) bool {
	for task := range t.Tasks.By(state.TasksByInstance, instanceARN) {
		if task.LastStatus != ecs.Stopped {
			return true
		}
	}
	return false
}

func forgetService(tx *state.Tx, id string) {
	tx.Services.Delete(id)
	deploy.ForgetService(tx, id)
}

// used reports whether a task or a service needs the definition (ecs.md 1.4.2).
func used(t *state.Tables, id string) bool {
	for p := range t.ServiceProgress.By(state.ServiceProgressByTaskDefinition, id) {
		if s, ok := t.Services.Get(p.ServiceARN); ok && s.Status != ecs.ServiceInactive {
			return true
		}
	}
	for range t.Tasks.By(state.TasksByTaskDefinition, id) {
		return true
	}
	return false
}
