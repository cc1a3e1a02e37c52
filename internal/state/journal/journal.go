// Package journal is the narrow durable seam under the state store: an
// append-only log of opaque entries, and a snapshot that stands for the oldest
// of them.
//
// It owns the rules every implementation keeps, and no implementation. Tables,
// keys and encodings are none of its business: it moves bytes that have a
// revision. The package journaltest holds the rules as a test suite; mem and
// bolt pass it.
//
// Revisions count from 1 without gaps. Every entry carries the term of the
// writer that made it, and a term never goes down: a writer that was replaced
// is refused at its next append, whatever it still believes about itself.
package journal

import (
	"context"
	"errors"
	"iter"
)

var (
	// ErrFenced refuses an append or a compaction by a writer of an older term.
	// The writer has been replaced; it must stop writing for good.
	ErrFenced = errors.New("journal: a newer writer has taken over")

	// ErrGap refuses an append whose first revision is not the successor of the
	// newest one in the journal. Another writer got there first, or the caller
	// lost count.
	ErrGap = errors.New("journal: revision does not follow the newest one")

	// ErrEmptySnapshot refuses a compaction without parts.
	ErrEmptySnapshot = errors.New("journal: a snapshot needs at least one part")

	// ErrClosed is returned by every method after Close.
	ErrClosed = errors.New("journal: closed")
)

// Entry is one piece of history.
type Entry struct {
	// Rev is the entry's revision. All parts of a snapshot carry the revision
	// up to which the snapshot stands for history.
	Rev uint64
	// Term is the term of the writer that appended the entry.
	Term uint64
	// Part marks a piece of the snapshot instead of a single change.
	Part bool
	// Data is the caller's own. An implementation copies it before Append
	// returns, and what Replay yields is never written to again.
	Data []byte
}

// Journal keeps entries. Its methods may be called concurrently, but there is
// meant to be one writer; fencing decides when there are two.
type Journal interface {
	// Append makes the entries durable, all of them or, when it returns an
	// error, none that a later Append or Replay of this process would show.
	// (After a failed append a crash may still bring its entries back: a
	// failed write to a disk says little about what is on it.)
	//
	// The entries follow the newest revision without a gap (ErrGap) and share
	// one term, not below the newest (ErrFenced). Cancelling ctx may or may not
	// stop an append under way; the error says whether it happened.
	Append(ctx context.Context, entries []Entry) error

	// Replay yields what happened after the given revision, oldest first. When
	// history has been compacted past that revision, the parts of the snapshot
	// come first, and they replace everything the caller knows. An error ends
	// the sequence. While it lasts, its reader calls no other method.
	Replay(ctx context.Context, after uint64) iter.Seq2[Entry, error]

	// Compact saves the parts, at least one, as the snapshot that stands for
	// history up to rev, and then forgets the entries up to rev. A compaction
	// that fails, or is cut short by a crash, loses nothing: the old snapshot
	// or the new one is in force, with the entries that follow it. Compact is
	// slow by nature and must not keep appends waiting for its whole length;
	// parts may append while it is asked for the next one. A part is good until
	// the next one is asked for.
	//
	// rev is one that was appended (ErrGap) and not below that of the snapshot
	// in force (ErrGap; at the same revision nothing happens). term is not below
	// the newest (ErrFenced).
	Compact(ctx context.Context, rev, term uint64, parts iter.Seq2[[]byte, error]) error

	// Close releases what the journal holds, after the calls under way.
	Close() error
}

// Check tells whether entries may follow the newest entry, which has the given
// revision and term. Implementations share it so that they agree.
func Check(lastRev, lastTerm uint64, entries []Entry) error {
	for _, e := range entries {
		switch {
		case e.Term < lastTerm:
			return ErrFenced
		case e.Rev != lastRev+1:
			return ErrGap
		}
		lastRev, lastTerm = e.Rev, e.Term
	}
	return nil
}
