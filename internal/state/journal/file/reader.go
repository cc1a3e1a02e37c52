package file

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"os"

	"github.com/berthhq/berth/internal/state/journal"
)

// reader reads a journal file from its beginning. It checks that each frame is where it must be and
// that nothing is missing.
type reader struct {
	frames
	good  int64 // the head says that the frames up to here are complete
	until int64 // if not 0, stop here

	saved snapshot // set once its frame has been read
	parts uint64
	rev   uint64 // revision of the newest entry that was read, or of the snapshot
	term  uint64 // its term
	least uint64 // the least term of the next entry; that of the snapshot may be higher
	torn  bool   // after the end there is what a crash left of an append
}

func newReader(path string, f *os.File, h head) (*reader, error) {
	size, err := checkSize(f, h)
	if err != nil {
		return nil, err
	}
	return &reader{frames: frames{path: path, r: f, size: size, number: h.number, offset: dataStart}, good: h.good}, nil
}

// next reads the next frame. At the end of the acknowledged records it returns io.EOF.
func (r *reader) next() (frame, error) {
	if r.until > 0 && r.offset >= r.until {
		return frame{}, io.EOF
	}
	fr, err := r.frames.next()
	if err == io.EOF || errors.Is(err, errTorn) {
		return frame{}, r.atEnd(err)
	}
	if err != nil {
		return frame{}, err
	}
	if problem := r.follows(fr); problem != "" {
		return frame{}, &Damage{r.path, fr.offset, problem}
	}
	return fr, nil
}

// atEnd returns io.EOF at the end of the records, and damage if records are missing.
func (r *reader) atEnd(reason error) error {
	switch {
	case r.offset < r.good && errors.Is(reason, errTorn):
		return r.damaged("a part of a record is missing")
	case r.offset < r.good:
		return r.damaged("records are missing; there should be some up to offset %d", r.good)
	case r.parts != r.saved.parts:
		return r.damaged("the end of the snapshot is missing")
	}
	r.torn = r.torn || errors.Is(reason, errTorn)
	if r.torn {
		return io.EOF
	}
	clean, err := r.restIsZero()
	if err != nil {
		return err
	}
	r.torn = !clean
	return io.EOF
}

func (r *reader) restIsZero() (bool, error) {
	buf := make([]byte, min(windowSize, r.size))
	for at := r.offset; at < r.size; at += int64(len(buf)) {
		if err := readFull(r.r, buf, at); err != nil {
			return false, err
		}
		if !zero(buf) {
			return false, nil
		}
	}
	return true, nil
}

// follows takes in a frame, and returns what is wrong with its place, if anything.
func (r *reader) follows(fr frame) (problem string) {
	started := r.saved.parts > 0 || r.rev > 0
	switch fr.kind {
	case partFrame:
		if started {
			return "a part of the snapshot follows its end"
		}
		r.parts++
	case snapshotEnd:
		s, ok := readSnapshot(fr.payload)
		if !ok || started || s.parts != r.parts || s.parts == 0 || s.rev == 0 {
			return "the snapshot does not have as many parts as its end says"
		}
		r.saved, r.rev, r.term = s, s.rev, s.term
	case entriesFrame:
		if r.parts != r.saved.parts {
			return "entries begin before the end of the snapshot"
		}
		all, ok := entries(fr.payload)
		if !ok || journal.Check(r.rev, r.least, all) != nil {
			return "its entries do not follow the ones before"
		}
		r.rev, r.term = all[len(all)-1].Rev, all[len(all)-1].Term
		r.least = r.term
	default:
		return "this version does not know the kind of the record"
	}
	return ""
}

// history yields the contents of the journal after a revision. in is the current snapshot.
func (r *reader) history(in snapshot, after uint64) iter.Seq2[journal.Entry, error] {
	return func(yield func(journal.Entry, error) bool) {
		for {
			fr, err := r.next()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(journal.Entry{}, err)
				return
			}
			for _, e := range fr.contents(in, after) {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// contents returns copies of the frame's entries after a revision, or of the part that it is.
func (fr frame) contents(in snapshot, after uint64) []journal.Entry {
	switch {
	case fr.kind == partFrame && in.rev > after:
		return []journal.Entry{{Rev: in.rev, Term: in.term, Part: true, Data: bytes.Clone(fr.payload)}}
	case fr.kind != entriesFrame:
		return nil
	}
	all, _ := entries(bytes.Clone(fr.payload)) // the frame was checked when it was read
	for len(all) > 0 && all[0].Rev <= after {
		all = all[1:]
	}
	return all
}
