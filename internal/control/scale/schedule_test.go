package scale

import (
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// at puts a scheduled action as PutScheduledAction does.
func (w *world) at(name, schedule string, least, most *int, change ...func(*appscaling.Scheduled)) {
	w.t.Helper()
	s := &appscaling.Scheduled{ID: name, Region: region, Account: account, ResourceID: resource, Name: name,
		Schedule: schedule, Action: scaling.Scheduled{Min: least, Max: most}, CreatedAt: w.now, ChangedAt: w.now}
	for _, c := range change {
		c(s)
	}
	w.update(func(tx *state.Tx) { tx.ScheduledActions.Put(s) })
}

func (w *world) bounds() scaling.Bounds {
	t, _ := w.store.View().ScalableTargets.Get(key)
	return t.Bounds
}

// ecs.md 6.13: at its time an action sets the bounds and moves the desired count to the nearest one. Cooldowns do not
// count (ecs.md 6.8). Two activities tell it in AWS's words.
func TestScheduledAction(t *testing.T) {
	w := newWorld(t)
	w.serve(2, scaling.Bounds{Min: 1, Max: 20})
	w.cpu("cpu", 50)
	w.load = 2 * 100
	w.at("busy", "at(2026-11-29T08:06:00)", new(8), new(10))
	w.run(6*time.Minute - time.Second)
	if w.desired() != 4 || w.bounds().Min != 1 {
		t.Fatalf("%s, %+v", w.history(), w.bounds())
	}
	w.run(6*time.Minute + 30*time.Second)
	if w.desired() != 8 || w.bounds() != (scaling.Bounds{Min: 8, Max: 10}) {
		t.Errorf("%s, %+v", w.history(), w.bounds())
	}
	if got, want := w.told(), "Successful: Setting min capacity to 8 and max capacity to 10 | scheduled action "+
		"name busy was "+
		"triggered | Successfully set min capacity to 8 and max capacity to 10\nSuccessful: Setting desired count "+
		"to 8. | "+
		"minimum capacity was set to 8 | Successfully set desired count to 8. Change successfully fulfilled by "+
		"ecs.\n"; !strings.
		HasSuffix(got, want) {
		t.Errorf("%s\nwant %s", got, want)
	}
	w.restart()
	w.run(time.Hour)
	if n := strings.Count(w.told(), "scheduled action"); n != 1 {
		t.Errorf("it was carried out %d times", n)
	}
}

// cron and rate repeat, in a time zone, from a start to an end, and one bound alone stays alone.
func TestSchedulesThatRepeat(t *testing.T) {
	w := newWorld(t)
	w.serve(2, scaling.Bounds{Min: 1, Max: 20})
	w.at("cron", "cron(30 9 * * ? *)", new(3), nil, func(s *appscaling.Scheduled) { // 8:30 in UTC
		s.Timezone = "Europe/Paris"
	})
	w.at("rate", "rate(20 minutes)", nil, new(15), func(s *appscaling.Scheduled) {
		s.Start, s.End = begin.Add(10*time.Minute), begin.Add(50*time.Minute)
	})
	w.run(2 * time.Hour)
	var when []string
	for _, a := range w.activities() {
		if strings.Contains(a.Cause, "scheduled") {
			when = append(when, a.Start.Format("15:04 ")+a.Description)
		}
	}
	if got, want := strings.Join(when, ", "), "08:10 Setting max capacity to 15, 08:30 Setting max capacity to 15, "+
		"08:30 Setting min capacity to 3, 08:50 Setting max capacity to 15"; got != want && got != strings.Replace(want,
		"08:30 Setting max capacity to 15, 08:30 Setting min capacity to 3",
		"08:30 Setting min capacity to 3, 08:30 Setting max capacity to 15", 1) {
		t.Errorf("%s, want %s", got, want)
	}
	if w.desired() != 3 {
		t.Errorf("%s", w.history())
	}
}

// While the server is down a time passes: the action is carried out once when it starts again. One that is suspended at
// its time is skipped, and one that was changed counts from then.
func TestTimesThatWereMissed(t *testing.T) {
	w := newWorld(t)
	w.serve(2, scaling.Bounds{Min: 1, Max: 20})
	w.at("often", "rate(1 minute)", new(4), nil)
	w.run(30 * time.Second)
	w.now = begin.Add(5*time.Minute + 10*time.Second)
	w.restart()
	w.run(5*time.Minute + 20*time.Second)
	if n := strings.Count(w.told(), "often"); n != 1 || w.desired() != 4 {
		t.Errorf("carried out %d times: %s", n, w.history())
	}
	w.update(func(tx *state.Tx) {
		old, _ := tx.ScalableTargets.Get(key)
		c := *old
		c.Suspended.Scheduled = true
		tx.ScalableTargets.Put(&c)
	})
	w.run(9*time.Minute + 30*time.Second)
	w.update(func(tx *state.Tx) {
		old, _ := tx.ScalableTargets.Get(key)
		c := *old
		c.Suspended.Scheduled = false
		tx.ScalableTargets.Put(&c)
	})
	w.run(9*time.Minute + 50*time.Second)
	if n := strings.Count(w.told(), "often"); n != 1 {
		t.Errorf("it was suspended, and carried out %d times", n)
	}
	w.run(10*time.Minute + time.Second)
	if n := strings.Count(w.told(), "often"); n != 2 {
		t.Errorf("resumed, and carried out %d times", n)
	}
	w.at("often", "at(2026-11-29T08:10:00)", new(9), nil) // a time that has passed
	w.run(20 * time.Minute)
	if n := strings.Count(w.told(), "often"); n != 2 || w.bounds().Min != 4 {
		t.Errorf("a time before the change: %d, %+v", n, w.bounds())
	}
	if p, _ := w.store.View().ScalingProgress.Get(key); len(p.Done) != 1 {
		t.Errorf("%+v", p)
	}
	w.update(func(tx *state.Tx) {
		tx.ScheduledActions.Delete(appscaling.ScheduledKey(region, account, resource, "often"))
	})
	w.run(21 * time.Minute)
	if p, _ := w.store.View().ScalingProgress.Get(key); len(p.Done) != 0 {
		t.Errorf("a deleted action is remembered: %+v", p)
	}
}
