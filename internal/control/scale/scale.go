// Package scale carries out Application Auto Scaling for ECS services: the policies that alarms call, scheduled
// actions, and new bounds of scalable targets.
//
// It changes only the desired count of a service; control/service then starts and stops tasks, as if a user had written
// the count. A step writes the count, the activity and appscaling.Progress, and deletes the due action, in one
// transaction. So after a crash either all of a step is written or nothing, and a service is not scaled twice for one
// action.
//
// Package scaling computes the new count. An alarm calls its policy by a due action, when it enters its state and every
// minute while it stays in it (ecs.md 7.5). Target tracking policies that were not called can only prevent a scale-in
// (ecs.md 6.12).
package scale

import (
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// Controller is a control.Planner. Its keys are those of scalable targets (appscaling.Key).
type Controller struct {
	points *meter.Store
	pace   scaling.Pace
}

// New returns the controller. It reads metrics from points before it scales in. pace applies to targets without the tag
// berth:pace.
func New(points *meter.Store, pace scaling.Pace) *Controller { return &Controller{points, pace} }

// Keys returns the target that a change affects. A change of a service or a task affects its target only while an
// activity is in progress, that is, until enough tasks run.
func (*Controller) Keys(c state.Change, s *state.Snapshot) []string {
	switch c := c.(type) {
	case state.Changed[appscaling.Target]:
		return []string{c.Key}
	case state.Changed[appscaling.Scheduled]:
		last := c.Last()
		return []string{appscaling.Key(last.Region, last.Account, last.ResourceID)}
	case state.Changed[alarm.Due]:
		if key := appscaling.TargetKeyOf(c.Last()); c.New != nil && key != "" {
			return []string{key}
		}
	case state.Changed[ecs.Service]:
		return waiting(s, c.Key)
	case state.Changed[ecs.Task]:
		return waiting(s, c.Last().ServiceARN)
	}
	return nil
}

// waiting returns the target of a service if an activity of it is in progress, and none otherwise.
func waiting(s *state.Snapshot, serviceARN string) []string {
	a, err := arn.Parse(serviceARN)
	if err != nil {
		return nil
	}
	key := appscaling.Key(a.Region, a.Account, a.Resource)
	if p, ok := s.ScalingProgress.Get(key); !ok || p.Open == "" {
		return nil
	}
	return []string{key}
}

// All returns the keys of all targets, and the keys in due actions, whose targets may not exist.
func (*Controller) All(s *state.Snapshot) (keys []string) {
	for t := range s.ScalableTargets.All() {
		keys = append(keys, t.Key())
	}
	for d := range s.DueActions.By(state.DueActionsByKind, string(alarm.ServicePolicy)) {
		if key := appscaling.TargetKeyOf(d); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

// Step carries out what is due for a target, and returns the time until its next scheduled action.
func (c *Controller) Step(tx *state.Tx, key string, m control.Moment) (time.Duration, error) {
	target, ok := tx.ScalableTargets.Get(key)
	if !ok {
		forget(tx, key, m.Now)
		return 0, nil
	}
	s := newStep(tx, target, c, m)
	next := s.schedule()
	s.bound()
	if err := s.policies(); err != nil {
		return 0, err
	}
	s.follow()
	s.write()
	if next.IsZero() {
		return 0, nil
	}
	return max(next.Sub(m.Now), time.Millisecond), nil
}

// forget deletes the due actions of a target that does not exist. An alarm may list a policy that never existed.
func forget(tx *state.Tx, key string, now time.Time) {
	for d := range tx.Tables.DueActions.By(state.DueActionsByTarget, key) {
		tx.FinishDue(d, noPolicy, now)
	}
}

const noPolicy = "there is no such scaling policy"
