package query

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/meter"
)

// Issue 9, section 8: one call of GetMetricData with 500 queries over 24 hours. The last hours are in memory,
// and the rest of the day is in segments.
func BenchmarkFiveHundredQueriesOfADay(b *testing.B) {
	points, err := meter.Open(b.TempDir(), meter.Limits{}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	const metrics = 500
	end := now.Truncate(time.Minute)
	data := make([]meter.Datum, metrics)
	var queries []Query
	for i := range metrics {
		data[i].Metric, data[i].Unit = metric(fmt.Sprint("m", i), "a"), "Percent"
		queries = append(queries, stat(fmt.Sprint("m", i), fmt.Sprint("m", i), "Average", 5*time.Minute))
	}
	for at := end.AddDate(0, 0, -1); at.Before(end); at = at.Add(time.Minute) {
		for i := range data {
			data[i].At = at
			data[i].Summary = meter.Values([]float64{float64((at.Minute()*7+i*13)%10000) / 100}, nil)
		}
		if err := points.Put(at, data); err != nil {
			b.Fatal(err)
		}
		if at.Minute()%5 == 0 {
			if err := points.Tick(at); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ResetTimer()
	for b.Loop() {
		r := New(points, "us", queries, end.AddDate(0, 0, -1), end, end)
		for _, q := range queries {
			s, err := r.Series(q.ID)
			if err != nil || len(s[0].Points) < 288 {
				b.Fatalf("%d points, %v", len(s[0].Points), err)
			}
		}
	}
}
