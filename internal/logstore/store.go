// Package logstore stores log events by group and stream, on disk, in bounded space.
//
// Groups and streams are named by ids that the caller chooses (lower-case letters and digits); their names,
// tags and retention are rows in state. Events are durable when Append returns; batches of concurrent callers
// share one sync. A batch is stored completely or not at all, a crash loses only batches that were not
// acknowledged, and damaged bytes do not affect the records before and after them. Events are ordered by time,
// and by arrival for equal times.
//
// Space is bounded twice: Expire drops what is older than the retention, and a group that is larger than
// Limits.Group loses its oldest events. All methods are safe for concurrent use. The package starts no
// goroutines and has no clock.
package logstore

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ErrClosed is returned by a store that has been closed.
var ErrClosed = errors.New("log store is closed")

// Limits bound the space on disk, in bytes.
type Limits struct {
	Segment int64 // about the size of a file, the unit in which space is freed; 0 means 4 MiB
	Group   int64 // of all events of a group; 0 means 1 GiB
	// Take, if it is not nil, is called with the size of events before they are stored. It returns an error if
	// there is no room, and may call free to drop the oldest events of all groups until enough returns true.
	Take func(n int64, free func(enough func() bool)) error
}

// Entry is an event to be stored.
type Entry struct {
	Time    int64 // milliseconds since 1970
	Message string
}

// Event is a stored event.
type Event struct {
	Entry
	Stream   string // the stream's id
	Ingested int64  // milliseconds since 1970
	Seq      uint64 // number in the order of arrival in the group, from 1
}

// Store is a directory of groups.
type Store struct {
	dir   string
	limit Limits
	log   *slog.Logger

	used    atomic.Int64 // bytes of segments
	freeing sync.Mutex   // held while segments are dropped to make room

	mu     sync.Mutex
	groups map[string]*group // guarded by mu
	closed bool              // guarded by mu
}

// Open opens a directory. Groups are read when they are first used.
func Open(dir string, limits Limits, logger *slog.Logger) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open log store: %w", err)
	}
	if limits.Segment == 0 {
		limits.Segment = 4 << 20
	}
	if limits.Group == 0 {
		limits.Group = 1 << 30
	}
	s := &Store{dir: dir, limit: limits, log: logger, groups: make(map[string]*group)}
	return s, s.count()
}

// maxID is the length of the longest id.
const maxID = 64

func validID(id string) bool {
	return id != "" && len(id) <= maxID && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

func (s *Store) group(id string) (*group, error) {
	if !validID(id) {
		return nil, fmt.Errorf("%q cannot be the id of a log group", id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	g := s.groups[id]
	if g == nil {
		g = &group{dir: filepath.Join(s.dir, id), limit: s.limit, log: s.log, used: &s.used, free: s.MakeRoom,
			changed: make(chan struct{})}
		s.groups[id] = g
	}
	return g, nil
}

// Append stores events of a stream in the given order, and returns when they are on the disk. After an error
// none is stored. If there was no room, the error matches syscall.ENOSPC.
func (s *Store) Append(groupID, streamID string, ingested time.Time, events []Entry) error {
	if len(events) == 0 {
		return nil
	}
	if !validID(streamID) {
		return fmt.Errorf("%q cannot be the id of a log stream", streamID)
	}
	size := 0
	for _, e := range events {
		size += len(e.Message) + Overhead
	}
	if size > maxPayload/2 {
		return fmt.Errorf("a batch of %d bytes is more than the %d that can be stored at once", size, maxPayload/2)
	}
	g, err := s.group(groupID)
	if err != nil {
		return err
	}
	return g.append(&batch{stream: streamID, ingested: ingested.UnixMilli(), events: events})
}

// Stats summarises a stream's events.
type Stats = span

// Stats returns the statistics of a group's streams, by stream id. Streams without events are not included.
func (s *Store) Stats(groupID string) (map[string]Stats, error) {
	g, err := s.group(groupID)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.openLocked(); err != nil {
		return nil, err
	}
	all := make(map[string]Stats)
	for _, seg := range g.segments {
		for id, sp := range seg.streams {
			all[id] = all[id].join(sp)
		}
	}
	return all, nil
}

// Expire drops the files that only have events before a time.
func (s *Store) Expire(groupID string, before time.Time) error {
	g, err := s.group(groupID)
	if err != nil {
		return err
	}
	g.mu.Lock()
	err = g.openLocked()
	g.mu.Unlock()
	if err != nil {
		return err
	}
	ms := before.UnixMilli()
	g.forget(ms)
	g.drop(func(seg *segment) bool { return seg.span(func(string) bool { return true }).Last < ms })
	return nil
}

// Drop removes a group with all its events. Concurrent appends fail, or their events are removed too.
func (s *Store) Drop(groupID string) error {
	g, err := s.group(groupID)
	if err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.groups, groupID)
	s.mu.Unlock()
	err = g.close()
	g.used.Add(-sizeOf(g.dir))
	if err := removeMarker(g.dir); err != nil {
		return err
	}
	return errors.Join(err, os.RemoveAll(g.dir))
}

// Keep drops the groups on disk for which keep returns false. A crash between the removal of a row and Drop
// leaves such groups.
func (s *Store) Keep(keep func(groupID string) bool) error {
	ids, err := groupIDs(s.dir)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !keep(id) {
			if err := s.Drop(id); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// Close ends writing. All acknowledged events are on the disk already.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	groups := s.groups
	s.groups = nil
	s.mu.Unlock()
	var errs []error
	for _, g := range groups {
		errs = append(errs, g.close())
	}
	return errors.Join(errs...)
}

func (g *group) close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	var errs []error
	for _, f := range []*os.File{g.file, g.mark} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	g.file, g.mark = nil, nil
	close(g.changed)
	g.changed = make(chan struct{})
	return errors.Join(errs...)
}
