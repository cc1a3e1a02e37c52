// Package journal defines how the state store makes its changes durable: an append-only log of
// opaque entries, and a snapshot that replaces the oldest of them.
//
// It holds the rules that every implementation keeps, and no implementation. It knows nothing of
// tables, keys and encodings: an entry is bytes with a revision. Package journaltest has the rules
// as a test suite, which mem and file pass.
//
// Revisions count from 1 without gaps. Every entry has the term of the writer that made it, and
// terms never decrease: a writer that was replaced is refused at its next append, whether it knows
// or not.
package journal

import (
	"context"
	"errors"
	"iter"
)

var (
	// ErrFenced is returned for an append or a compaction by a writer of an older term. The writer
	// has been replaced and must stop writing for good.
	ErrFenced = errors.New("journal: a newer writer has taken over")

	// ErrGap is returned for an append whose first revision does not follow the newest one in the
	// journal. Another writer was faster, or the caller lost count.
	ErrGap = errors.New("journal: revision does not follow the newest one")

	// ErrEmptySnapshot is returned for a compaction without parts.
	ErrEmptySnapshot = errors.New("journal: a snapshot needs at least one part")

	// ErrClosed is returned by every method after Close.
	ErrClosed = errors.New("journal: closed")
)

// Entry is one change, or one part of a snapshot.
type Entry struct {
	// Rev is the entry's revision. All parts of a snapshot have the revision up to which the
	// snapshot replaces the entries.
	Rev uint64
	// Term is the term of the writer that appended the entry.
	Term uint64
	// Part says that the entry is a part of a snapshot and not a change.
	Part bool
	// Data belongs to the caller. An implementation copies it before Append returns, and never
	// writes to what Replay yields.
	Data []byte
}

// Journal stores entries. Its methods may be called concurrently. There should be one writer; if
// there are two, terms decide which one is refused.
type Journal interface {
	// Append makes the entries durable. If it returns an error, no later Append or Replay of this
	// process shows any of them. (A crash after a failed append may still bring its entries back: a
	// failed write to a disk says little about what is on it.)
	//
	// The entries must follow the newest revision without a gap (ErrGap) and share one term, not
	// below the newest (ErrFenced). Cancelling ctx may or may not stop an append in progress; the
	// error says whether it happened.
	Append(ctx context.Context, entries []Entry) error

	// Replay yields the entries after the given revision, the oldest first. If entries after that
	// revision have been compacted, the parts of the snapshot come first, and they replace
	// everything the caller has. An error ends the sequence. During the sequence its reader must
	// not call other methods.
	Replay(ctx context.Context, after uint64) iter.Seq2[Entry, error]

	// Compact stores the parts, of which there must be at least one, as the snapshot that replaces
	// the entries up to rev, and then deletes those. A compaction that fails, or is interrupted by
	// a crash, loses nothing: either the old or the new snapshot is used, with the entries that
	// follow it. Compact is slow, and must not hold up appends all the while; parts itself may
	// append between two parts. A part is valid until the next one is requested.
	//
	// rev must have been appended (ErrGap) and not be below that of the current snapshot (ErrGap;
	// at the same revision nothing happens). term must not be below the newest (ErrFenced).
	Compact(ctx context.Context, rev, term uint64, parts iter.Seq2[[]byte, error]) error

	// Close waits for calls in progress and releases the journal's resources.
	Close() error
}

// Check returns an error if the entries may not follow the newest entry, which has the given
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
