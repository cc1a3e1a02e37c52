package scale

import (
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// step does what is due for one target in a transaction.
type step struct {
	tx       *state.Tx
	m        control.Moment
	points   *meter.Store
	server   scaling.Pace
	pace     scaling.Pace // of the target
	target   *appscaling.Target
	service  *ecs.Service // nil if it does not exist or cannot be scaled
	running  int          // tasks
	progress *appscaling.Progress
	before   *appscaling.Progress // the row, nil if there is none
}

func newStep(tx *state.Tx, target *appscaling.Target, c *Controller, m control.Moment) *step {
	s := &step{tx: tx, m: m, points: c.points, server: c.pace, pace: target.Pace(c.pace), target: target}
	var created time.Time
	key := arn.New("ecs", target.Region, target.Account, target.ResourceID).String()
	if svc, ok := tx.Services.Get(key); ok && svc.Status == ecs.ServiceActive {
		s.service, created = svc, svc.CreatedAt
		s.running, _ = tx.TasksOfService(key).RunningAndPending(nil)
	}
	row, ok := tx.ScalingProgress.Get(target.Key())
	if ok {
		s.before = row
	} else {
		row = &appscaling.Progress{Region: target.Region, Account: target.Account, ResourceID: target.ResourceID}
	}
	s.progress = row.For(created)
	return s
}

// write stores the progress if it has changed.
func (s *step) write() {
	if s.before == nil || !s.progress.Equal(s.before) {
		s.tx.ScalingProgress.Put(s.progress)
	}
}

// schedule carries out the scheduled actions that are due, and returns when the next one is due (ecs.md 6.13). Actions
// that become due while scheduled scaling is suspended are skipped.
func (s *step) schedule() time.Time {
	var all []*appscaling.Scheduled
	for one := range s.tx.Tables.ScheduledActions.Prefix(s.target.Key()) {
		all = append(all, one)
	}
	due, next := s.progress.Due(all, s.m.Now)
	for _, one := range due {
		if s.target.Suspended.Scheduled {
			continue
		}
		t := *s.target
		t.Bounds, _ = one.Action.Apply(t.Bounds, 0)
		s.target = &t
		s.tx.ScalableTargets.Put(s.target)
		s.add(appscaling.SettingBounds(one, s.m.Now))
	}
	if due != nil || len(s.progress.Done) > 0 {
		s.progress.Finish(all, due, s.m.Now)
	}
	return next
}

// bound moves the desired count into new bounds, once. As on AWS, a user may later write a count outside of the bounds;
// it stays until a policy is called (ecs.md 6.10, 6.13).
func (s *step) bound() {
	b := s.target.Bounds
	if s.service == nil || s.progress.Applied != nil && *s.progress.Applied == b {
		return
	}
	s.progress.Applied = &b
	if current := s.service.DesiredCount; b.Clip(current) != current {
		s.set(b.Clip(current), appscaling.ByBounds(b, current))
	}
}

// set writes the desired count, and the activity that describes the change.
func (s *step) set(count int, cause string) {
	s.override(count)
	svc := *s.service
	svc.DesiredCount = count
	s.service = &svc
	s.tx.Services.Put(s.service)
	a := appscaling.Setting(count, cause, s.m.Now)
	s.add(a)
	s.progress.Open, s.progress.To = a.Key(), count
	s.tx.AddServiceEvent(svc.ServiceARN, "Message: "+a.StatusMessage+" Cause: "+cause, s.m.Now)
}

// override ends the activity in progress if the desired count has changed since.
func (s *step) override(count int) {
	if open, ok := s.open(); ok && count != s.progress.To {
		s.tx.ScalingActivities.Put(open.OverriddenBy(s.progress.To, count, s.m.Now))
		s.progress.Open, s.progress.To = "", 0
	}
}

func (s *step) open() (*appscaling.Activity, bool) {
	if s.progress.Open == "" {
		return nil, false
	}
	a, ok := s.tx.ScalingActivities.Get(s.progress.Open)
	if !ok {
		s.progress.Open, s.progress.To = "", 0 // the activity was deleted because of its age
	}
	return a, ok
}

// follow ends the activity in progress when the desired count is reached or has changed.
func (s *step) follow() {
	open, ok := s.open()
	switch {
	case !ok:
	case s.service == nil:
		s.tx.ScalingActivities.Put(open.OverriddenBy(s.progress.To, 0, s.m.Now))
		s.progress.Open, s.progress.To = "", 0
	case s.service.DesiredCount != s.progress.To:
		s.override(s.service.DesiredCount)
	case s.running == s.progress.To:
		s.tx.ScalingActivities.Put(open.Fulfilled(s.progress.To, s.m.Now))
		s.progress.Open, s.progress.To = "", 0
	}
}

// add writes a new activity of the target.
func (s *step) add(a *appscaling.Activity) {
	a.ID = newid.UUID(s.m.Random)
	a.Region, a.Account, a.ResourceID = s.target.Region, s.target.Account, s.target.ResourceID
	s.tx.AddScalingActivity(a)
}

// due is a policy that an alarm calls.
type due struct {
	*alarm.Due
	alarm  *alarm.Alarm
	policy *appscaling.Policy
}
