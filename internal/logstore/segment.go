package logstore

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// segment is a file of records, and a summary of it. All segments of a group except the last are sealed: they
// never change and have an index file, so opening a group reads only its last segment.
type segment struct {
	id     uint64
	path   string
	salt   string  // of the file's head, as in the list
	first  uint64  // no event has a lower sequence number
	listed *listed // the list's entry when the group was opened, nil if there was none

	// The following are guarded by the group's mutex while the segment is the last one.
	size    int64 // how much of the file is valid and durable
	last    uint64
	streams map[string]span
	head    fileHead // of the last segment; others read theirs again

	logged atomic.Bool // its damage was logged
}

// span summarises the events of a stream in a segment or a group.
type span struct {
	First, Last  int64 // times of the earliest and latest event, milliseconds since 1970
	LastIngested int64
	Bytes        int64 // of messages, and 26 for each event, as CloudWatch Logs counts
	Events       int64
}

// Overhead is the number of bytes that CloudWatch Logs adds for each message.
const Overhead = 26

func (s span) join(o span) span {
	if s.Events == 0 {
		return o
	}
	return span{min(s.First, o.First), max(s.Last, o.Last), max(s.LastIngested, o.LastIngested),
		s.Bytes + o.Bytes, s.Events + o.Events}
}

func newSegment(dir string, id uint64) *segment {
	return &segment{id: id, path: segmentPath(dir, id), streams: make(map[string]span)}
}

func segmentPath(dir string, id uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016d.seg", id))
}

// note adds a batch that is in the file.
func (s *segment) note(b *batch, end int64) {
	var n span
	for _, e := range b.events {
		n = n.join(span{e.Time, e.Time, b.ingested, int64(len(e.Message)) + Overhead, 1})
	}
	s.streams[b.stream] = s.streams[b.stream].join(n)
	s.size = end
	s.last = max(s.last, b.first+uint64(len(b.events))-1)
}

// span summarises the selected streams.
func (s *segment) span(wanted func(string) bool) span {
	var sum span
	for id, sp := range s.streams {
		if wanted(id) {
			sum = sum.join(sp)
		}
	}
	return sum
}

// create creates the file with its head, durably.
func (s *segment) create() (*os.File, error) {
	os.Remove(s.indexPath()) // of an earlier segment with this name
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	start := append([]byte(magic), make([]byte, saltSize)...)
	rand.Read(start[len(magic):])
	_, err = f.Write(start)
	if err = errors.Join(err, f.Sync(), syncDir(filepath.Dir(s.path))); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(s.path))
	}
	s.head, err = readHead(f)
	s.size, s.salt = s.head.size, s.head.salt
	return f, err
}

// scan reads the whole file. It returns the damage it found, joined; s.size is the end of the last complete
// record.
func (s *segment) scan() error {
	s.size, s.streams = 0, make(map[string]span)
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if s.head, err = readHead(f); err != nil {
		return err
	}
	s.size, s.salt = s.head.size, s.head.salt
	return records(f, info.Size(), func(b *batch, end int64) error {
		s.note(b, end)
		return nil
	})
}

// each calls fn for the batches of the file's first size bytes.
func (s *segment) each(size int64, fn func(*batch) error) error {
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	return records(f, size, func(b *batch, _ int64) error { return fn(b) })
}

// index is the summary that is stored beside a sealed segment. It can be created again at any time.
type index struct {
	Size    int64
	Last    uint64
	Streams map[string]span
}

func (s *segment) indexPath() string { return strings.TrimSuffix(s.path, ".seg") + ".idx" }

func (s *segment) writeIndex() error {
	text, err := withSum(index{s.size, s.last, s.streams})
	if err != nil {
		return err
	}
	return os.WriteFile(s.indexPath(), text, 0o600)
}

// readIndex reports whether there is a usable index.
func (s *segment) readIndex() bool {
	var i index
	if readSummed(s.indexPath(), &i) != nil || i.Streams == nil {
		return false
	}
	if st, err := os.Stat(s.path); err != nil || st.Size() < i.Size {
		return false
	}
	s.size, s.last, s.streams = i.Size, i.Last, i.Streams
	return true
}

func (s *segment) remove() error {
	os.Remove(s.indexPath()) // without its segment an index is never read
	return os.Remove(s.path)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
