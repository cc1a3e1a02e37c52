package meter

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Open opens or creates a directory, and reads the points of the last hours.
func Open(dir string, limits Limits, logger *slog.Logger) (*Store, error) {
	if limits.Metrics == 0 {
		limits.Metrics = 100_000
	}
	if limits.Memory == 0 {
		limits.Memory = 256 << 20
	}
	s := &Store{dir: dir, limit: limits, log: logger, series: make(map[string]*series), byID: make(map[uint32]*series)}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("open metrics: %w", err)
	}
	return s, nil
}

func (s *Store) load() error {
	names, err := readNames(s.dir, true, func(err error) {
		s.log.Warn("the name of a metric is damaged in one of two files", "error", err)
	})
	if err != nil {
		return err
	}
	for id, k := range names {
		se := &series{id: id, key: k}
		s.series[k], s.byID[id] = se, se
		s.nextID = max(s.nextID, id+1)
	}
	if err := s.scan(); err != nil {
		return err
	}
	for _, seg := range s.segments {
		if seg.resolution == minute {
			entries, err := seg.entries()
			if err != nil {
				return err
			}
			for _, e := range entries {
				s.nextID = max(s.nextID, e.series+1)
				if se := s.byID[e.series]; se != nil {
					se.last = max(se.last, e.last)
				}
			}
		}
	}
	for _, h := range s.logs {
		if err := s.replay(h); err != nil {
			return err
		}
	}
	return nil
}

// scan lists the files, removes what interrupted changes have left, and adds up the sizes.
func (s *Store) scan() error {
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	var segments []*segment
	for _, f := range files {
		path := filepath.Join(s.dir, f.Name())
		if seg := parseSegmentName(path); seg != nil {
			segments = append(segments, seg)
		} else if h := parseRecentName(path); h != nil {
			s.logs = append(s.logs, h)
		} else if filepath.Ext(path) == ".new" {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	slices.SortFunc(s.logs, func(a, b *recent) int { return int(a.number - b.number) })
	for _, seg := range segments {
		unfinished := slices.ContainsFunc(s.logs, func(h *recent) bool { return seg.first == h.number })
		if unfinished || slices.ContainsFunc(segments, func(o *segment) bool { return o.replaces(seg) }) {
			if err := seg.remove(); err != nil {
				return err
			}
			continue
		}
		s.segments = append(s.segments, seg)
	}
	files, err = os.ReadDir(s.dir)
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			s.used.Add(info.Size())
		}
	}
	for _, seg := range s.segments {
		if info, err := os.Stat(seg.path); err == nil {
			seg.size = info.Size()
		}
	}
	return err
}

// Tick writes new points to the disk and does all other work that is due: points older than three hours are
// joined by the minute, and older days get a lower resolution or are deleted. It must be called at least once
// a minute. An error comes from the disk; the next call tries again.
func (s *Store) Tick(now time.Time) error {
	s.ticking.Lock()
	defer s.ticking.Unlock()
	at := now.Unix()
	if s.keep > 0 {
		s.trim(at - s.keep)
		return nil
	}
	err := errors.Join(s.flush(now), s.seal(at), s.compact(at))
	if s.limit.Bytes > 0 && s.used.Load() > s.limit.Bytes {
		s.makeRoom(func() bool { return s.used.Load() <= s.limit.Bytes })
	}
	if today := at / day; err == nil && s.lastGC != today {
		err = s.forget()
		s.lastGC = today
	}
	for _, seg := range s.segments {
		seg.rest()
		if seg.resolution > minute {
			seg.rest()
		}
	}
	return err
}

// seal turns logs into segments if their points are old or take too much memory.
func (s *Store) seal(now int64) error {
	for len(s.logs) > 1 && (s.logs[1].began+seconds <= now || s.overMemory()) {
		if err := s.sealOldest(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) sealOldest() error {
	oldest := s.logs[0]
	made, err := s.writeOldest(oldest.number)
	if err != nil {
		for _, seg := range made {
			err = errors.Join(err, seg.remove())
		}
		return err
	}
	if err := errors.Join(oldest.close(), ignoreMissing(os.Remove(oldest.path)), syncDir(s.dir)); err != nil {
		return err // the next attempt writes the same segments again
	}
	s.used.Add(-oldest.size)
	s.logs = s.logs[1:]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments = slices.Concat(s.segments, made)
	for _, seg := range made {
		s.used.Add(seg.size)
	}
	for _, se := range s.series {
		n := 0
		for ; n < len(se.blocks) && se.blocks[n].log <= oldest.number; n++ {
			s.memory -= int64(len(se.blocks[n].block)) + 32
		}
		if n > 0 {
			se.blocks = slices.Clone(se.blocks[n:])
		}
	}
	return nil
}

// writeOldest writes the segments of a log, one for each day of its points.
func (s *Store) writeOldest(number int64) (made []*segment, err error) {
	writers := make(map[int64]*segmentWriter)
	s.mu.RLock()
	ids := slices.Sorted(maps.Keys(s.byID))
	s.mu.RUnlock()
	for _, id := range ids {
		s.mu.RLock()
		blocks := s.byID[id].blocks
		s.mu.RUnlock()
		var points []point
		for _, b := range blocks {
			if b.log == number {
				more, perr := parseBlock(b.block)
				points, err = append(points, more...), errors.Join(err, perr)
			}
		}
		for points = gather(points, minute); len(points) > 0; {
			d := truncate(points[0].at, day) / day
			n := 0
			for n < len(points) && points[n].at < (d+1)*day {
				n++
			}
			if writers[d] == nil {
				w, err := newSegmentWriter(s.dir, minute, d, number, number)
				if err != nil {
					return made, errors.Join(err, finishAll(writers, &made))
				}
				writers[d] = w
			}
			writers[d].add(id, points[:n])
			points = points[n:]
		}
	}
	return made, errors.Join(err, finishAll(writers, &made))
}

func finishAll(writers map[int64]*segmentWriter, made *[]*segment) error {
	var errs []error
	for _, w := range writers {
		seg, err := w.finish()
		if seg != nil {
			*made = append(*made, seg)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// compact rewrites days at the resolution for their age, as one segment each.
func (s *Store) compact(now int64) error {
	days := make(map[int64][]*segment)
	for _, seg := range s.segments {
		days[seg.day] = append(days[seg.day], seg)
	}
	var errs []error
	for _, d := range slices.Sorted(maps.Keys(days)) {
		resolution := resolutionAt(now - (d+1)*day)
		switch {
		case resolution == 0:
			errs = append(errs, s.replace(days[d], nil))
		case shouldMerge(days[d], resolution, now):
			merged, err := s.merge(days[d], resolution)
			if err == nil {
				err = s.replace(days[d], merged)
			}
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// maxSegments is the maximum number of segments of a day.
const maxSegments = 8

// shouldMerge decides whether to rewrite a day, so that fewer segments must be read. A segment of at most a
// quarter of the size of the largest one waits for others.
func shouldMerge(segments []*segment, resolution, now int64) bool {
	var total, largest int64
	for _, seg := range segments {
		if seg.resolution < resolution {
			return true
		}
		total, largest = total+seg.size, max(largest, seg.size)
	}
	over := now > (segments[0].day+1)*day+seconds+2*hour
	return len(segments) > maxSegments || over && 4*(total-largest) > largest
}

// merge writes one segment with the points of several.
func (s *Store) merge(segments []*segment, resolution int64) (*segment, error) {
	first, last := segments[0].first, segments[0].last
	ids := make(map[uint32]bool)
	for _, seg := range segments {
		first, last = min(first, seg.first), max(last, seg.last)
		entries, err := seg.entries()
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			ids[e.series] = true
		}
	}
	w, err := newSegmentWriter(s.dir, resolution, segments[0].day, first, last)
	if err != nil {
		return nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		var points []point
		for _, seg := range segments {
			more, rerr := s.readSegment(seg, id)
			points, err = append(points, more...), errors.Join(err, rerr)
		}
		if len(points) > 0 {
			w.add(id, gather(points, resolution))
		}
	}
	w.err = errors.Join(w.err, err)
	return w.finish()
}

// replace replaces segments by one, or removes them if that is nil.
func (s *Store) replace(old []*segment, by *segment) error {
	s.mu.Lock()
	s.segments = slices.DeleteFunc(slices.Clone(s.segments), func(seg *segment) bool {
		return slices.Contains(old, seg)
	})
	if by != nil {
		s.segments = append(s.segments, by)
		s.used.Add(by.size)
	}
	s.mu.Unlock()
	var errs []error
	for _, seg := range old {
		s.used.Add(-seg.size)
		if by == nil || seg.path != by.path {
			errs = append(errs, seg.remove())
		}
	}
	return errors.Join(errs...)
}

// makeRoom deletes days, the oldest first, until enough returns true or none are left.
func (s *Store) makeRoom(enough func() bool) {
	for !enough() && len(s.segments) > 0 {
		oldest := slices.MinFunc(s.segments, func(a, b *segment) int { return int(a.day - b.day) }).day
		var all []*segment
		var size int64
		for _, seg := range s.segments {
			if seg.day == oldest {
				all, size = append(all, seg), size+seg.size
			}
		}
		s.log.Warn("metrics use more of the disk than the limit; the points of the oldest day are deleted",
			"day", time.Unix(oldest*day, 0).UTC().Format(time.DateOnly), "bytes", size)
		if err := s.replace(all, nil); err != nil {
			s.log.Warn("a file of metrics could not be removed", "error", err)
		}
	}
}

// forget deletes the series that have no points any more.
func (s *Store) forget() error {
	live := make(map[uint32]bool)
	for _, seg := range s.segments {
		entries, err := seg.entries()
		if err != nil {
			return err
		}
		for _, e := range entries {
			live[e.series] = true
		}
	}
	s.mu.Lock()
	names, gone := make(map[uint32]string), 0
	for k, se := range s.series {
		if !live[se.id] && len(se.blocks) == 0 && len(se.points) == 0 {
			delete(s.series, k)
			delete(s.byID, se.id)
			gone++
			continue
		}
		names[se.id] = k
	}
	if gone > 0 {
		s.newNames = nil // the files of names have all of them now
	}
	s.mu.Unlock()
	if gone == 0 {
		return nil
	}
	text := namesText(names)
	if err := writeNames(s.dir, text); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.newNames = append(text, s.newNames...)
		return err
	}
	return nil
}
