package sim

import (
	"context"
	"iter"
	"sync"

	"github.com/berthhq/berth/internal/state/journal"
)

// forgetful is a journal that stores nothing, because the state of a simulation is never loaded.
type forgetful struct {
	mu   sync.Mutex
	rev  uint64
	term uint64
}

// Append implements journal.Journal.
func (j *forgetful) Append(ctx context.Context, entries []journal.Entry) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := journal.Check(j.rev, j.term, entries); err != nil {
		return err
	}
	for _, e := range entries {
		j.rev, j.term = e.Rev, e.Term
	}
	return nil
}

// Replay implements journal.Journal.
func (j *forgetful) Replay(context.Context, uint64) iter.Seq2[journal.Entry, error] {
	return func(func(journal.Entry, error) bool) {}
}

// Compact implements journal.Journal.
func (j *forgetful) Compact(context.Context, uint64, uint64, iter.Seq2[[]byte, error]) error {
	return nil
}

// Close implements journal.Journal.
func (j *forgetful) Close() error { return nil }
