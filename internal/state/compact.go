package state

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/berthhq/berth/internal/state/journal"
)

// compactAt is the number of bytes of changes in the journal from which it is compacted. If the
// last snapshot was large, it is compacted when the changes have grownPerSaved times that size, so that
// the work stays in proportion to what is written. The journal is at most that much larger than the state.
const (
	compactAt     = 4 << 20
	grownPerSaved = 2
)

// compaction counts what the journal holds. Its fields belong to the committer, except busy and
// saved.
type compaction struct {
	grown int64 // bytes of changes since the last snapshot
	saved atomic.Int64
	busy  atomic.Bool
}

// read counts an entry that was replayed.
func (c *compaction) read(e journal.Entry) {
	if e.Part {
		c.saved.Add(int64(len(e.Data)))
	} else {
		c.grown += int64(len(e.Data))
	}
}

// compactIfLarge counts entries that were appended, and starts a compaction in a goroutine when the
// journal has grown large. A compaction that fails loses nothing; the next one starts when the
// journal has grown by the same amount again.
func (s *Store) compactIfLarge(entries []journal.Entry) {
	c := &s.compaction
	for _, e := range entries {
		c.grown += int64(len(e.Data))
	}
	if c.grown < max(compactAt, grownPerSaved*c.saved.Load()) || !c.busy.CompareAndSwap(false, true) {
		return
	}
	c.grown = 0
	snap := s.durable.Load()
	s.running.Go(func() {
		defer c.busy.Store(false)
		if err := s.compact(s.open, snap); err != nil && !errors.Is(err, ErrClosed) {
			s.log.Warn("state: the journal could not be compacted; it keeps growing", "rev", snap.Rev, "err", err)
		}
	})
}

// Compact compacts the journal and returns when that is done. It is for callers that have deleted
// much; otherwise the store compacts by itself.
func (s *Store) Compact(ctx context.Context) error {
	return s.compact(ctx, s.View())
}

func (s *Store) compact(ctx context.Context, snap *Snapshot) error {
	var size int64
	err := s.journal.Compact(ctx, snap.Rev, s.term, func(yield func([]byte, error) bool) {
		for part, err := range snap.parts() {
			size += int64(len(part))
			if !yield(part, err) {
				return
			}
		}
	})
	switch {
	case errors.Is(err, journal.ErrGap): // a later snapshot has already been written
		return nil
	case err != nil:
		return err
	}
	s.compaction.saved.Store(size)
	s.log.Debug("state: journal compacted", "rev", snap.Rev, "bytes", size)
	return nil
}
