// Package target makes the targets of load balancers follow the tasks of services.
//
// A task that serves a load balancer is registered with its target groups once its containers run, and only then counts as RUNNING;
// one that is to stop, or has stopped, is deregistered, and one that is to stop passes the stop gate (DEACTIVATING to STOPPING) only
// when the edge holds no connection for it any more or its deregistration delay is over (ecs.md 3.2.6, 3.11). Between a
// deregistration and the opening of the gate the edge has always taken the deregistration up. The package also removes targets whose
// delay is over, whoever deregistered them, and registers again what somebody else deregistered of a task that is to run.
//
// Instances that were registered by hand are deregistered when they are terminated, as on AWS.
//
// It writes ecs.Task.Targets, those two steps of ecs.Task.LastStatus, and elb.Target. Outside of the store it keeps only which services the
// edge has yet to be brought up to date on: while there is one, the service's gates stay shut, and it is tried again with the loop's
// back-off. A restart may forget that: it begins with an edge that serves by the newest state.
package target

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// Edges is whoever brings changes to the edge.
type Edges interface {
	// Sync returns once the edge serves by a revision of the state that is rev or later.
	Sync(ctx context.Context, rev uint64) error
}

// Controller is a control.Reconciler. Its keys are "service " and a service's ARN, for the service's tasks, "target " and a target's
// key, for what the edge or the clock does to a target, and "instance " and the ARN of an instance that has ended.
type Controller struct {
	store *state.Store
	edges Edges

	mu     sync.Mutex
	behind map[string]uint64 // by service whose deregistrations the edge may not have taken up: the revision it has to reach; guarded by mu
}

// New makes the controller. edges may be nil when there is no edge; delays are then waited for in full.
func New(store *state.Store, edges Edges) *Controller {
	return &Controller{store: store, edges: edges, behind: map[string]uint64{}}
}

const (
	serviceKey  = "service "
	targetKey   = "target "
	instanceKey = "instance "
)

// Keys names the service of a task that has to do with load balancers, and a target that was changed or judged.
func (c *Controller) Keys(ch state.Change) []string {
	switch v := ch.New.(type) {
	case *ecs.Task:
		if v != nil && v.ServiceARN != "" && len(v.LoadBalancers) > 0 {
			return []string{serviceKey + v.ServiceARN}
		}
	case *elb.Target, *elb.TargetHealth:
		return []string{targetKey + ch.Key}
	case *fleet.Instance:
		if v != nil && !v.Live() {
			return []string{instanceKey + ch.Key}
		}
	}
	switch ch.Old.(type) {
	case *elb.Target:
		return []string{targetKey + ch.Key}
	}
	return nil
}

// All names every service with a load balancer and every target.
func (c *Controller) All(s *state.Snapshot) []string {
	seen := map[string]bool{}
	for t := range s.Tasks.All() {
		if t.ServiceARN != "" && len(t.LoadBalancers) > 0 {
			seen[serviceKey+t.ServiceARN] = true
		}
	}
	for t := range s.Targets.All() {
		seen[targetKey+t.Key()] = true
	}
	for i := range s.Instances.All() {
		if !i.Live() {
			seen[instanceKey+i.ARN()] = true
		}
	}
	keys := make([]string, 0, len(seen))
	for k := range seen {
		keys = append(keys, k)
	}
	return keys
}

// Reconcile does what is to be done for a key and says when time alone will change something.
func (c *Controller) Reconcile(ctx context.Context, key string) (again time.Duration, err error) {
	if arn, ok := strings.CutPrefix(key, serviceKey); ok {
		return c.service(ctx, arn)
	}
	if arn, ok := strings.CutPrefix(key, instanceKey); ok {
		return 0, c.instance(ctx, arn)
	}
	return c.target(ctx, strings.TrimPrefix(key, targetKey))
}

// service registers and deregisters the tasks of a service, and opens the gate for those that may stop.
func (c *Controller) service(ctx context.Context, arn string) (again time.Duration, err error) {
	if err := c.catchUp(ctx, arn); err != nil {
		return 0, err
	}
	if !c.concerned(arn, time.Now()) {
		return c.nextLook(arn), nil
	}
	deregistered := false
	err = c.store.Update(ctx, func(tx *state.Tx) error {
		s := newStep(tx, arn)
		for t := range tx.Tasks.By(state.ByService, arn) {
			s.task(t)
		}
		deregistered = len(s.removed) > 0
		s.finish()
		return nil
	})
	if err != nil {
		return 0, err
	}
	if deregistered && c.edges != nil {
		c.fallBehind(arn, c.store.View().Rev)
		if err := c.catchUp(ctx, arn); err != nil {
			return 0, err
		}
	}
	return c.nextLook(arn), nil
}

// catchUp waits until the edge has taken up what was deregistered of the service, if it may not have. When it cannot be brought to, the
// service says so.
func (c *Controller) catchUp(ctx context.Context, arn string) error {
	for c.isBehind(arn) {
		rev := c.store.View().Rev
		if why := c.edges.Sync(ctx, rev); why != nil {
			if ctx.Err() != nil {
				return why
			}
			return errors.Join(why, c.blame(ctx, arn, why))
		}
		c.reached(arn, rev)
	}
	return nil
}

// blame has the service tell why its tasks do not stop.
func (c *Controller) blame(ctx context.Context, arn string, why error) error {
	return c.store.Update(ctx, func(tx *state.Tx) error {
		s := newStep(tx, arn)
		s.complain(fmt.Sprintf("(service %s) the load balancer has not taken up yet that targets were deregistered: %v. It is tried again, and the tasks are kept until then.", s.name(), why))
		s.finish()
		return nil
	})
}

func (c *Controller) isBehind(arn string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.behind[arn] > 0
}

func (c *Controller) fallBehind(arn string, rev uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.behind[arn] = max(c.behind[arn], rev)
}

// reached notes what the edge serves by. A service's tasks may be worked on for the service and for one of its targets at the same time, so
// that the edge may have fallen behind again meanwhile.
func (c *Controller) reached(arn string, rev uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.behind[arn] <= rev {
		delete(c.behind, arn)
	}
}

// instance deregisters an instance that has ended wherever it is registered.
func (c *Controller) instance(ctx context.Context, arn string) error {
	i, ok := c.store.View().Instances.Get(arn)
	if !ok || i.Live() {
		return nil
	}
	groups := elb.TargetGroupARN(i.Region, i.Account, "", "")
	return c.store.Update(ctx, func(tx *state.Tx) error {
		for t := range tx.Targets.Prefix(strings.TrimSuffix(groups, "//")) {
			if t.ID != i.ID || t.IsDraining() {
				continue
			}
			if g, ok := tx.TargetGroups.Get(t.TargetGroupARN); ok {
				tx.Targets.Put(t.Deregister(time.Now(), g.DeregistrationDelay()))
			}
		}
		return nil
	})
}

// concerned looks, without a transaction, whether a task of the service has anything to be done.
func (c *Controller) concerned(arn string, now time.Time) bool {
	snap := c.store.View()
	for t := range snap.Tasks.By(state.ByService, arn) {
		if waitsForTargets(t) || needsDeregistering(t) || len(lost(&snap.Tables, t)) > 0 || t.LastStatus == ecs.Deactivating && gateOpens(&snap.Tables, t, now) ||
			len(t.Targets) > 0 && t.LastStatus == ecs.Stopped {
			return true
		}
	}
	return false
}

// retry is how long a task that could not be registered waits to be tried again.
const retry = 5 * time.Second

// nextLook is how long until time alone changes something: a gate opens, or a registration is tried again; 0 when nothing waits for time.
func (c *Controller) nextLook(arn string) time.Duration {
	snap := c.store.View()
	next := time.Duration(0)
	soonest := func(d time.Duration) {
		if d = max(d, time.Millisecond); next == 0 || d < next {
			next = d
		}
	}
	for t := range snap.Tasks.By(state.ByService, arn) {
		if waitsForTargets(t) {
			soonest(retry)
		}
		if t.LastStatus != ecs.Deactivating {
			continue
		}
		for _, tt := range t.Targets {
			if target, ok := snap.Targets.Get(elb.TargetKey(tt.TargetGroupARN, tt.ID, tt.Port)); ok && target.IsDraining() {
				soonest(time.Until(target.DrainUntil.Add(unheard)))
			}
		}
	}
	return next
}

// target removes a target whose delay is over, lets tasks know that the edge is done with one, and has a task registered again whose target
// was deregistered by hand.
func (c *Controller) target(ctx context.Context, key string) (again time.Duration, err error) {
	snap := c.store.View()
	t, ok := snap.Targets.Get(key)
	if ok && !t.IsDraining() {
		return 0, nil
	}
	for task := range snap.Tasks.By(state.ByTargetGroup, elb.GroupOfTargetKey(key)) {
		if (task.LastStatus == ecs.Deactivating || len(lost(&snap.Tables, task)) > 0) && isTarget(task, key) {
			if _, err := c.service(ctx, task.ServiceARN); err != nil {
				return 0, err
			}
		}
	}
	if t, ok = c.store.View().Targets.Get(key); !ok || !t.IsDraining() {
		return 0, nil
	}
	if left := time.Until(t.DrainUntil); left > 0 && inUse(&snap.Tables, t.TargetGroupARN) {
		return left, nil
	}
	return 0, c.store.Update(ctx, func(tx *state.Tx) error {
		now, ok := tx.Targets.Get(key)
		if !ok || !now.IsDraining() || !now.DrainUntil.Equal(t.DrainUntil) {
			return nil
		}
		tx.Targets.Delete(key)
		tx.TargetHealth.Delete(key)
		return nil
	})
}

func isTarget(t *ecs.Task, key string) bool {
	for _, tt := range t.Targets {
		if elb.TargetKey(tt.TargetGroupARN, tt.ID, tt.Port) == key {
			return true
		}
	}
	return false
}

func inUse(t *state.Tables, groupARN string) bool {
	for range t.Rules.By(state.ByTargetGroup, groupARN) {
		return true
	}
	return false
}
