// Package service keeps the desired number of tasks of each ECS service running. Package rollout decides the next step
// of the service, and package sched chooses the instances of new tasks. The controller writes the result to the state
// in one transaction.
//
// It writes the progress of services, their service deployments after these have started, the rows of new tasks, and
// the desired status of tasks. It does not start or stop containers, and does not call agents or load balancers: it
// reads what dispatch, publish and control/target have written about them. It changes the row of a service only to end
// a deleted service.
package service

import (
	"reflect"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/rollout"
	"github.com/berthhq/berth/internal/state"
)

// Config has the controller's times.
type Config struct {
	// HealthyAfter is how long a task without health checks must run before it counts as healthy. AWS: 40 s (ecs.md
	// 3.2.3).
	HealthyAfter time.Duration
	// RetryBase is the delay after the first failed start. It doubles with each further one, up to 15 minutes. Zero
	// means no delay (ecs.md 3.4).
	RetryBase time.Duration
	// StableAfter is a time in RUNNING. If a task ends earlier, this counts as a failed start. Zero selects AWS's rule:
	// a task that was RUNNING never counts as a failed start (ecs.md 3.4, 3.5.2).
	StableAfter time.Duration
	// PlaceAgain is the delay before another attempt to place tasks if nothing changes in the meantime.
	PlaceAgain time.Duration
}

// Usual returns the times that a server uses. Some are shorter than those of AWS, whose clusters are larger
// (docs/decisions/0010-pace.md). StableAfter differs from AWS's rule (docs/decisions/0360-early-ends.md).
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
	case state.Changed[ecs.ServiceDeployment]:
		if ch.Last().Status == ecs.ServiceDeploymentRollbackRequested {
			return []string{ch.Last().ServiceARN}
		}
	case state.Changed[alarm.Status]:
		if ch.Old == nil || ch.New == nil || ch.Old.Value != ch.New.Value {
			return servicesOfAlarm(s, ch.Key)
		}
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
	case state.Changed[elb.Target]: // a user may have deregistered it
		return servicesBehind(s, ch.Last().TargetGroupARN)
	case state.Changed[elb.Rule]: // a rule decides whether targets are in use, and so whether their health counts
		return servicesOfRule(ch, s)
	}
	return nil
}

// daemonsLeftBy returns the daemon services of a draining instance if the changed task has just left it. Their tasks
// stop after all others (ecs.md 1.3.12), and no other change affects these services.
func daemonsLeftBy(ch state.Changed[ecs.Task], s *state.Snapshot) (keys []string) {
	was, is := ch.Old, ch.New
	if was == nil || was.LastStatus == ecs.Stopped || is != nil && is.LastStatus != ecs.Stopped {
		return nil
	}
	if ci, ok := s.ContainerInstances.Get(was.ContainerInstanceARN); !ok || ci.Status != ecs.InstanceDraining {
		return nil
	}
	for t := range s.Tasks.By(state.TasksByInstance, was.ContainerInstanceARN) {
		if t.LastStatus != ecs.Stopped && s.OfDaemon(t) {
			keys = append(keys, t.ServiceARN)
		}
	}
	return keys
}

// matters reports whether a change of a container instance can affect services. Most changes only count the messages of
// the agent's session.
func matters(ch state.Changed[ecs.ContainerInstance]) bool {
	return ch.Old == nil || ch.New == nil || !reflect.DeepEqual(forServices(*ch.Old), forServices(*ch.New))
}

// forServices returns a copy of a container instance without the fields that do not affect services.
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

// servicesOfAlarm returns the services with a deployment in progress that an alarm watches.
func servicesOfAlarm(s *state.Snapshot, alarmARN string) (keys []string) {
	for svc := range s.Services.By(state.ServicesByAlarm, alarmARN) {
		if d := s.LatestDeployment(svc.ServiceARN); d != nil && d.Status == ecs.ServiceDeploymentInProgress {
			keys = append(keys, svc.ServiceARN)
		}
	}
	return keys
}

func servicesBehind(s *state.Snapshot, targetGroupARN string) (keys []string) {
	for p := range s.ServiceProgress.By(state.ServiceProgressByTargetGroup, targetGroupARN) {
		keys = append(keys, p.ServiceARN)
	}
	return keys
}

// servicesOfRule returns the services of the target groups to which a rule forwards, or forwarded before the change.
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

// Step carries out the next step of one service. It returns the time after which to call it again without a change.
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

// nextLook returns the time until the next step if nothing changes: the plan's time, the next attempt to place tasks,
// or the time to repeat a complaint, whichever is first.
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
