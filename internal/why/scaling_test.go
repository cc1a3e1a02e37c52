package why

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/provider"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// update returns the tables of a new store after a change.
func update(t *testing.T, change func(*state.Tx)) *state.Tables {
	t.Helper()
	store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if err := store.Update(t.Context(), func(tx *state.Tx) error { change(tx); return nil }); err != nil {
		t.Fatal(err)
	}
	return &store.View().Tables
}

// held is a service with a policy that was called, and changed nothing.
type held struct {
	service   ecs.Service
	target    appscaling.Target
	progress  appscaling.Progress
	high, low alarm.Status
	deploys   bool
	step      bool // an alarm calls a step policy
	policy    appscaling.Policy
}

// newHeld returns a service of 3 tasks whose high or low alarm has called for an hour, and whose policies have changed
// nothing for the given reason since now.
func newHeld(reason scaling.Reason) *held {
	h := &held{
		service: ecs.Service{ServiceARN: serviceARN, ServiceName: "web", ClusterARN: clusterARN, CreatedAt: now,
			Status: ecs.ServiceActive, SchedulingStrategy: ecs.Replica, DesiredCount: 3},
		target: appscaling.Target{ID: "t", Region: region, Account: account, ResourceID: "service/shop/web",
			Bounds: scaling.Bounds{Min: 2, Max: 4}},
		policy: appscaling.Policy{ID: "p", Region: region, Account: account, ResourceID: "service/shop/web",
			Name: "cpu", Type: appscaling.TargetTracking, CreatedAt: now,
			Tracking: &appscaling.Tracking{HighID: "h", LowID: "l", Tracking: scaling.Tracking{Target: 60},
				Predefined: &appscaling.Predefined{Type: appscaling.AverageCPU}}},
		progress: appscaling.Progress{Region: region, Account: account, ResourceID: "service/shop/web", Service: now,
			Held: reason, HeldSince: now},
	}
	arns := h.policy.AlarmARNs()
	h.high, h.low = *alarm.NewStatus(arns[0], now.Add(-time.Hour)), *alarm.NewStatus(arns[1], now.Add(-time.Hour))
	h.high.Value, h.low.Value = scaling.OK, scaling.OK
	return h
}

func (h *held) scaling(t *testing.T) (text string, atRest bool) {
	t.Helper()
	return Scaling(update(t, func(tx *state.Tx) {
		tx.Services.Put(&h.service)
		tx.ScalableTargets.Put(&h.target)
		tx.PutScalingPolicy(&h.policy, now)
		tx.AlarmStatus.Put(&h.high)
		tx.AlarmStatus.Put(&h.low)
		tx.ScalingProgress.Put(&h.progress)
		if h.step {
			step := &appscaling.Policy{ID: "s", Region: region, Account: account, ResourceID: "service/shop/web",
				Name: "step", Type: appscaling.StepScaling, Step: &scaling.StepRule{}, CreatedAt: now}
			tx.PutScalingPolicy(step, now)
			calls := alarm.OfPolicy(region, account, step.ARN(), "mine", alarm.Measure{}, scaling.Condition{}, now)
			tx.PutAlarm(calls, now)
			tx.AlarmStatus.Put(&alarm.Status{ARN: calls.ARN, Value: scaling.InAlarm, TransitionedAt: now})
		}
		if h.deploys {
			tx.ServiceProgress.Put(&ecs.ServiceProgress{ServiceARN: serviceARN, Deployments: []ecs.Deployment{{
				ID: "d", Status: ecs.DeploymentPrimary, RolloutState: ecs.RolloutInProgress}}})
		}
	}), &h.service, now)
}

// The reason why policies change nothing is told while it holds and an alarm calls one in its direction, and not
// afterwards (ecs.md 6.7, 6.8).
func TestScaling(t *testing.T) {
	const out, in = scaling.Out, scaling.In
	last := scaling.Activity{Direction: scaling.Out, From: 2, To: 4, Until: now.Add(time.Minute)}
	same := func(*held) {}
	for _, c := range []struct {
		reason       scaling.Reason
		direction    scaling.Direction
		holds, ended func(*held) // ended is nil for what cannot be seen in the service and its target
		want         string
	}{
		{scaling.AlreadyAtMax, out, func(h *held) { h.service.DesiredCount = 4 },
			func(h *held) { h.target.Bounds.Max = 5 },
			"the desired count is at its maximum, 4."},
		{scaling.AlreadyAtMin, in, func(h *held) { h.service.DesiredCount = 2 },
			func(h *held) { h.target.Bounds.Min = 1 },
			"the desired count is at its minimum, 2."},
		{scaling.AlreadyAtDesired, 0, same, nil, "the policies propose the present desired count."},
		{scaling.AnticipatedFlapping, in, same, nil,
			"with fewer tasks, the metric of a policy would be above its target."},
		{scaling.CoolingDown, out, func(h *held) { h.progress.Last = last },
			func(h *held) { h.progress.Last.Until = now },
			"the cooldown of the last change, from 2 to 4 tasks, ends at 2026-05-06 07:09:09 UTC."},
		{scaling.Suspended, out, func(h *held) { h.target.Suspended.Out = true },
			func(h *held) { h.target.Suspended.Out = false }, "scaling out is suspended."},
		{scaling.Suspended, in, func(h *held) { h.target.Suspended.In = true },
			func(h *held) { h.target.Suspended = appscaling.Suspension{Out: true} }, "scaling in is suspended."},
		{scaling.Suspended, 0, func(h *held) { h.target.Suspended = appscaling.Suspension{In: true, Out: true} },
			func(h *held) { h.target.Suspended = appscaling.Suspension{} }, "scaling in and out is suspended."},
		{scaling.UnderWay, in, func(h *held) { h.deploys = true }, func(h *held) { h.deploys = false },
			"a deployment is in progress, and until it ends no policy scales in."},
		{scaling.NotAll, in, same, func(h *held) { h.policy.Tracking.DisableScaleIn, h.step = true, true },
			"not all target tracking policies propose to scale in."},
		{scaling.OutOfBounds, out, func(h *held) { h.service.DesiredCount = 5 },
			func(h *held) { h.service.DesiredCount = 4 },
			"the desired count is outside of its bounds, 2 to 4."},
		{scaling.OutOfBounds, in, func(h *held) { h.service.DesiredCount = 1 },
			func(h *held) { h.service.DesiredCount = 2 },
			"the desired count is outside of its bounds, 2 to 4."},
	} {
		h := newHeld(c.reason)
		c.holds(h)
		calling, other := &h.high, &h.low
		if c.direction == in {
			calling, other = other, calling
		}
		calling.Value = scaling.InAlarm
		want := "Scaling policies have changed nothing since 2026-05-06 07:08:09 UTC: " + c.want
		got, atRest := h.scaling(t)
		if got != want || atRest != (c.reason == scaling.AlreadyAtMin || c.reason == scaling.AlreadyAtDesired) {
			t.Errorf("%s: %q, at rest %v\nwant %q", c.reason, got, atRest, want)
		}
		if c.direction != 0 {
			calling.Value, other.Value = scaling.OK, scaling.InAlarm
			if got, _ := h.scaling(t); got != "" {
				t.Errorf("%s, and only the other alarm calls: %q", c.reason, got)
			}
		}
		calling.Value, other.Value = scaling.OK, scaling.OK
		if got, _ := h.scaling(t); got != "" {
			t.Errorf("%s, and no alarm calls: %q", c.reason, got)
		}
		if calling.Value, other.Value = scaling.InAlarm, scaling.InAlarm; c.ended == nil {
			continue
		}
		c.ended(h)
		if got, _ := h.scaling(t); c.reason != scaling.Suspended && got != "" ||
			strings.Contains(got, strings.TrimSuffix(c.want, ".")) {
			t.Errorf("%s, and the reason has ended: %q", c.reason, got)
		}
	}
}

// The reason is told since the later of two times: when it became the reason, and when the alarm began to call.
func TestScalingSince(t *testing.T) {
	for name, c := range map[string]struct {
		reason, alarm time.Duration // before now
		want          string
	}{
		"the reason of an earlier time": {72 * time.Hour, 5 * time.Minute, "2026-05-06 07:03:09"},
		"a reason of later calls":       {5 * time.Minute, 72 * time.Hour, "2026-05-06 07:03:09"},
	} {
		h := newHeld(scaling.AlreadyAtMax)
		h.service.DesiredCount, h.high.Value = 4, scaling.InAlarm
		h.progress.HeldSince, h.high.TransitionedAt = now.Add(-c.reason), now.Add(-c.alarm)
		if got, _ := h.scaling(t); !strings.Contains(got, "nothing since "+c.want+" UTC:") {
			t.Errorf("%s: %q, want %s", name, got, c.want)
		}
	}
}

// A change by the last call, and what is about a deleted service, are no reasons.
func TestScalingWithoutReason(t *testing.T) {
	for name, change := range map[string]func(*held){
		"the last call changed something": func(h *held) { h.progress.Held = "" },
		"of a deleted service":            func(h *held) { h.progress.Service = now.Add(-time.Hour) },
	} {
		h := newHeld(scaling.AlreadyAtMax)
		h.service.DesiredCount, h.high.Value = 4, scaling.InAlarm
		change(h)
		if got, _ := h.scaling(t); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// A group that is at its maximum, or on whose instances no task fits, is told while tasks wait and the high alarm wants
// more instances.
func TestCapacity(t *testing.T) {
	cluster := &ecs.Cluster{ClusterARN: clusterARN, ClusterName: "shop", Status: ecs.ClusterActive,
		CapacityProviders: []string{"machines"}}
	const full, noFit = "Auto Scaling group g has reached its maximum of 2 instances",
		"none of the tasks fits on an instance of Auto Scaling group g"
	for name, c := range map[string]struct {
		held    string
		desired int
		high    scaling.State
		waits   bool
		want    string
	}{
		"at its maximum":            {full, 2, scaling.InAlarm, true, full},
		"the maximum was raised":    {full, 1, scaling.InAlarm, true, ""},
		"no task fits":              {noFit, 1, scaling.InAlarm, true, noFit},
		"no task fits, and is full": {noFit, 2, scaling.InAlarm, true, noFit},
		"no task waits":             {full, 2, scaling.InAlarm, false, ""},
		"the alarm is OK":           {full, 2, scaling.OK, true, ""},
		"no task fits, and is OK":   {noFit, 1, scaling.OK, true, ""},
	} {
		g := &fleet.AutoScalingGroup{Name: "g", ID: "1", Region: region, Account: account, Desired: c.desired, Max: 2}
		p := &ecs.CapacityProvider{CapacityProviderARN: ecs.ProviderARN(clusterARN, "machines"), Name: "machines",
			Status: ecs.CapacityProviderActive, PolicyID: "policy", HighID: "high", LowID: "low",
			AutoScalingGroupProvider: ecs.AutoScalingGroupProvider{AutoScalingGroupARN: g.ARN(),
				ManagedScaling: ecs.ManagedScaling{Status: ecs.Enabled, TargetCapacity: 100}}}
		got := Capacity(update(t, func(tx *state.Tx) {
			tx.Clusters.Put(cluster)
			tx.AutoScalingGroups.Put(g)
			tx.CapacityProviders.Put(p)
			tx.ManagedScaling.Put(&ecs.ManagedScalingState{CapacityProviderARN: p.CapacityProviderARN, Held: c.held})
			putHigh(tx, cluster, p, g, c.high)
			if c.waits {
				tx.Tasks.Put(&ecs.Task{TaskARN: taskARN, ClusterARN: clusterARN, LastStatus: ecs.Provisioning,
					DesiredStatus: ecs.Running, CapacityProviderName: "machines", Waiting: new(ecs.Placement)})
			}
		}), cluster, "machines")
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// putHigh writes the high alarm of managed scaling in a state.
func putHigh(
	tx *state.Tx, c *ecs.Cluster, p *ecs.CapacityProvider, g *fleet.AutoScalingGroup, value scaling.State,
) {
	high := provider.Alarms(p, g, c, now)[0]
	tx.PutAlarm(high, now)
	status := alarm.NewStatus(high.ARN, now)
	status.Value = value
	tx.AlarmStatus.Put(status)
}
