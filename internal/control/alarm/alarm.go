// Package alarm evaluates alarms: it reads their metrics, decides their states, and writes what has changed.
//
// A composite alarm is evaluated when the state of an alarm in its rule changes. Any other alarm is evaluated only at
// its own times (alarm.Alarm.Last). The loop sorts alarms by their next evaluation, so the cost of an evaluation does
// not depend on the number of alarms.
//
// The controller writes a state only if it has changed. It writes the change in one transaction with its history and
// with the actions that become due, which other controllers carry out. After a crash either all of this is written or
// nothing; if nothing is, the next evaluation writes it.
package alarm

import (
	"context"
	"fmt"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/compare"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

// Controller implements control.Controller. Its keys are the ARNs of alarms.
type Controller struct {
	control.Env
	points *meter.Store
	pace   scaling.Pace // of alarms without the tag berth:pace
}

// New returns a controller that evaluates the alarms of env's store with the metrics in points. pace is the pace of
// alarms that have none of their own.
func New(env control.Env, points *meter.Store, pace scaling.Pace) *Controller {
	return &Controller{env, points, pace}
}

// Keys returns an alarm if its settings or its pace have changed. If its state has changed, Keys returns the composite
// alarms whose rules name it, but not the alarm itself: a state that SetAlarmState has set lasts until the next
// evaluation (ecs.md 7.5).
func (c *Controller) Keys(ch state.Change, s *state.Snapshot) (keys []string) {
	switch ch := ch.(type) {
	case state.Changed[alarm.Alarm]:
		if ch.New != nil && (ch.Old == nil || !ch.Old.UpdatedAt.Equal(ch.New.UpdatedAt) ||
			repaced(ch.Old.Tags, ch.New.Tags)) {
			keys = append(keys, ch.Key)
		}
	case state.Changed[appscaling.Target]:
		if ch.Old != nil && ch.New != nil && repaced(ch.Old.Tags, ch.New.Tags) {
			for p := range s.ScalingPolicies.Prefix(ch.Key) {
				keys = calling(keys, s, p.ARN())
			}
		}
	case state.Changed[fleet.AutoScalingGroup]:
		if ch.Old != nil && ch.New != nil && repaced(ch.Old.Tags, ch.New.Tags) {
			for p := range s.PoliciesOf(ch.New) {
				keys = calling(keys, s, p.ARN())
			}
			for p := range s.CapacityProviders.By(state.CapacityProvidersByGroup, ch.New.ARN()) {
				keys = calling(keys, s, p.PolicyARN())
			}
		}
	case state.Changed[alarm.Status]:
		if ch.Old == nil || ch.New == nil || ch.Old.Value != ch.New.Value {
			for parent := range s.Alarms.By(state.AlarmsByChild, ch.Key) {
				keys = append(keys, parent.ARN)
			}
		}
	}
	return keys
}

// repaced reports whether a change of tags changes the pace that they give.
func repaced(was, is tag.Set) bool {
	before, _ := was.Get(scaling.PaceTag)
	after, _ := is.Get(scaling.PaceTag)
	return before != after
}

// calling adds the alarms that call a policy to keys.
func calling(keys []string, s *state.Snapshot, policyARN string) []string {
	for a := range s.Alarms.By(state.AlarmsByAction, policyARN) {
		keys = append(keys, a.ARN)
	}
	return keys
}

// All returns all alarms.
func (c *Controller) All(s *state.Snapshot) (keys []string) {
	for a := range s.Alarms.All() {
		keys = append(keys, a.ARN)
	}
	return keys
}

// Reconcile evaluates an alarm, unless it has been evaluated at its latest evaluation time already. It returns the time
// until the next evaluation.
func (c *Controller) Reconcile(ctx context.Context, key string) (time.Duration, error) {
	tables := &c.Store.View().Tables
	a, ok := tables.Alarms.Get(key)
	if !ok {
		return 0, nil
	}
	if a.Composite() {
		return 0, c.combine(ctx, a)
	}
	now := c.Now()
	last, next := a.Last(now, tables.PaceOf(a, c.pace))
	if s := tables.StatusOf(a); !last.Evaluated(a, s, now) {
		if err := c.evaluate(ctx, a, s, last); err != nil {
			return 0, fmt.Errorf("alarm %q: %w", a.Name, err)
		}
	}
	return max(next.Sub(c.Now()), time.Millisecond), nil
}

// evaluate computes the state of an alarm and writes it if it has changed.
func (c *Controller) evaluate(ctx context.Context, a *alarm.Alarm, s *alarm.Status, e alarm.Evaluation) error {
	points, err := compare.Read(c.points, a, e)
	if err != nil {
		return err
	}
	verdict := scaling.Verdict{State: s.Value}
	few, err := tooFew(a, points)
	if err != nil {
		return err
	}
	if !few {
		verdict = a.Condition.Evaluate(points, s.Value)
	}
	queried := c.Now()
	var repeated *alarm.Status
	var again []*alarm.Due
	if verdict.State == s.Value {
		if e.Repeats(s, queried) {
			repeated, again = alarm.Repeated(a, s, e, points)
		}
		if repeated == nil {
			return nil
		}
	}
	return c.Commit(ctx, a.ARN, func(tx *state.Tx, m control.Moment) error {
		if settings, _ := tx.Alarms.Get(a.ARN); settings != a || tx.StatusOf(a) != s {
			return nil // the alarm has changed in the meantime, so the result is outdated
		}
		if verdict.State != s.Value {
			tx.SetAlarmStatus(a, s, s.Next(verdict.State, verdict.Reason, a.ReasonData(points, queried), m.Now))
			return nil
		}
		tx.AlarmStatus.Put(repeated)
		for _, d := range again {
			tx.DueActions.Put(d)
		}
		return nil
	})
}

// tooFew reports whether the alarm keeps its state because one of the points that would be compared is a percentile
// of too few samples (ecs.md 7.7).
func tooFew(a *alarm.Alarm, points []scaling.Datapoint) (bool, error) {
	if a.LowSamples != alarm.IgnoreLowSamples {
		return false, nil
	}
	stat, err := meter.ParseStatistic(a.Measure.Statistic)
	if err != nil {
		return false, err
	}
	percentile, ok := stat.IsPercentile()
	if !ok {
		return false, nil
	}
	for _, p := range a.Condition.Considered(points) {
		if scaling.TooFewSamples(percentile, p.Samples) {
			return true, nil
		}
	}
	return false, nil
}
