package query

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/expr"
)

var now = time.Date(2026, 11, 29, 12, 0, 30, 0, time.UTC)

func metric(name string, room string) meter.Metric {
	return meter.Metric{Scope: "us", Namespace: "App", Name: name,
		Dimensions: []meter.Dimension{{Name: "Room", Value: room}}}
}

func stat(id, name, statistic string, period time.Duration) Query {
	s, err := meter.ParseStatistic(statistic)
	if err != nil {
		panic(err)
	}
	return Query{ID: id, Metric: metric(name, "a"), Stat: s, Period: period}
}

func calc(id, text string) Query {
	e, err := expr.Parse(text)
	if err != nil {
		panic(err)
	}
	return Query{ID: id, Expr: e}
}

func TestReading(t *testing.T) {
	points, err := meter.Open(t.TempDir(), meter.Limits{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer points.Close(now)
	for i := range 5 {
		at := now.Add(time.Duration(i-5) * time.Minute)
		if err := points.Put(now, []meter.Datum{
			{Metric: metric("x", "a"), Unit: "Count", At: at, Summary: meter.Values([]float64{float64(i)}, nil)},
			{Metric: metric("y", "a"), Unit: "None", At: at, Summary: meter.Values([]float64{10}, nil)},
			{Metric: metric("y", "b"), Unit: "Bytes", At: at, Summary: meter.Values([]float64{20}, nil)},
			{Metric: metric("y", "a"), Unit: "Bytes", At: at, Summary: meter.Values([]float64{5}, nil)},
		}); err != nil {
			t.Fatal(err)
		}
	}
	queries := []Query{stat("m1", "x", "Average", time.Minute), stat("m5", "x", "Sum", 5*time.Minute),
		stat("gone", "z", "Sum", time.Minute), calc("e1", "m1 * 2"), calc("e2", "e1 + METRIC_COUNT(METRICS())"),
		calc("circle", "circle2"), calc("circle2", "circle + m1"), calc("wrong", "m9"),
		calc("search", `SEARCH('{App,Room} y', 'Sum', 60)`), calc("rate", "m1 / PERIOD(m1)"), calc("any", "y1 + 0"),
		stat("y1", "y", "Sum", time.Minute)}
	r := New(points, "us", queries, now.Add(-5*time.Minute), now, now)
	for id, want := range map[string]string{
		"m1": "x: 0 1 2 3 4", "m5": "x: 10", "gone": "z:", "e1": "x: 0 2 4 6 8", "e2": "x: 4 6 8 10 12",
		"search": "y a: 15 15 15 15 15; y b: 20 20 20 20 20", "y1": "y: 15 15 15 15 15", "any": "y: 15 15 15 15 15",
		"rate":   "x: 0 0.01667 0.03333 0.05 0.06667",
		"circle": "Error in expression 'circle': it needs its own result",
		"wrong":  "Error in expression 'wrong': there is no metric",
	} {
		all, err := r.Series(id)
		var lines []string
		for _, s := range all {
			line := s.Label + ":"
			for _, p := range s.Points {
				line += fmt.Sprintf(" %.4g", p.Value)
			}
			lines = append(lines, line)
		}
		if got := strings.Join(lines, "; "); err == nil && got != want ||
			err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %s, %v; want %s", id, got, err, want)
		}
		if _, ok := errors.AsType[*Error](err); err != nil && !ok {
			t.Errorf("%s: %v is no *Error", id, err)
		}
	}
	far := New(points, "us", queries, now.AddDate(-1, 0, 0), now, now)
	if _, err := far.Series("e1"); err == nil || !strings.Contains(err.Error(), "more than 100800 datapoints") {
		t.Error(err)
	}
	if all := List(points, func(meter.Series) bool { return true }); len(all) != 3 {
		t.Errorf("%v", all)
	}
}
