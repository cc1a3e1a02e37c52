package alarm

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// The tables of ecs.md 7.6, from points in the meter to the alarm's row. K means that the alarm keeps its
// state.
func TestMissingData(t *testing.T) {
	letters := map[scaling.State]string{scaling.OK: "O", scaling.InAlarm: "A", scaling.InsufficientData: "I"}
	treatments := []scaling.Missing{scaling.MissingIsMissing, scaling.MissingIgnored, scaling.MissingIsBreaching,
		scaling.MissingIsNotBreaching}
	for _, c := range []struct {
		row  string
		m    int
		want string // for missing, ignore, breaching, notBreaching
	}{
		{"0-X-X", 3, "OOOO"}, {"0-X-X", 2, "AAAA"}, {"0----", 3, "OOOO"}, {"-----", 3, "IKAO"}, {"0XX-X", 3, "AAAA"},
		{"--X--", 3, "AKAO"}, {"00X0X", 2, "AAAA"}, {"0-X--", 2, "OOAO"}, {"----0", 2, "OOAO"}, {"---X-", 2, "AKAO"},
		{"----X", 3, "KKAO"}, // AWS's rule against premature alarms
	} {
		w := newWorld(t)
		for i, sign := range c.row {
			if sign != '-' {
				w.measure(begin.Add(time.Duration(i-5)*time.Minute), map[rune]float64{'0': 0, 'X': 100}[sign])
			}
		}
		for i, missing := range treatments {
			for now, letter := range letters {
				w.put(now, sample(fmt.Sprint(i, letter), func(a *alarm.Alarm) {
					a.Condition.ToAlarm, a.Condition.MissingData = c.m, missing
				}))
			}
		}
		w.run(begin.Add(59 * time.Second)) // the minute that began at 7:59 is the newest
		for i, missing := range treatments {
			for now, letter := range letters {
				want := strings.Replace(c.want[i:i+1], "K", letter, 1)
				s := w.status(fmt.Sprint(i, letter))
				if letters[s.Value] != want || (s.Transitions > 0) != (s.Value != now) {
					t.Errorf("%s, %d of 3, %s, from %s: %+v, want %s", c.row, c.m, missing, now, s, want)
				}
			}
		}
	}
}

// The example of ecs.md 5.12: CPU above 70 % for five minutes. The state, its reason and times, and the
// history are as AWS writes them.
func TestFiveMinutesAboveSeventy(t *testing.T) {
	w := newWorld(t)
	w.put(scaling.InsufficientData, sample("cpu", func(a *alarm.Alarm) { a.Condition.Periods = 5 }))
	for minute, value := range []float64{50, 70, 71, 80, 75, 90, 95, 60} {
		w.measure(w.now.Add(30*time.Second), value)
		w.run(begin.Add(time.Duration(minute+1) * time.Minute))
	}
	w.run(w.now.Add(time.Minute))
	if got, want := w.history("cpu"), "INSUFFICIENT_DATA to OK, OK to ALARM, ALARM to OK"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	s := w.status("cpu")
	e, _ := sample("cpu", func(a *alarm.Alarm) { a.Condition.Periods = 5 }).Last(w.now, scaling.PaceOfAWS)
	stamp := e.At.Format("2006-01-02T15:04:05.000+0000")
	if want := "Threshold Crossed: 1 datapoint [60.0 (29/11/26 08:07:00)] was not greater than the threshold " +
		"(70.0)."; s.Reason != want || !s.UpdatedAt.Equal(e.At) || !s.TransitionedAt.Equal(e.At) {
		t.Errorf("%+v at %v", s, e)
	}
	point := func(minute int, value string) string {
		return fmt.Sprintf(`{"timestamp":"2026-11-29T08:0%d:00.000+0000","sampleCount":1.0,"value":%s}`, minute, value)
	}
	if want := `{"version":"1.0","queryDate":"` + stamp + `","startDate":"2026-11-29T08:03:00.000+0000",` +
		`"statistic":"Average","period":60,"recentDatapoints":[80.0,75.0,90.0,95.0,60.0],"threshold":70.0,` +
		`"evaluatedDatapoints":[` + point(7, "60.0") + "," + point(6, "95.0") + "," + point(5, "90.0") + "," +
		point(4, "75.0") + "," + point(3, "80.0") + "]}"; s.Data != want {
		t.Errorf("%s\nwant %s", s.Data, want)
	}
	h, _ := w.store.View().AlarmHistory.Last(alarm.HistoryPrefix(s.ARN))
	if !strings.Contains(h.Data, s.Data) || !h.At.Equal(s.UpdatedAt) {
		t.Errorf("%+v", h)
	}
}

// Without data the reason has the times of the missing points, and no start.
func TestReasonWithoutData(t *testing.T) {
	w := newWorld(t)
	w.put(scaling.OK, sample("a"))
	w.run(begin.Add(59 * time.Second))
	s := w.status("a")
	if want := `"recentDatapoints":[],"threshold":70.0,"evaluatedDatapoints":[` +
		`{"timestamp":"2026-11-29T07:59:00.000+0000"},{"timestamp":"2026-11-29T07:58:00.000+0000"},` +
		`{"timestamp":"2026-11-29T07:57:00.000+0000"}]}`; s.Value != scaling.InsufficientData ||
		s.Reason != "Insufficient Data: 3 datapoints were unknown." || !strings.HasSuffix(s.Data, want) ||
		strings.Contains(s.Data, "startDate") {
		t.Errorf("%+v", s)
	}
}

// Periods of five minutes end at any full minute, and not only at multiples of five, as on AWS.
func TestPeriodsSlide(t *testing.T) {
	w := newWorld(t)
	w.put(scaling.OK, sample("a", func(a *alarm.Alarm) {
		a.Condition.Period, a.Condition.Periods, a.Measure.Statistic = 5*time.Minute, 1, "Sum"
	}))
	for i := range 5 { // 7:58 to 8:02
		w.measure(begin.Add(time.Duration(i-2)*time.Minute), 15)
	}
	w.run(begin.Add(3 * time.Minute))
	if got := w.history("a"); got != "" {
		t.Errorf("the state changed when only four minutes were over: %s", got)
	}
	w.run(begin.Add(4 * time.Minute))
	if s := w.status("a"); s.Value != scaling.InAlarm || !strings.Contains(s.Reason, "[75.0 (29/11/26 07:58:00)]") {
		t.Errorf("%+v", s)
	}
}

// ecs.md 7.4: an alarm with a period of 10 seconds is evaluated every 10 seconds.
func TestTenSeconds(t *testing.T) {
	w := newWorld(t)
	w.put(scaling.OK, sample("a", func(a *alarm.Alarm) {
		a.Condition.Period, a.Condition.Periods = 10*time.Second, 2
	}))
	for i := range 4 {
		w.measure(begin.Add(time.Duration(i)*10*time.Second), 100)
	}
	w.run(begin.Add(20 * time.Second)) // two of the periods are over; the evaluation follows a few seconds later
	before := w.history("a")
	w.run(begin.Add(30 * time.Second))
	if before != "OK to INSUFFICIENT_DATA" || w.history("a") != before+", INSUFFICIENT_DATA to ALARM" {
		t.Errorf("%q, then %q", before, w.history("a"))
	}
}

// A state that was set by SetAlarmState lasts until the next evaluation (ecs.md 7.5), also after a restart of
// the server.
func TestStateByHandLastsUntilTheNextEvaluation(t *testing.T) {
	w := newWorld(t)
	w.put(scaling.OK, sample("a", func(a *alarm.Alarm) { a.Condition.MissingData = scaling.MissingIgnored }))
	w.run(begin.Add(2 * time.Minute))
	for i := range 5 {
		w.measure(begin.Add(time.Duration(i-3)*time.Minute), 1)
	}
	e, next := sample("a").Last(w.now, scaling.PaceOfAWS)
	if !e.At.Before(w.now) {
		t.Fatal("the test has set the state at the time of an evaluation")
	}
	w.update(func(tx *state.Tx) {
		a, _ := tx.Alarms.Get(alarm.ARN(region, account, "a"))
		s := tx.StatusOf(a)
		tx.SetAlarmStatus(a, s, s.Next(scaling.InAlarm, "by hand", "", w.now))
	})
	w.restart()
	w.run(next.Add(-time.Millisecond))
	if s := w.status("a"); s.Value != scaling.InAlarm || s.Reason != "by hand" {
		t.Errorf("before the next evaluation: %+v", s)
	}
	w.run(next)
	if s := w.status("a"); s.Value != scaling.OK || !s.UpdatedAt.Equal(next) {
		t.Errorf("after the next evaluation: %+v", s)
	}
}

// A new alarm is first evaluated at its next time, with the settings it has then.
func TestNewSettingsAreEvaluatedNext(t *testing.T) {
	w := newWorld(t)
	w.run(begin.Add(30 * time.Minute))
	a := sample("a", func(a *alarm.Alarm) {
		a.UpdatedAt, a.Condition.MissingData = w.now, scaling.MissingIsBreaching
	})
	w.put(scaling.InsufficientData, a)
	_, next := a.Last(w.now, scaling.PaceOfAWS)
	w.run(next.Add(-time.Millisecond))
	if s := w.status("a"); s.Reason != alarm.Unchecked {
		t.Errorf("%+v", s)
	}
	changed := *a
	changed.Condition.MissingData, changed.UpdatedAt = scaling.MissingIsNotBreaching, w.now
	w.update(func(tx *state.Tx) { tx.Alarms.Put(&changed) })
	w.run(next)
	if got := w.history("a"); got != "INSUFFICIENT_DATA to OK" {
		t.Error(got)
	}
	w.update(func(tx *state.Tx) { tx.DeleteAlarm(a.ARN, w.now) })
	if w.run(next.Add(time.Hour)); w.store.View().AlarmStatus.Len() != 0 {
		t.Error("a deleted alarm has a state again")
	}
}

// After the clock was set back, an alarm is evaluated at once, and not only when the old time is reached
// again (issue 9, section 7).
func TestClockPutBack(t *testing.T) {
	w := newWorld(t)
	w.put(scaling.OK, sample("a"))
	w.run(begin.Add(time.Minute))
	w.now = begin.Add(-time.Hour)
	for i := range 5 {
		w.measure(w.now.Add(time.Duration(i-5)*time.Minute), 100)
	}
	// The loop's timer waits for a time of the clock that was set back. A change wakes the loop.
	w.update(func(tx *state.Tx) {
		old, _ := tx.Alarms.Get(alarm.ARN(region, account, "a"))
		a := *old
		a.UpdatedAt = w.now
		tx.Alarms.Put(&a)
	})
	w.run(begin.Add(-time.Hour + time.Minute))
	if got := w.history("a"); got != "OK to INSUFFICIENT_DATA, INSUFFICIENT_DATA to ALARM" {
		t.Error(got)
	}
}

// A change of the state makes each action due once. Actions of scaling policies are due again in every minute
// of that state (ecs.md 7.5). The server may restart at any time.
func TestActionsAreDueOnce(t *testing.T) {
	w := newWorld(t)
	w.put(scaling.OK, sample("a", func(a *alarm.Alarm) {
		a.AlarmActions, a.InsufficientDataActions = []string{topic, policy}, []string{topic}
		a.Condition.MissingData = scaling.MissingIsBreaching
	}))
	restart := func() {
		w.restart()
		w.run(w.now)
	}
	want := "SNS topics 1 OK-ALARM at 08:00; scaling policies of Application Auto Scaling 1 OK-ALARM at 08:00"
	w.run(begin.Add(59 * time.Second))
	for range 3 {
		if got := w.due(); len(got) != len(want) || !strings.Contains(got, "SNS topics 1 OK-ALARM at 08:00") {
			t.Errorf("%s, want %s", got, want)
		}
		restart()
	}
	done := func() { // what a controller that carries out actions does
		w.update(func(tx *state.Tx) {
			for d := range tx.DueActions.All() {
				tx.DueActions.Delete(d.Key())
			}
		})
	}
	for minute := 1; minute < 4; minute++ {
		done()
		restart()
		if got := w.due(); got != "" {
			t.Errorf("due twice: %s", got)
		}
		w.run(begin.Add(time.Duration(minute)*time.Minute + 59*time.Second))
		if got, want := w.due(), fmt.Sprintf("scaling policies of Application Auto Scaling 1 ALARM-ALARM at 08:%02d",
			minute); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for i := range 8 {
		w.measure(begin.Add(time.Duration(i)*time.Minute), 1)
	}
	w.run(w.now.Add(time.Minute))
	if got := w.due(); got != "" {
		t.Errorf("the state has changed, but a policy for the old one is due: %s", got)
	}
	if got := w.history("a"); got != "OK to ALARM, ALARM to OK" {
		t.Error(got)
	}
}

// While actions are disabled, the state changes and no action is due.
func TestDisabledActions(t *testing.T) {
	w := newWorld(t)
	w.put(scaling.OK, sample("a", func(a *alarm.Alarm) {
		a.InsufficientDataActions, a.ActionsEnabled = []string{topic}, false
	}))
	w.run(begin.Add(3 * time.Minute))
	if got := w.due(); got != "" || w.history("a") != "OK to INSUFFICIENT_DATA" {
		t.Errorf("%q, %s", got, w.history("a"))
	}
}

// ecs.md 7.7: with ignore, the state does not change when a percentile has too few samples.
func TestTooFewSamples(t *testing.T) {
	for _, c := range []struct {
		low     string
		samples int
		want    scaling.State
	}{
		{"ignore", 99, scaling.OK}, {"ignore", 100, scaling.InAlarm}, {"evaluate", 99, scaling.InAlarm},
		{"", 99, scaling.InAlarm},
	} {
		w := newWorld(t)
		w.put(scaling.OK, sample("a", func(a *alarm.Alarm) {
			a.Measure.Statistic, a.LowSamples, a.Condition.Periods = "p90", c.low, 1
		}))
		values := make([]float64, c.samples)
		for i := range values {
			values[i] = 100
		}
		w.measure(begin.Add(-time.Minute), values...)
		w.run(begin.Add(59 * time.Second))
		if s := w.status("a"); s.Value != c.want {
			t.Errorf("%+v: %+v", c, s)
		}
	}
}

// At any time only the alarms that are due are evaluated: those of 10 seconds six times a minute, the others
// once. A change of another alarm's state causes no evaluation.
func TestOnlyDueAlarmsAreEvaluated(t *testing.T) {
	w := newWorld(t)
	const slow, fast = 90, 10
	for i := range slow + fast {
		w.put(scaling.OK, sample(fmt.Sprint("a", i), func(a *alarm.Alarm) {
			if i < fast {
				a.Condition.Period = 10 * time.Second
			}
		}))
	}
	w.run(begin.Add(time.Minute)) // every alarm was evaluated once and has become INSUFFICIENT_DATA
	before, rev := w.steps, w.store.View().Rev
	w.run(begin.Add(11 * time.Minute))
	if got, want := w.steps-before, 10*(slow+6*fast); got != want {
		t.Errorf("%d evaluations in ten minutes, want %d", got, want)
	}
	if w.store.View().Rev != rev {
		t.Error("evaluations without a change wrote to the state")
	}
}
