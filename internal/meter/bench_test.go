package meter

import (
	"runtime"
	"testing"
)

// Issue 9, section 8: memory and disk per 1,000 metrics with one value a minute, after a day. The figures are those of
// docs/cloudwatch.md.
func BenchmarkDayOfThousandMetrics(b *testing.B) {
	const metrics, minutes = 1000, 24 * 60
	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	var memory, disk float64
	for b.Loop() {
		before := heap()
		s := open(b, b.TempDir(), Limits{})
		newLoad(metrics, 1).run(b, s, begin, minutes, 10)
		memory, disk = heap()-before, float64(s.Used())
		runtime.KeepAlive(s)
	}
	b.ReportMetric(memory, "memory-bytes/1000-metrics")
	b.ReportMetric(disk, "disk-bytes/1000-metrics-and-day")
	b.ReportMetric(disk/(metrics*minutes), "disk-bytes/point")
}
