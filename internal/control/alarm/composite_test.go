package alarm

import (
	"testing"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

func composite(name, rule string, children ...string) *alarm.Alarm {
	a := &alarm.Alarm{ARN: alarm.ARN(region, account, name), Name: name, Region: region, Account: account,
		ActionsEnabled: true, AlarmActions: []string{topic}, Rule: rule, UpdatedAt: begin}
	for _, child := range children {
		a.Children = append(a.Children, alarm.ARN(region, account, child))
	}
	return a
}

// set sets a state, as SetAlarmState does.
func (w *world) set(name string, value scaling.State) {
	w.t.Helper()
	w.update(func(tx *state.Tx) {
		a, _ := tx.Alarms.Get(alarm.ARN(region, account, name))
		s := tx.StatusOf(a)
		tx.SetAlarmStatus(a, s, s.Next(value, "by hand", "", w.now))
	})
}

// A composite alarm changes at once when the alarms in its rule change, and so do the alarms above it. Its
// actions become due. A state that was set by SetAlarmState lasts until a child changes.
func TestCompositeAlarms(t *testing.T) {
	w := newWorld(t)
	ignore := func(a *alarm.Alarm) { a.Condition.MissingData = scaling.MissingIgnored }
	w.put(scaling.OK, sample("a", ignore), sample("b", ignore), sample("other", ignore))
	w.put(scaling.InsufficientData, composite("low", "ALARM(a) AND ALARM(b)", "a", "b"),
		composite("top", "ALARM(low) OR ALARM(b)", "low", "b"))
	now := func(low, top scaling.State) {
		t.Helper()
		w.run(w.now)
		if l, h := w.status("low").Value, w.status("top").Value; l != low || h != top {
			t.Errorf("low is %s and top is %s, want %s and %s", l, h, low, top)
		}
	}
	now(scaling.OK, scaling.OK)
	w.now = begin.Add(time.Second)
	w.set("a", scaling.InAlarm)
	now(scaling.OK, scaling.OK)
	w.set("b", scaling.InAlarm)
	now(scaling.InAlarm, scaling.InAlarm)
	if got := w.due(); got != "SNS topics 2 OK-ALARM at 08:00; SNS topics 2 OK-ALARM at 08:00" {
		t.Error(got)
	}
	w.set("b", scaling.OK)
	now(scaling.OK, scaling.OK)
	w.set("low", scaling.InAlarm)
	now(scaling.InAlarm, scaling.InAlarm)
	before := w.steps
	w.set("other", scaling.InAlarm) // no alarm depends on it
	now(scaling.InAlarm, scaling.InAlarm)
	if w.steps != before {
		t.Errorf("%d alarms were evaluated", w.steps-before)
	}
	w.set("a", scaling.OK)
	now(scaling.OK, scaling.OK)
	const want = "INSUFFICIENT_DATA to OK, OK to ALARM, ALARM to OK, OK to ALARM, ALARM to OK"
	if got := w.history("low"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
