package feed

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/gather"
)

var (
	cpu      = gather.Name{Scope: "1/r", Namespace: "AWS/ECS", Metric: "CPUUtilization", Unit: "Percent"}
	requests = gather.Name{Scope: "1/r", Namespace: "AWS/ApplicationELB", Metric: "RequestCount", Unit: "Count"}
)

func percent(v float64) gather.Sample {
	return gather.Sample{Member: "task", Weight: 1, Count: 1, Sum: v, Min: v, Max: v}
}

func open(t *testing.T, dir string) *meter.Store {
	t.Helper()
	s, err := meter.Open(dir, meter.Limits{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run starts a feed. stop ends it and returns when it has written its points.
func run(t *testing.T, points Points) (f *Feed, stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	f = New(points, time.Now, slog.New(slog.DiscardHandler))
	var running sync.WaitGroup
	running.Go(func() { f.Run(ctx) })
	synctest.Wait()
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(stop)
	return f, stop
}

// sums returns the number of values and the sum of each point of a metric.
func sums(t *testing.T, s *meter.Store, name gather.Name) (out [][2]float64) {
	t.Helper()
	m := meter.Metric{Scope: name.Scope, Namespace: name.Namespace, Name: name.Metric}
	all, err := s.Read(m, name.Unit, time.Now().Add(-time.Hour), time.Now().Add(time.Hour), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range all {
		out = append(out, [2]float64{b.Summary.Count, b.Summary.Sum})
	}
	return out
}

func expect(t *testing.T, s *meter.Store, name gather.Name, want ...[2]float64) {
	t.Helper()
	got := sums(t, s, name)
	for i := range want {
		if len(got) != len(want) || got[i] != want[i] {
			t.Errorf("%s has the points %v, want %v", name.Metric, got, want)
			return
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s has the points %v, want none", name.Metric, got)
	}
}

// The points of a minute are on the disk when the minute ends, so a crash loses only later samples.
func TestCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, copied := t.TempDir(), t.TempDir()
		s := open(t, dir)
		defer s.Close(time.Now())
		f, _ := run(t, s)
		f.Sample(0, cpu, percent(10))
		f.Merge(requests, meter.StatisticSet(3, 3, 1, 1))
		time.Sleep(time.Minute)
		f.Sample(0, cpu, percent(90))
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if err := os.CopyFS(filepath.Join(copied, "metrics"), os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		after := open(t, filepath.Join(copied, "metrics"))
		defer after.Close(time.Now())
		expect(t, after, cpu, [2]float64{1, 10})
		expect(t, after, requests, [2]float64{3, 3})
	})
}

// A server that is restarted continues the minute: no task counts twice, and no request is lost.
func TestStartedAgainInTheSameMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir())
		defer s.Close(time.Now())
		f, stop := run(t, s)
		f.Sample(0, cpu, percent(10))
		f.Merge(requests, meter.StatisticSet(3, 3, 1, 1))
		time.Sleep(20 * time.Second)
		stop()
		f, _ = run(t, s)
		f.Sample(0, cpu, percent(30))
		f.Merge(requests, meter.StatisticSet(4, 4, 1, 1))
		time.Sleep(time.Minute)
		synctest.Wait()
		expect(t, s, cpu, [2]float64{1, 30})
		expect(t, s, requests, [2]float64{7, 7})
	})
}

// A sample from before a reset is in no point after it.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir())
		defer s.Close(time.Now())
		f, _ := run(t, s)
		f.Sample(0, cpu, percent(10))
		f.Merge(requests, meter.StatisticSet(3, 3, 1, 1))
		f.Forget()
		time.Sleep(time.Minute)
		synctest.Wait()
		expect(t, s, cpu)
		expect(t, s, requests)
	})
}

// A sample that is late or invalid is counted as dropped and is in no point.
func TestDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir())
		defer s.Close(time.Now())
		f, _ := run(t, s)
		time.Sleep(30 * time.Second)
		f.Sample(31*time.Second, cpu, percent(1)) // of the minute before the start
		f.Sample(30*time.Second, cpu, percent(2))
		f.Sample(-time.Hour, cpu, percent(4)) // a negative age counts as zero
		f.Sample(0, cpu, percent(-1))
		f.Drop(gather.Unknown)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		expect(t, s, cpu, [2]float64{1, 3})
		if d := f.Dropped(); d != [gather.Reasons]uint64{gather.Late: 1, gather.Invalid: 1, gather.Unknown: 1} {
			t.Errorf("dropped %v", d)
		}
	})
}

// Issue 9, section 5: of what is scaled at the pace of seconds there is a point a second too, in a namespace of its
// own, right after the second. The points of minutes stay as they are.
func TestPointsOfSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		points, err := meter.Open(t.TempDir(), meter.Limits{}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer points.Close(time.Now())
		f := New(points, time.Now, slog.New(slog.DiscardHandler))
		f.Seconds(func(n gather.Name) bool { return n.Metric == "quick" })
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); f.Run(ctx) }()
		begin := time.Now().Truncate(time.Minute)
		time.Sleep(time.Until(begin.Add(time.Minute + 500*time.Millisecond)))
		for second := range 60 {
			for _, name := range []string{"quick", "slow"} {
				f.Sample(2*time.Second, gather.Name{Namespace: "AWS/ECS", Metric: name, Unit: "Percent"},
					gather.Sample{Member: "t", Weight: 1, Count: 1, Sum: float64(second), Min: float64(second),
						Max: float64(second)})
			}
			time.Sleep(time.Second)
		}
		synctest.Wait()
		read := func(namespace, name string, period time.Duration) int {
			t.Helper()
			found, err := points.Read(meter.Metric{Namespace: namespace, Name: name}, "Percent", begin, time.Now(),
				period)
			if err != nil {
				t.Fatal(err)
			}
			return len(found)
		}
		if quick, slow := read("Berth/Seconds/AWS/ECS", "quick", time.Second), read("Berth/Seconds/AWS/ECS", "slow",
			time.Second); quick != 60 || slow != 0 {
			t.Errorf("%d points of a second, and %d of what is not quick", quick, slow)
		}
		if quick, slow := read("AWS/ECS", "quick", time.Minute), read("AWS/ECS", "slow", time.Minute); quick != slow ||
			quick == 0 {
			t.Errorf("%d points of minutes, and %d of what is not quick", quick, slow)
		}
		cancel()
		<-ended
	})
}
