package state

import (
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/groupscaling"
	"github.com/berthhq/berth/internal/scaling"
)

// StatusOf returns the state of an alarm.
func (t *Tables) StatusOf(a *alarm.Alarm) *alarm.Status {
	if s, ok := t.AlarmStatus.Get(a.ARN); ok {
		return s
	}
	return alarm.NewStatus(a.ARN, a.UpdatedAt) // every alarm has a row
}

// InAlarm returns what an alarm has observed last, nil if it does not exist or is not in the state ALARM.
func (t *Tables) InAlarm(alarmARN string) *scaling.Observation {
	a, exists := t.Alarms.Get(alarmARN)
	status, ok := t.AlarmStatus.Get(alarmARN)
	if !exists || !ok || status.Value != scaling.InAlarm {
		return nil
	}
	return new(status.Observation(a))
}

// ManagedScalingOf returns the capacity provider whose managed scaling has a policy; false for other policies.
func (t *Tables) ManagedScalingOf(policyARN string) (*ecs.CapacityProvider, bool) {
	for p := range t.CapacityProviders.By(CapacityProvidersByPolicy, policyARN) {
		return p, true
	}
	return nil, false
}

// PaceOf returns the pace of an alarm on a server with a pace: that of its tags, or that of a scalable target whose
// policy it calls, or that of the Auto Scaling group whose policy or managed scaling it calls. An alarm on what Berth
// measures only each minute has the pace of AWS, whatever the tags say: at another it would never have data.
func (t *Tables) PaceOf(a *alarm.Alarm, server scaling.Pace) scaling.Pace {
	for _, action := range a.Actions() {
		_, group, _ := groupscaling.KeyFromARN(action)
		if p, ok := t.ManagedScalingOf(action); ok {
			group, _ = fleet.GroupKeyFromARN(p.AutoScalingGroupProvider.AutoScalingGroupARN)
		}
		if g, ok := t.AutoScalingGroups.Get(group); ok {
			server = scaling.PaceFrom(g.Tags, server)
		}
		region, account, resourceID, ok := appscaling.SplitPolicyARN(action)
		if !ok {
			continue
		}
		target, ok := t.ScalableTargets.Get(appscaling.Key(region, account, resourceID))
		if ok && target.Pace(server) != server {
			server = target.Pace(server)
			break
		}
	}
	if a.OnlyMinutes() {
		return scaling.PaceOfAWS
	}
	return scaling.PaceFrom(a.Tags, server)
}

// PaceOfService returns the pace of the scalable target of a service on a server with a pace. A service without a
// target is not scaled, and has the pace of AWS.
func (t *Tables) PaceOfService(serviceARN string, server scaling.Pace) scaling.Pace {
	a, err := arn.Parse(serviceARN)
	if err != nil {
		return scaling.PaceOfAWS
	}
	target, ok := t.ScalableTargets.Get(appscaling.Key(a.Region, a.Account, a.Resource))
	if !ok {
		return scaling.PaceOfAWS
	}
	return target.Pace(server)
}

// PaceOfInstance returns the pace of the Auto Scaling group that has a container instance's EC2 instance, on a server
// with a pace. An instance without a group has the pace of AWS.
func (t *Tables) PaceOfInstance(ci *ecs.ContainerInstance, server scaling.Pace) scaling.Pace {
	a, err := arn.Parse(ci.ContainerInstanceARN)
	if err != nil {
		return scaling.PaceOfAWS
	}
	i, ok := t.Instances.Get(fleet.InstanceARN(a.Region, a.Account, ci.EC2InstanceID))
	if !ok {
		return scaling.PaceOfAWS
	}
	g, ok := t.AutoScalingGroups.Get(i.GroupKey())
	if !ok {
		return scaling.PaceOfAWS
	}
	return scaling.PaceFrom(g.Tags, server)
}

// PutAlarm makes an alarm, or replaces its settings and keeps its state and its tags, as on AWS. The history tells it.
// It returns false and does nothing if the alarm is new and there are alarm.Max.
func (tx *Tx) PutAlarm(a *alarm.Alarm, now time.Time) bool {
	put := *a
	old, exists := tx.Alarms.Get(a.ARN)
	switch {
	case exists:
		put.Tags = old.Tags
	case tx.Alarms.Len() >= alarm.Max:
		return false
	default:
		tx.AlarmStatus.Put(alarm.NewStatus(a.ARN, now))
	}
	tx.Alarms.Put(&put)
	tx.AddAlarmHistory(alarm.Configured(old, &put, now))
	return true
}

// AddAlarmHistory adds an item to the history of an alarm and deletes the oldest beyond the number kept.
func (tx *Tx) AddAlarmHistory(h *alarm.HistoryItem) {
	last, _ := tx.AlarmHistory.Last(alarm.HistoryPrefix(h.ARN))
	h.Follow(last)
	tx.AlarmHistory.Put(h)
	tx.AlarmHistory.Delete(h.Forgets())
}

// SetAlarmStatus writes the state that follows old, and with it the history and the actions that a change
// of the state makes due. So an action is due once for each change, also after a crash.
func (tx *Tx) SetAlarmStatus(a *alarm.Alarm, old, now *alarm.Status) {
	tx.AlarmStatus.Put(now)
	if now.Value == old.Value {
		return
	}
	tx.AddAlarmHistory(alarm.Changed(a, old, now))
	tx.forgetDue(a.ARN, func(d *alarm.Due) bool { return d.Kind.Repeats() })
	for _, d := range alarm.DueFor(a, old, now) {
		tx.DueActions.Put(d)
	}
}

// DeleteAlarm deletes an alarm, its state, and the actions that are due. Its history stays and tells it (ecs.md 7.5).
// It does nothing if there is no such alarm.
func (tx *Tx) DeleteAlarm(arn string, now time.Time) {
	old, ok := tx.Alarms.Get(arn)
	if !ok {
		return
	}
	tx.AddAlarmHistory(alarm.Configured(old, nil, now))
	tx.Alarms.Delete(arn)
	tx.AlarmStatus.Delete(arn)
	tx.forgetDue(arn, func(*alarm.Due) bool { return true })
}

// ForgetAction removes an action that is deleted from the alarms that have it, and those of it that are due.
func (tx *Tx) ForgetAction(action string, now time.Time) {
	for a := range tx.Tables.Alarms.By(AlarmsByAction, action) {
		row := a.WithoutAction(action, now)
		tx.Alarms.Put(row)
		tx.AddAlarmHistory(alarm.Configured(a, row, now))
	}
	for d := range tx.Tables.DueActions.By(DueActionsByAction, action) {
		tx.DueActions.Delete(d.Key())
	}
}

// FinishDue deletes a due action that was carried out, or could not be because of a problem. The history of its alarm
// tells it, of one that repeats only the first time.
func (tx *Tx) FinishDue(d *alarm.Due, problem string, now time.Time) {
	tx.DueActions.Delete(d.Key())
	if a, ok := tx.Alarms.Get(d.AlarmARN); ok && d.Recent == nil {
		tx.AddAlarmHistory(alarm.Executed(a, d, problem, now))
	}
}

// forgetDue deletes the due actions of an alarm that which accepts.
func (tx *Tx) forgetDue(arn string, which func(*alarm.Due) bool) {
	for d := range tx.DueActions.Prefix(alarm.DuePrefix(arn)) {
		if which(d) {
			tx.DueActions.Delete(d.Key())
		}
	}
}
