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
	used  *atomic.Int64            // the store's
	free  func(enough func() bool) // the store's MakeRoom

	mu       sync.Mutex // guards what follows; never held while the disk works, except by open
	opened   bool
	segments []*segment // by id; the last one is written to when file is not nil
	file     *os.File
	next     uint64 // sequence number of the next event
	waiting  *flush // batches that the next write takes, nil when there are none
	writing  bool   // somebody writes
	changed  chan struct{}
	closed   bool
}

// flush is a number of batches that reach the disk together.
type flush struct {
	batches []*batch
	done    chan struct{}
	err     error // after done
}

// openLocked reads what the directory holds, once.
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
	g.segments, g.next = nil, 1
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".seg")
		id, err := strconv.ParseUint(name, 10, 64)
		if !ok || err != nil {
			continue
		}
		g.segments = append(g.segments, newSegment(g.dir, id))
	}
	slices.SortFunc(g.segments, func(a, b *segment) int { return cmp.Compare(a.id, b.id) })
	for i, s := range g.segments {
		if err := g.learn(s, i == len(g.segments)-1); err != nil {
			return err
		}
		g.next = max(g.next, s.last+1)
	}
	g.opened = true
	return nil
}

// learn finds out what a segment holds. Damage is skipped, and the file is left as it is. The last segment is written on only when it is
// whole to its last byte.
func (g *group) learn(s *segment, last bool) error {
	if !last && s.readIndex() {
		return nil
	}
	switch err := s.scan(); {
	case errors.Is(err, errDamaged):
		s.told.Store(true)
		g.log.Warn("a log segment has bytes that are no record, as after a crash; the records before and behind them are kept",
			"segment", s.path, "damage", err)
	case err != nil:
		return err
	case last:
		g.file, err = os.OpenFile(s.path, os.O_RDWR, 0)
		return err
	}
	if err := s.writeIndex(); err != nil {
		g.log.Warn("the index of a log segment could not be written; it is made again at the next start", "error", err)
	}
	return nil
}

// append makes a batch durable together with those of other callers that wait at the same time. It gives the events their sequence
// numbers.
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

// writeLocked writes what waits. The mutex is released while the disk works.
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

// ready makes sure that there is a last segment to write to, and that the batches do not make it too large. It returns the seed
// of the segment's checksums.
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
		return seed, nil
	}
	if seed, err = g.roll(); err != nil {
		return 0, fmt.Errorf("begin a log segment: %w", err)
	}
	return seed, nil
}

// write appends buf to the last segment and syncs it. Only one caller at a time; it alone changes file and the list of segments'
// end. When a sync fails the segment is not used again, for nobody knows what the disk holds of buf.
func (g *group) write(buf []byte) error {
	g.mu.Lock()
	file := g.file
	if g.closed || file == nil {
		g.mu.Unlock()
		return ErrClosed
	}
	size := g.segments[len(g.segments)-1].size
	g.mu.Unlock()
	_, err := file.WriteAt(buf, size)
	if err != nil && file.Truncate(size) == nil {
		return fmt.Errorf("write log events: %w", err) // as on a full disk: the file is what it was
	}
	g.used.Add(int64(len(buf)))
	if err == nil {
		if err = file.Sync(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("write log events: %w", errors.Join(err, g.seal()))
}

// seal ends the last segment. One without a record is removed.
func (g *group) seal() error {
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
		return errors.Join(file.Close(), g.remove(s))
	}
	return errors.Join(file.Close(), s.writeIndex())
}

// roll seals the last segment, drops the oldest ones beyond the group's bound, and begins a new one. It returns the
// seed of the new one's checksums.
func (g *group) roll() (seed uint32, err error) {
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
	g.mu.Lock()
	id := uint64(1)
	if n := len(g.segments); n > 0 {
		id = g.segments[n-1].id + 1
	}
	g.mu.Unlock()
	s := newSegment(g.dir, id)
	file, err := s.create()
	if err != nil {
		return 0, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return 0, errors.Join(ErrClosed, file.Close(), s.remove())
	}
	g.segments = append(g.segments, s)
	g.file = file
	g.used.Add(s.size)
	return s.head.seed, nil
}

// bound drops the oldest segments when the group has more bytes than it may. All are sealed when it is called.
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
		g.log.Warn("a log group has reached its bound; its oldest events are dropped", "directory", g.dir, "bound", g.limit.Group)
		return true
	})
}

// remove removes a segment and counts its bytes off.
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

// drop removes the sealed segments that which wants gone, oldest first.
func (g *group) drop(which func(*segment) bool) {
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
	for _, s := range gone {
		if err := g.remove(s); err != nil && !errors.Is(err, fs.ErrNotExist) {
			g.log.Warn("a log segment could not be removed", "error", err)
		}
	}
}
