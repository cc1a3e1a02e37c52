package meter

import (
	"cmp"
	"fmt"
	"log/slog"
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("BERTH_TEST_METER"); dir != "" {
		writer(dir)
	}
	durable = func(*os.File) error { return nil } // days are simulated, so files are not synced; TestKill9 does sync
	os.Exit(m.Run())
}

var discard = slog.New(slog.DiscardHandler)

var begin = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func open(t testing.TB, dir string, limits Limits) *Store {
	t.Helper()
	s, err := Open(dir, limits, discard)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func metric(name string) Metric {
	return Metric{"main", "AWS/ECS", name, []Dimension{{"ClusterName", "main"}, {"ServiceName", "chat"}}}
}

func one(name string, at time.Time, values ...float64) Datum {
	return Datum{Metric: metric(name), Unit: "Percent", At: at, Summary: Values(values, nil)}
}

// measured is one value of the model, with its time.
type measured struct {
	at    int64
	value float64
}

// expected aggregates the values by the definition of a period, without any of the store's code.
func expected(all []measured, from, to, period int64) map[int64][]float64 {
	buckets := make(map[int64][]float64)
	for _, m := range all {
		if m.at >= from && m.at < to {
			start := truncate(m.at, period)
			buckets[start] = append(buckets[start], m.value)
		}
	}
	return buckets
}

func near(a, b, tolerance float64) bool {
	return math.Abs(a-b) <= tolerance*max(math.Abs(a), math.Abs(b), 1e-9)
}

func compare(t interface{ Errorf(string, ...any) }, got []Bucket, want map[int64][]float64) {
	if len(got) != len(want) {
		t.Errorf("%d buckets, want %d", len(got), len(want))
		return
	}
	p90, _ := ParseStatistic("p90")
	for _, b := range got {
		values := slices.Sorted(slices.Values(want[b.Start.Unix()]))
		total := 0.0
		for _, v := range values {
			total += v
		}
		s := b.Summary
		if len(values) == 0 || s.Count != float64(len(values)) || !near(s.Sum, total, 1e-5) ||
			!near(s.Min, values[0], 1e-5) || !near(s.Max, values[len(values)-1], 1e-5) {
			t.Errorf("%v: %+v, want the values %v", b.Start, s, values)
			return
		}
		exact := values[max(0, int(math.Ceil(0.9*float64(len(values))))-1)]
		if v, ok := p90.Of(s); !ok || !near(v, exact, Accuracy+1e-5) {
			t.Errorf("%v: p90 is %v, %t; want %v of %v", b.Start, v, ok, exact, values)
		}
	}
}

// After values were put, flushed, sealed, merged, made coarser and read again, the result equals an
// aggregation of all values (ecs.md 7.2, 7.3).
func TestEqualsPlainModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		s := open(t, dir, Limits{})
		model := map[string][]measured{}
		now := begin
		value := rapid.OneOf(rapid.Map(rapid.IntRange(0, 10000), func(i int) float64 { return float64(i) / 100 }),
			rapid.Float64Range(1e-3, 1e9))
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			switch rapid.IntRange(0, 9).Draw(rt, "step") {
			case 0:
				now = now.Add(time.Duration(rapid.IntRange(1, 40*24).Draw(rt, "hours")) * time.Hour)
			case 1:
				if rapid.Bool().Draw(rt, "cleanly") {
					if err := s.Close(now); err != nil {
						rt.Fatal(err)
					}
				} else if err := s.Tick(now); err != nil {
					rt.Fatal(err)
				}
				s = open(t, dir, Limits{})
			case 2, 3:
				if err := s.Tick(now); err != nil {
					rt.Fatal(err)
				}
				now = now.Add(time.Duration(rapid.IntRange(1, 5000).Draw(rt, "seconds")) * time.Second)
			default:
				name := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "name")
				late := rapid.SampledFrom([]int{0, 30, 3000, 80000, 1200000}).Draw(rt, "late")
				at := now.Add(-time.Duration(late) * time.Second)
				values := rapid.SliceOfN(value, 1, 6).Draw(rt, "values")
				if err := s.Put(now, []Datum{one(name, at, values...)}); err != nil {
					rt.Fatal(err)
				}
				for _, v := range values {
					model[name] = append(model[name], measured{at.Unix(), v})
				}
			}
		}
		for name, all := range model {
			for _, r := range []struct {
				period, age int64
			}{{60, 14 * day}, {300, 60 * day}, {3600, 450 * day}} {
				// Days that ended longer ago may have become coarser.
				from := truncate(now.Unix()-r.age, day)
				got, err := s.Read(metric(name), "Percent", time.Unix(from, 0), now.Add(time.Hour),
					time.Duration(r.period)*time.Second)
				if err != nil {
					rt.Fatal(err)
				}
				compare(rt, got, expected(all, from, now.Unix()+3600, r.period))
			}
		}
		if err := s.Close(now); err != nil {
			rt.Fatal(err)
		}
		if _, err := Check(dir, func(err error) { rt.Errorf("Check reports damage: %v", err) }); err != nil {
			rt.Error(err)
		}
	})
}

// Points of one second can be read as seconds for three hours, and as minutes after that (ecs.md 7.2).
func TestSeconds(t *testing.T) {
	s := open(t, t.TempDir(), Limits{})
	for i := range 4 * hour {
		now := begin.Add(time.Duration(i) * time.Second)
		d := one("a", now, float64(i%100))
		d.Second = true
		if err := s.Put(now, []Datum{d}); err != nil {
			t.Fatal(err)
		}
		if i%60 == 0 {
			if err := s.Tick(now); err != nil {
				t.Fatal(err)
			}
		}
	}
	now := begin.Add(4 * time.Hour)
	got, err := s.Read(metric("a"), "Percent", now.Add(-3*time.Hour), now, time.Second)
	if err != nil || len(got) != 3*hour || got[17].Summary.Max != 17 {
		t.Errorf("%d seconds, %v", len(got), err)
	}
	if got, err = s.Read(metric("a"), "Percent", begin, now, time.Minute); err != nil || len(got) != 240 ||
		got[0].Summary.Count != 60 {
		t.Errorf("%d minutes, %v", len(got), err)
	}
	got, err = s.Read(metric("a"), "Percent", now.Add(-time.Minute), now, 20*time.Second)
	if err != nil || len(got) != 3 {
		t.Errorf("%d periods of 20 seconds, %v", len(got), err)
	}
}

// Two metrics are different if any part of their identity differs. The order of dimensions is no part of it
// (ecs.md 7.1).
func TestIdentity(t *testing.T) {
	s := open(t, t.TempDir(), Limits{})
	put := func(m Metric, unit string) {
		d := Datum{Metric: m, Unit: unit, At: begin, Summary: Values([]float64{1}, nil)}
		if err := s.Put(begin, []Datum{d}); err != nil {
			t.Fatal(err)
		}
	}
	m := metric("a")
	swapped := Metric{m.Scope, m.Namespace, m.Name, []Dimension{m.Dimensions[1], m.Dimensions[0]}}
	put(m, "Percent")
	put(swapped, "Percent")
	put(m, "Count")
	put(Metric{m.Scope, m.Namespace, m.Name, m.Dimensions[:1]}, "Percent")
	put(Metric{m.Scope + "2", m.Namespace, m.Name, m.Dimensions}, "Percent")
	put(Metric{m.Scope, m.Namespace + "a", m.Name[1:], m.Dimensions}, "Percent")
	all := s.List(func(Series) bool { return true })
	if len(all) != 5 {
		t.Errorf("%d series: %v", len(all), all)
	}
	for _, one := range all {
		if !one.Last.Equal(begin) {
			t.Errorf("%v", one)
		}
	}
	got, err := s.Read(swapped, "Percent", begin, begin.Add(time.Hour), time.Minute)
	if err != nil || len(got) != 1 || got[0].Summary.Count != 2 {
		t.Errorf("%v, %v", got, err)
	}
}

// A new metric beyond the limit is refused. The metrics that exist still get points.
func TestTooMany(t *testing.T) {
	s := open(t, t.TempDir(), Limits{Metrics: 3})
	for i := range 5 {
		err := s.Put(begin, []Datum{one(fmt.Sprint(i), begin, 1), one("0", begin, 1)})
		if i < 3 && err != nil || i >= 3 && cmp.Compare(fmt.Sprint(err), (&TooMany{3}).Error()) != 0 {
			t.Errorf("%d: %v", i, err)
		}
	}
	got, _ := s.Read(metric("0"), "Percent", begin, begin.Add(time.Minute), time.Minute)
	if len(got) != 1 || got[0].Summary.Count != 6 {
		t.Errorf("%v", got)
	}
}
