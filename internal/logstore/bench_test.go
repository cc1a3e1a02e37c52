package logstore

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkAppend writes durable batches of ten lines from 32 streams of one group. It reports how many times as fast
// that is as one writer, which has a sync for each batch.
func BenchmarkAppend(b *testing.B) {
	entries := make([]Entry, 10)
	for i := range entries {
		entries[i] = Entry{int64(i), strings.Repeat("x", 100)}
	}
	run := func(writers, batches int) time.Duration {
		s := open(b, b.TempDir(), Limits{})
		defer s.Close()
		begin := time.Now()
		var left atomic.Int64
		left.Store(int64(batches))
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for left.Add(-1) >= 0 {
					if err := s.Append("g", fmt.Sprint("s", w), time.Now(), entries); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		return time.Since(begin) / time.Duration(batches)
	}
	var one, many time.Duration
	for b.Loop() {
		one += run(1, 100)
		many += run(32, 3200)
	}
	b.ReportMetric(float64(b.N)/many.Seconds()*10, "events/s")
	b.ReportMetric(float64(one)/float64(many), "x-one-writer")
}

// BenchmarkTail reads the last page of one stream among 20 out of a group of 100,000 events, as GetLogEvents does.
func BenchmarkTail(b *testing.B) {
	s := open(b, b.TempDir(), Limits{})
	defer s.Close()
	for n := range 200 {
		entries := make([]Entry, 500)
		for i := range entries {
			entries[i] = Entry{int64(n*500 + i), strings.Repeat("x", 100)}
		}
		if err := s.Append("g", fmt.Sprint("s", n%20), time.Now(), entries); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if got, _, err := s.Read("g", Query{
			Streams: func(id string) bool { return id == "s7" }, Backward: true, Limit: 100,
		}); err != nil || len(got) != 100 {
			b.Fatal(len(got), err)
		}
	}
}
