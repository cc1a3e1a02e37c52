package scale

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/control"
	controlalarm "github.com/berthhq/berth/internal/control/alarm"
	"github.com/berthhq/berth/internal/ecs"
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
	resource        = "service/prod/chat"
	serviceARN      = "arn:aws:ecs:us-east-1:123456789012:service/prod/chat"
	key             = region + " " + account + " " + resource + " "
)

// world has a service whose tasks share a load, a meter that gets a point of their CPU every minute, and the two
// controllers, with a clock that only the test moves.
type world struct {
	t      testing.TB
	now    time.Time
	pace   scaling.Pace
	disk   *broken
	store  *state.Store
	points *meter.Store
	loops  []control.Driven
	ids    uint64

	load   float64       // per cent of one task's CPU that all tasks together use
	starts time.Duration // how long a task takes to run
	tasks  []time.Time   // when each task was asked for
	values [][2]float64  // what was measured in the present minute: running tasks, load
	tick   time.Duration // how often that is
	// changes are the desired counts, each with the time since begin.
	changes []string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	points, err := meter.Open(t.TempDir(), meter.Limits{}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, now: begin, points: points, disk: &broken{Journal: mem.New()}, starts: 23 * time.Second,
		tick: time.Second}
	w.start()
	t.Cleanup(func() {
		w.end()
		points.Close(w.now)
	})
	return w
}

// broken is a journal that refuses appends while fails is true, as a server that is killed before it has written.
type broken struct {
	*mem.Journal
	fails bool
}

func (b *broken) Append(ctx context.Context, entries []journal.Entry) error {
	if b.fails {
		return errors.New("killed")
	}
	return b.Journal.Append(ctx, entries)
}

func (w *world) start() {
	w.t.Helper()
	var err error
	if w.store, err = state.Open(w.t.Context(), w.disk, quiet); err != nil {
		w.t.Fatal(err)
	}
	env := control.Env{Store: w.store, Logger: quiet, Now: func() time.Time { return w.now }, Random: w}
	w.loops = []control.Driven{
		control.New(env, "alarm", 1, controlalarm.New(env, w.points, w.pace)).Manual(),
		control.New(env, "scale", 1, control.Planned(env, New(w.points, w.pace))).Manual(),
	}
}

func (w *world) end() {
	for _, l := range w.loops {
		l.Close()
	}
	w.store.Close()
}

// restart starts the server again on what it has written.
func (w *world) restart() {
	w.end()
	w.disk = &broken{Journal: w.disk.Reopen()}
	w.start()
}

// Read returns other bytes each time, so that ids differ.
func (w *world) Read(p []byte) (int, error) {
	w.ids++
	clear(p)
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], w.ids)
	copy(p, b[:])
	return len(p), nil
}

func (w *world) update(change func(*state.Tx)) {
	w.t.Helper()
	if err := w.store.Update(w.t.Context(), func(tx *state.Tx) error { change(tx); return nil }); err != nil {
		w.t.Fatal(err)
	}
}

// serve makes the service with tasks that run, and its scalable target.
func (w *world) serve(count int, b scaling.Bounds) {
	w.t.Helper()
	w.update(func(tx *state.Tx) {
		tx.Services.Put(&ecs.Service{ServiceARN: serviceARN, ServiceName: "chat", Status: ecs.ServiceActive,
			DesiredCount: count, CreatedAt: w.now})
		tx.ScalableTargets.Put(&appscaling.Target{ID: "t", Region: region, Account: account, ResourceID: resource,
			Bounds: b, CreatedAt: w.now})
	})
	for range count {
		w.tasks = append(w.tasks, w.now.Add(-time.Hour))
	}
	w.settle()
}

// cpu puts a policy that keeps CPU at a target.
func (w *world) cpu(name string, target float64, change ...func(*appscaling.Tracking)) *appscaling.Policy {
	w.t.Helper()
	p := &appscaling.Policy{ID: name, Region: region, Account: account, ResourceID: resource, Name: name,
		Type: appscaling.TargetTracking, CreatedAt: w.now, Tracking: &appscaling.Tracking{
			Tracking: scaling.Tracking{Target: target}, HighID: "h" + name, LowID: "l" + name,
			Predefined: &appscaling.Predefined{Type: appscaling.AverageCPU}}}
	for _, c := range change {
		c(p.Tracking)
	}
	w.put(p)
	return p
}

func (w *world) put(p *appscaling.Policy) {
	w.t.Helper()
	w.update(func(tx *state.Tx) {
		if !tx.PutScalingPolicy(p, w.now) {
			w.t.Fatal("no room for alarms")
		}
	})
}

// step puts a step policy, and an alarm on CPU that names it.
func (w *world) step(name string, rule scaling.StepRule, c scaling.Condition) *appscaling.Policy {
	w.t.Helper()
	p := &appscaling.Policy{ID: name, Region: region, Account: account, ResourceID: resource, Name: name,
		Type: appscaling.StepScaling, CreatedAt: w.now, Step: &rule}
	w.put(p)
	w.update(func(tx *state.Tx) {
		tx.PutAlarm(&alarm.Alarm{ARN: alarm.ARN(region, account, name+"-alarm"), Name: name + "-alarm", Region: region,
			Account: account, ActionsEnabled: true, AlarmActions: []string{p.ARN()}, Condition: c, UpdatedAt: w.now,
			Measure: (&appscaling.Tracking{Predefined: &appscaling.Predefined{Type: appscaling.AverageCPU}}).
				Measure(resource)}, w.now)
	})
	return p
}

func (w *world) running() (n int) {
	for _, asked := range w.tasks {
		if !asked.Add(w.starts).After(w.now) {
			n++
		}
	}
	return n
}

// settle gives the service as many tasks as it should have, and writes the rows of those that run. It reports whether
// it has written some.
func (w *world) settle() bool {
	svc, ok := w.store.View().Services.Get(serviceARN)
	if !ok {
		return false
	}
	for len(w.tasks) < svc.DesiredCount {
		w.tasks = append(w.tasks, w.now)
	}
	w.tasks = w.tasks[:svc.DesiredCount]
	rows := make(map[string]bool)
	for t := range w.store.View().Tasks.By(state.TasksByService, serviceARN) {
		rows[t.TaskARN] = true
	}
	n := w.running()
	if len(rows) == n {
		return false
	}
	w.update(func(tx *state.Tx) {
		for arn := range rows {
			tx.Tasks.Delete(arn)
		}
		for i := range n {
			tx.Tasks.Put(&ecs.Task{TaskARN: fmt.Sprintf("arn:aws:ecs:us-east-1:123456789012:task/prod/%04d", i),
				ServiceARN: serviceARN, LastStatus: ecs.Running, DesiredStatus: ecs.Running})
		}
	})
	return true
}

// sample notes what is measured of a tick. The point of a minute is written when the minute has ended.
func (w *world) sample(ended time.Time) {
	w.values = append(w.values, [2]float64{float64(w.running()), w.load})
	every := w.pace.Period(time.Minute)
	if ended.Truncate(every) != ended {
		return
	}
	n, sum := 0.0, 0.0
	for _, v := range w.values {
		if v[0] > 0 {
			n, sum = n+1, sum+v[1]/v[0]
		}
	}
	w.values = nil
	if n == 0 {
		return
	}
	namespace := "AWS/ECS"
	if w.pace == scaling.PaceOfSeconds {
		namespace = meter.OfSeconds(namespace)
	}
	m := meter.Metric{Scope: meter.Scope(account, region), Namespace: namespace, Name: "CPUUtilization",
		Dimensions: []meter.Dimension{{Name: "ClusterName", Value: "prod"}, {Name: "ServiceName", Value: "chat"}}}
	if err := w.points.Put(ended, []meter.Datum{{Metric: m, Unit: "Percent", At: ended.Add(-every), Second: every <
		time.Minute, Summary: meter.Values([]float64{sum / n}, nil)}}); err != nil {
		w.t.Fatal(err)
	}
}

// run lets ticks pass until a time since begin, and does what is due in each.
func (w *world) run(until time.Duration) {
	w.t.Helper()
	for end := begin.Add(until); ; {
		w.drain()
		if !w.now.Before(end) {
			return
		}
		next := w.now.Truncate(w.tick).Add(w.tick)
		if due, ok := w.drain(); ok && due.Before(next) {
			w.now = due
			continue
		}
		w.now = next
		w.sample(next)
	}
}

// drain does what is due now.
func (w *world) drain() (next time.Time, ok bool) {
	for {
		before := w.desired()
		next, ok = control.Drain(w.t.Context(), w.loops...)
		settled := w.settle()
		if now := w.desired(); now != before {
			w.changes = append(w.changes, fmt.Sprintf("%d at %s", now, w.now.Sub(begin).Truncate(time.Second)))
			continue
		}
		if settled {
			continue
		}
		return next, ok
	}
}

func (w *world) desired() int {
	svc, ok := w.store.View().Services.Get(serviceARN)
	if !ok {
		return 0
	}
	return svc.DesiredCount
}

// activities returns the activities of the target, the oldest first.
func (w *world) activities() (all []*appscaling.Activity) {
	for a := range w.store.View().ScalingActivities.Prefix(key) {
		all = append(all, a)
	}
	return all
}

// told returns the activities as text: status, description, cause, message, reasons.
func (w *world) told() string {
	var b strings.Builder
	for _, a := range w.activities() {
		fmt.Fprintf(&b, "%s: %s | %s", a.Status, a.Description, a.Cause)
		if a.StatusMessage != "" {
			fmt.Fprintf(&b, " | %s", a.StatusMessage)
		}
		for _, why := range a.NotScaled {
			fmt.Fprintf(&b, " | %s", why.Code)
			for name, n := range map[string]*int{"min": why.Min, "max": why.Max, "current": why.Current} {
				if n != nil {
					fmt.Fprintf(&b, " %s %d", name, *n)
				}
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (w *world) history() string { return strings.Join(w.changes, ", ") }
