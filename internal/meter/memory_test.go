package meter

import (
	"testing"
	"time"
)

// A store in memory gives the same results as one with files, and has only the points of the last hour in memory.
func TestInMemory(t *testing.T) {
	begin := time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC)
	s := InMemory(time.Hour)
	m := Metric{Scope: "1/us-east-1", Namespace: "AWS/ECS", Name: "CPUUtilization"}
	var most int64
	for minute := range 24 * 60 {
		now := begin.Add(time.Duration(minute) * time.Minute)
		point := Datum{Metric: m, Unit: "Percent", At: now, Summary: StatisticSet(2, 10, 4, 6)}
		if err := s.Put(now, []Datum{point}); err != nil {
			t.Fatal(err)
		}
		if err := s.Tick(now); err != nil {
			t.Fatal(err)
		}
		_, memory := s.Size()
		most = max(most, memory)
		from := now.Add(-14 * time.Minute)
		got, err := s.ReadSimple(m, "Percent", from, now.Add(time.Minute), time.Minute)
		if want := min(minute+1, 15); err != nil || len(got) != want || got[want-1].Start != now ||
			got[want-1].Summary.Sum != 10 {
			t.Fatalf("minute %d: %v %v", minute, got, err)
		}
	}
	if most > 61*pointSize {
		t.Errorf("%d bytes in memory", most)
	}
	if old, err := s.Read(m, "Percent", begin, begin.Add(time.Hour), time.Minute); len(old) != 0 || err != nil {
		t.Errorf("%v %v", old, err)
	}
	if err := s.Close(begin); err != nil {
		t.Error(err)
	}
}
