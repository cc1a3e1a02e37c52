package logstore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// count adds up the sizes of all segments. From then on used is kept up to date.
func (s *Store) count() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			s.used.Add(sizeOf(filepath.Join(s.dir, e.Name())))
		}
	}
	return nil
}

// sizeOf returns the size of the segments in a directory. Files that cannot be read count as 0.
func sizeOf(dir string) (total int64) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasSuffix(e.Name(), ".seg") {
			total += info.Size()
		}
	}
	return total
}

// Used returns how many bytes the segments of all groups take.
func (s *Store) Used() int64 { return s.used.Load() }

// MakeRoom drops sealed segments of any group, those with the oldest events first, until enough returns true
// or none are left.
func (s *Store) MakeRoom(enough func() bool) {
	s.freeing.Lock()
	defer s.freeing.Unlock()
	for !enough() {
		g, oldest, err := s.oldest()
		if err != nil {
			s.log.Warn("log groups could not be searched for old events", "error", err)
		}
		if oldest == nil {
			return
		}
		size, last := oldest.size, oldest.span(func(string) bool { return true }).Last
		g.drop(func(seg *segment) bool { return seg == oldest })
		s.log.Warn("the disk budget is used up; the oldest log events are dropped", "segment", oldest.path,
			"bytes", size, "eventsUpTo", last)
	}
}

// oldest returns the sealed segment whose newest event is the oldest.
func (s *Store) oldest() (of *group, oldest *segment, err error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, nil, err
	}
	var errs []error
	best := int64(0)
	for _, e := range entries {
		if !e.IsDir() || !validID(e.Name()) {
			continue
		}
		g, err := s.group(e.Name())
		if err == nil {
			err = g.eachSealed(func(seg *segment) {
				if last := seg.span(func(string) bool { return true }).Last; oldest == nil || last < best {
					of, oldest, best = g, seg, last
				}
			})
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return of, oldest, errors.Join(errs...)
}

// eachSealed calls fn for all sealed segments.
func (g *group) eachSealed(fn func(*segment)) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.openLocked(); err != nil {
		return err
	}
	for i, seg := range g.segments {
		if g.file == nil || i < len(g.segments)-1 {
			fn(seg)
		}
	}
	return nil
}
