package meter

import (
	"log/slog"
	"time"
)

// InMemory returns a store that writes nothing to a disk, for a simulator. Tick drops points that are older than keep.
// The methods about files, Freeze and Reset, must not be called.
func InMemory(keep time.Duration) *Store {
	return &Store{
		keep: max(int64(keep/time.Second), minute), limit: Limits{Metrics: 100_000}, log: slog.New(slog.DiscardHandler),
		series: make(map[string]*series), byID: make(map[uint32]*series),
	}
}

// trim drops the points before a time. The series stay.
func (s *Store) trim(before int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fresh, s.newNames = nil, nil
	for _, se := range s.series {
		old := 0
		for old < len(se.points) && se.points[old].at < before {
			old++
		}
		if old == 0 {
			continue
		}
		se.points = append(se.points[:0], se.points[old:]...)
		s.pending -= old
		s.memory -= pointSize * int64(old)
	}
}
