package meter

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// load makes the CPU use of services: it changes in steps of a hundredth of a percent, for one task or
// several.
type load struct {
	chance *rand.Rand
	level  []float64
	tasks  int
}

func newLoad(metrics, tasks int) *load {
	l := &load{rand.New(rand.NewPCG(1, 2)), make([]float64, metrics), tasks}
	for i := range l.level {
		l.level[i] = 20 + 50*l.chance.Float64()
	}
	return l
}

func (l *load) data(at time.Time) []Datum {
	all := make([]Datum, len(l.level))
	for i := range all {
		l.level[i] = min(max(l.level[i]+l.chance.NormFloat64()*2, 0), 100)
		values := make([]float64, l.tasks)
		for k := range values {
			values[k] = math.Round(l.level[i]*(100+l.chance.NormFloat64()*10)) / 100
		}
		all[i] = one(fmt.Sprint(i), at, values...)
	}
	return all
}

func (l *load) run(t testing.TB, s *Store, from time.Time, minutes, every int) {
	t.Helper()
	for i := range minutes {
		now := from.Add(time.Duration(i) * time.Minute)
		if err := s.Put(now, l.data(now)); err != nil {
			t.Fatal(err)
		}
		if i%every != every-1 {
			continue
		}
		if err := s.Tick(now.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
	}
}

// Issue 9, section 1: points become coarser with age, take at most four bytes each, and the disk hardly grows
// after 16 days. From then on each day of one-minute points becomes a day of five-minute points, so the disk
// still grows by those until day 63.
func TestDiskIsFlat(t *testing.T) {
	const metrics, dayMinutes = 20, 24 * 60
	s := open(t, t.TempDir(), Limits{})
	l := newLoad(metrics, 1)
	l.run(t, s, begin, 16*dayMinutes, 10)
	after16 := s.Used()
	if perPoint := float64(after16) / (metrics * 16 * dayMinutes); perPoint > 4 {
		t.Errorf("%.2f bytes a point", perPoint)
	}
	l.run(t, s, begin.AddDate(0, 0, 16), 4*dayMinutes, 10)
	if growth := float64(s.Used()-after16) / float64(after16) / 4; growth > 0.08 {
		t.Errorf("use of the disk grows by %.1f %% a day after 16 days", 100*growth)
	} else {
		t.Logf("%.2f bytes a point; %.1f %% more a day", float64(after16)/(metrics*16*dayMinutes), 100*growth)
	}
}

// Points that have reached the end of the last period are deleted, so the disk then no longer grows (ecs.md
// 7.2).
func TestLadder(t *testing.T) {
	s := open(t, t.TempDir(), Limits{})
	size := func(days int) int64 {
		now := begin.AddDate(0, 0, days)
		for i := range 24 {
			at := now.Add(time.Duration(i) * time.Hour)
			if err := s.Put(at, []Datum{one("a", at, float64(i)), one(fmt.Sprint("gone", days), at, 1)}); err != nil {
				t.Fatal(err)
			}
			if i%12 == 11 {
				if err := s.Tick(at); err != nil {
					t.Fatal(err)
				}
			}
		}
		return s.Used()
	}
	var sizes []int64
	for i := range 480 {
		sizes = append(sizes, size(i))
	}
	if a, b := sizes[460], sizes[479]; math.Abs(float64(a-b)) > 0.05*float64(a) {
		t.Errorf("%d bytes after 460 days, %d after 479", a, b)
	}
	if n, _ := s.Size(); n > 460 { // metrics without points are forgotten
		t.Errorf("%d metrics", n)
	}
	last := begin.AddDate(0, 0, 479).Add(23 * time.Hour)
	for _, c := range []struct{ ageDays, period, want int }{{10, 60, 24}, {20, 60, 0}, {20, 300, 24}, {100, 300, 0},
		{100, 3600, 24}, {456, 3600, 0}} {
		from := last.AddDate(0, 0, -c.ageDays).Truncate(24 * time.Hour)
		got, err := s.Read(metric("a"), "Percent", from, from.AddDate(0, 0, 1), time.Duration(c.period)*time.Second)
		if err != nil || len(got) != c.want {
			t.Errorf("%+v: %d points, %v", c, len(got), err)
		}
	}
}

// When the limit of the disk is reached, the oldest day is deleted, and a log line reports it.
func TestDiskCap(t *testing.T) {
	var log bytes.Buffer
	s, err := Open(t.TempDir(), Limits{Bytes: 60_000}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	newLoad(5, 1).run(t, s, begin, 6*24*60, 10)
	if s.Used() > 60_000+10_000 || !strings.Contains(log.String(), "points of the oldest day are deleted") ||
		!strings.Contains(log.String(), "day=2026-03-01") {
		t.Errorf("%d bytes: %s", s.Used(), log.String())
	}
	got, err := s.Read(metric("1"), "Percent", begin, begin.AddDate(0, 0, 9), time.Minute)
	if err != nil || len(got) == 0 || got[len(got)-1].Start != begin.Add(6*24*time.Hour-time.Minute) {
		t.Errorf("%d points, %v", len(got), err)
	}
}

// Issue 9, section 1: the memory of recent points is constant after three hours.
func TestMemoryIsConstant(t *testing.T) {
	const metrics = 1000
	s := open(t, t.TempDir(), Limits{})
	l := newLoad(metrics, 1)
	heap := func() float64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	before := heap()
	l.run(t, s, begin, 3*60+20, 1)
	after3 := heap() - before
	_, held3 := s.Size()
	l.run(t, s, begin.Add(200*time.Minute), 3*60, 1)
	after6 := heap() - before
	// Three more hours of points would double the memory. The bound is half of that, far more than the heap
	// varies.
	if _, held6 := s.Size(); after6-after3 > float64(held3)/2 || float64(held6) > 1.05*float64(held3) {
		t.Errorf("%.0f bytes (%d in blocks) after three hours, %.0f (%d) after six", after3, held3, after6, held6)
	}
	runtime.KeepAlive(s)
	t.Logf("%.1f kB a metric", after6/metrics/1000)
}

// When a client sends more old points than memory may hold, they are written to the disk before the minute
// ends.
func TestMemoryIsBounded(t *testing.T) {
	s := open(t, t.TempDir(), Limits{Memory: 50_000})
	for i := range 5000 {
		d := one("a", begin.Add(time.Duration(i)*time.Second), float64(i))
		d.Second = true
		if err := s.Put(begin, []Datum{d}); err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 {
			if err := s.Tick(begin); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Tick(begin); err != nil {
		t.Fatal(err)
	}
	if _, memory := s.Size(); memory > 60_000 {
		t.Errorf("%d bytes", memory)
	}
	got, err := s.Read(metric("a"), "Percent", begin, begin.Add(2*time.Hour), time.Hour)
	if err != nil || len(got) != 2 || got[0].Summary.Count+got[1].Summary.Count != 5000 {
		t.Errorf("%v, %v", got, err)
	}
}

// While the disk is full, points stay in memory. They are written when there is room again.
func TestNoRoom(t *testing.T) {
	full := true
	dir := t.TempDir()
	s := open(t, dir, Limits{Take: func(int64, func(func() bool)) error {
		if full {
			return syscall.ENOSPC
		}
		return nil
	}})
	for i := range 3 {
		if err := s.Put(begin, []Datum{one(fmt.Sprint(i), begin, 1)}); err != nil {
			t.Fatal(err)
		}
		if err := s.Tick(begin); err == nil || !strings.Contains(err.Error(), "lost if the server stops now") {
			t.Errorf("%v", err)
		}
	}
	full = false
	if err := s.Tick(begin.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Limits{}) // as after a crash
	for i := range 3 {
		got, err := s.Read(metric(fmt.Sprint(i)), "Percent", begin, begin.Add(time.Hour), time.Minute)
		if err != nil || len(got) != 1 || got[0].Summary.Count != 1 {
			t.Errorf("%v, %v", got, err)
		}
	}
}

// When the process is killed after it has written segments and before it has removed their log, no point
// counts twice.
func TestKilledWhileSealing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{})
	newLoad(3, 1).run(t, s, begin, 20, 1)
	logs, _ := filepath.Glob(filepath.Join(dir, "recent-*"))
	text, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Tick(begin.Add(4 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(logs[0]); err == nil {
		t.Fatal("the log is still there")
	}
	if err := os.WriteFile(logs[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Limits{})
	for range 2 {
		got, err := s.Read(metric("0"), "Percent", begin, begin.Add(time.Hour), time.Hour)
		if err != nil || len(got) != 1 || got[0].Summary.Count != 20 {
			t.Errorf("%v, %v", got, err)
		}
		if err := s.Tick(begin.Add(8 * time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
}

// A copy of the files, made while the store is open, has all points that were on the disk at that moment.
func TestFreeze(t *testing.T) {
	s := open(t, t.TempDir(), Limits{})
	l := newLoad(3, 1)
	l.run(t, s, begin, 300, 1)
	into := t.TempDir()
	if err := s.Freeze(into); err != nil {
		t.Fatal(err)
	}
	l.run(t, s, begin.Add(5*time.Hour), 300, 1) // the store continues: it appends, seals and removes
	if _, err := Check(into, func(err error) { t.Error(err) }); err != nil {
		t.Error(err)
	}
	got, err := open(t, into, Limits{}).Read(metric("2"), "Percent", begin, begin.Add(5*time.Hour), time.Minute)
	if err != nil || len(got) != 300 {
		t.Errorf("%d points, %v", len(got), err)
	}
}
