package file

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"os"

	"github.com/berthhq/berth/internal/state/journal"
	"github.com/berthhq/berth/internal/state/journal/bolt"
)

// Check reads the whole journal in a directory that no process has open. It calls report for each
// damaged place, and if the journal has another owner, and yields the entries that are intact. It
// changes nothing. A journal of format 1 is an error, since that format has no checksums.
func Check(dir string, owner Owner, report func(error)) iter.Seq[journal.Entry] {
	return func(yield func(journal.Entry) bool) {
		j := &Journal{dir: dir}
		f, err := os.Open(j.path())
		if err != nil {
			report(err)
			return
		}
		defer f.Close()
		h, copies, err := readHead(j.path(), f)
		for _, damage := range copies {
			report(damage)
		}
		if err != nil {
			report(err)
			return
		}
		if err := owner.check(j.path(), h); err != nil {
			report(err)
		}
		if _, err := checkSize(f, h); err != nil {
			report(err)
		}
		info, err := f.Stat()
		if err != nil {
			report(err)
			return
		}
		r := &reader{frames: frames{
			path: j.path(), r: f, size: info.Size(), number: h.number, offset: dataStart,
		}, good: h.good}
		r.check(report, yield)
	}
}

func (r *reader) check(report func(error), yield func(journal.Entry) bool) {
	var parts []journal.Entry
	for {
		fr, err := r.next()
		if err == io.EOF {
			return
		}
		if err != nil {
			report(err)
			if _, ok := errors.AsType[*Damage](err); !ok || !r.resume() {
				return
			}
			continue
		}
		found := fr.contents(r.saved, 0)
		switch fr.kind {
		case partFrame: // their revision follows them
			parts = append(parts, journal.Entry{Part: true, Data: bytes.Clone(fr.payload)})
		case snapshotEnd:
			found, parts = parts, nil
		}
		for _, e := range found {
			if !yield(e) {
				return
			}
		}
	}
}

// resume continues at the next intact record after the reported place.
func (r *reader) resume() bool {
	h := make([]byte, headerSize)
	for at := r.offset + frameAlign; at < r.size; at += frameAlign {
		if r.read(h, at) != nil {
			return false
		}
		if string(h[:4]) != frameMagic || crc32.Checksum(h[:28], castagnoli) != binary.LittleEndian.Uint32(h[28:]) ||
			binary.LittleEndian.Uint64(h[16:]) != uint64(at) || binary.LittleEndian.Uint32(h[24:]) != r.number {
			continue
		}
		fr := frames{path: r.path, r: r.r, size: r.size, number: r.number, offset: at}
		next, err := fr.next()
		if err != nil {
			continue
		}
		r.offset = at
		r.expect(next)
		return true
	}
	return false
}

// expect makes the reader accept a frame as the next one.
func (r *reader) expect(fr frame) {
	switch fr.kind {
	case snapshotEnd:
		if s, ok := readSnapshot(fr.payload); ok {
			r.parts = s.parts
		}
	case entriesFrame:
		r.saved.parts = r.parts
		if all, ok := entries(fr.payload); ok && len(all) > 0 {
			r.rev, r.least = all[0].Rev-1, all[0].Term
		}
	}
}

// Copy returns the journal as it is now, as a separate file, and its size. The caller must close
// it.
func (j *Journal) Copy() (io.ReadCloser, int64, error) {
	f, h, end, _, err := j.look()
	if err != nil {
		return nil, 0, err
	}
	h.good, h.size = end, end
	start := make([]byte, dataStart)
	older := h
	older.turn++
	copy(start[h.place():], h.bytes())
	copy(start[older.place():], older.bytes())
	r := io.MultiReader(bytes.NewReader(start), io.NewSectionReader(f, dataStart, end-dataStart))
	return struct {
		io.Reader
		io.Closer
	}{r, f}, end, nil
}

// FormatOf returns the format of the journal in a directory, as GuardFile has it.
func FormatOf(dir string) (string, error) {
	lock, err := lockFile((&Journal{dir: dir}).guard())
	if err != nil {
		return "", fmt.Errorf("%s: %w", dir, err)
	}
	defer lock.Close()
	f, err := bolt.Read(lock.Name())
	if err != nil {
		return "", err
	}
	return f.Format()
}
