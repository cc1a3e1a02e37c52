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

// rowsLeft is the number of rows after each churn.
const rowsLeft = 100

// churn makes the given number of calls. Each call makes a row and deletes the one that the same client made
// before.
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

// start opens the journal and returns how much the store reads at its start.
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

// What the store reads at its start, and the size of the file, depend on the number of rows and not on the
// number of calls.
func TestStartFollowsWhatIsThere(t *testing.T) {
	const bound = 12 << 20 // twice what the journal may grow by, because it also grows while it is compacted
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

// After all rows were deleted, nothing of them is read at the next start or stored in the file.
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

// Memory depends on the rows that exist, also when a subscription is read slowly.
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
	// Memory that stays in use is in every measurement. Memory that other goroutines use for a moment is not,
	// such as the snapshot and the buffers of a compaction.
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
