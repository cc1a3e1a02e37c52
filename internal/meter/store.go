package meter

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Limits are the limits of a store.
type Limits struct {
	Metrics int   // number of metrics; each unit counts as one; 0 means 100,000
	Memory  int64 // bytes of recent points in memory; more are written to segments; 0 means 256 MiB
	Bytes   int64 // bytes on disk; beyond them the oldest day is deleted; 0 means no limit but Take
	// Take, unless nil, is called with the number of bytes before points are written. It returns an
	// error if there is no room for them, and may call free, which deletes the oldest days until
	// enough returns true.
	Take func(n int64, free func(enough func() bool)) error
}

// TooMany is the error for a metric beyond Limits.Metrics.
type TooMany struct{ Limit int }

func (e *TooMany) Error() string {
	return fmt.Sprintf("there are %d metrics, which is the limit; points of new metrics are refused", e.Limit)
}

// Store is a directory of metrics.
type Store struct {
	dir   string
	keep  int64 // how long points are kept, in seconds, if only in memory; 0 means that they are on disk
	limit Limits
	log   *slog.Logger
	used  atomic.Int64 // bytes on disk

	ticking sync.Mutex // held while files are written

	mu       sync.RWMutex
	series   map[string]*series // by key; guarded by mu
	byID     map[uint32]*series // guarded by mu
	nextID   uint32             // guarded by mu
	fresh    []*series          // those with points that are not in the log; guarded by mu
	pending  int                // number of such points; guarded by mu
	memory   int64              // bytes of blocks and points in memory; guarded by mu
	newNames []byte             // frames of names that are not on disk yet; guarded by mu
	segments []*segment         // guarded by mu; replaced, never changed
	logs     []*recent          // the oldest first; guarded by ticking
	lastGC   int64              // day of the last search for series without points; guarded by ticking
}

// series is the data in memory of one metric in one unit.
type series struct {
	id      uint32
	key     string
	last    int64   // when the newest point begins
	blocks  []held  // of points that are in logs
	points  []point // points that are not in a block yet
	written int     // how many of points are in the log already
}

// held is a block in memory, with the number of the log that has its points.
type held struct {
	log   int64 // the log's number
	block []byte
}

const (
	blockPoints = 32      // number of points of a series that become a block in memory
	pointSize   = 80      // approximate size of a point in memory
	maxPending  = 200_000 // limit of points in memory that are not in the log
)

// Put stores data in memory. The caller must check the times: CloudWatch accepts data of the last two weeks and the
// next two hours (ecs.md 7.1). If the error is a *TooMany, the data of existing metrics were stored.
func (s *Store) Put(now time.Time, data []Datum) error {
	s.mu.Lock()
	var err error
	for _, d := range data {
		se := s.find(d.Metric, d.Unit)
		if se == nil {
			err = &TooMany{s.limit.Metrics}
			continue
		}
		s.put(se, d)
	}
	full := s.keep == 0 && s.pending > maxPending
	s.mu.Unlock()
	if full {
		s.ticking.Lock()
		defer s.ticking.Unlock()
		err = errors.Join(err, s.flush(now))
	}
	return err
}

// find returns the series of a metric. If there is none and there is room, it creates one. mu must be held.
func (s *Store) find(m Metric, unit string) *series {
	k := key(m, unit)
	if se := s.series[k]; se != nil {
		return se
	}
	if len(s.series) >= s.limit.Metrics {
		return nil
	}
	se := &series{id: s.nextID, key: k}
	s.nextID++
	s.series[k], s.byID[se.id] = se, se
	s.newNames = appendName(s.newNames, se.id, k)
	return se
}

// put adds a datum to a series. mu must be held.
func (s *Store) put(se *series, d Datum) {
	at := d.At.Unix()
	if !d.Second {
		at = truncate(at, minute)
	}
	se.last = max(se.last, at)
	if len(se.points) == se.written {
		s.fresh = append(s.fresh, se)
	}
	for i := len(se.points) - 1; i >= se.written; i-- {
		if se.points[i].at == at {
			se.points[i].Summary = se.points[i].Add(d.Summary)
			return
		}
	}
	se.points = append(se.points, point{at, d.Summary})
	s.pending++
	s.memory += pointSize
}

// Read returns the points of a metric in one unit that begin at from or later and before to, in periods of whole
// seconds. Periods begin at multiples of their length since 1970. Read leaves out points that are stored with a lower
// resolution than that, as CloudWatch does (ecs.md 7.2). An error means that the disk cannot be read. Damaged points
// are left out and logged.
func (s *Store) Read(m Metric, unit string, from, to time.Time, period time.Duration) ([]Bucket, error) {
	return s.reading(m, unit, from, to, period, true)
}

// ReadSimple is like Read, but its summaries have only the five simple statistics and no distribution, which makes it
// faster.
func (s *Store) ReadSimple(m Metric, unit string, from, to time.Time, period time.Duration) ([]Bucket, error) {
	return s.reading(m, unit, from, to, period, false)
}

func (s *Store) reading(m Metric, unit string, from, to time.Time, period time.Duration, spread bool,
) ([]Bucket, error) {
	k := key(m, unit)
	for range 10 {
		g := gatherer{from: from.Unix(), to: to.Unix(), period: int64(period / time.Second), spread: spread,
			sums: make(map[int64]Summary)}
		err := s.read(k, &g)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a segment was replaced in the meantime
		}
		if err != nil {
			return nil, err
		}
		return g.buckets(), nil
	}
	return nil, errors.New("the segments of metrics changed during each of ten attempts to read them")
}

// gatherer adds up points by period.
type gatherer struct {
	from, to, period int64
	spread           bool
	sums             map[int64]Summary // of finished periods
	at               int64             // period of the last point
	sum              Summary           // sum of that period
}

func (g *gatherer) add(p point) {
	if p.at < g.from || p.at >= g.to {
		return
	}
	if at := truncate(p.at, g.period); at != g.at {
		g.flush()
		g.at = at
	}
	if g.spread {
		g.sum = g.sum.Add(p.Summary)
	} else {
		g.sum = g.sum.addSimple(p.Summary)
	}
}

func (g *gatherer) flush() {
	if g.sum.Count > 0 {
		g.sums[g.at] = g.sums[g.at].Add(g.sum)
	}
	g.sum = Summary{}
}

func (g *gatherer) buckets() []Bucket {
	g.flush()
	all := make([]Bucket, 0, len(g.sums))
	for _, at := range slices.Sorted(maps.Keys(g.sums)) {
		all = append(all, Bucket{time.Unix(at, 0).UTC(), g.sums[at]})
	}
	return all
}

func (s *Store) read(k string, g *gatherer) error {
	s.mu.RLock()
	se := s.series[k]
	if se == nil {
		s.mu.RUnlock()
		return nil
	}
	id, segments, blocks := se.id, s.segments, se.blocks // blocks is only appended to or replaced
	recent := slices.Clone(se.points)
	s.mu.RUnlock()
	for _, seg := range segments {
		if (seg.day+1)*day <= g.from || seg.day*day >= g.to || seg.resolution > g.period {
			continue
		}
		block, offset, err := seg.block(id)
		if err == nil && block != nil {
			if err = visitBlock(block, g.spread, func(int) {}, g.add); err != nil {
				err = &damage{seg.path, int(offset), err.Error()}
			}
		}
		if err = s.leaveOut(err); err != nil {
			return err
		}
	}
	for _, h := range blocks {
		if err := visitBlock(h.block, g.spread, func(int) {}, g.add); err != nil {
			return fmt.Errorf("a block in memory: %w", err)
		}
	}
	for _, p := range recent {
		g.add(p)
	}
	return nil
}

// leaveOut logs damage, and returns other errors.
func (s *Store) leaveOut(err error) error {
	if d, ok := errors.AsType[*damage](err); ok {
		s.log.Warn("points of a metric are damaged and left out", "error", d)
		return nil
	}
	return err
}

// readSegment is segment.read without damaged points, which it logs.
func (s *Store) readSegment(seg *segment, id uint32) ([]point, error) {
	points, err := seg.read(id)
	return points, s.leaveOut(err)
}

// List returns the series that keep accepts, in the order of their keys. Last is zero for a series
// whose points are all older than 15 days.
func (s *Store) List(keep func(Series) bool) []Series {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []Series
	for _, k := range slices.Sorted(maps.Keys(s.series)) {
		m, unit, err := parseKey([]byte(k))
		if err != nil {
			continue // cannot fail: key made it
		}
		one := Series{Metric: m, Unit: unit}
		if last := s.series[k].last; last > 0 {
			one.Last = time.Unix(last, 0).UTC()
		}
		if keep(one) {
			found = append(found, one)
		}
	}
	return found
}

// Used returns the number of bytes that the files take.
func (s *Store) Used() int64 { return s.used.Load() }

// Size returns the number of series, and the approximate size of their recent points in memory in
// bytes.
func (s *Store) Size() (metrics int, memory int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.series), s.memory
}

// Freeze creates hard links to all files as they are at one moment, in a directory that must exist. They do not have
// points that are not on disk yet.
func (s *Store) Freeze(into string) error {
	s.ticking.Lock()
	defer s.ticking.Unlock()
	files, err := os.ReadDir(s.dir)
	for _, f := range files {
		err = errors.Join(err, os.Link(filepath.Join(s.dir, f.Name()), filepath.Join(into, f.Name())))
	}
	return err
}

// Close writes what is in memory and closes the store.
func (s *Store) Close(now time.Time) error {
	s.ticking.Lock()
	defer s.ticking.Unlock()
	if s.keep > 0 {
		return nil
	}
	err := s.flush(now)
	for _, h := range s.logs {
		err = errors.Join(err, h.close())
	}
	for _, seg := range s.segments {
		seg.mu.Lock()
		seg.close()
		seg.mu.Unlock()
	}
	return err
}

// Reset deletes all metrics.
func (s *Store) Reset() error {
	s.ticking.Lock()
	defer s.ticking.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, h := range s.logs {
		errs = append(errs, h.close(), ignoreMissing(os.Remove(h.path)))
	}
	for _, seg := range s.segments {
		errs = append(errs, seg.remove())
	}
	s.series, s.byID = make(map[string]*series), make(map[uint32]*series)
	s.fresh, s.pending, s.memory, s.newNames, s.segments, s.logs = nil, 0, 0, nil, nil, nil
	errs = append(errs, writeNames(s.dir, nil))
	s.used.Store(0)
	return errors.Join(errs...)
}
