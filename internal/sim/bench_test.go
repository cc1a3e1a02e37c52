package sim

import (
	"syscall"
	"testing"
	"time"
)

// cpuTime returns how much processor time the process has used.
func cpuTime(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A day of load for 20 services and 50 instances takes at most 10 seconds of a processor, and twice the services at
// most 2.2 times as long (issue 9, section 6).
func BenchmarkDay(b *testing.B) {
	for b.Loop() {
		cost := func(services int) float64 { // the better of two, as other programs run too
			var took []time.Duration
			for range 2 {
				began := cpuTime(b)
				simulate(b, sample(services, 50), day(services, 0.05), nil)
				took = append(took, cpuTime(b)-began)
			}
			return min(took[0], took[1]).Seconds()
		}
		once, twice := cost(20), cost(40)
		b.ReportMetric(once, "cpu-s/day")
		b.ReportMetric(twice/once, "times-for-40-services")
	}
}
