package chaos

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// Limits of a server that starts on an empty data directory.
const (
	readyWithin = 200 * time.Millisecond
	idleMiB     = 50
)

// BenchmarkStart measures the time from the start of the process on an empty data directory until it is ready, and its
// resident memory then, and compares both with the limits.
func BenchmarkStart(b *testing.B) {
	var took time.Duration
	var rss float64
	for b.Loop() {
		s := harness.New(b, harness.Config{NoDocker: true})
		began := time.Now()
		s.Run(b)
		took += time.Since(began)
		rss += resident(b, s.PID())
		s.Stop(b)
	}
	n := float64(b.N)
	ms := float64(took.Microseconds()) / 1000 / n
	b.ReportMetric(ms, "ms/start")
	b.ReportMetric(ms/float64(readyWithin.Milliseconds()), "start/limit")
	b.ReportMetric(rss/n, "MiB")
	b.ReportMetric(rss/n/idleMiB, "MiB/limit")
}

// resident returns the resident memory of a process in MiB.
func resident(t testing.TB, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	var kib float64
	for _, line := range harness.Lines(text) {
		if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kib); n == 1 {
			return kib / 1024
		}
	}
	t.Fatal("no VmRSS")
	return 0
}
