package logstore

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// group is a directory of segments.
type group struct {
	dir   string
	limit Limits
	log   *slog.Logger
	used  *atomic.Int64            // counts bytes for the store
	free  func(enough func() bool) // the store's MakeRoom

	listing sync.Mutex // held while the list is written and while files are removed; locked before mu

	mu       sync.Mutex // guards what follows; not held during disk operations, except in open
	opened   bool
	segments []*segment // by id; the last one is written to when file is not nil
	file     *os.File
	mark     *os.File // high-water mark; nil while file is nil, or if it could not be opened
	turn     uint64   // which copy of the mark to write next; only the writer uses it
	unsaved  bool     // the list on disk lacks the last segment; only the writer uses it
	lost     []listed // segments that are in the list but missing
	newest   uint64   // the highest segment id so far
	next     uint64   // sequence number of the next event
	waiting  *flush   // batches for the next write, nil if there are none
	writing  bool     // a caller is writing
	changed  chan struct{}
	closed   bool
}

// flush is a set of batches that are written together.
type flush struct {
	batches []*batch
	done    chan struct{}
	err     error // set before done is closed
}

// openLocked reads the directory, once.
func (g *group) openLocked() error {
	if g.closed {
		return ErrClosed
	}
	if g.opened {
		return nil
	}
	entries, err := os.ReadDir(g.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	g.segments, g.lost, g.newest, g.next = nil, nil, 0, 1
	if missing, err := g.missingDirectory(); err != nil {
		return err
	} else if missing {
		g.log.Error("the directory of a log group is missing; its events cannot be read", "directory", g.dir)
		g.lost = []listed{lostDirectory}
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".seg")
		id, err := strconv.ParseUint(name, 10, 64)
		if !ok || err != nil {
			continue
		}
		g.segments = append(g.segments, newSegment(g.dir, id))
	}
	slices.SortFunc(g.segments, func(a, b *segment) int { return cmp.Compare(a.id, b.id) })
	if n := len(g.segments); n > 0 {
		g.newest = max(g.newest, g.segments[n-1].id)
	}
	if err := g.compare(); err != nil {
		return err
	}
	first := uint64(1)
	for i, s := range g.segments {
		if err := g.learn(s, i == len(g.segments)-1); err != nil {
			return err
		}
		s.first = first
		if s.listed != nil {
			s.first, s.salt = s.listed.First, s.listed.Salt
		} else if s.salt == "" && s.readSalt() != nil {
			s.salt = "" // the file has no head; learn has logged that
		}
		first = max(first, s.last+1)
	}
	g.next = max(g.next, first)
	g.opened, g.unsaved = true, true
	return nil
}

// learn reads what a segment contains. It skips damage and does not change the file. Only a last segment
// without damage is written to again.
func (g *group) learn(s *segment, last bool) error {
	if !last && s.readIndex() {
		return nil
	}
	err := s.scan()
	if short := g.cutShort(s); err == nil {
		err = short
	}
	switch {
	case errors.Is(err, errDamaged):
		s.logged.Store(true)
		g.log.Warn("a log segment has damaged bytes, as after a crash; the records before and  "+
			"behind them are kept",
			"segment", s.path, "damage", err)
	case err != nil:
		return err
	case last:
		s.listed = s.listed.begun()
		g.file, err = os.OpenFile(s.path, os.O_RDWR, 0)
		return err
	}
	if err := s.writeIndex(); err != nil {
		g.log.Warn("the index of a log segment could not be written; it is made again at the next start", "error", err)
	}
	return nil
}

// append makes a batch durable, together with the batches of other callers that wait, and numbers its events.
func (g *group) append(b *batch) error {
	g.mu.Lock()
	if err := g.openLocked(); err != nil {
		g.mu.Unlock()
		return err
	}
	b.first = g.next
	g.next += uint64(len(b.events))
	if g.waiting == nil {
		g.waiting = &flush{done: make(chan struct{})}
	}
	mine := g.waiting
	mine.batches = append(mine.batches, b)
	if !g.writing {
		g.writing = true
		for g.waiting != nil {
			g.writeLocked()
		}
		g.writing = false
	}
	g.mu.Unlock()
	<-mine.done
	return mine.err
}

// writeLocked writes the waiting batches. It unlocks the mutex during disk operations.
func (g *group) writeLocked() {
	f := g.waiting
	g.waiting = nil
	g.mu.Unlock()
	var buf []byte
	ends := make([]int64, len(f.batches))
	var seed uint32
	if seed, f.err = g.ready(f.batches); f.err == nil {
		for i, b := range f.batches {
			buf = b.append(buf, seed)
			ends[i] = int64(len(buf))
		}
		f.err = g.write(buf)
	}
	g.mu.Lock()
	if f.err == nil {
		s := g.segments[len(g.segments)-1]
		base := s.size
		for i, b := range f.batches {
			s.note(b, base+ends[i])
		}
		close(g.changed)
		g.changed = make(chan struct{})
	}
	close(f.done)
}

// ready makes sure that there is a last segment with room for the batches. It returns the seed of the
// checksums in that segment.
func (g *group) ready(batches []*batch) (seed uint32, err error) {
	added := int64(0)
	for _, b := range batches {
		for _, e := range b.events {
			added += int64(len(e.Message)) + 4
		}
	}
	if g.limit.Take != nil {
		if err := g.limit.Take(added+headerSize, g.free); err != nil {
			return 0, fmt.Errorf("store log events: %w", err)
		}
	}
	g.mu.Lock()
	full := g.file == nil
	if !full {
		s := g.segments[len(g.segments)-1]
		full = s.last > 0 && s.size+added > g.limit.Segment
		seed = s.head.seed
	}
	closed := g.closed
	g.mu.Unlock()
	switch {
	case closed:
		return 0, ErrClosed
	case !full:
		return seed, g.keepMetadata()
	}
	if seed, err = g.roll(batches[0].first); err != nil {
		return 0, fmt.Errorf("begin a log segment: %w", err)
	}
	return seed, nil
}

// write appends buf to the last segment and syncs it. Only one caller at a time calls it, and only that
// caller changes file and the end of the list of segments. After a failed sync the segment is not used again,
// since it is not known which part of buf is on the disk.
func (g *group) write(buf []byte) error {
	g.mu.Lock()
	file := g.file
	if g.closed || file == nil {
		g.mu.Unlock()
		return ErrClosed
	}
	last := g.segments[len(g.segments)-1]
	size := last.size
	g.mu.Unlock()
	_, err := file.WriteAt(buf, size)
	if err != nil && file.Truncate(size) == nil {
		return fmt.Errorf("write log events: %w", err) // as on a full disk; the file has not changed
	}
	g.used.Add(int64(len(buf)))
	if err == nil {
		if err = file.Sync(); err == nil {
			g.writeMark(mark{last.id, size + int64(len(buf))})
			return nil
		}
	}
	return fmt.Errorf("write log events: %w", errors.Join(err, g.seal()))
}

// seal finishes the last segment. It removes one without records.
func (g *group) seal() error {
	g.listing.Lock()
	defer g.listing.Unlock()
	g.mu.Lock()
	file := g.file
	g.file = nil
	var s *segment
	if file != nil {
		s = g.segments[len(g.segments)-1]
		if s.last == 0 {
			g.segments = g.segments[:len(g.segments)-1]
		}
	}
	g.mu.Unlock()
	switch {
	case file == nil:
		return nil
	case s.last == 0:
		return errors.Join(file.Close(), g.saveListing(), g.remove(s))
	}
	return errors.Join(file.Close(), s.writeIndex())
}

// roll seals the last segment, drops the oldest ones beyond the group's limit, and starts a new one. It
// returns the seed of the new segment's checksums. first is the number of its first event.
func (g *group) roll(first uint64) (seed uint32, err error) {
	if err := g.seal(); err != nil {
		g.log.Warn("the index of a log segment could not be written; it is made again at the next start", "error", err)
	}
	g.bound()
	if err := os.MkdirAll(g.dir, 0o700); err != nil {
		return 0, err
	}
	if err := syncDir(filepath.Dir(g.dir)); err != nil {
		return 0, err
	}
	g.listing.Lock()
	defer g.listing.Unlock()
	g.mu.Lock()
	s := newSegment(g.dir, g.newest+1)
	s.first = first
	g.mu.Unlock()
	file, err := s.create()
	if err != nil {
		return 0, err
	}
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return 0, errors.Join(ErrClosed, file.Close(), s.remove())
	}
	g.newest = s.id
	g.segments = append(g.segments, s)
	g.file = file
	g.mu.Unlock()
	g.used.Add(s.size)
	g.unsaved = true
	return s.head.seed, g.keepMetadataListing()
}

// bound drops the oldest segments if the group is larger than its limit. All segments must be sealed.
func (g *group) bound() {
	var total int64
	g.mu.Lock()
	for _, s := range g.segments {
		total += s.size
	}
	g.mu.Unlock()
	g.drop(func(s *segment) bool {
		if total <= g.limit.Group {
			return false
		}
		total -= s.size
		g.log.Warn("a log group has reached its bound; its oldest events are dropped", "directory", g.dir,
			"bound", g.limit.Group)
		return true
	})
}

// remove removes a segment and subtracts its bytes.
func (g *group) remove(s *segment) error {
	info, err := os.Stat(s.path)
	if err != nil {
		return err
	}
	if err := s.remove(); err != nil {
		return err
	}
	g.used.Add(-info.Size())
	return nil
}

// drop removes the sealed segments for which which returns true, the oldest first.
func (g *group) drop(which func(*segment) bool) {
	g.listing.Lock()
	defer g.listing.Unlock()
	g.mu.Lock()
	var gone []*segment
	g.segments = slices.DeleteFunc(slices.Clone(g.segments), func(s *segment) bool {
		if g.file != nil && s == g.segments[len(g.segments)-1] || !which(s) {
			return false
		}
		gone = append(gone, s)
		return true
	})
	g.mu.Unlock()
	if len(gone) == 0 {
		return
	}
	if err := g.saveListing(); err != nil { // this fails on a full disk, where dropping makes room
		defer func() {
			if err := g.saveListing(); err != nil {
				g.log.Warn("the list of a log group's segments could not be written", "directory", g.dir, "err", err)
			}
		}()
	}
	for _, s := range gone {
		if err := g.remove(s); err != nil && !errors.Is(err, fs.ErrNotExist) {
			g.log.Warn("a log segment could not be removed", "error", err)
		}
	}
}
