// Package mem is a journal in memory, for tests and simulations.
//
// It keeps every rule of package journal except that it does not outlive the process. Several
// stores may be opened on one journal one after the other, as if the process had been restarted.
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
	compacting sync.Mutex // held during Compact

	mu      sync.Mutex // guards what follows
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

// Replay implements journal.Journal. It yields the journal as it was when the iteration began.
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
	j.compacting.Lock()
	defer j.compacting.Unlock()
	if current, err := j.mayCompact(rev, term); err != nil || current == rev {
		return err
	}
	var saved []journal.Entry
	for data, err := range parts {
		if err = errors.Join(err, context.Cause(ctx)); err != nil {
			return err
		}
		saved = append(saved, journal.Entry{Rev: rev, Term: term, Part: true, Data: bytes.Clone(data)})
	}
	if len(saved) == 0 {
		return journal.ErrEmptySnapshot
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.parts = saved
	j.entries = slices.DeleteFunc(slices.Clone(j.entries), func(e journal.Entry) bool { return e.Rev <= rev })
	return nil
}

// mayCompact checks the caller's revision and term, and returns the revision of the current
// snapshot.
func (j *Journal) mayCompact(rev, term uint64) (current uint64, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.parts) > 0 {
		current = j.parts[0].Rev
	}
	switch {
	case j.closed:
		return 0, journal.ErrClosed
	case term < j.term:
		return 0, journal.ErrFenced
	case rev < current || rev > j.rev:
		return 0, journal.ErrGap
	}
	return current, nil
}

// Close implements journal.Journal. After Reopen the journal can be used again.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	return nil
}

// Reopen makes a closed journal usable again with its contents, as opening the same file would.
func (j *Journal) Reopen() *Journal {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = false
	return j
}
