package state

import (
	"time"

	"github.com/berthhq/berth/internal/alarm"
)

// StatusOf returns the state of an alarm.
func (t *Tables) StatusOf(a *alarm.Alarm) *alarm.Status {
	if s, ok := t.AlarmStatus.Get(a.ARN); ok {
		return s
	}
	return alarm.NewStatus(a.ARN, a.UpdatedAt) // every alarm has a row
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

// forgetDue deletes the due actions of an alarm that which accepts.
func (tx *Tx) forgetDue(arn string, which func(*alarm.Due) bool) {
	for d := range tx.DueActions.Prefix(alarm.DuePrefix(arn)) {
		if which(d) {
			tx.DueActions.Delete(d.Key())
		}
	}
}
