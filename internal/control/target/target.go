// Package target makes the targets of load balancers follow the tasks of services.
//
// A task that serves a load balancer is registered with its target groups once its containers run,
// and counts as RUNNING only then. A task that has stopped, or should, is deregistered. One that
// should stop may do so (it moves from DEACTIVATING to STOPPING) when the edge holds no connection
// for it any more or its deregistration delay is over (ecs.md 3.2.6, 3.11), and never before the
// edge has applied the deregistration. The package also deletes targets whose delay is over,
// also if a user deregistered them, and registers a running task again that a user has deregistered.
//
// Instances that were registered by hand are deregistered when they are terminated, as on AWS.
//
// It writes ecs.Task.Targets, those two steps of ecs.Task.LastStatus, and elb.Target. It keeps
// nothing outside of the store: before a task may stop or a target is deleted, it waits until the
// edge has applied a state with the deregistration.
package target

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// Edges sends changes to the edges.
type Edges interface {
	// Sync returns once the edge has applied revision rev of the state or a later one.
	Sync(ctx context.Context, rev uint64) error
}

// Controller is a control.Controller.
type Controller struct {
	control.Env
	edges Edges
}

// New returns the controller. edges may be nil if there is no edge; delays then last their full
// time.
func New(env control.Env, edges Edges) *Controller {
	return &Controller{Env: env, edges: edges}
}

// Key is what the controller works on: the tasks of a service that are to be registered or
// deregistered, a task that was deregistered by hand, a draining target, or an instance that has
// ended. Each is independent of the others.
type Key struct {
	of kind
	id string // an ARN, or the key of a target
}

type kind int

const (
	ofService kind = iota
	ofTask
	ofTarget
	ofInstance
)

// Keys returns the service of a task to be registered or deregistered, the services and tasks that
// wait for a change of a target, the target if it is draining, and an instance that has ended.
func (c *Controller) Keys(ch state.Change, s *state.Snapshot) []Key {
	switch ch := ch.(type) {
	case state.Changed[ecs.Task]:
		if t := ch.New; t != nil && t.ServiceARN != "" && t.Moving() {
			return []Key{{ofService, t.ServiceARN}}
		}
		return released(ch)
	case state.Changed[elb.TargetHealth]:
		return waiting(s, ch.Key)
	case state.Changed[elb.Target]:
		if ch.New != nil && !ch.New.IsDraining() {
			return nil
		}
		return append(waiting(s, ch.Key), Key{ofTarget, ch.Key})
	case state.Changed[fleet.Instance]:
		if ch.New != nil && !ch.New.Live() {
			return []Key{{ofInstance, ch.Key}}
		}
	}
	return nil
}

// released returns the targets of a task that has started to stop.
func released(ch state.Changed[ecs.Task]) (keys []Key) {
	if ch.Old == nil || ch.Old.LastStatus != ecs.Deactivating {
		return nil
	}
	for _, tt := range ch.Old.Targets {
		keys = append(keys, Key{ofTarget, elb.TargetKey(tt.TargetGroupARN, tt.ID, tt.Port)})
	}
	return keys
}

// waiting returns the services with tasks that wait to stop until a target has drained, and the
// tasks that were deregistered by hand.
func waiting(s *state.Snapshot, target string) (keys []Key) {
	for t := range s.Tasks.By(state.TasksByTarget, target) {
		switch {
		case t.LastStatus == ecs.Deactivating:
			keys = append(keys, Key{ofService, t.ServiceARN})
		case len(lost(&s.Tables, t)) > 0:
			keys = append(keys, Key{ofTask, t.TaskARN})
		}
	}
	return keys
}

// All returns every service and task that waits for something, every draining target, and every
// instance that has ended.
func (c *Controller) All(s *state.Snapshot) (keys []Key) {
	for t := range s.Tasks.All() {
		switch {
		case t.ServiceARN == "":
		case t.Moving():
			keys = append(keys, Key{ofService, t.ServiceARN})
		case len(lost(&s.Tables, t)) > 0:
			keys = append(keys, Key{ofTask, t.TaskARN})
		}
	}
	for t := range s.Targets.All() {
		if t.IsDraining() {
			keys = append(keys, Key{ofTarget, t.Key()})
		}
	}
	for i := range s.Instances.All() {
		if !i.Live() {
			keys = append(keys, Key{ofInstance, i.ARN()})
		}
	}
	return keys
}

// Reconcile implements control.Controller.
func (c *Controller) Reconcile(ctx context.Context, key Key) (again time.Duration, err error) {
	switch key.of {
	case ofService:
		return c.service(ctx, key.id)
	case ofTask:
		return c.task(ctx, key.id)
	case ofInstance:
		return 0, c.instance(ctx, key.id)
	}
	return c.target(ctx, key.id)
}

// service registers and deregisters the tasks of a service, and lets those stop that may.
func (c *Controller) service(ctx context.Context, arn string) (again time.Duration, err error) {
	synced := c.Store.View()
	if c.mayStop(synced, arn) {
		if err := c.sync(ctx, arn, synced.Rev); err != nil {
			return 0, err
		}
	}
	deregistered := false
	err = c.Commit(ctx, arn, func(tx *state.Tx, m control.Moment) error {
		s := newStep(tx, arn, m.Now)
		s.synced = &synced.Tables
		for t := range tx.Tasks.By(state.TasksByServiceMoving, arn) {
			s.task(t)
		}
		deregistered = len(s.removed) > 0
		s.finish()
		again = nextLook(&tx.Tables, arn, m.Now)
		return nil
	})
	if err == nil && deregistered { // at once, so that requests soon go elsewhere
		err = c.sync(ctx, arn, c.Store.View().Rev)
	}
	return again, err
}

// mayStop reports whether a task of the service may stop once the edge has applied the present
// state.
func (c *Controller) mayStop(s *state.Snapshot, arn string) bool {
	for t := range s.Tasks.By(state.TasksByServiceMoving, arn) {
		if mayStop(&s.Tables, t, c.Now()) {
			return true
		}
	}
	return false
}

// task registers a running task again that a user has deregistered.
func (c *Controller) task(ctx context.Context, arn string) (again time.Duration, err error) {
	err = c.Commit(ctx, arn, func(tx *state.Tx, m control.Moment) error {
		again = 0
		t, ok := tx.Tasks.Get(arn)
		if !ok {
			return nil
		}
		s := newStep(tx, t.ServiceARN, m.Now)
		s.restore(t)
		s.finish()
		if len(lost(&tx.Tables, t)) > 0 { // the group may be full, or the machine may be ending
			again = retry
		}
		return nil
	})
	return again, err
}

// sync returns once the edge has applied revision rev or a later one. On an error the service gets
// an event.
func (c *Controller) sync(ctx context.Context, arn string, rev uint64) error {
	if c.edges == nil {
		return nil
	}
	why := c.edges.Sync(ctx, rev)
	if why == nil || ctx.Err() != nil {
		return why
	}
	return errors.Join(why, c.blame(ctx, arn, why))
}

// blame adds an event which says why the service's tasks do not stop.
func (c *Controller) blame(ctx context.Context, arn string, why error) error {
	return c.Commit(ctx, arn, func(tx *state.Tx, m control.Moment) error {
		s := newStep(tx, arn, m.Now)
		s.complain(fmt.Sprintf("(service %s) the load balancer has not applied yet that targets were "+
			"deregistered: %v. It will try again, and the tasks run until then.", s.name(), why))
		s.finish()
		return nil
	})
}

// instance deregisters an instance that has ended wherever it is registered.
func (c *Controller) instance(ctx context.Context, arn string) error {
	return c.Commit(ctx, arn, func(tx *state.Tx, m control.Moment) error {
		i, ok := tx.Instances.Get(arn)
		if !ok || i.Live() {
			return nil
		}
		for t := range tx.Targets.By(state.TargetsByEC2Instance, i.ID) {
			if g, ok := tx.TargetGroups.Get(t.TargetGroupARN); ok && !t.IsDraining() {
				tx.Targets.Put(t.Deregister(m.Now, g.DeregistrationDelay()))
			}
		}
		return nil
	})
}

// retry is the delay before a failed registration, or a deregistration that the edge has not
// applied, is tried again.
const retry = 5 * time.Second

// nextLook returns how long it is until a task may stop or a registration is tried again without a
// change; 0 if nothing waits for time.
func nextLook(tables *state.Tables, arn string, now time.Time) (next time.Duration) {
	soonest := func(d time.Duration) {
		if d = max(d, time.Millisecond); next == 0 || d < next {
			next = d
		}
	}
	for t := range tables.Tasks.By(state.TasksByServiceMoving, arn) {
		if waitsForTargets(t) {
			soonest(retry)
		}
		if t.LastStatus != ecs.Deactivating {
			continue
		}
		for _, tt := range t.Targets {
			if target, ok := tables.Targets.Get(elb.TargetKey(tt.TargetGroupARN, tt.ID, tt.Port)); ok &&
				target.IsDraining() {
				soonest(target.DrainUntil.Add(unheard).Sub(now))
			}
		}
	}
	return next
}

// target deletes a target whose delay is over, or that no load balancer uses. It keeps one for
// which a task waits to stop, because the edge may not have applied the deregistration yet.
func (c *Controller) target(ctx context.Context, key string) (again time.Duration, err error) {
	err = c.Commit(ctx, key, func(tx *state.Tx, m control.Moment) error {
		again = 0
		t, ok := tx.Targets.Get(key)
		if !ok || !t.IsDraining() {
			return nil
		}
		if left := t.DrainUntil.Sub(m.Now); left > 0 && inUse(&tx.Tables, t.TargetGroupARN) {
			again = left
			return nil
		}
		for task := range tx.Tasks.By(state.TasksByTarget, key) {
			if task.LastStatus == ecs.Deactivating {
				return nil
			}
		}
		tx.Targets.Delete(key)
		tx.TargetHealth.Delete(key)
		return nil
	})
	return again, err
}

func inUse(t *state.Tables, groupARN string) bool {
	for range t.Rules.By(state.RulesByTargetGroup, groupARN) {
		return true
	}
	return false
}
