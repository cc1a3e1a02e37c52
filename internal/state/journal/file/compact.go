package file

import (
	"bufio"
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"

	"github.com/berthhq/berth/internal/state/journal"
)

// Compact implements journal.Journal. It writes the parts and the entries after them to a new file,
// which then replaces the old one. Appends wait only while the last few entries are copied.
func (j *Journal) Compact(ctx context.Context, rev, term uint64, parts iter.Seq2[[]byte, error]) error {
	j.compacting.Lock()
	defer j.compacting.Unlock()
	current, err := j.mayCompact(rev, term)
	if err != nil || current == rev {
		return err
	}
	w, err := newWriter(j.path()+".new", j.owner.ID)
	if err != nil {
		return err
	}
	if err := j.compact(ctx, w, snapshot{rev: rev, term: term}, parts); err != nil {
		if w.f != j.f {
			err = errors.Join(err, w.abandon())
		}
		return err
	}
	j.step("compact: in force")
	return nil
}

// mayCompact checks the caller's revision and term, and returns the revision of the current
// snapshot.
func (j *Journal) mayCompact(rev, term uint64) (current uint64, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.closed:
		return 0, journal.ErrClosed
	case term < j.term:
		return 0, journal.ErrFenced
	case rev < j.saved.rev || rev > j.rev:
		return 0, journal.ErrGap
	}
	return j.saved.rev, nil
}

func (j *Journal) compact(ctx context.Context, w *writer, s snapshot, parts iter.Seq2[[]byte, error]) error {
	for data, err := range parts {
		if err = errors.Join(err, context.Cause(ctx)); err != nil {
			return err
		}
		if err := w.frame(partFrame, data); err != nil {
			return err
		}
		s.parts++
		j.step("compact: parts written")
	}
	if s.parts == 0 {
		return journal.ErrEmptySnapshot
	}
	if err := w.frame(snapshotEnd, s.payload()); err != nil {
		return err
	}
	first := w.offset
	tail := j.tail(w, s.rev)
	if err := tail.catchUp(ctx); err != nil {
		return err
	}
	j.step("compact: staged")
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return journal.ErrClosed
	}
	if err := tail.copyUntil(j.end); err != nil {
		return err
	}
	h, err := w.finish()
	if err != nil {
		return err
	}
	j.step("compact: complete")
	if err := os.Rename(w.f.Name(), j.path()); err != nil {
		return err
	}
	old := j.f
	j.f, j.head, j.end, j.torn, j.saved, j.first = w.f, h, w.offset, w.offset, s, first
	j.unnamed, j.written = true, true
	return errors.Join(old.Close(), j.settle())
}

// tail copies the entries after a snapshot from the current file to a new one.
type tail struct {
	j      *Journal
	w      *writer
	after  uint64
	number uint32 // number of the current file
	from   int64  // offset in it
}

func (j *Journal) tail(w *writer, after uint64) *tail {
	j.mu.Lock()
	defer j.mu.Unlock()
	return &tail{j: j, w: w, after: after, number: j.head.number, from: j.first}
}

// littleLeft is how many bytes may be copied while appends wait.
const littleLeft = 256 << 10

// catchUp copies until at most littleLeft bytes are left, and syncs what it copied.
func (t *tail) catchUp(ctx context.Context) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		t.j.mu.Lock()
		end := t.j.end
		t.j.mu.Unlock()
		if end-t.from < littleLeft {
			return t.w.sync()
		}
		if err := t.copyUntil(end); err != nil {
			return err
		}
	}
}

func (t *tail) copyUntil(end int64) error {
	fr := frames{path: t.j.path(), r: t.j.f, size: end, number: t.number, offset: t.from}
	for fr.offset < end {
		got, err := fr.next()
		if err != nil {
			return err
		}
		var payload []byte
		for _, e := range got.contents(snapshot{}, t.after) {
			payload = appendEntry(payload, e)
		}
		if len(payload) == 0 {
			continue
		}
		if err := t.w.frame(entriesFrame, payload); err != nil {
			return err
		}
	}
	t.from = end
	return nil
}

// writer writes a new journal file from its beginning.
type writer struct {
	f      *os.File
	buf    *bufio.Writer
	number uint32
	owner  uint32
	offset int64
	scrap  []byte
}

func newWriter(path string, owner uint32) (*writer, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	w := &writer{f: f, number: newNumber(), owner: owner, buf: bufio.NewWriterSize(f, 256<<10)}
	w.offset = dataStart
	if _, err := w.buf.Write(make([]byte, dataStart)); err != nil {
		return nil, errors.Join(err, w.abandon())
	}
	return w, nil
}

func (w *writer) frame(kind byte, payload []byte) error {
	w.scrap = appendFrame(w.scrap[:0], w.number, w.offset, kind, payload)
	w.offset += int64(len(w.scrap))
	_, err := w.buf.Write(w.scrap)
	return err
}

func (w *writer) sync() error { return errors.Join(w.buf.Flush(), w.f.Sync()) }

// finish writes zeros after the records and both copies of the head, and syncs.
func (w *writer) finish() (h head, err error) {
	h = head{number: w.number, owner: w.owner, turn: 2, good: w.offset, size: w.offset + ahead}
	if err := w.buf.Flush(); err != nil {
		return h, err
	}
	// a disk without room for the zeros may still have enough for the records
	if writeZeros(w.f, w.offset, h.size) != nil {
		h.size = w.offset
		if err := w.f.Truncate(h.size); err != nil {
			return h, err
		}
	}
	older := h
	older.turn--
	if err := errors.Join(older.writeTo(w.f), h.writeTo(w.f)); err != nil {
		return h, err
	}
	return h, w.f.Sync()
}

// abandon removes the file. It is no error if the file does not exist.
func (w *writer) abandon() error {
	err := os.Remove(w.f.Name())
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, w.f.Close())
}

// replace renames a synced file and syncs the directory.
func replace(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
