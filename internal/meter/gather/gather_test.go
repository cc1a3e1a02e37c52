package gather

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/meter"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func named(metric string) Name {
	return Name{Scope: "1/r", Namespace: "N", Metric: metric, Unit: "Percent",
		Dimensions: [2]meter.Dimension{{Name: "D", Value: "v"}}}
}

func one(member string, weight, value float64) Sample {
	return Sample{Member: member, Weight: weight, Count: 1, Sum: value, Min: value, Max: value}
}

// same reports whether two floats are equal except for rounding.
func same(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) }

// call is one sample or one merge, kept for recount.
type call struct {
	at     time.Time
	name   Name
	sample Sample
	merged meter.Summary
	isSum  bool
}

func drawCall(rt *rapid.T, now time.Time) call {
	c := call{
		at:    now.Add(-time.Duration(rapid.IntRange(0, 150).Draw(rt, "age")) * time.Second),
		name:  named(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "metric")),
		isSum: rapid.Bool().Draw(rt, "merged"),
	}
	low := rapid.Float64Range(0, 500).Draw(rt, "min")
	high := low + rapid.Float64Range(0, 500).Draw(rt, "range")
	count := float64(rapid.IntRange(1, 20).Draw(rt, "count"))
	sum := count * (low + (high-low)*rapid.Float64Range(0, 1).Draw(rt, "average"))
	c.merged = meter.StatisticSet(count, sum, low, high)
	c.sample = Sample{
		Member: rapid.SampledFrom([]string{"x", "y", "z"}).Draw(rt, "member"),
		Weight: float64(rapid.IntRange(1, 4096).Draw(rt, "weight")),
		Count:  count, Sum: sum, Min: low, Max: high,
		Even: c.name.Metric == "b", Idle: rapid.Bool().Draw(rt, "idle"),
		Unknown: c.name.Metric == "c" && rapid.IntRange(0, 5).Draw(rt, "unknown") == 0,
	}
	return c
}

// recount makes the point of one metric and one minute from all calls, one call after the other.
func recount(calls []call) (s meter.Summary) {
	var merged []meter.Summary
	byMember := map[string][]Sample{}
	for _, c := range calls {
		if c.isSum {
			merged = append(merged, c.merged)
		} else {
			byMember[c.sample.Member] = append(byMember[c.sample.Member], c.sample)
		}
	}
	low, high, used, reserved, idle, unknown := math.Inf(1), 0.0, 0.0, 0.0, true, false
	for _, samples := range byMember {
		count, sum, lowest, highest := 0.0, 0.0, math.Inf(1), 0.0
		for _, one := range samples {
			unknown = unknown || one.Unknown
			count, sum = count+one.Count, sum+one.Sum
			lowest, highest = min(lowest, one.Min), max(highest, one.Max)
			idle = idle && one.Idle
		}
		average, weight := sum/count, samples[len(samples)-1].Weight
		if samples[0].Even {
			lowest, highest = average, average
		}
		low, high = min(low, lowest), max(high, highest)
		used, reserved = used+average*weight, reserved+weight
	}
	if !idle && !unknown {
		n := float64(len(byMember))
		s = meter.StatisticSet(n, n*used/reserved, low, high)
	}
	for _, m := range merged {
		s = s.Add(m)
	}
	return s
}

// The points of all minutes equal those of a plain recount. A sample that arrives when its minute already has
// points changes nothing and is counted as late.
func TestPointsEqualARecount(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		now := noon.Add(time.Duration(rapid.IntRange(0, 59).Draw(rt, "start")) * time.Second)
		g := New(now)
		taken := now.Truncate(time.Minute) // earlier minutes have their points already
		calls, late, want := map[string][]call{}, uint64(0), map[string]meter.Summary{}
		got := map[string]meter.Summary{}
		key := func(at time.Time, metric string) string {
			return at.Truncate(time.Minute).Format(time.TimeOnly) + " " + metric
		}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 30).Draw(rt, "pause")) * time.Second)
			if now.Sub(taken) > 2*time.Minute || rapid.IntRange(0, 5).Draw(rt, "take") == 0 {
				for _, d := range g.Take(now) {
					if again, ok := got[key(d.At, d.Metric.Name)]; ok {
						rt.Fatalf("%v has two points of %s: %+v, then %+v", d.At, d.Metric.Name, d.Summary, again)
					}
					if d.Unit != "Percent" || d.Metric.Dimensions[0].Value != "v" || len(d.Metric.Dimensions) != 1 {
						rt.Fatalf("a point of %+v in %s", d.Metric, d.Unit)
					}
					got[key(d.At, d.Metric.Name)] = d.Summary
				}
				taken = now.Truncate(time.Minute)
				continue
			}
			c := drawCall(rt, now)
			if c.at.Truncate(time.Minute).Before(taken) {
				late++
			} else {
				k := key(c.at, c.name.Metric)
				calls[k] = append(calls[k], c)
			}
			if c.isSum {
				g.Merge(c.at, c.name, c.merged)
			} else {
				g.Sample(c.at, c.name, c.sample)
			}
		}
		for _, d := range g.Take(now.Add(time.Minute)) {
			got[key(d.At, d.Metric.Name)] = d.Summary
		}
		for k, all := range calls {
			if s := recount(all); s.Count > 0 {
				want[k] = s
			}
		}
		if len(got) != len(want) {
			rt.Fatalf("%d points, want %d: %v, %v", len(got), len(want), got, want)
		}
		for k, w := range want {
			s := got[k]
			if s.Count != w.Count || !same(s.Sum, w.Sum) || !same(s.Min, w.Min) || !same(s.Max, w.Max) {
				rt.Fatalf("at %s %+v, want %+v", k, s, w)
			}
			if s.Sum < s.Count*s.Min*(1-1e-9) || s.Sum > s.Count*s.Max*(1+1e-9) {
				rt.Fatalf("at %s the average is not between the lowest and the highest: %+v", k, s)
			}
		}
		if d := g.Dropped(); d != [Reasons]uint64{Late: late} {
			rt.Fatalf("dropped %v, want %d that are late", d, late)
		}
	})
}

// An agent may send any numbers. A sample then makes a point that CloudWatch accepts, or is dropped.
func TestOddNumbers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		odd := rapid.OneOf(rapid.Float64(), rapid.Float64Range(-10, 100),
			rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, -1, math.MaxFloat64, 5e-324}))
		g := New(noon)
		n := rapid.IntRange(1, 20).Draw(rt, "samples")
		for i := range n {
			s := Sample{Member: fmt.Sprint(i % 3), Weight: odd.Draw(rt, "weight"), Count: odd.Draw(rt, "count"),
				Sum: odd.Draw(rt, "sum"), Min: odd.Draw(rt, "min"), Max: odd.Draw(rt, "max")}
			before := g.Dropped()
			g.Sample(noon, named("a"), s)
			average := s.Sum / s.Count
			sensible := s.Weight > 0 && s.Weight < 1e15 && s.Count >= 1 && s.Count < 1e6 && s.Min >= 0 &&
				s.Max < 1e15 && average >= s.Min && average <= s.Max
			if dropped := g.Dropped() != before; dropped && sensible || !dropped && s.Min < 0 {
				rt.Fatalf("%+v is dropped: %v", s, dropped)
			}
		}
		for _, d := range g.Take(noon.Add(time.Minute)) {
			for _, v := range []float64{d.Summary.Count, d.Summary.Sum, d.Summary.Min, d.Summary.Max} {
				if math.IsNaN(v) || v < 0 || v > math.Pow(2, 360) {
					rt.Fatalf("a point of %+v", d.Summary)
				}
			}
		}
	})
}

// ecs.md 7.8: what the tasks use, as a percentage of what they reserve together, with one sample for each
// task.
func TestTasksOfTwoSizes(t *testing.T) {
	g := New(noon)
	g.Sample(noon.Add(10*time.Second), named("a"), one("small", 512, 400)) // 2048 of 512 units
	g.Sample(noon.Add(30*time.Second), named("a"), one("small", 512, 200))
	g.Sample(noon.Add(30*time.Second), named("a"), one("large", 1536, 100))
	points := g.Take(noon.Add(time.Minute))
	want := meter.StatisticSet(2, 2*(512*3+1536)/2048.*100, 100, 400)
	if len(points) != 1 || points[0].Summary.Count != 2 || !same(points[0].Summary.Sum, want.Sum) ||
		points[0].Summary.Min != want.Min || points[0].Summary.Max != want.Max || !points[0].At.Equal(noon) {
		t.Errorf("points %+v, want %+v", points, want)
	}
	if again := g.Take(noon.Add(2 * time.Minute)); len(again) != 0 {
		t.Errorf("points without a new sample: %+v", again)
	}
}

// Memory is bounded, however much is reported and however rarely Take is called.
func TestBounds(t *testing.T) {
	g := New(noon)
	for minute := range 10 {
		g.Sample(noon.Add(time.Duration(minute)*time.Minute), named("a"), one("m", 1, float64(minute)))
	}
	if d := g.Dropped(); d[TooMany] != 7 || len(g.open) != maxOpen {
		t.Errorf("%d minutes are in memory, dropped %v", len(g.open), d)
	}
	g.Sample(noon, named("a"), one("m", 1, 0))
	g.Sample(noon.Add(6*time.Minute), named("a"), one("m", 1, 0))
	if d := g.Dropped(); d[Late] != 2 {
		t.Errorf("minutes that were dropped are in memory: %v", d)
	}
	if points := g.Take(noon.Add(time.Hour)); len(points) != 3 || points[0].Summary.Sum != 7 {
		t.Errorf("points of the last minutes: %+v", points)
	}

	g = New(noon)
	for minute := range maxOpen {
		g.Sample(noon.Add(time.Duration(minute+1)*time.Minute), named("a"), one("m", 1, 1))
	}
	g.Sample(noon, named("a"), one("m", 1, 1)) // an earlier minute, which is accepted only while there is room
	if d := g.Dropped(); d != [Reasons]uint64{Late: 1} {
		t.Errorf("dropped %v", d)
	}

	g = New(noon)
	g.most = 5000
	for i := range g.most {
		g.Sample(noon, named(fmt.Sprint(i%1000)), one(fmt.Sprint(i), 1, 1))
	}
	g.Sample(noon, named("new"), one("new", 1, 1))
	g.Merge(noon, named("new"), meter.StatisticSet(1, 1, 1, 1))
	g.Sample(noon, named("0"), one("new", 1, 1))
	g.Sample(noon, named("0"), one("0", 1, 1)) // the member is known already
	if d := g.Dropped(); d[TooMany] != 3 || len(g.open[0].groups) != 1000 {
		t.Errorf("%d metrics are in memory, dropped %v", len(g.open[0].groups), d)
	}
}

// Rest returns what was merged, since the next start adds to it. Samples of members are not in it, since
// members report again.
func TestRest(t *testing.T) {
	g := New(noon)
	g.Merge(noon, named("requests"), meter.StatisticSet(3, 3, 1, 1))
	g.Sample(noon, named("cpu"), one("m", 1, 50))
	rest := g.Rest()
	if len(rest) != 1 || rest[0].Metric.Name != "requests" || rest[0].Summary.Sum != 3 || !rest[0].At.Equal(noon) {
		t.Errorf("the rest is %+v", rest)
	}
	if more := g.Take(noon.Add(time.Minute)); len(more) != 0 {
		t.Errorf("Take returns after Rest %+v", more)
	}
}

// After the clock was set back an hour, metrics are missing for at most one minute.
func TestClockIsSetBack(t *testing.T) {
	g := New(noon)
	g.Sample(noon, named("a"), one("m", 1, 1))
	g.Take(noon.Add(time.Minute))
	earlier := noon.Add(-time.Hour)
	g.Sample(earlier, named("a"), one("m", 1, 2))
	g.Take(earlier)
	g.Sample(earlier.Add(time.Second), named("a"), one("m", 1, 3))
	points := g.Take(earlier.Add(time.Minute))
	if d := g.Dropped(); len(points) != 1 || points[0].Summary.Sum != 3 || d[Late] != 1 {
		t.Errorf("points %+v, dropped %v", points, d)
	}
	// A clock that was set back a few seconds does not open a minute again.
	g.Take(earlier.Add(59 * time.Second))
	g.Sample(earlier.Add(59*time.Second), named("a"), one("m", 1, 4))
	if d := g.Dropped(); d[Late] != 2 {
		t.Errorf("a minute with points was opened again: %v", d)
	}
}

// The same samples give the same points in the same order.
func TestOrder(t *testing.T) {
	run := func() []meter.Datum {
		g := New(noon)
		for i := range 100 {
			g.Sample(noon, named(fmt.Sprint(i%7)), one(fmt.Sprint(i), float64(i+1)/3, float64(i)/7))
		}
		return g.Take(noon.Add(time.Minute))
	}
	first := run()
	for range 20 {
		if !slices.EqualFunc(first, run(), func(a, b meter.Datum) bool {
			return cmp.Compare(a.Metric.Name, b.Metric.Name) == 0 && a.Summary.Sum == b.Summary.Sum
		}) {
			t.Fatal("the same samples gave other points, or another order")
		}
	}
}

// ecs.md 7.8: a metric has points only while something runs.
func TestIdle(t *testing.T) {
	g := New(noon)
	idle := one("i1", 1, 0)
	idle.Idle = true
	g.Sample(noon, named("a"), idle)
	if points := g.Take(noon.Add(time.Minute)); len(points) != 0 {
		t.Errorf("an idle cluster has %+v", points)
	}
	g.Sample(noon.Add(time.Minute), named("a"), idle)
	g.Sample(noon.Add(time.Minute), named("a"), one("i2", 1, 50))
	if points := g.Take(noon.Add(2 * time.Minute)); len(points) != 1 || points[0].Summary.Count != 2 ||
		points[0].Summary.Sum != 50 {
		t.Errorf("a cluster with one idle instance has %+v", points)
	}
}

// An empty summary makes a point of 0 if nothing else is merged in its minute, and otherwise changes nothing.
func TestNoValues(t *testing.T) {
	g := New(noon)
	for _, n := range []string{"quiet", "busy", "quiet"} {
		g.Merge(noon, named(n), meter.Summary{})
	}
	g.Merge(noon, named("busy"), meter.StatisticSet(2, 2, 1, 1))
	g.Merge(noon, named("odd"), meter.StatisticSet(-1, 2, 1, 1))
	g.Merge(noon, named("odd"), meter.StatisticSet(1, math.NaN(), 1, 1))
	points := g.Take(noon.Add(time.Minute))
	if len(points) != 2 || points[0].Summary.Count != 1 || points[0].Summary.Sum != 0 || points[1].Summary.Count != 2 ||
		points[1].Summary.Min != 1 || g.Dropped()[Invalid] != 2 {
		t.Errorf("points %+v, dropped %v", points, g.Dropped())
	}
}
