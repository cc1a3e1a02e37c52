package scaling

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/tag"
)

// ecs.md 6.9: a step policy joins the values that the alarm compared, as their average if nothing else is set. Without
// values the breach is the least there can be.
func TestAggregation(t *testing.T) {
	o := Observation{Recent: []float64{10, 40, 70}, Threshold: 5}
	for _, c := range []struct {
		how  Aggregation
		of   Observation
		want float64
	}{
		{"", o, 40}, {Average, o, 40}, {Minimum, o, 10}, {Maximum, o, 70}, {Maximum, Observation{Threshold: 5}, 5},
	} {
		if got := c.how.Of(c.of); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s of %+v: %v", c.how, c.of, got)
		}
	}
	if v, ok := o.Latest(); v != 70 || !ok {
		t.Error(v, ok)
	}
	if _, ok := (Observation{}).Latest(); ok {
		t.Error("no value is known, and there is a latest one")
	}
}

func TestStepRule(t *testing.T) {
	rule := StepRule{Adjustment: ChangeInCapacity, Steps: []Step{{f(0), f(10), 1}, {f(10), nil, 3}, {f(-20), f(0), -1},
		{nil, f(-20), -2}}}
	percent := StepRule{Adjustment: PercentChangeInCapacity, Steps: []Step{{nil, nil, 25}}, Magnitude: new(2)}
	exactly := func(n int) StepRule { return StepRule{Adjustment: ExactCapacity, Steps: []Step{{nil, nil, n}}} }
	most := StepRule{Adjustment: ChangeInCapacity, Aggregation: Maximum, Steps: rule.Steps}
	base := func(d Direction) int { return map[Direction]int{Hold: 4, Out: 4, In: 5}[d] }
	above := func(values ...float64) Observation { return Observation{values, Greater, 60} }
	for _, c := range []struct {
		what string
		rule StepRule
		o    Observation
		d    Direction
		to   int
		ok   bool
	}{
		{"the first step", rule, above(65), Out, 5, true}, {"the second one", rule, above(71), Out, 7, true},
		{"by the average", rule, above(75, 62), Out, 5, true}, {"by the highest", most, above(75, 62), Out, 7, true},
		{"down, from the base of that direction", rule, Observation{[]float64{50}, Less, 60}, In, 4, true},
		{"without values", rule, above(), Out, 5, true},
		{"no step", StepRule{Adjustment: ChangeInCapacity, Steps: rule.Steps[:2]}, above(10), Hold, 0, false},
		{"a percentage by at least two", percent, above(65), Out, 6, true},
		{"exactly what there is", exactly(4), above(65), Hold, 4, true},
		{"exactly more", exactly(9), above(65), Out, 9, true},
		{"exactly fewer", exactly(0), above(65), In, 0, true},
	} {
		p, ok := c.rule.Propose("p", c.o, base)
		if ok != c.ok || p.Direction != c.d || p.To != c.to || ok && p.Policy != "p" || p.Tracking {
			t.Errorf("%s: %+v, %t", c.what, p, ok)
		}
	}
	for want, rule := range map[string]StepRule{
		"":                     rule,
		"must not be negative": {Adjustment: ExactCapacity, Steps: []Step{{nil, nil, -1}}},
		"is only for":          {Adjustment: ChangeInCapacity, Steps: rule.Steps, Magnitude: new(1)},
		"and is -1":            {Adjustment: PercentChangeInCapacity, Steps: rule.Steps, Magnitude: new(-1)},
		"at least one step":    {Adjustment: ChangeInCapacity},
	} {
		if err := rule.Check(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// The larger the breach is, the larger is what steps propose that grow with it, and a proposal is what the adjustment
// makes of the base (ecs.md 5.10).
func TestLargerBreachesProposeMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule := StepRule{Adjustment: rapid.SampledFrom([]Adjustment{ChangeInCapacity, PercentChangeInCapacity}).
			Draw(t, "adjustment")}
		by, at := rapid.IntRange(1, 50).Draw(t, "by"), 0.0
		for range rapid.IntRange(1, 5).Draw(t, "steps") {
			s := Step{Lower: f(at), By: by}
			at += float64(rapid.IntRange(1, 20).Draw(t, "width"))
			s.Upper = f(at)
			rule.Steps, by = append(rule.Steps, s), by+rapid.IntRange(0, 50).Draw(t, "more")
		}
		rule.Steps[len(rule.Steps)-1].Upper = nil
		if err := rule.Check(); err != nil {
			t.Fatal(err)
		}
		n := rapid.IntRange(0, 500).Draw(t, "n")
		base := func(Direction) int { return n }
		breaches := rapid.SliceOfN(rapid.IntRange(0, 120), 2, 8).Draw(t, "breaches")
		slices.Sort(breaches)
		last := 0
		for _, breach := range breaches {
			p, ok := rule.Propose("p", Observation{[]float64{60 + float64(breach)}, GreaterOrEqual, 60}, base)
			if !ok || p.Direction != Out || p.To < last || p.To <= n {
				t.Fatalf("a breach by %d of %+v from %d: %+v %t, and %d before", breach, rule, n, p, ok, last)
			}
			last = p.To
		}
	})
}

// ecs.md 6.8: while the cooldown runs, what was added counts as done. The metric of the tasks that were there before
// must not make it grow again.
func TestTrackingDuringCooldown(t *testing.T) {
	s := Situation{Now: at0, Current: 4, Bounds: Bounds{1, 20}}
	policy := Tracking{Target: 60}
	decide := func(running int, metric float64) int {
		p := s.Track(policy, "p", running, metric)
		p.Cooldown = DefaultCooldown
		d := Decide(s, []Proposal{p})
		s.Current, s.Last = d.To, d.Last
		s.Now = s.Now.Add(time.Minute)
		return d.To
	}
	for i, c := range []struct {
		running int
		metric  float64
		want    int
	}{
		{4, 90, 6}, {6, 90, 6}, {6, 61, 6}, // the tasks are there, and the metric is still that of four
		{6, 120, 8},            // more is needed even than that
		{8, 90, 8}, {8, 30, 4}, // less is needed: it goes in at once, and the cooldown of adding ends
		{4, 90, 6},
	} {
		if got := decide(c.running, c.metric); got != c.want {
			t.Errorf("%d: %+v: %d", i, c, got)
		}
	}
	s.Now = s.Now.Add(DefaultCooldown)
	if got := s.Track(policy, "p", 6, 90).To; got != 9 {
		t.Errorf("after the cooldown: %d", got)
	}
	s.Last.Until, s.Current = s.Now.Add(time.Hour), 9 // somebody has changed the count since
	if got := s.Track(policy, "p", 9, 90).To; got != 14 {
		t.Errorf("after another change: %d", got)
	}
}

func TestCooldown(t *testing.T) {
	for _, c := range []struct {
		seconds *int
		want    time.Duration
	}{{nil, 300 * time.Second}, {new(0), 0}, {new(45), 45 * time.Second}} { // ecs.md 6.8, 6.9
		if got := Cooldown(c.seconds); got != c.want {
			t.Errorf("%v: %v", c.seconds, got)
		}
	}
}

// Issue 9, section 5: a minute counts as a second, and only where that is asked for.
func TestPace(t *testing.T) {
	for _, c := range []struct {
		pace         Pace
		d, of, often time.Duration
	}{
		{PaceOfAWS, time.Minute, time.Minute, time.Minute},
		{PaceOfAWS, 10 * time.Second, 10 * time.Second, 10 * time.Second},
		{PaceOfSeconds, time.Minute, time.Second, time.Second}, {PaceOfSeconds, 5 * time.Minute, 5 * time.Second, 5 *
			time.Second},
		{PaceOfSeconds, 45 * time.Second, 750 * time.Millisecond, time.Second}, {PaceOfSeconds, 0, 0, 0},
		{PaceOfSeconds, time.Hour, time.Minute, time.Minute}, {PaceOfSeconds, 90 * time.Second, 1500 * time.Millisecond,
			time.Second},
	} {
		if of, often := c.pace.Of(c.d), c.pace.Period(c.d); of != c.of || often != c.often {
			t.Errorf("%q of %v: %v, %v", c.pace, c.d, of, often)
		}
	}
	for _, c := range []struct {
		tags   tag.Set
		server Pace
		want   Pace
	}{
		{nil, PaceOfAWS, PaceOfAWS}, {nil, PaceOfSeconds, PaceOfSeconds},
		{tag.Set{{Key: PaceTag, Value: "seconds"}}, PaceOfAWS, PaceOfSeconds},
		{tag.Set{{Key: PaceTag, Value: "aws"}}, PaceOfSeconds, PaceOfAWS},
		{tag.Set{{Key: PaceTag, Value: "Seconds"}}, PaceOfAWS, PaceOfAWS},
		{tag.Set{{Key: "pace", Value: "seconds"}}, PaceOfAWS, PaceOfAWS},
	} {
		if got := PaceFrom(c.tags, c.server); got != c.want {
			t.Errorf("%v on %q: %q", c.tags, c.server, got)
		}
	}
}
