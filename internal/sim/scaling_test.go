package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/groupscaling"
	"github.com/berthhq/berth/internal/scaling"
)

// changes counts how often the desired tasks of a service went up and down in the points from a minute on.
func changes(s *ServiceReport, from int) (up, down int) {
	for i := 1; i < len(s.Points); i++ {
		a, b := s.Points[i-1], s.Points[i]
		switch {
		case b.Minute <= from:
		case b.Desired > a.Desired:
			up++
		case b.Desired < a.Desired:
			down++
		}
	}
	return up, down
}

// A policy that tracks 60 per cent of CPU follows a step of the load out and in again, within its bounds, and the
// report says who decided that and why (ecs.md 6.5, 6.6).
func TestTargetTrackingFollowsTheLoad(t *testing.T) {
	cost := Cost{CPU: 10 * time.Millisecond, IdleMemory: 48}
	loads := []Load{{Service: "web00", Cost: cost,
		Curve: Ramp{From: 20, To: 120, Begin: time.Hour, Duration: time.Hour}}}
	r := simulate(t, sample(1, 4), loads, func(o *Options) { o.Span = 4 * time.Hour })
	s := &r.Services[0]
	// 120 requests of 10 ms are 1.2 cores: 8 tasks of a quarter of a core would be at 60 per cent.
	if p := s.Points[110]; p.Desired != 8 || p.Running != 8 || p.CPU != 60 {
		t.Errorf("at the top: %+v\n%s", p, transcript(r, "policy", "alarm"))
	}
	if p := s.Points[len(s.Points)-1]; p.Desired != 2 || p.Running != 2 {
		t.Errorf("at the end: %+v\n%s", p, transcript(r, "policy", "alarm"))
	}
	text := transcript(r, "policy", "alarm")
	told := slices.ContainsFunc(r.Decisions, func(d Decision) bool {
		return d.Kind == "policy" && strings.Contains(d.Reason, "AlarmHigh") && d.Subject == "prod/web00"
	})
	if !told || !strings.Contains(text, "Setting desired count to 8") {
		t.Errorf("%s\n%+v", text, r.Decisions)
	}
}

// A policy on metric math scales as one on the metric itself does (ecs.md 6.15).
func TestTargetTrackingOfMetricMath(t *testing.T) {
	stack := sample(1, 4)
	loads := []Load{{Service: "web00", Cost: Cost{CPU: 10 * time.Millisecond, IdleMemory: 48},
		Curve: Ramp{From: 20, To: 120, Begin: time.Hour, Duration: time.Hour}}}
	run := func() string {
		r := simulate(t, stack, loads, func(o *Options) { o.Span = 4 * time.Hour })
		return transcript(r, "policy")
	}
	plain := run()
	tracking := stack.ScalingPolicies[0].Tracking
	cpu := tracking.Measure(stack.ScalingPolicies[0].ResourceID)
	tracking.Predefined, tracking.Target = nil, 0.6
	tracking.Math = []appscaling.Query{{Query: alarm.Query{ID: "share", Expression: "m1 / 100"}},
		{Query: alarm.Query{ID: "m1", Hidden: true, Measure: &cpu}}}
	if math := run(); math != plain || !strings.Contains(math, "Setting desired count to 8") {
		t.Errorf("%s\nwant %s", math, plain)
	}
}

// Under a load that stays the same, the number of tasks settles within its bounds and does not go up and down, whatever
// the load is and whatever has happened before.
func TestNoFlapping(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		stack := sample(1, 6)
		var loads []Load
		for i, target := range stack.ScalableTargets {
			target.Bounds.Min = rapid.IntRange(0, 3).Draw(rt, "min")
			target.Bounds.Max = target.Bounds.Min + rapid.IntRange(0, 10).Draw(rt, "more")
			stack.Services[i].DesiredCount = rapid.IntRange(target.Bounds.Min, target.Bounds.Max).Draw(rt, "desired")
			loads = append(loads, Load{Service: fmt.Sprintf("web%02d", i),
				Cost:  Cost{CPU: 10 * time.Millisecond, IdleCPU: rapid.Float64Range(0, 20).Draw(rt, "idle")},
				Curve: Flat(rapid.Float64Range(0, 300).Draw(rt, "level"))})
		}
		seed := rapid.Uint64().Draw(rt, "seed")
		r := simulate(t, stack, loads, func(o *Options) { o.Span, o.Seed = 2*time.Hour, seed })
		for i := range r.Services {
			s, bounds := &r.Services[i], stack.ScalableTargets[i].Bounds
			for _, p := range s.Points {
				if p.Desired < bounds.Min || p.Desired > bounds.Max {
					rt.Fatalf("%+v is not in %+v\n%s", p, bounds, transcript(r, "policy"))
				}
			}
			if up, down := changes(s, 90); up+down > 0 {
				rt.Fatalf("%d up and %d down after 90 minutes of the same load\n%s", up, down, transcript(r, "policy"))
			}
			if last := s.Points[len(s.Points)-1]; last.Running != last.Desired {
				rt.Fatalf("%+v", last)
			}
		}
	})
}

// What scales a group by itself works as on the server: a scheduled action at its times on the clock of the simulation,
// and a policy that tracks the CPU of the group's instances (ecs.md 5.10).
func TestScalingOfGroups(t *testing.T) {
	stack := fixed(1, 2)
	stack.Services[0].DesiredCount = 2
	stack.GroupSchedules = []*groupscaling.Scheduled{
		{Region: region, Account: account, Group: "asg", Name: "more", Desired: new(3), Recurrence: "0 1 * * *",
			Next: made},
		{Region: region, Account: account, Group: "asg", Name: "over", Desired: new(1), Start: made, Next: made}}
	loads := []Load{{Service: "web00", Cost: UsualCost(), Curve: Flat(1)}}
	var last *Report
	groups := func() (all []string) {
		r := simulate(t, stack, loads, func(o *Options) { o.Span = 2 * time.Hour })
		last = r
		for _, d := range r.Decisions {
			if d.Kind == "group" && strings.Contains(d.Reason, "changing the desired capacity") {
				all = append(all, d.Reason)
			}
		}
		return all
	}
	if got := groups(); len(got) != 1 || !strings.Contains(got[0], "the scheduled action more executed") {
		t.Errorf("by the scheduled actions: %q", got)
	}
	stack.GroupSchedules = nil
	stack.Groups[0].Min = 2
	loads[0].Curve = Ramp{From: 1, To: 300, Begin: 30 * time.Minute, Duration: time.Hour} // more than two tasks can do
	stack.GroupPolicies = []*groupscaling.Policy{{ID: "p", Region: region, Account: account, Group: "asg", Name: "cpu",
		Type: groupscaling.TargetTracking, Tracking: &appscaling.Tracking{HighID: "h", LowID: "l",
			Tracking: scaling.Tracking{Target: 10}, Predefined: &appscaling.Predefined{Type: groupscaling.AverageCPU}}}}
	if got := groups(); len(got) == 0 || !strings.Contains(got[0], "triggered policy cpu changing the desired "+
		"capacity from 2 to 4") {
		t.Errorf("by the policy: %q\n%s", got, transcript(last, "group", "alarm", "policy"))
	}
}
