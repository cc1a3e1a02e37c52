package sim

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/blueprint"
	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/control/fleet"
	"github.com/berthhq/berth/internal/deploy"
	"github.com/berthhq/berth/internal/dispatch"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/feed"
	"github.com/berthhq/berth/internal/state"
)

// world is the state of a running simulation.
type world struct {
	o     Options
	stack *blueprint.Stack
	now   time.Time
	begin time.Time // start of the report
	end   time.Time
	rand  io.Reader

	store    *state.Store
	points   *meter.Store
	feed     *feed.Feed
	machines *machines
	agents   *agents
	fleet    *fleet.Controller
	driven   []control.Driven

	apps    []*app // in the order of their ARNs
	byARN   map[string]*app
	hosts   []*host // in the order of their ARNs
	byCI    map[string]*host
	silent  map[string]bool // container instances whose telemetry has stopped
	dirty   *state.Subscription[dirtyKey]
	faults  []Fault // that have not happened yet, the next first
	history *recorder
}

func newWorld(ctx context.Context, s *blueprint.Stack, loads []Load, o Options) (*world, error) {
	begin := o.Start.Add(-settle)
	var seed [32]byte
	copy(seed[:], fmt.Sprintf("berth simulate %d", o.Seed))
	w := &world{
		o: o, stack: s, now: begin, begin: o.Start, end: o.Start.Add(o.Span), rand: rand.NewChaCha8(seed),
		machines: &machines{running: map[string]bool{}}, agents: newAgents(s, o),
		byARN: map[string]*app{}, byCI: map[string]*host{}, silent: map[string]bool{},
		points: meter.InMemory(window(s)),
	}
	quiet := slog.New(slog.DiscardHandler)
	w.feed = feed.New(w.points, w.clock, quiet)
	faults, err := w.schedule(o.Faults)
	if err != nil {
		return nil, err
	}
	w.faults = faults
	if err := w.addApps(loads); err != nil {
		return nil, err
	}
	if w.store, err = state.Open(ctx, new(forgetful), quiet); err != nil {
		return nil, err
	}
	if err := w.store.Update(ctx, func(tx *state.Tx) error { w.fill(tx); return nil }); err != nil {
		return nil, err
	}
	w.dirty = state.Subscribe(w.store, dirtyKeys)
	w.history = newRecorder(w.store, s)
	w.control(control.Env{Store: w.store, Logger: slog.New(&failures{w: w}), Now: w.clock, Random: w.rand})
	for _, a := range w.apps {
		w.refreshApp(&w.store.View().Tables, a)
	}
	return w, nil
}

func (w *world) clock() time.Time { return w.now }

// window returns how long points of metrics must be kept: the longest time that an alarm looks back.
func window(s *blueprint.Stack) time.Duration {
	longest := 2 * time.Hour
	for _, a := range s.Alarms {
		longest = max(longest, 2*time.Duration(a.Condition.Periods)*a.Condition.Period)
	}
	return longest
}

// addApps makes the apps of the services, with their loads.
func (w *world) addApps(loads []Load) error {
	services := slices.SortedFunc(slices.Values(w.stack.Services), func(a, b *ecs.Service) int {
		return strings.Compare(a.ServiceARN, b.ServiceARN)
	})
	groups := make(map[string][]string) // target groups by service
	for _, r := range w.stack.Revisions {
		for _, lb := range r.LoadBalancers {
			groups[r.ServiceARN] = append(groups[r.ServiceARN], lb.TargetGroupARN)
		}
	}
	for _, v := range services {
		a := &app{arn: v.ServiceARN, cluster: arn.LastID(v.ClusterARN), name: v.ServiceName, idle: UsualCost(),
			groups: groups[v.ServiceARN]}
		w.apps = append(w.apps, a)
		w.byARN[a.arn] = a
	}
	for i := range loads {
		l := &loads[i]
		if err := l.check(); err != nil {
			return err
		}
		a, err := w.find(l.Service)
		if err != nil {
			return err
		}
		if a.load != nil {
			return fmt.Errorf("the service %q has two loads", l.Service)
		}
		a.load, a.idle = l, l.Cost
	}
	return nil
}

// find returns the service with the name NAME or CLUSTER/NAME.
func (w *world) find(name string) (*app, error) {
	var found []*app
	var all []string
	for _, a := range w.apps {
		all = append(all, a.cluster+"/"+a.name)
		if name == a.name || name == a.cluster+"/"+a.name {
			found = append(found, a)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, fmt.Errorf("the stack has no service %q; it has %s", name, strings.Join(all, ", "))
	}
	return nil, fmt.Errorf("several clusters have a service %q; name it CLUSTER/%s", name, name)
}

// fill writes the stack into an empty state. The alarms of policies are made as PutScalingPolicy makes them.
func (w *world) fill(tx *state.Tx) {
	w.stack.Put(tx)
	for _, r := range w.stack.Revisions {
		if svc, ok := tx.Services.Get(r.ServiceARN); ok {
			deploy.Start(tx, svc, *r, deploy.NewIDs(w.rand), w.now)
		}
	}
	for g := range tx.AutoScalingGroups.All() {
		c := g.Clone()
		c.ClearProgress()
		tx.AutoScalingGroups.Put(c)
	}
	for _, p := range w.stack.ScalingPolicies {
		for _, a := range p.Alarms(w.now) {
			tx.Alarms.Put(a)
		}
	}
	for _, p := range w.stack.GroupPolicies {
		for _, a := range p.Alarms(w.now) {
			tx.Alarms.Put(a)
		}
	}
	w.scheduleGroups(tx)
	for a := range tx.Alarms.All() {
		tx.Alarms.Put(scalingOnly(a, w.now))
		tx.AlarmStatus.Put(alarm.NewStatus(a.ARN, w.now))
	}
}

// scheduleGroups sets when the scheduled actions of groups are due next, on the clock of the simulation. One whose
// times have all passed is deleted, as on the server.
func (w *world) scheduleGroups(tx *state.Tx) {
	for _, row := range w.stack.GroupSchedules {
		next := *row
		if next.Next = row.After(w.now); next.Next.IsZero() {
			tx.GroupSchedules.Delete(row.Key())
			continue
		}
		tx.GroupSchedules.Put(&next)
	}
}

// scalingOnly returns an alarm with only its actions that are policies, so that a simulation notifies nobody.
func scalingOnly(a *alarm.Alarm, now time.Time) *alarm.Alarm {
	c := *a
	for _, list := range []*[]string{&c.OKActions, &c.AlarmActions, &c.InsufficientDataActions} {
		*list = slices.DeleteFunc(slices.Clone(*list), func(action string) bool {
			kind, ok := alarm.KindOf(action)
			return !ok || kind != alarm.ServicePolicy && kind != alarm.GroupPolicy
		})
	}
	c.UpdatedAt = now
	return &c
}

// run runs the simulation to its end.
func (w *world) run(ctx context.Context) error {
	tick := w.now.Add(tickEvery / 2)
	minute := w.now.Add(time.Minute)
	for {
		next, waits, err := w.settle(ctx)
		if err != nil {
			return err
		}
		if !waits || tick.Before(next) {
			next = tick
		}
		if minute.Before(next) {
			next = minute
		}
		if len(w.faults) > 0 && w.begin.Add(w.faults[0].At).Before(next) {
			next = w.begin.Add(w.faults[0].At)
		}
		if next.After(w.end) {
			return nil
		}
		if next.After(w.now) {
			w.now = next
		}
		if err := w.strike(ctx); err != nil {
			return err
		}
		if !minute.After(w.now) {
			w.feed.Store()
			w.history.sample(w)
			minute = minute.Add(time.Minute)
		}
		if !tick.After(w.now) {
			if err := w.tick(ctx); err != nil {
				return err
			}
			tick = tick.Add(tickEvery)
		}
	}
}

// settle runs the controllers until none has anything to do now, and returns the time when the next one has.
func (w *world) settle(ctx context.Context) (next time.Time, waits bool, err error) {
	for {
		next, waits = control.Drain(ctx, w.driven...)
		if ctx.Err() != nil {
			return next, waits, context.Cause(ctx)
		}
		reports := w.machines.take()
		if len(reports) == 0 {
			w.history.read(w)
			return next, waits, nil
		}
		for _, r := range reports {
			if err := w.fleet.Record(ctx, r); err != nil {
				return next, waits, err
			}
		}
	}
}

func (w *world) close() {
	for _, d := range w.driven {
		d.Close()
	}
	w.dirty.Close()
	w.history.sub.Close()
	w.store.Close()
}

// dirtyKey identifies what must be read again after a change: a service whose serving tasks have changed, or a
// container instance.
type dirtyKey struct{ service, instance string }

func dirtyKeys(c state.Change, s *state.Snapshot) (keys []dirtyKey) {
	behind := func(key string) {
		for t := range s.Tasks.By(state.TasksByTarget, key) {
			keys = append(keys, dirtyKey{service: t.ServiceARN})
		}
	}
	switch c := c.(type) {
	case state.Changed[ecs.Task]:
		return []dirtyKey{{service: c.Last().ServiceARN}}
	case state.Changed[elb.Target]:
		behind(c.Key)
	case state.Changed[elb.TargetHealth]:
		behind(c.Key)
	case state.Changed[ecs.ContainerInstance]:
		return []dirtyKey{{instance: c.Key}}
	}
	return keys
}

// follow reads the services and container instances that have changed since the last tick.
func (w *world) follow() {
	t := &w.store.View().Tables
	for _, key := range w.dirty.Take() {
		if a := w.byARN[key.service]; a != nil {
			w.refreshApp(t, a)
		}
		if key.instance != "" {
			w.refreshHost(t, key.instance)
		}
	}
}

func (w *world) refreshApp(t *state.Tables, a *app) {
	for _, x := range a.workers {
		if h := w.byCI[x.task.ContainerInstanceARN]; h != nil {
			h.workers = slices.DeleteFunc(h.workers, func(o *worker) bool { return o == x })
		}
	}
	a.refresh(t)
	a.balancers = a.balancers[:0]
	for _, g := range a.groups {
		a.balancers = append(a.balancers, t.LoadBalancersOf(g)...)
	}
	for _, x := range a.workers {
		if h := w.byCI[x.task.ContainerInstanceARN]; h != nil {
			h.workers = append(h.workers, x)
		}
	}
}

func (w *world) refreshHost(t *state.Tables, key string) {
	ci, ok := t.ContainerInstances.Get(key)
	h := w.byCI[key]
	switch {
	case ok && ci.Present() && h == nil:
		h = &host{ci: ci, gauge: dispatch.Gauge{Feed: measures{w.feed}, Instance: key}}
		w.byCI[key] = h
		w.hosts = append(w.hosts, h)
		slices.SortFunc(w.hosts, func(a, b *host) int {
			return strings.Compare(a.ci.ContainerInstanceARN, b.ci.ContainerInstanceARN)
		})
	case ok && ci.Present():
		h.ci = ci
	case h != nil:
		delete(w.byCI, key)
		w.hosts = slices.DeleteFunc(w.hosts, func(o *host) bool { return o == h })
	}
}
