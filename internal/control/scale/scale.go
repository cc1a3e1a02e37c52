// Package scale carries out what Application Auto Scaling keeps of ECS services: the due actions of alarms that are
// policies, scheduled actions, and new bounds.
//
// It writes the desired counts of services, and nothing else of them: control/service does the rest, as if a user had
// written the count. What a step decided from (appscaling.Progress) is written in the same transaction as the count,
// the activity and the end of the due action. So a crash leaves all of a step or nothing, and nothing is scaled twice.
//
// The arithmetic is in package scaling. A policy scales when an action of it is due, which is every minute while its
// alarm stays in its state (ecs.md 7.5). Other policies that track a target only keep it from scaling in (ecs.md
// 6.12).
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

// New returns the controller. It reads points when it is about to scale in. pace is that of targets that have none of
// their own.
func New(points *meter.Store, pace scaling.Pace) *Controller { return &Controller{points, pace} }

// Keys returns the target that a change concerns. Changes of services and tasks matter only while an activity waits for
// tasks to run.
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

// waiting returns the target of a service if one of its activities is in progress.
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

// All returns all targets, and those of due actions that have none.
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

// Step carries out what is due for a target, and returns how long it is until its next scheduled action.
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

// forget ends the due actions of policies that do not exist: an alarm may name a policy that was never there.
func forget(tx *state.Tx, key string, now time.Time) {
	for d := range tx.Tables.DueActions.By(state.DueActionsByTarget, key) {
		tx.FinishDue(d, noPolicy, now)
	}
}

const noPolicy = "there is no such scaling policy"
