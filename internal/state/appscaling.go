package state

import (
	"time"

	"github.com/berthhq/berth/internal/appscaling"
)

// PutScalingPolicy writes a policy and its alarms (ecs.md 6.5), and deletes the alarms that only the old settings need.
// It returns false and does nothing if there would be more than alarm.Max alarms.
func (tx *Tx) PutScalingPolicy(p *appscaling.Policy, now time.Time) bool {
	var before []string
	if old, ok := tx.ScalingPolicies.Get(p.Key()); ok {
		before = old.AlarmARNs()
	}
	if !tx.replaceAlarms(before, p.Alarms(now), now) {
		return false
	}
	tx.ScalingPolicies.Put(p)
	return true
}

// DeleteScalingPolicy deletes a policy and the alarms that were made for it. Alarms of users that name it stay, without
// the action, as on AWS.
func (tx *Tx) DeleteScalingPolicy(p *appscaling.Policy, now time.Time) {
	for _, arn := range p.AlarmARNs() {
		tx.DeleteAlarm(arn, now)
	}
	tx.ForgetAction(p.ARN(), now)
	tx.ScalingPolicies.Delete(p.Key())
}

// DeregisterScalableTarget deletes a target with its policies, their alarms and its scheduled actions. Its activities
// stay.
func (tx *Tx) DeregisterScalableTarget(t *appscaling.Target, now time.Time) {
	for p := range tx.Tables.ScalingPolicies.Prefix(t.Key()) {
		tx.DeleteScalingPolicy(p, now)
	}
	for s := range tx.Tables.ScheduledActions.Prefix(t.Key()) {
		tx.ScheduledActions.Delete(s.Key())
	}
	tx.ScalingProgress.Delete(t.Key())
	tx.ScalableTargets.Delete(t.Key())
}

// AddScalingActivity adds an activity to those of its target and deletes the oldest beyond the number kept.
func (tx *Tx) AddScalingActivity(a *appscaling.Activity) {
	last, _ := tx.ScalingActivities.Last(appscaling.Key(a.Region, a.Account, a.ResourceID))
	a.Follow(last)
	tx.ScalingActivities.Put(a)
	tx.ScalingActivities.Delete(a.Forgets())
}
