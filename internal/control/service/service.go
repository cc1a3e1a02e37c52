// Package service keeps each ECS service at its desired tasks: it shows the service to the rollout brain, asks the scheduler where
// the tasks go that the brain wants started, and writes both answers into the state in one transaction.
//
// It owns a service's deployments, events and steadiness, and the start and the desired end of its tasks. It neither starts nor stops
// anything itself, and does not know agents or load balancers: it reads what dispatch, publish and control/target saw of them.
package service

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/rollout"
	"github.com/berthhq/berth/internal/state"
)

// Config are the controller's times; zero is none.
type Config struct {
	// HealthyAfter is how long a task must have run to count as healthy when nothing checks it. AWS: 40 s (ecs.md 3.2.3).
	HealthyAfter time.Duration
	// RetryBase is the first delay after a launch that failed; each further one doubles it, up to 15 minutes (ecs.md 3.4).
	RetryBase time.Duration
	// StableAfter is how long a task must have been RUNNING for its end not to count as a failed start. Zero is AWS's rule:
	// no task that was RUNNING failed to start (ecs.md 3.4, 3.5.2).
	StableAfter time.Duration
	// PlaceAgain is how often tasks that found no instance are tried again when nothing has changed meanwhile.
	PlaceAgain time.Duration
}

// Controller is a control.Reconciler whose keys are service ARNs.
type Controller struct {
	store  *state.Store
	logger *slog.Logger
	config Config
	now    func() time.Time
}

// New makes the controller; now is the clock.
func New(store *state.Store, logger *slog.Logger, config Config, now func() time.Time) *Controller {
	return &Controller{store: store, logger: logger, config: config, now: now}
}

// Keys are the services that a change concerns. A container instance concerns all services of its cluster, by whose name it is keyed.
func (c *Controller) Keys(ch state.Change) []string {
	var keys []string
	add := func(v any) {
		switch v := v.(type) {
		case *ecs.Service:
			if v != nil {
				keys = append(keys, v.ServiceARN)
			}
		case *ecs.Task:
			if v != nil && v.ServiceARN != "" {
				keys = append(keys, v.ServiceARN)
			}
		case *ecs.ContainerInstance:
			if v != nil && matters(ch) {
				keys = append(keys, c.servicesOf(v.ClusterARN)...)
			}
		case *elb.TargetHealth:
			if v != nil {
				keys = append(keys, c.servicesBehind(elb.GroupOfTargetKey(v.Key))...)
			}
		case *elb.Target: // one may be deregistered by hand
			if v != nil {
				keys = append(keys, c.servicesBehind(v.TargetGroupARN)...)
			}
		case *elb.Rule: // without one, targets are unused, whatever their health
			if v != nil {
				for _, arn := range elb.Uses(v.Actions) {
					keys = append(keys, c.servicesBehind(arn)...)
				}
			}
		}
	}
	add(ch.Old)
	add(ch.New)
	return append(keys, c.daemonsLeftBy(ch)...)
}

// daemonsLeftBy are the daemon services with a task on the draining instance that another task has left just now: daemons leave last
// (ecs.md 1.3.12), and nothing else would tell them that their turn has come.
func (c *Controller) daemonsLeftBy(ch state.Change) []string {
	was, _ := ch.Old.(*ecs.Task)
	is, _ := ch.New.(*ecs.Task)
	if was == nil || was.LastStatus == ecs.Stopped || is != nil && is.LastStatus != ecs.Stopped {
		return nil
	}
	snap := c.store.View()
	if ci, ok := snap.ContainerInstances.Get(was.ContainerInstanceARN); !ok || ci.Status != ecs.InstanceDraining {
		return nil
	}
	var keys []string
	for t := range snap.Tasks.By(state.ByInstance, was.ContainerInstanceARN) {
		if t.LastStatus != ecs.Stopped && ofDaemon(&snap.Tables, t) {
			keys = append(keys, t.ServiceARN)
		}
	}
	return keys
}

// matters reports whether a change of a container instance can change what a service does: most only number the messages of its session.
func matters(ch state.Change) bool {
	before, _ := ch.Old.(*ecs.ContainerInstance)
	after, _ := ch.New.(*ecs.ContainerInstance)
	return before == nil || after == nil || before.Status != after.Status || before.AgentConnected != after.AgentConnected ||
		before.AgentVersion != after.AgentVersion || before.EC2InstanceID != after.EC2InstanceID || !slices.Equal(before.Attributes, after.Attributes) || !reflect.DeepEqual(before.Registered, after.Registered)
}

func (c *Controller) servicesOf(clusterARN string) []string {
	var keys []string
	for s := range c.store.View().Services.By(state.ByCluster, clusterARN) {
		keys = append(keys, s.ServiceARN)
	}
	return keys
}

func (c *Controller) servicesBehind(targetGroupARN string) []string {
	var keys []string
	for s := range c.store.View().Services.By(state.ByTargetGroup, targetGroupARN) {
		keys = append(keys, s.ServiceARN)
	}
	return keys
}

// All names every service.
func (c *Controller) All(s *state.Snapshot) []string {
	var keys []string
	for v := range s.Services.All() {
		keys = append(keys, v.ServiceARN)
	}
	return keys
}

// Reconcile takes the next step of one service. The plan is made twice: on a snapshot, to see whether there is anything to do and how many
// names to mint, and inside the transaction, so that what is carried out fits the state it is carried out on.
func (c *Controller) Reconcile(ctx context.Context, key string) (time.Duration, error) {
	snap, now := c.store.View(), c.now()
	svc, ok := snap.Services.Get(key)
	if !ok || svc.Status == ecs.ServiceInactive {
		return 0, nil
	}
	plan := c.plan(&snap.Tables, svc, now)
	if idle(svc, plan, now) {
		return c.nextLook(svc, plan, now), nil
	}
	ids := launch.MintIDs(count(plan))
	var again time.Duration
	err := c.store.Update(ctx, func(tx *state.Tx) error {
		svc, ok := tx.Services.Get(key)
		if !ok {
			return nil
		}
		plan := c.plan(&tx.Tables, svc, now)
		s := &step{tx: tx, now: now, ids: ids, svc: *svc}
		s.carryOut(plan)
		again = c.nextLook(&s.svc, plan, now)
		return nil
	})
	return again, err
}

// plan asks the brain for the next step.
func (c *Controller) plan(t *state.Tables, svc *ecs.Service, now time.Time) rollout.Plan {
	v, changes := c.view(t, svc, now)
	p := rollout.Next(v, now)
	if p.WakeAt.IsZero() || !changes.IsZero() && changes.Before(p.WakeAt) {
		p.WakeAt = changes
	}
	return p
}

// nextLook is when time alone brings something about: what the plan waits for, another try to place tasks, or the repetition of a complaint.
func (c *Controller) nextLook(svc *ecs.Service, p rollout.Plan, now time.Time) time.Duration {
	again := until(p.WakeAt, now)
	soonest := func(d time.Duration) {
		if again == 0 || d < again {
			again = d
		}
	}
	if svc.Unplaced > 0 {
		soonest(c.config.PlaceAgain)
	}
	if svc.LastComplaint != "" {
		soonest(until(svc.LastComplaintAt.Add(ecs.RepeatAfter), now))
	}
	return again
}

// idle reports whether the plan asks for nothing that is not so already, and what it says was said lately.
func idle(svc *ecs.Service, p rollout.Plan, now time.Time) bool {
	return len(p.Start)+len(p.Stop)+len(p.Mark)+len(p.Healthy)+len(p.Counted)+len(p.Event) == 0 && p.SteadyAt.Equal(svc.SteadyAt) && p.Rebalancing == svc.Rebalancing &&
		p.Complaint == svc.LastComplaint && !repeats(svc, p.Complaint, now) && svc.Unplaced == 0 && svc.Status == ecs.ServiceActive
}

func count(p rollout.Plan) int {
	n := 0
	for _, s := range p.Start {
		n += s.Count
	}
	return n
}

func until(t, now time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(t.Sub(now), time.Millisecond)
}
