package meter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// recent is a log: a file of frames with blocks of points that were put within a quarter of an hour. These
// points are also in memory.
type recent struct {
	path   string
	number int64 // a later log has a higher number
	began  int64 // seconds since 1970
	file   *os.File
	size   int64
	unsent []byte // frames that could not be written yet
}

const (
	maxUnsent = 32 << 20
	span      = 15 * minute // how long one log is written to
)

func recentName(number, began int64) string { return fmt.Sprintf("recent-%d-%d.log", number, began) }

func parseRecentName(path string) *recent {
	r := &recent{path: path}
	name := filepath.Base(path)
	n, err := fmt.Sscanf(name, "recent-%d-%d.log", &r.number, &r.began)
	if n != 2 || err != nil || name != recentName(r.number, r.began) {
		return nil
	}
	return r
}

// append writes frames durably. Frames that could not be written are written with the next ones.
func (r *recent) append(frames []byte) (err error) {
	r.unsent = append(r.unsent, frames...)
	defer func() {
		if err != nil && len(r.unsent) > maxUnsent {
			r.unsent = nil // their points stay in memory while the process runs, and go to a segment later
		}
	}()
	if r.file == nil {
		f, err := os.OpenFile(r.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		r.file = f
		if err := syncDir(filepath.Dir(r.path)); err != nil {
			return err
		}
	}
	_, err = r.file.Write(r.unsent)
	if err = errors.Join(err, durable(r.file)); err != nil {
		return errors.Join(err, r.file.Truncate(r.size))
	}
	r.size += int64(len(r.unsent))
	r.unsent = nil
	return nil
}

func (r *recent) close() error {
	if r.file == nil {
		return nil
	}
	f := r.file
	r.file = nil
	return f.Close()
}

// current returns the log that is being written. ticking must be held.
func (s *Store) current(now int64) *recent {
	n := len(s.logs)
	if n > 0 {
		if last := s.logs[n-1]; truncate(last.began, span) == truncate(now, span) && !s.overMemory() {
			return last
		}
	}
	number := int64(1)
	for _, seg := range s.segments {
		number = max(number, seg.last+1)
	}
	if n > 0 {
		number = max(number, s.logs[n-1].number+1)
		s.rotate(s.logs[n-1].number)
	}
	r := &recent{path: filepath.Join(s.dir, recentName(number, now)), number: number, began: now}
	s.logs = append(s.logs, r)
	return r
}

// overMemory reports whether recent points take more memory than Limits.Memory.
func (s *Store) overMemory() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.memory > s.limit.Memory
}

// rotate packs all points that were written to a log into blocks, so that none of them counts for the next
// log.
func (s *Store) rotate(number int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, se := range s.series {
		s.pack(se, number)
	}
}

// pack packs the written points of a series into a block. mu must be held.
func (s *Store) pack(se *series, number int64) {
	if se.written == 0 {
		return
	}
	points := gather(slices.Clone(se.points[:se.written]), 1)
	block := appendBlock(nil, points, resolutionOf(points), false)
	se.blocks = append(se.blocks, held{number, slices.Clip(block)})
	s.memory += int64(len(block)) + 32 - int64(se.written)*pointSize
	se.points, se.written = slices.Clone(se.points[se.written:]), 0
}

// resolutionOf returns a minute if all points are on full minutes, and otherwise a second.
func resolutionOf(points []point) int64 {
	if slices.ContainsFunc(points, func(p point) bool { return p.at%minute != 0 }) {
		return 1
	}
	return minute
}

// flush writes the points that were put since the last call. ticking must be held.
func (s *Store) flush(now time.Time) error {
	log := s.current(now.Unix())
	s.mu.Lock()
	names, fresh := s.newNames, s.fresh
	s.newNames, s.fresh, s.pending = nil, nil, 0
	var text, payload []byte
	for _, se := range fresh {
		points := gather(slices.Clone(se.points[se.written:]), 1)
		block := appendBlock(nil, points, resolutionOf(points), false)
		payload = binary.AppendUvarint(payload, uint64(se.id))
		payload = append(binary.AppendUvarint(payload, uint64(len(block))), block...)
		if len(payload) > 256<<10 {
			text, payload = appendFrame(text, payload), payload[:0]
		}
		se.written = len(se.points)
		if se.written >= blockPoints {
			s.pack(se, log.number)
		}
	}
	s.mu.Unlock()
	if len(payload) > 0 {
		text = appendFrame(text, payload)
	}
	if len(names)+len(text)+len(log.unsent) == 0 {
		return nil
	}
	if err := s.store(log, names, text); err != nil {
		return fmt.Errorf("points of metrics could not be written, and are lost if the server stops now: %w", err)
	}
	return nil
}

func (s *Store) store(log *recent, names, text []byte) error {
	if err := s.take(int64(len(names)*len(nameFiles) + len(text))); err != nil {
		log.unsent = append(log.unsent, text...)
		s.mu.Lock()
		s.newNames = append(names, s.newNames...)
		s.mu.Unlock()
		return err
	}
	if len(names) > 0 {
		if err := appendNames(s.dir, names); err != nil {
			s.mu.Lock()
			s.newNames = append(names, s.newNames...)
			s.mu.Unlock()
			return errors.Join(err, log.append(text))
		}
		s.used.Add(int64(len(names) * len(nameFiles)))
	}
	before := log.size
	err := log.append(text)
	s.used.Add(log.size - before)
	return err
}

func (s *Store) take(n int64) error {
	if s.limit.Take == nil || n == 0 {
		return nil
	}
	return s.limit.Take(n, s.makeRoom)
}

// replay reads a log into memory.
func (s *Store) replay(r *recent) error {
	text, err := os.ReadFile(r.path)
	if err != nil {
		return err
	}
	end := recentBlocks(r.path, text, func(id uint32, points []point) {
		se := s.byID[id]
		if se == nil {
			return // the name of the series is damaged
		}
		se.last = max(se.last, points[len(points)-1].at)
		se.points = append(se.points, points...)
		se.written = len(se.points)
		s.memory += int64(len(points)) * pointSize
		if se.written >= blockPoints {
			s.pack(se, r.number)
		}
	}, func(err error) { s.log.Warn("recent points of metrics are damaged and left out", "error", err) })
	if r.size = int64(end); end < len(text) {
		err = os.Truncate(r.path, r.size)
	}
	s.rotate(r.number)
	return err
}

// recentBlocks calls fn for the blocks of a log.
func recentBlocks(path string, text []byte, fn func(uint32, []point), report func(error)) int {
	return frames(path, text, func(offset int, payload []byte) {
		r := reader{b: payload}
		for len(r.b) > 0 {
			id := r.uvarint()
			points, err := parseBlock(r.bytes())
			if err = errors.Join(r.err, err); err != nil {
				report(&damage{path, offset, err.Error()})
				return
			}
			fn(uint32(id), points)
		}
	}, report)
}
