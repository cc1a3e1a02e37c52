// Package service keeps each ECS service at its desired tasks. It asks package rollout for the next
// step of the service and package sched where new tasks go, and writes both answers to the state in
// one transaction.
//
// It writes the progress of services, their service deployments once these have started, and the
// start and the desired end of their tasks. It does not start or stop containers, and does not know
// agents or load balancers: it reads what dispatch, publish and control/target have written about
// them. Of what users ask for it writes one thing only: the end of a deleted service.
package service

import (
	"reflect"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/rollout"
	"github.com/berthhq/berth/internal/state"
)

// Config has the controller's times.
type Config struct {
	// HealthyAfter is how long a task without any check must have run to be healthy. AWS: 40 s
	// (ecs.md 3.2.3).
	HealthyAfter time.Duration
	// RetryBase is the first delay after a failed launch; it doubles with each further one, up to
	// 15 minutes. Zero means no delay (ecs.md 3.4).
	RetryBase time.Duration
	// StableAfter is how long a task must have been RUNNING for its end not to count as a failed
	// start. Zero selects AWS's rule: a task that was RUNNING never counts as failed (ecs.md 3.4,
	// 3.5.2).
	StableAfter time.Duration
	// PlaceAgain is how often to try again to place tasks if nothing has changed.
	PlaceAgain time.Duration
}

// Usual returns the times of a server. AWS waits longer because of its size; a single machine need not
// (docs/decisions/0010-pace.md). StableAfter is not that of AWS (docs/decisions/0360-early-ends.md).
func Usual() Config {
	return Config{
		HealthyAfter: time.Second, RetryBase: 2 * time.Second, PlaceAgain: 10 * time.Second,
		StableAfter: 40 * time.Second,
	}
}

// Controller is a control.Planner whose keys are service ARNs.
type Controller struct {
	config Config
	worlds *worlds
}

// New returns the controller.
func New(config Config) *Controller { return &Controller{config: config, worlds: new(worlds)} }

// Keys returns the services that a change affects. A change of a container instance affects all
// services of its cluster.
func (c *Controller) Keys(ch state.Change, s *state.Snapshot) []string {
	switch ch := ch.(type) {
	case state.Changed[ecs.Service]:
		return []string{ch.Key}
	case state.Changed[ecs.ServiceProgress]:
		return []string{ch.Key}
	case state.Changed[ecs.Task]:
		keys := daemonsLeftBy(ch, s)
		if arn := ch.Last().ServiceARN; arn != "" {
			keys = append(keys, arn)
		}
		return keys
	case state.Changed[ecs.ContainerInstance]:
		if matters(ch) {
			return servicesOf(s, ch.Last().ClusterARN)
		}
	case state.Changed[elb.TargetHealth]:
		return servicesBehind(s, elb.GroupOfTargetKey(ch.Key))
	case state.Changed[elb.Target]: // it may have been deregistered by hand
		return servicesBehind(s, ch.Last().TargetGroupARN)
	case state.Changed[elb.Rule]: // targets without a rule are unused, whatever their health
		return servicesOfRule(ch, s)
	}
	return nil
}

// daemonsLeftBy returns the daemon services with a task on a draining instance which another task
// has just left: daemons leave last (ecs.md 1.3.12), and no other change would wake them.
func daemonsLeftBy(ch state.Changed[ecs.Task], s *state.Snapshot) (keys []string) {
	was, is := ch.Old, ch.New
	if was == nil || was.LastStatus == ecs.Stopped || is != nil && is.LastStatus != ecs.Stopped {
		return nil
	}
	if ci, ok := s.ContainerInstances.Get(was.ContainerInstanceARN); !ok || ci.Status != ecs.InstanceDraining {
		return nil
	}
	for t := range s.Tasks.By(state.TasksByInstance, was.ContainerInstanceARN) {
		if t.LastStatus != ecs.Stopped && ofDaemon(&s.Tables, t) {
			keys = append(keys, t.ServiceARN)
		}
	}
	return keys
}

// matters reports whether a change of a container instance can affect services. Most changes only
// count the messages of its session.
func matters(ch state.Changed[ecs.ContainerInstance]) bool {
	return ch.Old == nil || ch.New == nil || !reflect.DeepEqual(forServices(*ch.Old), forServices(*ch.New))
}

// forServices returns a container instance without what no service depends on.
func forServices(i ecs.ContainerInstance) ecs.ContainerInstance {
	i.StatusReason, i.Tags, i.Version, i.Sequence, i.ClientToken = "", nil, 0, 0, ""
	i.AgentHash, i.DockerVersion = "", ""
	i.RuntimeStatus, i.RuntimeReason = "", ""
	i.AgentConnectedAt, i.RuntimeStatusSince, i.RuntimeStatusUpdated = time.Time{}, time.Time{}, time.Time{}
	i.DeregisteredAt = time.Time{}
	return i
}

func servicesOf(s *state.Snapshot, clusterARN string) (keys []string) {
	for svc := range s.Services.By(state.ServicesByCluster, clusterARN) {
		keys = append(keys, svc.ServiceARN)
	}
	return keys
}

func servicesBehind(s *state.Snapshot, targetGroupARN string) (keys []string) {
	for p := range s.ServiceProgress.By(state.ServiceProgressByTargetGroup, targetGroupARN) {
		keys = append(keys, p.ServiceARN)
	}
	return keys
}

// servicesOfRule returns the services behind the target groups to which a rule forwards, or did
// before.
func servicesOfRule(ch state.Changed[elb.Rule], s *state.Snapshot) (keys []string) {
	for _, r := range []*elb.Rule{ch.Old, ch.New} {
		if r == nil {
			continue
		}
		for _, arn := range elb.Uses(r.Actions) {
			keys = append(keys, servicesBehind(s, arn)...)
		}
	}
	return keys
}

// All returns all services.
func (c *Controller) All(s *state.Snapshot) (keys []string) {
	for v := range s.Services.All() {
		keys = append(keys, v.ServiceARN)
	}
	return keys
}

// Step does the next step of one service.
func (c *Controller) Step(tx *state.Tx, key string, m control.Moment) (time.Duration, error) {
	svc, ok := tx.Services.Get(key)
	if !ok || svc.Status == ecs.ServiceInactive {
		return 0, nil
	}
	plan := c.plan(&tx.Tables, svc, m.Now)
	s := &step{tx: tx, now: m.Now, random: m.Random, svc: svc, worlds: c.worlds, progress: *tx.Progress(key)}
	s.carryOut(plan)
	return c.nextLook(&s.progress, plan, m.Now), nil
}

// plan returns rollout's plan for the service.
func (c *Controller) plan(t *state.Tables, svc *ecs.Service, now time.Time) rollout.Plan {
	return rollout.Next(c.view(t, svc, now), now)
}

// nextLook returns when to look again without a change: when the plan says, when tasks without a
// place are tried again, or when a complaint is repeated, whichever is first.
func (c *Controller) nextLook(progress *ecs.ServiceProgress, plan rollout.Plan, now time.Time) time.Duration {
	again := until(plan.WakeAt, now)
	soonest := func(d time.Duration) {
		if again == 0 || d < again {
			again = d
		}
	}
	if progress.Unplaced > 0 {
		soonest(c.config.PlaceAgain)
	}
	if progress.LastComplaint != "" {
		soonest(until(progress.LastComplaintAt.Add(ecs.RepeatAfter), now))
	}
	return again
}

func until(t, now time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(t.Sub(now), time.Millisecond)
}
