package alarm

import (
	"testing"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/scaling"
)

// A point that arrives after the evaluation of its period counts in the next evaluation (issue 9, section 7).
func TestLatePoint(t *testing.T) {
	w := newWorld(t)
	w.put(scaling.OK, sample("a"))
	for i, value := range []float64{1, 1, 1, 1, 100, 100} { // from 7:57 to 8:02
		w.measure(begin.Add(time.Duration(i-3)*time.Minute), value)
	}
	w.run(begin.Add(5 * time.Minute)) // the minute that began at 8:03 was evaluated without its point
	if got := w.history("a"); got != "" {
		t.Fatalf("before the point is there: %s", got)
	}
	w.measure(begin.Add(3*time.Minute), 100)
	w.run(begin.Add(6 * time.Minute))
	if got := w.history("a"); got != "OK to ALARM" {
		t.Error(got)
	}
}

// A point of the future counts when its period has ended, and not before.
func TestPointOfTheFuture(t *testing.T) {
	w := newWorld(t)
	w.put(scaling.OK, sample("a", func(a *alarm.Alarm) { a.Condition.Periods = 1 }))
	w.measure(begin.Add(time.Hour), 100)
	w.run(begin.Add(time.Hour + time.Minute)) // the evaluation is some seconds after that
	if got := w.history("a"); got != "OK to INSUFFICIENT_DATA" {
		t.Errorf("before its period has ended: %s", got)
	}
	w.run(begin.Add(time.Hour + 2*time.Minute))
	if got := w.history("a"); got != "OK to INSUFFICIENT_DATA, INSUFFICIENT_DATA to ALARM" {
		t.Error(got)
	}
}

// A clock that jumps a day ahead costs one evaluation and not one for each minute that was left out.
func TestClockJumpsAhead(t *testing.T) {
	w := newWorld(t)
	w.put(scaling.OK, sample("a"))
	w.run(begin.Add(time.Minute))
	w.now, w.steps = begin.AddDate(0, 0, 1), 0
	w.measure(w.now.Add(-2*time.Minute), 1)
	w.run(w.now.Add(time.Minute))
	if w.steps > 2 {
		t.Errorf("%d evaluations", w.steps)
	}
	if got := w.history("a"); got != "OK to INSUFFICIENT_DATA, INSUFFICIENT_DATA to OK" {
		t.Error(got)
	}
}
