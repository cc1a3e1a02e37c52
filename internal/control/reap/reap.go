// Package reap forgets what is over: stopped tasks, deleted clusters, services and container instances after the time for which AWS still
// describes them, client tokens that have expired, task definitions whose deletion was asked for once nothing uses them.
package reap

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

// Kept is how long a thing that is over can still be described (ecs.md 1.5.5 for tasks; AWS gives no figure for the others).
const Kept = time.Hour

// Controller is a control.Reconciler. Its keys are "kind primary-key".
type Controller struct {
	store *state.Store
	now   func() time.Time
}

// New makes the controller; now is the clock.
func New(store *state.Store, now func() time.Time) *Controller {
	return &Controller{store: store, now: now}
}

// Keys names the changed thing if it is over, and the task definition of a thing that went away.
func (c *Controller) Keys(ch state.Change) []string {
	switch v := ch.New.(type) {
	case *ecs.Task:
		if v != nil && v.LastStatus == ecs.Stopped {
			return []string{"task " + ch.Key}
		}
	case *ecs.Cluster:
		if v != nil && v.Status == ecs.ClusterInactive {
			return []string{"cluster " + ch.Key}
		}
	case *ecs.Service:
		return serviceKeys(ch, v)
	case *ecs.ContainerInstance:
		if v != nil && v.Status == ecs.InstanceInactive {
			return []string{"instance " + ch.Key}
		}
	case *ecs.Token:
		if v != nil {
			return []string{"token " + ch.Key}
		}
	case *ecs.TaskDefinition:
		if v != nil && v.Status == ecs.TaskDefinitionDeleteInProgress {
			return []string{"definition " + ch.Key}
		}
	}
	if old, ok := ch.Old.(*ecs.Task); ok && old != nil && isNil(ch.New) {
		return []string{"definition " + old.TaskDefinitionARN}
	}
	return nil
}

// serviceKeys names the service if it is over, and the task definitions that it has let go of.
func serviceKeys(ch state.Change, s *ecs.Service) []string {
	var keys []string
	if s != nil && s.Status == ecs.ServiceInactive {
		keys = append(keys, "service "+ch.Key)
	}
	if old, ok := ch.Old.(*ecs.Service); ok && old != nil {
		for _, d := range old.Deployments {
			if s == nil || !slices.ContainsFunc(s.Deployments, func(o ecs.Deployment) bool { return o.TaskDefinition == d.TaskDefinition }) {
				keys = append(keys, "definition "+d.TaskDefinition)
			}
		}
	}
	return keys
}

func isNil(v any) bool {
	t, ok := v.(*ecs.Task)
	return v == nil || ok && t == nil
}

// All names everything that is over.
func (c *Controller) All(s *state.Snapshot) []string {
	var keys []string
	add := func(ch state.Change) { keys = append(keys, c.Keys(ch)...) }
	for v := range s.Tasks.All() {
		add(state.Change{Key: v.TaskARN, New: v})
	}
	for v := range s.Clusters.All() {
		add(state.Change{Key: v.ClusterARN, New: v})
	}
	for v := range s.Services.All() {
		add(state.Change{Key: v.ServiceARN, New: v})
	}
	for v := range s.ContainerInstances.All() {
		add(state.Change{Key: v.ContainerInstanceARN, New: v})
	}
	for v := range s.Tokens.All() {
		add(state.Change{Key: v.Key(), New: v})
	}
	for v := range s.TaskDefinitions.All() {
		add(state.Change{Key: v.TaskDefinitionARN, New: v})
	}
	return keys
}

// Reconcile forgets one thing if its time has come, and says when to look again if it has not.
func (c *Controller) Reconcile(ctx context.Context, key string) (time.Duration, error) {
	kind, id, _ := strings.Cut(key, " ")
	now := c.now()
	forget, wait := due(&c.store.View().Tables, kind, id, now)
	if forget == nil {
		return wait, nil
	}
	return 0, c.store.Update(ctx, func(tx *state.Tx) error {
		if forget, _ := due(&tx.Tables, kind, id, now); forget != nil {
			forget(tx)
		}
		return nil
	})
}

// due returns how to forget a thing whose time has come, or how long it is until then; 0 means not before something changes.
func due(t *state.Tables, kind, id string, now time.Time) (forget func(*state.Tx), wait time.Duration) {
	switch kind {
	case "task":
		if v, ok := t.Tasks.Get(id); ok && v.LastStatus == ecs.Stopped {
			return after(v.StoppedAt.Add(Kept), now, func(tx *state.Tx) { tx.Tasks.Delete(id) })
		}
	case "cluster":
		if v, ok := t.Clusters.Get(id); ok && v.Status == ecs.ClusterInactive {
			return after(v.DeletedAt.Add(Kept), now, func(tx *state.Tx) { tx.Clusters.Delete(id) })
		}
	case "service":
		if v, ok := t.Services.Get(id); ok && v.Status == ecs.ServiceInactive {
			return after(v.DeletedAt.Add(Kept), now, func(tx *state.Tx) { forgetService(tx, id) })
		}
	case "instance":
		if v, ok := t.ContainerInstances.Get(id); ok && v.Status == ecs.InstanceInactive {
			if hasTasks(t, id) {
				return nil, hasTasksAgain
			}
			return after(v.DeregisteredAt.Add(Kept), now, func(tx *state.Tx) { tx.ContainerInstances.Delete(id) })
		}
	case "token":
		if v, ok := t.Tokens.Get(id); ok {
			return after(v.ExpiresAt, now, func(tx *state.Tx) { tx.Tokens.Delete(id) })
		}
	case "definition":
		if v, ok := t.TaskDefinitions.Get(id); ok && v.Status == ecs.TaskDefinitionDeleteInProgress && !used(t, id) {
			return func(tx *state.Tx) { tx.TaskDefinitions.Delete(id) }, 0
		}
	}
	return nil, 0
}

// hasTasksAgain is how soon to look again at an instance whose tasks have not all ended: a load balancer may hold them back for an hour, and
// nobody would end them without their instance.
const hasTasksAgain = time.Minute

func hasTasks(t *state.Tables, instanceARN string) bool {
	for task := range t.Tasks.By(state.ByInstance, instanceARN) {
		if task.LastStatus != ecs.Stopped {
			return true
		}
	}
	return false
}

func after(at, now time.Time, forget func(*state.Tx)) (func(*state.Tx), time.Duration) {
	if now.Before(at) {
		return nil, at.Sub(now)
	}
	return forget, 0
}

func forgetService(tx *state.Tx, id string) {
	tx.Services.Delete(id)
	for e := range tx.ServiceEvents.By(state.ByService, id) {
		tx.ServiceEvents.Delete(e.Key())
	}
}

// used reports whether a task or a service still needs the definition (ecs.md 1.4.2).
func used(t *state.Tables, id string) bool {
	for s := range t.Services.All() {
		if s.Status == ecs.ServiceInactive {
			continue
		}
		for _, d := range s.Deployments {
			if d.TaskDefinition == id {
				return true
			}
		}
	}
	for task := range t.Tasks.All() {
		if task.TaskDefinitionARN == id {
			return true
		}
	}
	return false
}
