// Package file is a journal in one file of records with checksums.
//
// An append writes one record, and a new head which says that the records before it are complete,
// with one sync. A compaction writes another file, which begins with the snapshot, and renames it
// over the old one. So the size of the file and the time to read it depend on the state as it is,
// and not on its history.
//
// A checksum covers every byte that matters, and the file says how long it must be. Damage is an
// error that names the file and the offset. If a process or a machine stops, nothing is damaged: at
// most the append in progress is lost, and no caller was told that it succeeded. The format is
// described in frame.go and head.go; decision 0310 says why it is our own.
//
// A directory has the journal in two files. JournalFile has the records. GuardFile has the name and
// format of older versions' journals; it tells those versions that they cannot read this directory,
// and this version that there must be a JournalFile. Its lock keeps a second process out. A
// directory of format 1 is converted when it is opened.
package file

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"sync"

	"github.com/berthhq/berth/internal/state/journal"
)

// ahead is how many bytes of zeros are written after the last record; at least half of them are
// there at any time. A sync of blocks that were written before does not wait for the file system to
// allocate them, and this much can still be appended when the disk is full.
const ahead = 1 << 20

// Journal implements journal.Journal.
type Journal struct {
	dir   string
	owner Owner
	lock  *os.File

	mu      sync.Mutex // guards what follows; held during an append
	f       *os.File
	head    head     // the newest one on the disk
	end     int64    // of the records
	torn    int64    // a failed append may have left bytes between end and here
	unnamed bool     // the name of f may not be on the disk yet
	written bool     // there was an append or a compaction since Open
	saved   snapshot // the current one; its frames are at the beginning of the file
	first   int64    // offset of the first entries
	rev     uint64   // the newest
	term    uint64   // and its term
	closed  bool

	compacting sync.Mutex        // held during Compact
	reached    func(step string) // for tests: called before and after each step; may be nil
}

// Open is OpenFor for a journal of any owner.
func Open(dir string) (*Journal, error) { return OpenFor(dir, Owner{}) }

// OpenFor opens the journal in a directory, which must exist, and creates it if there is none. A
// directory of format 1 is converted first. A journal of another owner is refused and not changed.
func OpenFor(dir string, owner Owner) (*Journal, error) {
	lock, err := acquire(dir, owner.ID)
	if err != nil {
		return nil, fmt.Errorf("journal in %s: %w", dir, err)
	}
	j := &Journal{dir: dir, owner: owner, lock: lock}
	if err := j.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("journal: %w", err), j.lock.Close())
	}
	return j, nil
}

func (j *Journal) path() string { return filepath.Join(j.dir, JournalFile) }

func (j *Journal) guard() string { return filepath.Join(j.dir, GuardFile) }

func (j *Journal) open() (err error) {
	if j.f, err = os.OpenFile(j.path(), os.O_RDWR, 0); err != nil {
		return err
	}
	err = j.load()
	if err == nil {
		err = j.own(j.owner.ID)
	}
	if err != nil {
		return errors.Join(err, j.f.Close())
	}
	return nil
}

// load reads the whole file once, to find its end and to check everything before it.
func (j *Journal) load() error {
	h, _, err := readHead(j.path(), j.f)
	if err != nil {
		return err
	}
	if err := j.owner.check(j.path(), h); err != nil {
		return err
	}
	if j.head = h; j.owner.ID == 0 {
		j.owner.ID = h.owner // a compaction keeps the owner
	}
	r, err := newReader(j.path(), j.f, h)
	if err != nil {
		return err
	}
	j.first = dataStart
	for {
		fr, err := r.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if fr.kind != entriesFrame {
			j.first = fr.end
		}
	}
	j.saved, j.rev, j.term, j.end = r.saved, r.rev, r.term, r.offset
	if j.torn = j.end; r.torn || r.size > h.size {
		j.torn = r.size // the first append overwrites it
	}
	return nil
}

// settle repairs what a failed append or compaction has left: a name that is not on the disk yet,
// and bytes after the end, which it overwrites with zeros.
func (j *Journal) settle() error {
	if j.unnamed {
		if err := syncDir(j.dir); err != nil {
			return err
		}
		j.unnamed = false
	}
	if j.torn <= j.end {
		return nil
	}
	if err := writeZeros(j.f, j.end, j.torn); err != nil {
		return err
	}
	if err := j.f.Sync(); err != nil {
		return err
	}
	j.torn = j.end
	return nil
}

func writeZeros(f *os.File, from, to int64) error {
	zeros := make([]byte, min(to-from, 256<<10))
	for from < to {
		n, err := f.WriteAt(zeros[:min(to-from, int64(len(zeros)))], from)
		if err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}

// Append implements journal.Journal. An append that has begun is not stopped by ctx.
func (j *Journal) Append(ctx context.Context, batch []journal.Entry) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return journal.ErrClosed
	}
	if err := journal.Check(j.rev, j.term, batch); err != nil || len(batch) == 0 {
		return err
	}
	j.step("append: begun")
	if err := j.append(batch); err != nil {
		return err
	}
	j.step("append: committed")
	j.rev, j.term = batch[len(batch)-1].Rev, batch[len(batch)-1].Term
	return nil
}

func (j *Journal) append(batch []journal.Entry) error {
	j.written = true
	if err := j.settle(); err != nil {
		return err
	}
	size := entryHeader * len(batch)
	for _, e := range batch {
		size += len(e.Data)
	}
	if size > maxPayload {
		return fmt.Errorf("an append of %d bytes is larger than the %d that a record can hold", size, maxPayload)
	}
	payload := make([]byte, 0, size)
	for _, e := range batch {
		payload = appendEntry(payload, e)
	}
	record := appendFrame(nil, j.head.number, j.end, entriesFrame, payload)
	end := j.end + int64(len(record))
	if err := j.grow(end); err != nil {
		return err
	}
	j.torn = end // until the append has succeeded
	next := j.head
	next.turn, next.good = next.turn+1, j.end
	if _, err := j.f.WriteAt(record, j.end); err != nil {
		return err
	}
	if err := next.writeTo(j.f); err != nil {
		return err
	}
	if err := datasync(j.f); err != nil {
		return err
	}
	j.head, j.end = next, end
	return nil
}

// maxPayload is the greatest length of a record. It fits the field for the length, and limits what
// a reader allocates.
const maxPayload = 1 << 30

// grow makes sure that the file has zeros up to end and some more. It syncs them, so that a head
// never demands more bytes than there are. On a full disk it writes fewer.
func (j *Journal) grow(end int64) (err error) {
	if end+ahead/2 <= j.head.size {
		return nil
	}
	for _, want := range []int64{end + ahead, (end + headGap - 1) / headGap * headGap} {
		if want <= j.head.size {
			return nil
		}
		if err = writeZeros(j.f, j.head.size, want); err == nil {
			err = j.f.Sync()
		}
		if err == nil {
			j.head.size = want
			return nil
		}
		if truncated := j.f.Truncate(j.head.size); truncated != nil {
			return errors.Join(err, truncated)
		}
	}
	if end <= j.head.size {
		return nil
	}
	return err
}

// Replay implements journal.Journal. It yields the journal as it was when the iteration began.
func (j *Journal) Replay(ctx context.Context, after uint64) iter.Seq2[journal.Entry, error] {
	return func(yield func(journal.Entry, error) bool) {
		f, h, until, saved, err := j.look()
		if err != nil {
			yield(journal.Entry{}, err)
			return
		}
		defer f.Close()
		r, err := newReader(j.path(), f, h)
		if err != nil {
			yield(journal.Entry{}, err)
			return
		}
		r.until = until
		for e, err := range r.history(saved, after) {
			if err == nil && ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// look opens the file once more, to read its present contents whatever is written later.
func (j *Journal) look() (f *os.File, h head, until int64, saved snapshot, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, head{}, 0, snapshot{}, journal.ErrClosed
	}
	f, err = os.Open(j.path())
	return f, j.head, j.end, j.saved, err
}

// Close implements journal.Journal. It writes a head that covers all records, unless nothing was written since Open:
// a caller that cannot read the records, such as an older version of Berth, changes nothing.
func (j *Journal) Close() error {
	j.compacting.Lock()
	defer j.compacting.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil
	}
	j.closed = true
	var err error
	if j.written {
		err = j.settle()
	}
	if j.written && j.head.good < j.end {
		j.head.turn, j.head.good = j.head.turn+1, j.end
		err = errors.Join(err, j.head.writeTo(j.f), j.f.Sync())
	}
	return errors.Join(err, j.f.Close(), j.lock.Close())
}

// Size returns the size of the journal on the disk in bytes.
func (j *Journal) Size() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.head.size
}

func (j *Journal) step(name string) {
	if j.reached != nil {
		j.reached(name)
	}
}

func newNumber() uint32 {
	var b [4]byte
	rand.Read(b[:])
	return binary.LittleEndian.Uint32(b[:])
}
