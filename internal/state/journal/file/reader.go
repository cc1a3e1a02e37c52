package file

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"os"

	"github.com/berthhq/berth/internal/state/journal"
)

// reader reads a journal file from its beginning, and checks that each frame is where it must be
// and that nothing is missing.
type reader struct {
	frames
	good  int64 // the head vouches for the frames up to here
	until int64 // stop here when it is not 0

	saved snapshot // once its frame has been read
	parts uint64
	rev   uint64 // of the newest entry that was read, or of the snapshot
	term  uint64 // likewise
	least uint64 // what the term of the next entry must be; the snapshot's may be a later one
	torn  bool   // behind the end lies what a crash left of an append
}

func newReader(path string, f *os.File, h head) (*reader, error) {
	size, err := checkSize(f, h)
	if err != nil {
		return nil, err
	}
	return &reader{frames: frames{path: path, r: f, size: size, number: h.number, offset: dataStart}, good: h.good}, nil
}

// next reads the next frame, or returns io.EOF at the end of what is acknowledged.
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

// atEnd tells the end of the records from records that are missing.
func (r *reader) atEnd(reason error) error {
	switch {
	case r.offset < r.good && errors.Is(reason, errTorn):
		return r.damaged("a part of a record is missing")
	case r.offset < r.good:
		return r.damaged("records are missing; they go on up to offset %d", r.good)
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

// follows takes a frame in and says what is wrong with its place, if anything.
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
			return "the snapshot does not have the parts that its end counts"
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
		return "the record is of a kind that this version does not know"
	}
	return ""
}

// history yields what the journal holds after a revision. in is the snapshot in force.
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

// contents are the entries of a frame after a revision, or the part that it is. They are copies.
func (fr frame) contents(in snapshot, after uint64) []journal.Entry {
	switch {
	case fr.kind == partFrame && in.rev > after:
		return []journal.Entry{{Rev: in.rev, Term: in.term, Part: true, Data: bytes.Clone(fr.payload)}}
	case fr.kind != entriesFrame:
		return nil
	}
	all, _ := entries(bytes.Clone(fr.payload)) // it was checked when the frame was read
	for len(all) > 0 && all[0].Rev <= after {
		all = all[1:]
	}
	return all
}
