package state_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal"
	"github.com/berthhq/berth/internal/state/journal/file"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// BenchmarkCommit compares the durable writes per second of 32 clients, which change the status of tasks,
// with those of the journal alone on the same disk: one client, one entry per append. The goal is 8 times as
// many. It also reports the ratio to one client of the same store. The three take turns, because the speed of
// a disk changes from second to second; the result is the median of the ratios of all turns.
func BenchmarkCommit(b *testing.B) {
	const clients, share = 32, 64 // the 32 clients make share writes for each write of one client
	plain := openJournal(b)
	c := &counter{Journal: openJournal(b)}
	grouped, own := open(b, c), open(b, openJournal(b))
	data := make([]byte, 1000) // about the size of a task
	var single, alone, together pace
	var ratios, ratiosToOne []float64
	b.ResetTimer()
	for done := 0; done < b.N; done += clients * share {
		one := single.time(share, func(n int) {
			e := journal.Entry{Rev: uint64(n) + 1, Term: 1, Data: data}
			if err := plain.Append(b.Context(), []journal.Entry{e}); err != nil {
				b.Fatal(err)
			}
		})
		lone := alone.time(share, func(n int) {
			update(b, own, func(tx *state.Tx) { tx.Tasks.Put(task(n)) })
		})
		tasks := make([]*ecs.Task, clients*share)
		for i := range tasks {
			tasks[i] = task(done + i)
		}
		all := together.spread(clients, len(tasks), func(n int) {
			update(b, grouped, func(tx *state.Tx) { tx.Tasks.Put(tasks[n-done]) })
		})
		ratios, ratiosToOne = append(ratios, all/one), append(ratiosToOne, all/lone)
	}
	b.ReportMetric(together.rate(), "writes/s")
	b.ReportMetric(single.rate(), "single/s")
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(median(ratiosToOne), "ratio-to-one-client")
	b.ReportMetric(float64(c.entries)/float64(c.appends), "writes/append")
}

func openJournal(b *testing.B) journal.Journal {
	j, err := file.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	return j
}

// pace counts how often something was done, and how long that took.
type pace struct {
	done int
	took time.Duration
}

// time calls do the given number of times, one after the other, and returns the calls per second.
func (p *pace) time(times int, do func(n int)) float64 { return p.spread(1, times, do) }

// spread calls do the given number of times from several clients at once, and returns the calls per second.
func (p *pace) spread(clients, times int, do func(n int)) float64 {
	began := time.Now()
	var next atomic.Int64
	var running sync.WaitGroup
	for range clients {
		running.Go(func() {
			for n := next.Add(1); n <= int64(times); n = next.Add(1) {
				do(p.done + int(n) - 1)
			}
		})
	}
	running.Wait()
	took := time.Since(began)
	p.done, p.took = p.done+times, p.took+took
	return float64(times) / took.Seconds()
}

func (p *pace) rate() float64 { return float64(p.done) / p.took.Seconds() }

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

func task(n int) *ecs.Task {
	return &ecs.Task{
		TaskARN:    ecs.ARN("us-east-1", "123456789012", ecs.TypeTask, fmt.Sprintf("main/%032x", n)),
		ClusterARN: clusterARN(n % 3),
		ServiceARN: ecs.ARN("us-east-1", "123456789012", ecs.TypeService, fmt.Sprintf("main/s%d", n%50)),
		ContainerInstanceARN: ecs.ARN("us-east-1", "123456789012", ecs.TypeContainerInstance,
			fmt.Sprintf("main/%032x", n%500)),
		Containers: []ecs.Container{{Name: "web"}},
	}
}

// filled returns a store in memory with the given number of tasks.
func filled(b *testing.B, tasks int) *state.Store {
	s := open(b, mem.New())
	update(b, s, func(tx *state.Tx) {
		for n := range tasks {
			tx.Tasks.Put(task(n))
		}
	})
	return s
}

func BenchmarkView(b *testing.B) {
	s := filled(b, 10_000)
	for b.Loop() {
		if s.View().Rev == 0 {
			b.Fatal("empty")
		}
	}
}

// BenchmarkGet looks up one of 10,000 tasks by its primary key.
func BenchmarkGet(b *testing.B) {
	s := filled(b, 10_000)
	key := task(4711).TaskARN
	for b.Loop() {
		if _, ok := s.View().Tasks.Get(key); !ok {
			b.Fatal("not there")
		}
	}
}

// BenchmarkBy reads the 200 tasks of one of many services; there are 10,000 tasks.
func BenchmarkBy(b *testing.B) {
	s := filled(b, 10_000)
	service := task(7).ServiceARN
	for b.Loop() {
		n := 0
		for range s.View().Tasks.By(state.TasksByService, service) {
			n++
		}
		if n != 200 {
			b.Fatal(n)
		}
	}
}

// BenchmarkUpdate changes one task among many. The journal does nothing.
func BenchmarkUpdate(b *testing.B) {
	for _, tasks := range []int{100, 10_000, 100_000} {
		b.Run(fmt.Sprint(tasks), func(b *testing.B) {
			s, n := filled(b, tasks), 0
			for b.Loop() {
				n++
				err := s.Update(context.Background(), func(tx *state.Tx) error {
					old, _ := tx.Tasks.Get(task(n % tasks).TaskARN)
					t := *old
					t.Version++
					tx.Tasks.Put(&t)
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkUpdateNothing is an update that changes nothing.
func BenchmarkUpdateNothing(b *testing.B) {
	s := filled(b, 1000)
	for b.Loop() {
		update(b, s, func(*state.Tx) {})
	}
}

// BenchmarkOpen opens an empty data directory, and one with 10,000 tasks.
func BenchmarkOpen(b *testing.B) {
	for _, tasks := range []int{0, 10_000} {
		b.Run(fmt.Sprint(tasks), func(b *testing.B) {
			path := b.TempDir()
			if tasks > 0 {
				s, err := openDir(path)
				if err != nil {
					b.Fatal(err)
				}
				update(b, s, func(tx *state.Tx) {
					for n := range tasks {
						tx.Tasks.Put(task(n))
					}
				})
				s.Close()
			}
			n := 0
			for b.Loop() {
				if n++; tasks == 0 {
					path = b.TempDir()
				}
				s, err := openDir(path)
				if err != nil {
					b.Fatal(err)
				}
				s.Close()
			}
		})
	}
}
