package state_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// slow is a journal in which each compaction waits until the test sends to permit. It fails with what was
// sent unless that is nil.
type slow struct {
	*mem.Journal
	permit  chan error
	started atomic.Int32
}

func (j *slow) Compact(ctx context.Context, rev, term uint64, parts iter.Seq2[[]byte, error]) error {
	j.started.Add(1)
	select {
	case err := <-j.permit:
		if err != nil {
			return err
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return j.Journal.Compact(ctx, rev, term, parts)
}

// grow writes 9 MB, which is more than the store writes between two compactions.
func grow(t *testing.T, s *state.Store) {
	t.Helper()
	for n := range 9 {
		update(t, s, func(tx *state.Tx) {
			v := cluster(0) // always the same row, so that the state stays small
			v.Status = strings.Repeat(string(rune('a'+n)), 1<<20)
			if old, ok := tx.Clusters.Get(v.ClusterARN); ok && old.Status[0] == v.Status[0] {
				v.Status += "!"
			}
			tx.Clusters.Put(v)
		})
	}
}

// history returns how many parts of a snapshot and how many entries are in the journal.
func history(t *testing.T, j journal.Journal) (parts, entries int) {
	t.Helper()
	for e, err := range j.Replay(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Part {
			parts++
		} else {
			entries++
		}
	}
	return parts, entries
}

func TestJournalIsCompactedBesideTheWritePath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &slow{Journal: mem.New(), permit: make(chan error)}
		s := open(t, j)
		grow(t, s)
		synctest.Wait()
		if n := j.started.Load(); n != 1 {
			t.Fatalf("%d compactions after 9 MB, want 1", n)
		}
		grow(t, s) // updates continue during the compaction, and no second one starts
		if n := j.started.Load(); n != 1 {
			t.Errorf("%d compactions at once", n)
		}
		j.permit <- nil
		synctest.Wait()
		if parts, entries := history(t, j); parts == 0 || entries != 14 {
			t.Errorf("after the compaction: %d parts and %d entries; want the snapshot of the first 4 and "+
				"what followed it", parts, entries)
		}
		live := s.View()
		j.permit = nil
		s.Close()
		s = open(t, j.Reopen())
		if got := s.View(); got.Rev != live.Rev || got.Dump() != live.Dump() {
			t.Errorf("replayed revision %d, live was %d", got.Rev, live.Rev)
		}
	})
}

func TestCompactionThatFailsIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &slow{Journal: mem.New(), permit: make(chan error)}
		s := open(t, j)
		grow(t, s)
		j.permit <- errors.New("no space for a second copy")
		synctest.Wait()
		if parts, entries := history(t, j); parts != 0 || entries != 9 {
			t.Errorf("%d parts and %d entries, want none and 9", parts, entries)
		}
		grow(t, s)
		j.permit <- nil
		synctest.Wait()
		if parts, _ := history(t, j); parts == 0 {
			t.Error("never compacted")
		}
	})
}

func TestCloseStopsACompaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &slow{Journal: mem.New(), permit: make(chan error)}
		s := open(t, j)
		grow(t, s)
		synctest.Wait()
		if err := s.Close(); err != nil || j.started.Load() != 1 {
			t.Errorf("Close: %v with %d compactions under way", err, j.started.Load())
		}
	})
}
