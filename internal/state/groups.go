package state

import (
	"iter"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/groupscaling"
)

func partsOf(g *fleet.AutoScalingGroup) string { return fleet.PartPrefix(g.Region, g.Account, g.Name) }

// HooksOf returns the lifecycle hooks of a group, by name.
func (t *Tables) HooksOf(g *fleet.AutoScalingGroup) iter.Seq[*fleet.Hook] {
	return t.LifecycleHooks.Prefix(partsOf(g))
}

// PoliciesOf returns the scaling policies of a group, by name.
func (t *Tables) PoliciesOf(g *fleet.AutoScalingGroup) iter.Seq[*groupscaling.Policy] {
	return t.GroupPolicies.Prefix(partsOf(g))
}

// SchedulesOf returns the scheduled actions of a group, by name.
func (t *Tables) SchedulesOf(g *fleet.AutoScalingGroup) iter.Seq[*groupscaling.Scheduled] {
	return t.GroupSchedules.Prefix(partsOf(g))
}

// DeleteHook deletes a lifecycle hook. For the instances that wait for it, its action ends.
func (tx *Tx) DeleteHook(h *fleet.Hook) {
	for m := range tx.Instances.By(InstancesByAutoScalingGroup, fleet.Key(h.Region, h.Account, h.Group)) {
		if c, waits := m.WithoutHook(h.Name); waits {
			tx.Instances.Put(c)
		}
	}
	tx.LifecycleHooks.Delete(h.Key())
}

// ExplainActivity writes to an activity why it takes so long; "" takes the text away. An activity that does not exist
// or has ended stays as it is.
func (tx *Tx) ExplainActivity(key, reason string) {
	a, ok := tx.Activities.Get(key)
	if !ok || !a.Open() || a.StatusMessage == reason {
		return
	}
	c := *a
	c.StatusMessage = reason
	tx.Activities.Put(&c)
}

// DeleteAutoScalingGroup deletes a group and what belongs to it, with the alarms of its policies. Its activities stay.
func (tx *Tx) DeleteAutoScalingGroup(g *fleet.AutoScalingGroup, now time.Time) {
	for h := range tx.HooksOf(g) {
		tx.LifecycleHooks.Delete(h.Key())
	}
	for p := range tx.PoliciesOf(g) {
		tx.DeleteGroupPolicy(p, now)
	}
	for s := range tx.SchedulesOf(g) {
		tx.GroupSchedules.Delete(s.Key())
	}
	tx.AutoScalingGroups.Delete(g.Key())
}

// PutGroupPolicy writes a policy and its alarms, and deletes the alarms that only the old settings need. It returns
// false and does nothing if there would be more than alarm.Max alarms.
func (tx *Tx) PutGroupPolicy(p *groupscaling.Policy, now time.Time) bool {
	var before []string
	if old, ok := tx.GroupPolicies.Get(p.Key()); ok {
		before = old.AlarmARNs()
	}
	if !tx.replaceAlarms(before, p.Alarms(now), now) {
		return false
	}
	tx.GroupPolicies.Put(p)
	return true
}

// DeleteGroupPolicy deletes a policy and the alarms that were made for it. Alarms of users that name it stay, without
// the action, as on AWS.
func (tx *Tx) DeleteGroupPolicy(p *groupscaling.Policy, now time.Time) {
	for _, arn := range p.AlarmARNs() {
		tx.DeleteAlarm(arn, now)
	}
	tx.ForgetAction(p.ARN(), now)
	tx.GroupPolicies.Delete(p.Key())
}

// replaceAlarms writes the alarms that a policy needs, and deletes those of before that it needs no more. It returns
// false and does nothing if there would be more than alarm.Max alarms.
func (tx *Tx) replaceAlarms(before []string, wanted []*alarm.Alarm, now time.Time) bool {
	more := 0
	keep := make(map[string]bool)
	for _, a := range wanted {
		keep[a.ARN] = true
		if _, exists := tx.Alarms.Get(a.ARN); !exists {
			more++
		}
	}
	if more > 0 && tx.Alarms.Len()+more > alarm.Max {
		return false
	}
	for _, arn := range before {
		if !keep[arn] {
			tx.DeleteAlarm(arn, now)
		}
	}
	for _, a := range wanted {
		tx.PutAlarm(a, now)
	}
	return true
}
