package fleet

import (
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/control"
	alarms "github.com/berthhq/berth/internal/control/alarm"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/groupscaling"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// scaled is a manual with a meter and the controller of alarms.
type scaled struct {
	*manual
	points *meter.Store
}

func newScaled(t *testing.T, group func(*fleet.AutoScalingGroup)) *scaled {
	t.Helper()
	w := &scaled{manual: newManual(t, 1)}
	var err error
	if w.points, err = meter.Open(t.TempDir(), meter.Limits{}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	env := control.Env{Store: w.store, Logger: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return w.now }, Random: rand.NewChaCha8([32]byte{2})}
	w.driven = append(w.driven,
		control.New(env, "alarm", 1, alarms.New(env, w.points, scaling.PaceOfAWS)).Manual())
	w.group(group)
	w.after(time.Hour)
	return w
}

func (w *scaled) close() {
	w.manual.close()
	w.points.Close(w.now)
}

func (w *scaled) group(change func(*fleet.AutoScalingGroup)) {
	w.update(func(tx *state.Tx) {
		g, _ := tx.AutoScalingGroups.Get(groupKey)
		c := g.Clone()
		change(c)
		tx.AutoScalingGroups.Put(c)
	})
}

func (w *scaled) theGroup() *fleet.AutoScalingGroup {
	g, _ := w.store.View().AutoScalingGroups.Get(groupKey)
	return g
}

// policy gives the group a policy, and returns it.
func (w *scaled) policy(p *groupscaling.Policy) *groupscaling.Policy {
	p.Region, p.Account, p.Group, p.ID = region, account, "g", "id-of-"+p.Name
	w.update(func(tx *state.Tx) { tx.PutGroupPolicy(p, w.now) })
	return p
}

// simple is the policy of the article: one instance more, at most every 300 seconds.
func simple() *groupscaling.Policy {
	return &groupscaling.Policy{Name: "out", Type: groupscaling.Simple, Adjusts: &groupscaling.SimpleRule{
		Adjustment: scaling.ChangeInCapacity, By: 1, Cooldown: new(300)}}
}

// alarm makes the alarm of ecs.md 5.12 for a policy: the CPU of the group above 70 % for five minutes.
func (w *scaled) alarm(p *groupscaling.Policy) {
	w.update(func(tx *state.Tx) {
		tx.PutAlarm(&alarm.Alarm{ARN: alarm.ARN(region, account, "cpu"), Name: "cpu", Region: region, Account: account,
			ActionsEnabled: true, AlarmActions: []string{p.ARN()}, UpdatedAt: w.now,
			Measure: alarm.Measure{Statistic: "Average", Metric: alarm.Metric{Namespace: "AWS/EC2",
				Name: "CPUUtilization", Dimensions: []alarm.Dimension{{Name: "AutoScalingGroupName", Value: "g"}}}},
			Condition: scaling.Condition{Comparison: scaling.Greater, Threshold: 70, Period: time.Minute, Periods: 5},
		}, w.now)
	})
}

// load lets the CPU of the group have a value in each of some minutes, and calls watch after each.
func (w *scaled) load(minutes int, cpu func() float64, watch func()) {
	w.t.Helper()
	for range minutes {
		end := w.now.Truncate(time.Minute).Add(time.Minute)
		m := meter.Metric{Scope: meter.Scope(account, region), Namespace: "AWS/EC2", Name: "CPUUtilization",
			Dimensions: []meter.Dimension{{Name: "AutoScalingGroupName", Value: "g"}}}
		if err := w.points.Put(w.now, []meter.Datum{{Metric: m, Unit: "Percent", At: w.now.Truncate(time.Minute),
			Summary: meter.Values([]float64{cpu()}, nil)}}); err != nil {
			w.t.Fatal(err)
		}
		w.after(end.Sub(w.now))
		watch()
	}
}

func constant(v float64) func() float64 { return func() float64 { return v } }

func (w *scaled) transcript() (all []string) {
	for a := range w.store.View().Activities.Prefix(fleet.ActivityPrefix(region, account, "g")) {
		all = append(all, string(a.Status)+" | "+a.Description+" | "+a.Cause)
	}
	return all
}

// ecs.md 5.12, the article's own rule, literally: CPU above 70 % for five minutes adds an instance.
func TestArticlesRule(t *testing.T) {
	w := newScaled(t, func(g *fleet.AutoScalingGroup) { g.Min, g.Desired, g.Max, g.Cooldown = 1, 1, 3, 300 })
	defer w.close()
	w.alarm(w.policy(simple()))

	w.load(30, constant(70), func() {}) // 70.0 % exactly is no reason
	if s, _ := w.store.View().AlarmStatus.Get(alarm.ARN(region, account, "cpu")); s.Value != scaling.OK ||
		w.running() != 1 {
		t.Fatalf("at 70 %%: %s, %d instances", s.Value, w.running())
	}

	start, before := w.now, 1
	var added []time.Duration
	w.load(40, constant(71), func() {
		if n := w.running(); n != before {
			added, before = append(added, w.now.Sub(start)), n
		}
	})
	if len(added) != 2 || before != 3 || len(w.driver.running) != 3 {
		t.Fatalf("instances were added after %v, and %d run", added, len(w.driver.running))
	}
	if added[0] <= 5*time.Minute || added[0] > 7*time.Minute {
		t.Errorf("the first one came after %v", added[0])
	}
	if between := added[1] - added[0]; between < 5*time.Minute || between > 7*time.Minute {
		t.Errorf("the next one came %v later", between)
	}
	all := w.transcript()
	for _, want := range []string{
		"Successful | Launching a new EC2 instance: ", "a monitor alarm cpu in state ALARM triggered policy out " +
			"changing " +
			"the desired capacity from 1 to 2.  At ",
		"an instance was started in response to a difference between desired and actual capacity, increasing the " +
			"capacity from 1 to 2.",
	} {
		if !slices.ContainsFunc(all, func(line string) bool { return strings.Contains(line, want) }) {
			t.Errorf("activities %q lack %q", all, want)
		}
	}
	// Issue 9, section 7: that the maximum is reached is told once, not every minute.
	told := 0
	for _, line := range all {
		if strings.HasPrefix(line, "Failed | Could not scale out because the group is at its maximum size of 3. | ") {
			told++
		}
	}
	if told != 1 || w.theGroup().Desired != 3 {
		t.Errorf("told %d times, desired %d", told, w.theGroup().Desired)
	}
}

// What keeps a policy from acting, and what its alarm's history says about that.
func TestPoliciesThatDoNotAct(t *testing.T) {
	for what, c := range map[string]struct {
		change func(w *scaled, p *groupscaling.Policy)
		want   string
	}{
		"suspended": {func(w *scaled, _ *groupscaling.Policy) {
			w.group(func(g *fleet.AutoScalingGroup) {
				g.Suspended = []fleet.SuspendedProcess{{Name: fleet.ProcessAlarm}}
			})
		}, "the process AlarmNotification of the group is suspended"},
		"disabled": {func(w *scaled, p *groupscaling.Policy) {
			off := *p
			off.Disabled = true
			w.policy(&off)
		}, "the scaling policy is disabled"},
		"deleted": {func(w *scaled, p *groupscaling.Policy) {
			w.update(func(tx *state.Tx) { tx.GroupPolicies.Delete(p.Key()) })
		}, noPolicy},
		"the group is gone": {func(w *scaled, _ *groupscaling.Policy) {
			w.update(func(tx *state.Tx) { tx.AutoScalingGroups.Delete(groupKey) })
		}, noPolicy},
	} {
		t.Run(what, func(t *testing.T) {
			w := newScaled(t, func(g *fleet.AutoScalingGroup) { g.Desired = 1 })
			defer w.close()
			p := w.policy(simple())
			w.alarm(p)
			c.change(w, p)
			w.load(15, constant(90), func() {})
			if n := w.running(); n != 1 || w.store.View().DueActions.Len() != 0 {
				t.Errorf("%d instances, %d due actions", n, w.store.View().DueActions.Len())
			}
			found := false
			for h := range w.store.View().AlarmHistory.All() {
				found = found || strings.Contains(h.Summary, c.want)
			}
			if !found {
				t.Errorf("the history does not say %q", c.want)
			}
		})
	}
}

// ecs.md 5.10: target tracking follows the load out and in, and comes to rest under a constant load.
func TestTargetTracking(t *testing.T) {
	w := newScaled(t, func(g *fleet.AutoScalingGroup) { g.Min, g.Desired, g.Max, g.Cooldown = 1, 2, 10, 120 })
	defer w.close()
	w.policy(&groupscaling.Policy{Name: "cpu", Type: groupscaling.TargetTracking, Tracking: &appscaling.Tracking{
		Tracking: scaling.Tracking{Target: 50}, HighID: "h", LowID: "l",
		Predefined: &appscaling.Predefined{Type: groupscaling.AverageCPU}}})
	load := 240.0 // percent of one instance
	cpu := func() float64 { return min(100, load/float64(max(1, w.running()))) }
	var sizes []int
	watch := func() {
		if n := w.running(); len(sizes) == 0 || sizes[len(sizes)-1] != n {
			sizes = append(sizes, n)
		}
	}
	w.load(60, cpu, watch)
	if w.running() != 5 || !slices.IsSorted(sizes) {
		t.Errorf("a load for 5 instances: %v", sizes)
	}
	load, sizes = 60, nil
	w.load(90, cpu, watch)
	slices.Reverse(sizes)
	if w.running() != 2 || !slices.IsSorted(sizes) {
		t.Errorf("a load for 2 instances: %v, the last first", sizes)
	}
	before := len(w.transcript())
	w.load(120, cpu, watch)
	if after := len(w.transcript()); after != before {
		t.Errorf("it does not rest under a constant load: %d activities became %d", before, after)
	}
}

// A scale-in stops at the capacity that another policy needs, although no alarm calls that one (ecs.md 5.10).
func TestScaleInToWhatAnotherPolicyNeeds(t *testing.T) {
	w := newScaled(t, func(g *fleet.AutoScalingGroup) { g.Min, g.Desired, g.Max, g.Cooldown = 1, 6, 10, 0 })
	defer w.close()
	fewer := w.policy(&groupscaling.Policy{Name: "fewer", Type: groupscaling.Simple, Adjusts: &groupscaling.SimpleRule{
		Adjustment: scaling.ChangeInCapacity, By: -4}})
	w.alarm(fewer)
	cpu := w.policy(&groupscaling.Policy{Name: "cpu", Type: groupscaling.TargetTracking, Tracking: &appscaling.Tracking{
		Tracking: scaling.Tracking{Target: 50}, HighID: "h", LowID: "l",
		Predefined: &appscaling.Predefined{Type: groupscaling.AverageCPU}}})
	w.update(func(tx *state.Tx) {
		low, _ := tx.Alarms.Get(cpu.AlarmARNs()[1])
		status := *tx.StatusOf(low) // 6 instances at 40 % are 5 at 48 %
		status.Value, status.Recent = scaling.InAlarm, []float64{40}
		tx.AlarmStatus.Put(&status)
		called, _ := tx.Alarms.Get(alarm.ARN(region, account, "cpu"))
		old := tx.StatusOf(called)
		tx.SetAlarmStatus(called, old, old.Next(scaling.InAlarm, "", "", w.now))
	})
	w.after(0)
	g := w.theGroup()
	if g.Desired != 5 || !strings.Contains(strings.Join(w.transcript(), "\n"),
		"monitor alarm cpu in state ALARM triggered policy fewer changing the desired capacity from 6 to 5") {
		t.Errorf("the group should have %d instances, want 5:\n%s", g.Desired, strings.Join(w.transcript(), "\n"))
	}
	if n := w.store.View().DueActions.Len(); n != 0 {
		t.Errorf("%d actions are still due", n)
	}
}

// A step policy does nothing again while what it has added is warming up (ecs.md 5.10).
func TestStepPolicyCountsWarmingInstances(t *testing.T) {
	w := newScaled(t, func(g *fleet.AutoScalingGroup) { g.Desired = 2 })
	defer w.close()
	w.alarm(w.policy(&groupscaling.Policy{Name: "steps", Type: groupscaling.Step, Warmup: new(1800),
		Steps: &scaling.StepRule{Adjustment: scaling.ChangeInCapacity, Steps: []scaling.Step{
			{Lower: new(0.0), Upper: new(20.0), By: 1}, {Lower: new(20.0), By: 3}}}}))
	w.load(12, constant(80), func() {})
	if n := w.running(); n != 3 {
		t.Fatalf("%d instances after the first step", n)
	}
	w.load(8, constant(95), func() {}) // the next step: three more than before, of which one is there
	if n := w.running(); n != 5 {
		t.Fatalf("%d instances after the next step", n)
	}
}

// Scheduled actions set sizes at their times; one of a suspended group is skipped.
func TestScheduledActions(t *testing.T) {
	w := newScaled(t, func(g *fleet.AutoScalingGroup) { g.Desired = 1 })
	defer w.close()
	put := func(s *groupscaling.Scheduled) {
		s.Region, s.Account, s.Group, s.Name = region, account, "g", "night"
		s.Next = s.After(w.now)
		w.update(func(tx *state.Tx) { tx.GroupSchedules.Put(s) })
	}
	put(&groupscaling.Scheduled{Start: w.now.Add(time.Hour), Min: new(2), Desired: new(3)})
	w.after(59 * time.Minute)
	if n := w.running(); n != 1 {
		t.Fatalf("%d instances before its time", n)
	}
	w.after(2 * time.Minute)
	if n := w.running(); n != 3 || w.theGroup().Min != 2 || w.store.View().GroupSchedules.Len() != 0 {
		t.Fatalf("%d instances after it, min %d", n, w.theGroup().Min)
	}
	want := "the scheduled action night executed update of AutoScalingGroup constraints to min: 2, max: 10, " +
		"desired: 3 " +
		"changing the desired capacity from 1 to 3.  At "
	if all := w.transcript(); !strings.Contains(all[len(all)-1], want) {
		t.Errorf("%q lacks %q", all, want)
	}
	put(&groupscaling.Scheduled{Recurrence: "0 * * * *", Desired: new(5), End: w.now.Add(150 * time.Minute)})
	w.group(func(g *fleet.AutoScalingGroup) {
		g.Suspended = []fleet.SuspendedProcess{{Name: fleet.ProcessScheduled}}
	})
	w.after(time.Hour)
	if n := w.running(); n != 3 {
		t.Errorf("%d instances while it is suspended", n)
	}
	w.group(func(g *fleet.AutoScalingGroup) { g.Suspended = nil })
	w.after(time.Hour)
	if n := w.running(); n != 5 || w.store.View().GroupSchedules.Len() != 0 {
		t.Errorf("%d instances, and %d actions are left after the last time", n, w.store.View().GroupSchedules.Len())
	}
}

// A server that is killed after any step of a scale-out launches nothing twice and forgets nothing (issue 9, section
// 7).
func TestKilledInAScaleOut(t *testing.T) {
	for steps := range 13 {
		disk := mem.New()
		env := control.Env{Logger: slog.New(slog.DiscardHandler), Random: rand.NewChaCha8([32]byte{3})}
		now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		env.Now = func() time.Time { return now }
		driver := &instant{running: map[string]bool{}}
		policy := simple()
		policy.Region, policy.Account, policy.Group, policy.ID = region, account, "g", "1"
		open := func() []control.Driven {
			var err error
			if env.Store, err = state.Open(t.Context(), disk, env.Logger); err != nil {
				t.Fatal(err)
			}
			return New(env, driver, nil, scaling.PaceOfAWS).Manual()
		}
		driven := open()
		err := env.Store.Update(t.Context(), func(tx *state.Tx) error {
			tx.LaunchConfigurations.Put(&fleet.LaunchConfiguration{Name: "lc", Region: region, Account: account,
				Data: fleet.LaunchData{InstanceType: "t2.micro", ImageID: fleet.Images(region)[0].ID}})
			tx.AutoScalingGroups.Put(&fleet.AutoScalingGroup{Name: "g", ID: "uuid", Region: region, Account: account,
				Max: 10, Zones: []string{"us-east-1a"}, Launch: fleet.LaunchSource{Configuration: "lc"}})
			tx.GroupPolicies.Put(policy)
			a := &alarm.Alarm{ARN: alarm.ARN(region, account, "cpu"), Name: "cpu", Region: region, Account: account,
				ActionsEnabled: true, AlarmActions: []string{policy.ARN()}}
			tx.PutAlarm(a, now)
			s := tx.StatusOf(a)
			tx.SetAlarmStatus(a, s, s.Next(scaling.InAlarm, "it is high", "", now))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for n := range steps {
			driven[n%len(driven)].Step(t.Context())
		}
		for _, d := range driven {
			d.Close()
		}
		env.Store.Close()
		disk = disk.Reopen()
		driven = open()
		control.Drain(t.Context(), driven...)
		members := slices.Collect(env.Store.View().Instances.All())
		g, _ := env.Store.View().AutoScalingGroups.Get(groupKey)
		if len(members) != 1 || len(driver.running) != 1 || g.Desired != 1 || env.Store.View().DueActions.Len() != 0 {
			t.Fatalf("killed after %d steps: %d instances, %d machines, desired %d", steps, len(members),
				len(driver.running), g.Desired)
		}
		for _, d := range driven {
			d.Close()
		}
		env.Store.Close()
	}
}

// The managed scaling of a capacity provider is a policy of the group that control/capacity carries out.
func TestManagedScalingIsLeftToItsController(t *testing.T) {
	w := newScaled(t, func(g *fleet.AutoScalingGroup) { g.Min, g.Desired, g.Max = 1, 1, 5 })
	defer w.close()
	provider := &ecs.CapacityProvider{CapacityProviderARN: "arn:aws:ecs:" + region + ":" + account +
		":capacity-provider/p", Name: "p", PolicyID: "id", AutoScalingGroupProvider: ecs.AutoScalingGroupProvider{
		AutoScalingGroupARN: w.theGroup().ARN()}}
	due := &alarm.Due{Action: provider.PolicyARN(), Kind: alarm.GroupPolicy, To: scaling.InAlarm, At: w.now}
	w.update(func(tx *state.Tx) {
		tx.CapacityProviders.Put(provider)
		tx.DueActions.Put(due)
	})
	w.after(time.Minute)
	if _, ok := w.store.View().DueActions.Get(due.Key()); !ok {
		t.Error("the due action of the capacity provider is gone")
	}
	if g := w.theGroup(); g.Desired != 1 {
		t.Errorf("the group should have %d instances, want 1", g.Desired)
	}
}
