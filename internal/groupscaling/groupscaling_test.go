package groupscaling

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/scaling"
)

const (
	region  = "us-east-1"
	account = "123456789012"
)

var now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func policy(of PolicyType) *Policy {
	p := &Policy{ID: "1", Region: region, Account: account, Group: "g", Name: "p", Type: of}
	switch of {
	case Simple:
		p.Adjusts = &SimpleRule{Adjustment: scaling.ChangeInCapacity, By: 1}
	case Step:
		p.Steps = &scaling.StepRule{Adjustment: scaling.PercentChangeInCapacity, Steps: []scaling.Step{
			{Lower: new(0.0), Upper: new(10.0), By: 10}, {Lower: new(10.0), By: 30}}}
	default:
		p.Tracking = &appscaling.Tracking{Tracking: scaling.Tracking{Target: 50}, HighID: "h", LowID: "l",
			Predefined: &appscaling.Predefined{Type: AverageCPU}}
	}
	return p
}

// situation has a group with members that came into service some seconds ago; -1 is a member that is still pending.
func situation(desired int, ages ...int) Situation {
	s := Situation{Now: now, Group: &fleet.AutoScalingGroup{Name: "g", Max: 100, Desired: desired, Cooldown: 300}}
	for n, age := range ages {
		m := &fleet.Instance{ID: fmt.Sprint("i-", n), Scaling: fleet.Membership{Group: "g",
			Lifecycle: fleet.LifecycleInService, InServiceAt: now.Add(-time.Duration(age) * time.Second)}}
		if age < 0 {
			m.Scaling.Lifecycle, m.Scaling.InServiceAt = fleet.LifecyclePending, time.Time{}
		}
		s.Members = append(s.Members, m)
	}
	return s
}

// old returns the ages of n warm instances, and then those of others.
func old(n int, others ...int) []int { return append(slices.Repeat([]int{10000}, n), others...) }

func high(value float64) scaling.Observation {
	return scaling.Observation{Recent: []float64{value}, Threshold: 60, Comparison: scaling.GreaterOrEqual}
}

func TestARNs(t *testing.T) {
	for _, group := range []string{"g", "a/b", "autoScalingGroupName/x"} {
		for _, name := range []string{"p", "cpu/70", "policyName/x"} {
			p := Policy{ID: "1-2", Region: region, Account: account, Group: group, Name: name}
			policyKey, groupKey, ok := KeyFromARN(p.ARN())
			if !ok || policyKey != p.Key() || groupKey != fleet.Key(region, account, group) {
				t.Errorf("%s: %q %q %v", p.ARN(), policyKey, groupKey, ok)
			}
			kind, ok := alarm.KindOf(p.ARN())
			if !ok || kind != alarm.GroupPolicy {
				t.Errorf("an alarm cannot have %s as an action: %v %v", p.ARN(), kind, ok)
			}
			if got := GroupKeyOf(&alarm.Due{Action: p.ARN(), Kind: kind}); got != groupKey {
				t.Errorf("the due action is one of %q", got)
			}
		}
	}
	want := "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1:autoScalingGroupName/g:policyName/p"
	if got := policy(Simple).ARN(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	s := Scheduled{ID: "2", Region: region, Account: account, Group: "g", Name: "night"}
	want = "arn:aws:autoscaling:us-east-1:123456789012:scheduledUpdateGroupAction:2:autoScalingGroupName/g:" +
		"scheduledActionName/night"
	if got := s.ARN(); got != want || s.Key() != fleet.PartKey(region, account, "g", "night") {
		t.Errorf("%s, want %s", got, want)
	}
	service := "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1:resource/ecs/service/prod/chat:policyName/p"
	for _, text := range []string{"", "p", service, strings.Replace(want, "scheduledUpdateGroupAction", "x", 1),
		"arn:aws:sns:us-east-1:123456789012:t", policy(Simple).ARN()[:80]} {
		if a, b, ok := KeyFromARN(text); ok {
			t.Errorf("%q is %q and %q", text, a, b)
		}
	}
	if got := GroupKeyOf(&alarm.Due{Action: service, Kind: alarm.ServicePolicy}); got != "" {
		t.Errorf("a policy of a service is one of %q", got)
	}
}

// ecs.md 5.10: the alarms of policies that track a target.
func TestAlarms(t *testing.T) {
	p := policy(TargetTracking)
	all := p.Alarms(now)
	if len(all) != 2 {
		t.Fatalf("%d alarms", len(all))
	}
	for i, want := range []struct {
		name      string
		condition scaling.Condition
	}{
		{"TargetTracking-g-AlarmHigh-h", scaling.Condition{Comparison: scaling.Greater, Threshold: 50,
			Period: time.Minute, Periods: 3, MissingData: scaling.MissingIsMissing}},
		{"TargetTracking-g-AlarmLow-l", scaling.Condition{Comparison: scaling.Less, Threshold: 45,
			Period: time.Minute, Periods: 15, MissingData: scaling.MissingIsMissing}},
	} {
		a := all[i]
		if a.Name != want.name || a.Condition != want.condition || !slices.Equal(a.AlarmActions, []string{p.ARN()}) ||
			!a.ActionsEnabled || a.Measure.Metric.Dimensions[0].Value != "g" || a.Measure.Statistic != "Average" {
			t.Errorf("%+v", a)
		}
	}
	p.Tracking.DisableScaleIn = true
	if got := p.AlarmARNs(); !slices.Equal(got, []string{all[0].ARN}) {
		t.Errorf("a policy that never scales in has %v", got)
	}
	if got := policy(Simple).AlarmARNs(); got != nil {
		t.Errorf("a simple policy has %v", got)
	}
	p.Tracking.Predefined = &appscaling.Predefined{Type: RequestsPerTarget, Label: "app/a/1/targetgroup/b/2"}
	if m := p.Measure(); m.Metric.Name != "RequestCountPerTarget" || m.Statistic != "Sum" ||
		m.Metric.Dimensions[1].Value != "app/a/1" {
		t.Errorf("%+v", m)
	}
	for kind, name := range map[string]string{AverageNetworkIn: "NetworkIn", AverageNetworkOut: "NetworkOut"} {
		p.Tracking.Predefined = &appscaling.Predefined{Type: kind}
		if m := p.Measure(); m.Metric.Name != name || m.Metric.Namespace != "AWS/EC2" || m.Statistic != "Average" ||
			m.Metric.Dimensions[0] != (alarm.Dimension{Name: "AutoScalingGroupName", Value: "g"}) {
			t.Errorf("%+v", m)
		}
	}
	own := alarm.Measure{Statistic: "Maximum", Metric: alarm.Metric{Namespace: "Chat", Name: "Clients"}}
	p.Tracking.Predefined, p.Tracking.Customized = nil, &own
	if m := p.Measure(); m.Metric.Name != "Clients" || m.Statistic != "Maximum" {
		t.Errorf("%+v", m)
	}
}

// ecs.md 5.10: what policies propose, with the worked example and warming instances.
func TestPropose(t *testing.T) {
	tracking, step := policy(TargetTracking), policy(Step)
	down := policy(Step)
	down.Steps.Steps = []scaling.Step{{Lower: new(-10.0), Upper: new(0.0), By: -10}, {Upper: new(-10.0), By: -30}}
	quick := policy(Step)
	quick.Warmup = new(10)
	percent := policy(Simple)
	percent.Adjusts = &SimpleRule{Adjustment: scaling.PercentChangeInCapacity, By: 10, Magnitude: 3}
	low := func(v float64) scaling.Observation {
		return scaling.Observation{Recent: []float64{v}, Threshold: 40, Comparison: scaling.LessOrEqual}
	}
	for what, c := range map[string]struct {
		s         Situation
		p         *Policy
		o         scaling.Observation
		to        int
		direction scaling.Direction
	}{
		"10 instances and 10 %":              {situation(10, old(10)...), step, high(60), 11, scaling.Out},
		"11 and 30 %":                        {situation(11, old(11)...), step, high(70), 14, scaling.Out},
		"14 and -10 %":                       {situation(14, old(14)...), down, low(39), 13, scaling.In},
		"13 and -30 %":                       {situation(13, old(13)...), down, low(20), 10, scaling.In},
		"the same step while one warms up":   {situation(11, old(10, 299)...), step, high(60), 11, scaling.Out},
		"the same step, and it is warm":      {situation(11, old(10, 300)...), step, high(60), 12, scaling.Out},
		"its own warm-up":                    {situation(11, old(10, 10)...), quick, high(60), 12, scaling.Out},
		"the next step while one warms up":   {situation(11, old(10, 5)...), step, high(70), 13, scaling.Out},
		"the same step while one is pending": {situation(11, old(10, -1)...), step, high(60), 11, scaling.Out},
		"no instance could be launched":      {situation(11, old(10)...), step, high(60), 11, scaling.Out},
		"tracking out":                       {situation(3, old(3)...), tracking, high(75), 5, scaling.Out},
		"tracking out, rounded up":           {situation(2, old(2)...), tracking, high(51), 3, scaling.Out},
		"tracking while one warms up":        {situation(3, old(2, 5)...), tracking, high(75), 3, scaling.Out},
		"tracking in":                        {situation(4, old(4)...), tracking, low(20), 2, scaling.In},
		"tracking in, rounded up":            {situation(4, old(4)...), tracking, low(30), 3, scaling.In},
		"tracking, near the target":          {situation(4, old(4)...), tracking, high(48), 4, scaling.Hold},
		"simple":                             {situation(4, old(4, 1)...), policy(Simple), high(60), 5, scaling.Out},
		"simple by a percentage":             {situation(4), percent, high(60), 7, scaling.Out},
	} {
		got, problem := c.s.Propose(c.p, c.o)
		if problem != "" || got.To != c.to || got.Direction != c.direction || got.Policy != c.p.ARN() {
			t.Errorf("%s: %+v %s, want %d", what, got, problem, c.to)
		}
	}
	for what, c := range map[string]struct {
		s    Situation
		p    *Policy
		o    scaling.Observation
		want string
	}{
		"no step":           {situation(1), step, low(20), "no step adjustment"},
		"no value":          {situation(1), tracking, scaling.Observation{}, "not known"},
		"in while warming":  {situation(4, old(3, 5)...), tracking, low(20), "1 instances are warming up"},
		"steps in, warming": {situation(4, old(3, -1)...), down, low(20), "1 instances are warming up"},
	} {
		if got, problem := c.s.Propose(c.p, c.o); !strings.Contains(problem, c.want) {
			t.Errorf("%s: %+v %q", what, got, problem)
		}
	}
	s := situation(4, old(4)...)
	for since, want := range map[int]bool{10: false, 299: false, 300: true} { // the warm-up
		s.Group.ScaledInAt = now.Add(-time.Duration(since) * time.Second)
		if got, problem := s.Propose(tracking, low(20)); (problem == "") != want {
			t.Errorf("%d s after a scale-in: %+v %q", since, got, problem)
		}
	}
	s = situation(11, old(10, 100)...)
	s.Group.Warmup = new(60)
	if got, _ := s.Propose(step, high(60)); got.To != 12 {
		t.Errorf("the warm-up of the group: %+v", got)
	}
}

// ecs.md 5.10: a simple policy waits for activities and for the cooldown after them.
func TestWaits(t *testing.T) {
	s := situation(1)
	if why := s.Waits(policy(Simple)); why != "" {
		t.Errorf("a group that never changed: %s", why)
	}
	s.Group.CooldownStart = now.Add(-299 * time.Second)
	if why := s.Waits(policy(Simple)); why != "the cooldown of the group lasts until 2026-11-29T12:00:01Z" {
		t.Error(why)
	}
	if why := s.Waits(policy(Step)); why != "" {
		t.Errorf("a step policy waits: %s", why)
	}
	own := policy(Simple)
	own.Adjusts.Cooldown = new(299)
	if why := s.Waits(own); why != "" {
		t.Errorf("a cooldown of its own: %s", why)
	}
	s.Busy = "a-1"
	if why := s.Waits(own); why != "scaling activity a-1 is in progress and blocks this action" {
		t.Error(why)
	}
}

// At the pace of seconds warm-up times, cooldowns and the time after a scale-in are a sixtieth.
func TestPace(t *testing.T) {
	s := situation(2, 6, 6) // the warm-up time is 300 s
	if warm, warming := s.counts(policy(Step)); warm != 0 || warming != 2 {
		t.Errorf("the pace of AWS: %d instances are warm, and %d warm up", warm, warming)
	}
	s.Group.CooldownStart, s.Group.ScaledInAt = now.Add(-6*time.Second), now.Add(-6*time.Second)
	if s.Waits(policy(Simple)) == "" {
		t.Error("the pace of AWS: the cooldown is over after 6 s")
	}
	s.Pace = scaling.PaceOfSeconds
	if warm, warming := s.counts(policy(Step)); warm != 2 || warming != 0 {
		t.Errorf("%d instances are warm, and %d warm up", warm, warming)
	}
	if why := s.Waits(policy(Simple)); why != "" {
		t.Error(why)
	}
	if p, problem := s.Propose(policy(TargetTracking), high(20)); problem != "" || p.Direction != scaling.In {
		t.Errorf("a scale-in 6 s after the last one: %+v, %s", p, problem)
	}
	s.Group.ScaledInAt = now.Add(-4 * time.Second)
	if p, _ := s.Propose(policy(TargetTracking), high(20)); p.Direction != scaling.Hold {
		t.Errorf("a scale-in 4 s after the last one: %+v", p)
	}
}

// ecs.md 5.10: out if any, in only if all that track a target.
func TestKeptAndDecide(t *testing.T) {
	s := situation(4, old(4)...)
	one, other := policy(TargetTracking), policy(TargetTracking)
	other.Name = "q"
	in, problem := s.Propose(one, high(20))
	if problem != "" {
		t.Fatal(problem)
	}
	holds, ok := s.Kept(other, nil)
	if d := s.Decide([]scaling.Proposal{in, holds}); !ok || d.To != 4 || d.Reason != scaling.NotAll {
		t.Errorf("the other one does not agree: %+v", d)
	}
	agrees, ok := s.Kept(other, new(high(30)))
	if d := s.Decide([]scaling.Proposal{in, agrees}); !ok || d.To != 3 || d.Policy != other.ARN() {
		t.Errorf("both agree: %+v", d)
	}
	out, _ := s.Propose(policy(Simple), high(60))
	if d := s.Decide([]scaling.Proposal{in, out}); d.To != 5 {
		t.Errorf("one scales out: %+v", d)
	}
	other.Tracking.DisableScaleIn = true
	if p, ok := s.Kept(other, nil); ok {
		t.Errorf("a policy that never scales in: %+v", p)
	}
	for _, p := range []*Policy{policy(Simple), policy(Step)} {
		if p, ok := s.Kept(p, nil); ok {
			t.Errorf("%+v", p)
		}
	}
	s.Group.Max = 4
	if d := s.Decide([]scaling.Proposal{out}); d.To != 4 || d.Reason != scaling.AlreadyAtMax {
		t.Errorf("at the maximum: %+v", d)
	}
}

// Whatever policies propose, the capacity stays within the bounds, and the same observation again changes nothing
// before an instance is warm, except by a simple policy without a cooldown.
func TestDecisionsAreSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ages []int
		for range rapid.IntRange(0, 20).Draw(t, "members") {
			ages = append(ages, rapid.SampledFrom([]int{-1, 10, 10000}).Draw(t, "age"))
		}
		s := situation(rapid.IntRange(0, 20).Draw(t, "desired"), ages...)
		s.Group.Min = rapid.IntRange(0, s.Group.Desired).Draw(t, "min")
		s.Group.Max = rapid.IntRange(s.Group.Desired, 25).Draw(t, "max")
		o := high(float64(rapid.IntRange(0, 300).Draw(t, "value")))
		if rapid.Bool().Draw(t, "low") {
			o.Comparison = scaling.LessOrEqual
		}
		var proposals []scaling.Proposal
		all := []*Policy{policy(TargetTracking), policy(Step)}
		for _, p := range all {
			if one, problem := s.Propose(p, o); problem == "" {
				proposals = append(proposals, one)
			}
		}
		d := s.Decide(proposals)
		if d.To < s.Group.Min || d.To > s.Group.Max {
			t.Fatalf("%d is not from %d to %d", d.To, s.Group.Min, s.Group.Max)
		}
		if _, warming := s.counts(all[0]); warming > 0 && d.To < s.Group.Desired {
			t.Fatalf("it scales in while %d instances warm up", warming)
		}
		if d.To <= s.Group.Desired {
			return
		}
		s.Group.Desired = d.To // and what is launched is not warm yet
		var again []scaling.Proposal
		for _, p := range all {
			if one, problem := s.Propose(p, o); problem == "" {
				again = append(again, one)
			}
		}
		if next := s.Decide(again); next.To != d.To {
			t.Fatalf("the same again: %d and then %d", d.To, next.To)
		}
	})
}

// When scheduled actions are due.
func TestAfter(t *testing.T) {
	at := func(day, hour int) time.Time { return time.Date(2026, 11, day, hour, 0, 0, 0, time.UTC) }
	for what, c := range map[string]struct {
		s           Scheduled
		after, want time.Time
	}{
		"once":           {Scheduled{Start: at(30, 8)}, at(29, 0), at(30, 8)},
		"once, passed":   {Scheduled{Start: at(30, 8)}, at(30, 8), time.Time{}},
		"every day":      {Scheduled{Recurrence: "0 8 * * *"}, at(29, 8), at(30, 8)},
		"in a zone":      {Scheduled{Recurrence: "0 8 * * *", Timezone: "Europe/Paris"}, at(29, 8), at(30, 7)},
		"from its start": {Scheduled{Recurrence: "0 8 * * *", Start: at(27, 8)}, at(20, 0), at(27, 8)},
		"at its end":     {Scheduled{Recurrence: "0 8 * * *", End: at(30, 8)}, at(29, 9), at(30, 8)},
		"after its end":  {Scheduled{Recurrence: "0 8 * * *", End: at(30, 7)}, at(29, 9), time.Time{}},
		"nonsense":       {Scheduled{Recurrence: "daily"}, at(29, 9), time.Time{}},
		"on no planet":   {Scheduled{Recurrence: "0 8 * * *", Timezone: "Mars/Olympus"}, at(29, 9), time.Time{}},
	} {
		if got := c.s.After(c.after); !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", what, got, c.want)
		}
	}
}

// A scheduled action sets what it has; the sizes of the group always fit together afterwards.
func TestApply(t *testing.T) {
	for _, c := range []struct{ action, before, after [3]int }{ // minimum, desired, maximum; -1 is not set
		{[3]int{-1, 5, -1}, [3]int{0, 1, 10}, [3]int{0, 5, 10}},
		{[3]int{3, -1, -1}, [3]int{0, 1, 10}, [3]int{3, 3, 10}},
		{[3]int{-1, -1, 2}, [3]int{0, 4, 10}, [3]int{0, 2, 2}},
		{[3]int{0, 0, 0}, [3]int{1, 4, 10}, [3]int{0, 0, 0}},
		{[3]int{20, -1, -1}, [3]int{1, 4, 10}, [3]int{20, 20, 20}},
		{[3]int{-1, 50, -1}, [3]int{1, 4, 10}, [3]int{1, 10, 10}},
	} {
		set := func(n int) *int {
			if n < 0 {
				return nil
			}
			return &n
		}
		g := &fleet.AutoScalingGroup{Min: c.before[0], Desired: c.before[1], Max: c.before[2]}
		(&Scheduled{Min: set(c.action[0]), Desired: set(c.action[1]), Max: set(c.action[2])}).Apply(g)
		if got := [3]int{g.Min, g.Desired, g.Max}; got != c.after {
			t.Errorf("%v on %v: %v, want %v", c.action, c.before, got, c.after)
		}
	}
}
