// Package mem is a journal in memory, for tests and simulations.
//
// It keeps every rule of package journal except outliving the process. Several
// stores may be opened on one journal one after the other, as if the process
// had been restarted.
package mem

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"sync"

	"github.com/berthhq/berth/internal/state/journal"
)

// Journal implements journal.Journal. The zero value is empty and ready to use.
type Journal struct {
	mu      sync.Mutex // guards everything below
	entries []journal.Entry
	parts   []journal.Entry
	rev     uint64
	term    uint64
	closed  bool
}

// New returns an empty journal.
func New() *Journal { return new(Journal) }

// Append implements journal.Journal. It never waits.
func (j *Journal) Append(ctx context.Context, entries []journal.Entry) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return journal.ErrClosed
	}
	if err := journal.Check(j.rev, j.term, entries); err != nil {
		return err
	}
	for _, e := range entries {
		e.Data, e.Part = bytes.Clone(e.Data), false
		j.entries = append(j.entries, e)
		j.rev, j.term = e.Rev, e.Term
	}
	return nil
}

// Replay implements journal.Journal. It shows the journal as it was when the
// iteration began.
func (j *Journal) Replay(ctx context.Context, after uint64) iter.Seq2[journal.Entry, error] {
	return func(yield func(journal.Entry, error) bool) {
		history, err := j.history(after)
		if err != nil {
			yield(journal.Entry{}, err)
			return
		}
		for _, e := range history {
			if err := context.Cause(ctx); err != nil {
				yield(journal.Entry{}, err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (j *Journal) history(after uint64) ([]journal.Entry, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, journal.ErrClosed
	}
	var history []journal.Entry
	if len(j.parts) > 0 && j.parts[0].Rev > after {
		history = append(history, j.parts...)
	}
	for _, e := range j.entries {
		if e.Rev > after {
			history = append(history, e)
		}
	}
	return history, nil
}

// Compact implements journal.Journal.
func (j *Journal) Compact(ctx context.Context, rev, term uint64, parts iter.Seq2[[]byte, error]) error {
	var saved []journal.Entry
	for data, err := range parts {
		if err = errors.Join(err, context.Cause(ctx)); err != nil {
			return err
		}
		saved = append(saved, journal.Entry{Rev: rev, Term: term, Part: true, Data: bytes.Clone(data)})
	}
	if len(saved) == 0 {
		return errors.New("journal: a snapshot needs at least one part")
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.closed:
		return journal.ErrClosed
	case term < j.term:
		return journal.ErrFenced
	case rev > j.rev || len(j.parts) > 0 && rev < j.parts[0].Rev:
		return journal.ErrGap
	}
	j.parts = saved
	j.entries = slices.DeleteFunc(slices.Clone(j.entries), func(e journal.Entry) bool { return e.Rev <= rev })
	return nil
}

// Close implements journal.Journal. Reopen brings the journal back.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	return nil
}

// Reopen makes a closed journal usable again with what it held, as opening the
// same file would.
func (j *Journal) Reopen() *Journal {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = false
	return j
}
