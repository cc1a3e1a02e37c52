package meter

import (
	"strings"
	"testing"
)

// hundred returns the summary of the values 1 to 100, each once.
func hundred() Summary {
	var s Summary
	for i := 1; i <= 100; i++ {
		s = s.Add(Values([]float64{float64(i)}, nil))
	}
	return s
}

// ecs.md 7.3.
func TestStatistics(t *testing.T) {
	for _, c := range []struct {
		name string
		want float64
	}{
		{"SampleCount", 100}, {"Average", 50.5}, {"Sum", 5050}, {"Minimum", 1}, {"Maximum", 100},
		{"p0", 1}, {"p50", 50}, {"p90", 90}, {"p99.5", 100}, {"p100", 100}, {"P10.0", 10},
		{"tm90", 45.5}, {"TM(10%:90%)", 50.5}, {"TM(:90%)", 45.5}, {"TM(50%:)", 75.5}, {"IQM", 50.5},
		{"tc90", 90}, {"TC(10%:90%)", 80}, {"TC(10.5:20.5)", 10}, {"TC(90:)", 10},
		{"ts50", 1275}, {"TS(:50)", 1275}, {"TS(80%:)", 1810},
		{"wm90", (4095. + 10*90) / 100}, {"WM(10%:90%)", (10*10 + 80*50.5 + 10*90) / 100},
		{"WM(:50)", (1275. + 50*50) / 100},
		{"PR(:50)", 50}, {"PR(50:)", 50}, {"PR(20.5:30.5)", 10},
	} {
		s, err := ParseStatistic(c.name)
		if err != nil {
			t.Error(err)
			continue
		}
		got, ok := s.Of(hundred())
		if !ok || !near(got, c.want, 0.021) {
			t.Errorf("%s is %v, %t; want %v", c.name, got, ok, c.want)
		}
	}
	for _, name := range []string{"", "p", "p101", "p-1", "p1e1", "p1.12345678901", "average ", "TM", "TM()", "TM(:)",
		"TM(1:2", "TM(90%:10%)", "TM(10%:90)", "PR(10%:)", "pr50", "IQM50", "tmx", "median", "TM(NaN:1)"} {
		if _, err := ParseStatistic(name); err == nil || !strings.Contains(err.Error(), "is not a statistic") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// A percentile needs the single values, and none of them may be negative (ecs.md 7.3).
func TestNoPercentile(t *testing.T) {
	p50, _ := ParseStatistic("p50")
	for what, s := range map[string]Summary{
		"no values":                   {},
		"a statistic set":             StatisticSet(3, 6, 1, 3),
		"a negative value":            Values([]float64{-1, 1}, nil),
		"a statistic set and a value": StatisticSet(3, 6, 1, 3).Add(Values([]float64{2}, nil)),
	} {
		if v, ok := p50.Of(s); ok {
			t.Errorf("%s: the median is %v", what, v)
		}
	}
	if v, ok := p50.Of(StatisticSet(3, 6, 2, 2)); !ok || v != 2 {
		t.Errorf("equal values: the median is %v, %t", v, ok)
	}
	many := Summary{}
	for i := range 20_000 {
		many = many.Add(Values([]float64{float64(i*i) * float64(i)}, nil))
	}
	if p99, _ := ParseStatistic("p99"); len(many.bins) > maxBins {
		t.Errorf("%d bins", len(many.bins))
	} else if v, _ := p99.Of(many); !near(v, 19800*19800*19800., 0.011) {
		t.Errorf("p99 is %v", v)
	}
}
