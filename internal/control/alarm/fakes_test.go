package alarm

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

var (
	begin = time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC)
	quiet = slog.New(slog.DiscardHandler)
)

const (
	region, account = "us-east-1", "123456789012"
	topic           = "arn:aws:sns:us-east-1:123456789012:ops"
	policy          = "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1:resource/ecs/service/prod/chat:" +
		"policyName/p"
)

// world is a store, a meter and the controller, with a clock that only the test moves.
type world struct {
	t      testing.TB
	now    time.Time
	disk   *mem.Journal
	store  *state.Store
	points *meter.Store
	loop   *control.Manual[string]
	pace   scaling.Pace
	steps  int // how often Reconcile was called
}

func newWorld(t testing.TB) *world {
	t.Helper()
	points, err := meter.Open(t.TempDir(), meter.Limits{}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, now: begin, points: points, disk: mem.New()}
	w.start(w.disk)
	t.Cleanup(func() {
		w.loop.Close()
		w.store.Close()
		points.Close(w.now)
	})
	return w
}

// restart restarts the server with what it has written.
func (w *world) restart() {
	w.loop.Close()
	w.store.Close()
	w.disk = w.disk.Reopen()
	w.start(w.disk)
}

// start starts the controller with the content of a journal.
func (w *world) start(j journal.Journal) {
	w.t.Helper()
	var err error
	if w.store, err = state.Open(w.t.Context(), j, quiet); err != nil {
		w.t.Fatal(err)
	}
	env := control.Env{Store: w.store, Logger: slog.New(slog.NewTextHandler(w.t.Output(), nil)),
		Now: func() time.Time { return w.now }, Random: zeros{}}
	w.loop = control.New(env, "alarm", 1, New(env, w.points, w.pace)).Manual()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// sample returns an alarm that compares the average of App m with 70, over three minutes.
func sample(name string, change ...func(*alarm.Alarm)) *alarm.Alarm {
	a := &alarm.Alarm{
		ARN: alarm.ARN(region, account, name), Name: name, Region: region, Account: account, ActionsEnabled: true,
		Measure:   alarm.Measure{Statistic: "Average", Metric: alarm.Metric{Namespace: "App", Name: "m"}},
		Condition: scaling.Condition{Comparison: scaling.Greater, Threshold: 70, Period: time.Minute, Periods: 3},
		UpdatedAt: begin, // so the evaluation before begin is not due
	}
	for _, c := range change {
		c(a)
	}
	return a
}

// put writes alarms as PutMetricAlarm does. Their state was last written at their UpdatedAt.
func (w *world) put(value scaling.State, alarms ...*alarm.Alarm) {
	w.t.Helper()
	w.update(func(tx *state.Tx) {
		for _, a := range alarms {
			tx.Alarms.Put(a)
			s := alarm.NewStatus(a.ARN, a.UpdatedAt)
			s.Value = value
			tx.AlarmStatus.Put(s)
		}
	})
}

func (w *world) update(change func(*state.Tx)) {
	w.t.Helper()
	if err := w.store.Update(w.t.Context(), func(tx *state.Tx) error { change(tx); return nil }); err != nil {
		w.t.Fatal(err)
	}
}

// measure puts values of App m in one call.
func (w *world) measure(at time.Time, values ...float64) {
	w.t.Helper()
	if err := measure(w.points, w.now, at, values...); err != nil {
		w.t.Fatal(err)
	}
}

func measure(points *meter.Store, now, at time.Time, values ...float64) error {
	return points.Put(now, []meter.Datum{{
		Metric: meter.Metric{Scope: meter.Scope(account, region), Namespace: "App", Name: "m"}, Unit: "Percent", At: at,
		Second: true, Summary: meter.Values(values, nil),
	}})
}

// run advances the clock to a time, and evaluates each alarm when it is due.
func (w *world) run(until time.Time) {
	w.t.Helper()
	for {
		for w.loop.Step(w.t.Context()) {
			w.steps++
		}
		due, ok := w.loop.Due()
		if !ok || due.After(until) {
			w.now = until
			return
		}
		w.now = due
	}
}

func (w *world) status(name string) *alarm.Status {
	w.t.Helper()
	s, ok := w.store.View().AlarmStatus.Get(alarm.ARN(region, account, name))
	if !ok {
		w.t.Fatalf("there is no alarm %s", name)
	}
	return s
}

// history returns the changes of an alarm's state.
func (w *world) history(name string) string {
	var all []string
	for h := range w.store.View().AlarmHistory.Prefix(alarm.HistoryPrefix(alarm.ARN(region, account, name))) {
		all = append(all, strings.TrimPrefix(h.Summary, "Alarm updated from "))
	}
	return strings.Join(all, ", ")
}

// due returns the actions that are due.
func (w *world) due() string {
	var b bytes.Buffer
	for d := range w.store.View().DueActions.All() {
		fmt.Fprintf(&b, "%s %d %s-%s at %s; ", d.Kind, d.Transition, d.From, d.To, d.At.Format("15:04"))
	}
	return strings.TrimSuffix(b.String(), "; ")
}
