package scaling

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The examples of ecs.md 5.10.
func TestAdjust(t *testing.T) {
	for _, c := range []struct {
		kind                       Adjustment
		current, by, atLeast, want int
	}{
		{PercentChangeInCapacity, 10, 10, 0, 11}, {PercentChangeInCapacity, 11, 30, 0, 14},
		{PercentChangeInCapacity, 14, -10, 0, 13}, {PercentChangeInCapacity, 13, -30, 0, 10},
		{PercentChangeInCapacity, 3, 10, 0, 4}, {PercentChangeInCapacity, 3, -10, 0, 2},
		{PercentChangeInCapacity, 4, 25, 2, 6},
		{PercentChangeInCapacity, 5, 0, 2, 5}, {PercentChangeInCapacity, 1, -100, 5, 0},
		{ChangeInCapacity, 4, 2, 0, 6}, {ChangeInCapacity, 1, -3, 0, 0}, {ExactCapacity, 9, 4, 0, 4},
	} {
		if got := c.kind.Adjust(c.current, c.by, c.atLeast); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

func f(v float64) *float64 { return &v }

// ecs.md 5.10: above the threshold, a step includes its lower bound; below the threshold, its upper one.
func TestSteps(t *testing.T) {
	out := []Step{{f(0), f(10), 1}, {f(10), f(20), 2}, {f(20), nil, 3}}
	in := []Step{{f(-10), f(0), -1}, {nil, f(-10), -2}}
	for _, c := range []struct {
		steps []Step
		value float64
		c     Comparison
		want  int
	}{{out, 60, GreaterOrEqual, 1}, {out, 70, Greater, 2}, {out, 69.9, Greater, 1}, {out, 500, Greater, 3},
		{out, 59, Greater, 0},
		{in, 60, LessOrEqual, -1}, {in, 50, Less, -2}, {in, 50.1, Less, -1}, {in, 0, Less, -2}, {in, 61, Less, 0}} {
		if s, _ := FindStep(c.steps, c.value, 60, c.c); s.By != c.want {
			t.Errorf("%v %s 60: %d, want %d", c.value, c.c, s.By, c.want)
		}
	}
	for want, steps := range map[string][]Step{
		"at least one":       {},
		"overlap":            {{f(0), f(10), 1}, {f(5), nil, 2}},
		"gap":                {{f(0), f(10), 1}, {f(11), nil, 2}},
		"no lower bound":     {{nil, f(0), 1}, {nil, f(5), 2}},
		"is not below":       {{f(5), f(5), 1}},
		"leaves no room":     {{nil, nil, 1}, {f(5), f(6), 1}},
		"at most 20 step ad": make([]Step, 21),
	} {
		if err := CheckSteps(steps); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if err := CheckSteps(out); err != nil {
		t.Error(err)
	}
}

// ecs.md 6.6: with four tasks at 90 and a target of 60, six are proposed.
func TestTracking(t *testing.T) {
	for _, c := range []struct {
		running        int
		metric, target float64
		want           int
	}{{4, 90, 60, 6}, {0, 90, 60, 1}, {0, 10, 60, 0}, {3, 60, 60, 3}, {10, 33, 60, 6}, {3, 0.3, 0.1, 9}, {1,
		math.Inf(1), 1, 1<<31 - 1}} {
		if got := (Tracking{Target: c.target}).Capacity(c.running, c.metric); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
	high, low, ok := Tracking{Target: 70}.Alarms(time.Minute)
	if high.Threshold != 70 || high.Periods != 3 || low.Threshold != 63 || low.Periods != 15 || !ok { // ecs.md 6.5
		t.Errorf("%+v %+v", high, low)
	}
	if _, _, ok := (Tracking{Target: 70, DisableScaleIn: true}).Alarms(time.Minute); ok {
		t.Error("there is a low alarm although scale-in is disabled")
	}
	high, low = Tracking{Target: 80}.ReservationAlarms()
	if high.Periods != 1 || low.Threshold != 80 || low.Periods != 15 {
		t.Errorf("%+v %+v", high, low) // ecs.md 4.6
	}
}

func TestDecide(t *testing.T) {
	now := at0
	base := Situation{Now: now, Current: 4, Bounds: Bounds{2, 8}}
	with := func(change func(*Situation)) Situation {
		s := base
		change(&s)
		return s
	}
	recent := func(d Direction, from, to int) Activity { return Activity{d, from, to, now.Add(time.Minute)} }
	out := func(to int) Proposal { return Proposal{Policy: "out", Direction: Out, To: to, Tracking: true} }
	in := func(to int) Proposal { return Proposal{Policy: "in", Direction: In, To: to, Tracking: true} }
	hold := Proposal{Policy: "hold", Tracking: true, To: 4}
	for _, c := range []struct {
		what      string
		s         Situation
		proposals []Proposal
		want      int
		why       Reason
	}{
		{"nothing", base, []Proposal{hold}, 4, ""},
		{"out if any", base, []Proposal{in(2), out(6), hold}, 6, ""},
		{"the largest wins", base, []Proposal{out(6), out(7)}, 7, ""},
		{"in only if all", base, []Proposal{in(2), hold}, 4, NotAll},
		{"in when all do, the largest", base, []Proposal{in(2), in(3)}, 3, ""},
		{"a policy that never scales in keeps nobody", base, []Proposal{in(3), {Tracking: true, NeverIn: true}}, 3, ""},
		{"and never does", base, []Proposal{{Direction: In, To: 2, NeverIn: true}}, 4, ""},
		{"at the maximum", with(func(s *Situation) { s.Current = 8 }), []Proposal{out(12)}, 8, AlreadyAtMax},
		{"up to the maximum", base, []Proposal{out(12)}, 8, ""},
		{"at the minimum", with(func(s *Situation) { s.Current = 2 }), []Proposal{in(1)}, 2, AlreadyAtMin},
		{"down to the minimum", base, []Proposal{in(0)}, 2, ""},
		{"nothing to do", base, []Proposal{in(4)}, 4, AlreadyAtDesired},
		// ecs.md 6.10
		{"below the minimum, out", with(func(s *Situation) { s.Current = 0 }), []Proposal{out(1)}, 2, ""},
		{"below the minimum, in", with(func(s *Situation) { s.Current = 1 }), []Proposal{in(0)}, 1, OutOfBounds},
		{"above the maximum, in", with(func(s *Situation) { s.Current = 12 }), []Proposal{in(11)}, 8, ""},
		{"above the maximum, out", with(func(s *Situation) { s.Current = 12 }), []Proposal{out(14)}, 12, OutOfBounds},
		// ecs.md 6.11
		{"deploying, in", with(func(s *Situation) { s.Deploying = true }), []Proposal{in(3)}, 4, UnderWay},
		{"deploying, out", with(func(s *Situation) { s.Deploying = true }), []Proposal{out(5)}, 5, ""},
		{"suspended out", with(func(s *Situation) { s.NoOut = true }), []Proposal{out(5)}, 4, Suspended},
		{"suspended in", with(func(s *Situation) { s.NoIn = true }), []Proposal{in(3)}, 4, Suspended},
		{"unscalable", with(func(s *Situation) { s.Unscalable = true }), []Proposal{out(5)}, 4, PutAsUnscalable},
		// ecs.md 6.8
		{"cooling, same", with(func(s *Situation) { s.Last = recent(Out, 2, 4) }), []Proposal{out(4)}, 4, CoolingDown},
		{"cooling, more", with(func(s *Situation) { s.Last = recent(Out, 2, 4) }), []Proposal{out(5)}, 5, ""},
		{"cooling in", with(func(s *Situation) { s.Last = recent(In, 6, 4) }), []Proposal{in(3)}, 4, CoolingDown},
		{"cooling in, out", with(func(s *Situation) { s.Last = recent(In, 6, 4) }), []Proposal{out(5)}, 5, ""},
		// ecs.md 6.7
		{"flapping", with(func(s *Situation) { s.ProjectedLevel = Tracking{Target: 60}.Flaps(4, 50) }),
			[]Proposal{in(3)}, 4,
			AnticipatedFlapping},
		{"not flapping", with(func(s *Situation) { s.ProjectedLevel = Tracking{Target: 60}.Flaps(4, 45) }),
			[]Proposal{in(3)}, 3, ""},
	} {
		d := Decide(c.s, c.proposals)
		if d.To != c.want || d.Reason != c.why {
			t.Errorf("%s: %+v, want %d %s", c.what, d, c.want, c.why)
		}
	}
}

// ecs.md 6.9: after two tasks were added, a breach asks for three during the cooldown, so one more is added.
func TestStepDuringCooldown(t *testing.T) {
	s := Situation{Now: at0, Current: 4, Bounds: Bounds{1, 10}}
	step := func(by int) Decision {
		to := ChangeInCapacity.Adjust(s.StepBase(Out), by, 0)
		d := Decide(s, []Proposal{{Direction: Out, To: to, Cooldown: DefaultCooldown}})
		s.Current, s.Last = d.To, d.Last
		s.Now = s.Now.Add(time.Minute)
		return d
	}
	var got []int
	for _, by := range []int{2, 3, 3, 2, 4} {
		got = append(got, step(by).To)
	}
	s.Now = s.Now.Add(DefaultCooldown)
	if got = append(got, step(1).To); fmt.Sprint(got) != "[6 7 7 7 8 9]" {
		t.Error(got)
	}
}

// The test simulates a closed loop. The tasks share a load, and the metric of each minute is the load of one
// task. Alarms as in ecs.md 6.5 run the policy. A new task takes some minutes to start. For any load, the
// desired count stays within the bounds. Under a constant load it settles with the metric at its target, or
// at a bound (ecs.md 6.7).
func TestSettlesWithoutFlapping(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Bounds{Min: rapid.IntRange(0, 5).Draw(t, "min")}
		b.Max = b.Min + rapid.IntRange(0, 40).Draw(t, "above")
		policy := Tracking{Target: rapid.Float64Range(5, 95).Draw(t, "target")}
		high, low, _ := policy.Alarms(time.Minute)
		start := rapid.IntRange(0, 4).Draw(t, "minutes to start")
		loads := rapid.SliceOfN(rapid.Float64Range(0, 3000), 1, 4).Draw(t, "loads")
		cooldown := time.Duration(rapid.IntRange(0, 600).Draw(t, "cooldown")) * time.Second

		const phase = 400 // minutes with the same load
		s := Situation{Now: at0, Current: b.Clip(rapid.IntRange(0, 50).Draw(t, "first")), Bounds: b}
		began := make([]time.Time, s.Current) // when each task was requested
		data := make([]Datapoint, low.Range())
		lastChange := 0
		for minute := range phase * len(loads) {
			running := 0
			for _, since := range began {
				if !since.Add(time.Duration(start) * time.Minute).After(s.Now) {
					running++
				}
			}
			if minute%phase == 0 {
				lastChange = 0
			}
			point := Datapoint{Start: s.Now, Value: loads[minute/phase] / float64(running), Known: running > 0}
			data = append(data[1:], point)
			fires := high.Evaluate(data[len(data)-high.Range():], OK).State == InAlarm ||
				low.Evaluate(data, OK).State == InAlarm
			if fires && point.Known {
				w := policy.Propose("p", running, point.Value)
				w.Cooldown = cooldown
				s.ProjectedLevel = policy.Flaps(running, point.Value)
				d := Decide(s, []Proposal{w})
				if d.To != s.Current {
					lastChange = minute%phase + 1
				}
				for len(began) < d.To {
					began = append(began, s.Now)
				}
				began = began[:d.To]
				s.Current, s.Last = d.To, d.Last
			}
			if s.Current < b.Min || s.Current > b.Max {
				t.Fatalf("%d is not within %+v", s.Current, b)
			}
			s.Now = s.Now.Add(time.Minute)
		}
		if lastChange > phase/2 {
			t.Fatalf("the count still changed after %d minutes of a constant load", lastChange)
		}
		if level := loads[len(loads)-1] / float64(s.Current); s.Current > b.Min && s.Current < b.Max &&
			level > policy.Target*1.001 {
			t.Fatalf("with %d tasks the metric is %v", s.Current, level)
		}
	})
}

// drawSituation draws a situation with proposals, some of them outside of its bounds.
func drawSituation(t *rapid.T) (Situation, []Proposal) {
	b := Bounds{Min: rapid.IntRange(0, 10).Draw(t, "min")}
	b.Max = b.Min + rapid.IntRange(0, 10).Draw(t, "above")
	s := Situation{Now: at0, Current: rapid.IntRange(0, 30).Draw(t, "current"), Bounds: b,
		Deploying: rapid.Bool().Draw(t, "deploying"), NoIn: rapid.Bool().Draw(t, "no in"),
		NoOut: rapid.Bool().Draw(t, "no out"),
		Last: Activity{Direction: Direction(rapid.IntRange(-1, 1).Draw(t, "last")), From: 3, To: 5,
			Until: at0.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "until")) * time.Minute)}}
	return s, rapid.SliceOf(rapid.Custom(func(t *rapid.T) Proposal {
		return Proposal{Direction: Direction(rapid.IntRange(-1, 1).Draw(t, "direction")),
			To: rapid.IntRange(-5, 40).Draw(t, "to"), Tracking: rapid.Bool().Draw(t, "tracking"),
			NeverIn: rapid.Bool().Draw(t, "never in")}
	})).Draw(t, "proposals")
}

// A decision is a count within the bounds or no change. It never moves in a suspended direction.
func TestDecisionsStayWithinBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, proposals := drawSituation(t)
		d, b := Decide(s, proposals), s.Bounds
		switch {
		case d.Reason != "" && d.To != s.Current, d.To != s.Current && (d.To < b.Min || d.To > b.Max),
			d.To > s.Current && s.NoOut, d.To < s.Current && (s.NoIn || s.Deploying):
			t.Fatalf("%+v of %+v", d, s)
		}
	})
}

// Section 4 of ecs.md.
func TestReservation(t *testing.T) {
	p := Provider{Target: 100, MinStep: 1, MaxStep: 10000, Smallest: Resources{CPU: 2048, Memory: 3900},
		Largest: Resources{CPU: 4096, Memory: 7800}}
	task := Resources{CPU: 1024, Memory: 2000}
	for _, c := range []struct {
		what     string
		n, empty int
		waiting  []Group
		target   float64
		minStep  int
		needed   int
		value    float64
		desired  int
	}{
		{what: "nothing at all", needed: 0, value: 100, desired: 0}, // 4.2
		{what: "from nothing", waiting: []Group{{Needs: task, Tasks: 1}}, needed: 1, value: 200, desired: 2},
		{what: "steady", n: 4, needed: 4, value: 100, desired: 4},
		{what: "some wait", n: 2, waiting: []Group{{Needs: task, Tasks: 4}}, needed: 4, value: 200, desired: 4},
		// 4.3: by memory 3 each
		{what: "apart", n: 2, waiting: []Group{{Needs: task, Tasks: 4, Apart: true}}, needed: 6, value: 300,
			desired: 6},
		{what: "the largest group", n: 2, waiting: []Group{{Needs: task, Tasks: 1}, {Needs: task, Tasks: 7}},
			needed: 5, value: 250,
			desired: 5},
		{what: "too large", n: 3, waiting: []Group{{Needs: Resources{CPU: 4000}, Tasks: 7}}, needed: 3,
			value: 100, desired: 3},
		{what: "a least step", n: 2, minStep: 5, waiting: []Group{{Needs: task, Tasks: 1}}, needed: 7,
			value: 350, desired: 7},
		{what: "in, by half", n: 8, empty: 7, needed: 1, value: 12.5, desired: 4}, // 4.7
		{what: "in, by one", n: 1, empty: 1, needed: 0, value: 0, desired: 0},
		{what: "room to spare", n: 2, target: 50, needed: 2, value: 100, desired: 4}, // 4.5
		{what: "with room to spare", n: 4, empty: 2, target: 50, needed: 2, value: 50, desired: 4},
	} {
		p := p
		if c.target != 0 {
			p.Target = c.target
		}
		p.MinStep = max(p.MinStep, c.minStep)
		needed, ok := p.Instances(c.n, c.empty, c.waiting)
		value := p.Reservation(needed, c.n, ok)
		if desired := p.Desired(c.n, value); needed != c.needed || value != c.value || desired != c.desired {
			t.Errorf("%s: %d needed, %v, %d desired", c.what, needed, value, desired)
		}
	}
}

// ecs.md 4.5: with a constant number of tasks, a group settles at ceil(100 M / T) instances.
func TestReservationSettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Provider{Target: float64(rapid.IntRange(1, 100).Draw(t, "target")), MinStep: 1, MaxStep: 10000}
		busy := rapid.IntRange(1, 50).Draw(t, "busy")
		n := busy + rapid.IntRange(0, 500).Draw(t, "empty")
		for range 100 {
			needed, ok := p.Instances(n, n-busy, nil)
			n = max(p.Desired(n, p.Reservation(needed, n, ok)), busy)
		}
		if want := ceil(100 * float64(busy) / p.Target); n != want {
			t.Fatalf("%d, want %d", n, want)
		}
	})
}
