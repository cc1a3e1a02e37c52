package state_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/file"
)

// rowsLeft is how many rows there are after each churn.
const rowsLeft = 100

// churn makes that many calls, of which each makes a row and removes the one that the same client made before.
func churn(t *testing.T, s *state.Store, calls int) {
	t.Helper()
	var all sync.WaitGroup
	for client := range rowsLeft {
		all.Go(func() {
			for n := client; n < calls; n += rowsLeft {
				update(t, s, func(tx *state.Tx) {
					made := cluster(n)
					made.Status = strings.Repeat("x", 800)
					tx.Clusters.Put(made)
					tx.Clusters.Delete(clusterARN(n - rowsLeft))
				})
			}
		})
	}
	all.Wait()
	if got := s.View().Clusters.Len(); got != rowsLeft {
		t.Fatalf("%d rows, want %d", got, rowsLeft)
	}
}

// start opens the journal and counts what a start reads.
func start(t *testing.T, dir string) (entries, bytes, size int) {
	t.Helper()
	j, err := file.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for e, err := range j.Replay(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		entries++
		bytes += len(e.Data)
	}
	info, err := os.Stat(filepath.Join(dir, file.JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	return entries, bytes, int(info.Size())
}

// What a start reads, and the size of the file, follow the rows there are and not the calls there were.
func TestStartFollowsWhatIsThere(t *testing.T) {
	const bound = 12 << 20 // twice what the journal may grow by, for what comes while it is compacted
	for _, calls := range []int{10_000, 20_000, 40_000} {
		t.Run(fmt.Sprint(calls), func(t *testing.T) {
			dir := t.TempDir()
			s, err := openDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			churn(t, s, calls)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			entries, bytes, size := start(t, dir)
			t.Logf("a start reads %d entries of %d bytes from a file of %d", entries, bytes, size)
			if bytes > bound || size > bound+1<<20 {
				t.Errorf("a start reads %d bytes from a file of %d after %d calls; want at most %d",
					bytes, size, calls, bound)
			}
			if s, err = openDir(dir); err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Compact(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if entries, bytes, _ := start(t, dir); entries > 20 || bytes > 2000*rowsLeft {
				t.Errorf("compacted: %d entries of %d bytes", entries, bytes)
			}
		})
	}
}

// After everything was removed, nothing of it is read or kept.
func TestResetForgets(t *testing.T) {
	dir := t.TempDir()
	s, err := openDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	churn(t, s, 3000)
	update(t, s, func(tx *state.Tx) { tx.Clear() })
	if err := s.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if entries, bytes, size := start(t, dir); entries != 1 || bytes > 10 || size > 1<<20+16<<10 {
		t.Errorf("a start reads %d entries of %d bytes from a file of %d", entries, bytes, size)
	}
}

// Memory follows what is there, also with a subscription whose reader was slow.
func TestMemoryFollowsWhatIsThere(t *testing.T) {
	s, err := openDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sub := state.Subscribe(s, func(c state.Change, _ *state.Snapshot) []string {
		return []string{c.(state.Changed[ecs.Cluster]).Key}
	})
	defer sub.Close()
	read := func() {
		if _, err := sub.Next(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	// What stays is in every measurement. What other goroutines hold for a moment, as a compaction holds its
	// snapshot and its buffers, is not.
	kept := func() uint64 {
		least := heap()
		for range 9 {
			if err := s.Compact(t.Context()); err != nil {
				t.Fatal(err)
			}
			least = min(least, heap())
		}
		return least
	}
	churn(t, s, 1000)
	read()
	before := kept()
	churn(t, s, 30_000)
	read()
	if after := kept(); after > before+2<<20 {
		t.Errorf("the heap went from %d to %d kB with the same rows", before>>10, after>>10)
		var profile bytes.Buffer
		if err := pprof.Lookup("heap").WriteTo(&profile, 1); err != nil {
			t.Fatal(err)
		}
		t.Logf("%.8000s", &profile)
	}
	runtime.KeepAlive(s)
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
