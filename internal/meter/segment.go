package meter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// A segment is a file that never changes. It has the points of one day at one resolution: a frame with the
// block of each series, in the order of series, and a last frame with the index. Its name has the resolution,
// the day, and the numbers of the first and last log that the points came from.
type segment struct {
	path        string
	resolution  int64 // seconds
	day         int64 // since 1970
	first, last int64 // numbers of logs
	size        int64

	mu    sync.Mutex
	file  *os.File // guarded by mu; nil while it is not being read
	index []entry  // guarded by mu
	used  bool     // guarded by mu: whether it was read since the last call of rest
}

// entry says where the block of a series is in a segment, and when its last point begins.
type entry struct {
	series uint32
	size   uint32
	offset int64
	last   int64
}

const (
	entrySize   = 24
	trailerSize = 12 // offset of the index from the end, 8 bytes, and the checksum of that
)

func segmentName(resolution, day, first, last int64) string {
	return fmt.Sprintf("points-%d-%d-%d-%d.seg", day, resolution, first, last)
}

// parseSegmentName returns nil for a name that is not a segment's.
func parseSegmentName(path string) *segment {
	s := &segment{path: path}
	name := filepath.Base(path)
	n, err := fmt.Sscanf(name, "points-%d-%d-%d-%d.seg", &s.day, &s.resolution, &s.first, &s.last)
	if n != 4 || err != nil || name != segmentName(s.resolution, s.day, s.first, s.last) {
		return nil
	}
	return s
}

// replaces reports whether a segment has all points of another one, so that the other one can be removed.
func (s *segment) replaces(o *segment) bool {
	return s != o && s.day == o.day && s.resolution >= o.resolution && s.first <= o.first && s.last >= o.last
}

// segmentWriter writes a segment. finish gives the file its name.
type segmentWriter struct {
	seg   *segment
	file  *os.File
	text  []byte // not yet written to the file
	size  int64
	index []entry
	err   error
}

func newSegmentWriter(dir string, resolution, day, first, last int64) (*segmentWriter, error) {
	seg := parseSegmentName(filepath.Join(dir, segmentName(resolution, day, first, last)))
	f, err := os.OpenFile(seg.path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &segmentWriter{seg: seg, file: f}, nil
}

// add writes the points of a series. Series must be added in increasing order.
func (w *segmentWriter) add(series uint32, points []point) {
	payload := binary.LittleEndian.AppendUint32(nil, series)
	payload = appendBlock(payload, points, w.seg.resolution, true)
	w.index = append(w.index, entry{series, uint32(frameHeader + len(payload)), w.size, points[len(points)-1].at})
	w.write(payload)
}

func (w *segmentWriter) write(payload []byte) {
	before := len(w.text)
	w.text = appendFrame(w.text, payload)
	w.size += int64(len(w.text) - before)
	if len(w.text) > 1<<20 {
		w.flush()
	}
}

func (w *segmentWriter) flush() {
	if w.err == nil {
		_, w.err = w.file.Write(w.text)
	}
	w.text = w.text[:0]
}

// finish makes the segment durable and gives it its name.
func (w *segmentWriter) finish() (*segment, error) {
	at := w.size
	index := make([]byte, 0, entrySize*len(w.index))
	for _, e := range w.index {
		index = binary.LittleEndian.AppendUint32(index, e.series)
		index = binary.LittleEndian.AppendUint32(index, e.size)
		index = binary.LittleEndian.AppendUint64(index, uint64(e.offset))
		index = binary.LittleEndian.AppendUint64(index, uint64(e.last))
	}
	w.write(index)
	w.text = appendTrailer(w.text, w.size-at)
	w.size += trailerSize
	w.flush()
	err := errors.Join(w.err, durable(w.file), w.file.Close())
	if err == nil {
		err = os.Rename(w.seg.path+".new", w.seg.path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(w.seg.path))
	}
	if err != nil {
		return nil, errors.Join(err, ignoreMissing(os.Remove(w.seg.path+".new")))
	}
	w.seg.size = w.size
	return w.seg, nil
}

func appendTrailer(b []byte, distance int64) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint64(b, uint64(distance))
	return binary.LittleEndian.AppendUint32(b, sum(b[start:]))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// durable syncs a file. Tests that simulate days replace it.
var durable = (*os.File).Sync

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(durable(d), d.Close())
}

// open reads the index if it is not in memory. mu must be held.
func (s *segment) open() error {
	s.used = true
	if s.file != nil {
		return nil
	}
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	if s.index, err = readIndex(f, s.path); err != nil {
		return errors.Join(err, f.Close())
	}
	s.file = f
	return nil
}

// readIndex reads the index of a segment. If the index is damaged, it makes one from the blocks.
func readIndex(f *os.File, path string) ([]entry, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	var trailer [trailerSize]byte
	if size := info.Size(); size > trailerSize {
		if _, err := f.ReadAt(trailer[:], size-trailerSize); err != nil {
			return nil, err
		}
		at := size - trailerSize - int64(binary.LittleEndian.Uint64(trailer[:]))
		if sum(trailer[:8]) == binary.LittleEndian.Uint32(trailer[8:]) && at >= 0 {
			text := make([]byte, size-trailerSize-at)
			if _, err := f.ReadAt(text, at); err != nil {
				return nil, err
			}
			if n, err := frameAt(text); err == nil && n == len(text) &&
				sum(text[frameHeader:]) == binary.LittleEndian.Uint32(text[8:]) {
				return parseIndex(text[frameHeader:]), nil
			}
		}
	}
	text, err := io.ReadAll(io.NewSectionReader(f, 0, info.Size()))
	if err != nil {
		return nil, err
	}
	var index []entry
	body := text[:max(0, len(text)-trailerSize)]
	blocks(path, body, func(e entry, _ []point) { index = append(index, e) }, func(error) {})
	return index, nil
}

func parseIndex(b []byte) []entry {
	index := make([]entry, 0, len(b)/entrySize)
	for ; len(b) >= entrySize; b = b[entrySize:] {
		index = append(index, entry{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]),
			int64(binary.LittleEndian.Uint64(b[8:])), int64(binary.LittleEndian.Uint64(b[16:]))})
	}
	return index
}

// blocks calls fn for all blocks of a segment, in the order of the file. text is the segment without its
// trailer.
func blocks(path string, text []byte, fn func(entry, []point), report func(error)) {
	last := int64(-1) // the series before this one
	frames(path, text, func(offset int, payload []byte) {
		if len(payload) < 4 || int64(binary.LittleEndian.Uint32(payload)) <= last {
			return // this is the index
		}
		points, err := parseBlock(payload[4:])
		if err != nil {
			return // the index, or a block that was damaged when it was written
		}
		last = int64(binary.LittleEndian.Uint32(payload))
		fn(entry{uint32(last), uint32(frameHeader + len(payload)), int64(offset), points[len(points)-1].at}, points)
	}, report)
}

// read returns the points of a series, or none if the segment has none.
func (s *segment) read(series uint32) ([]point, error) {
	block, offset, err := s.block(series)
	if block == nil || err != nil {
		return nil, err
	}
	points, err := parseBlock(block)
	if err != nil {
		return nil, &damage{s.path, int(offset), err.Error()}
	}
	return points, nil
}

// block returns the block of a series and its offset, or nil if the segment has none.
func (s *segment) block(series uint32) (block []byte, offset int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.open(); err != nil {
		return nil, 0, err
	}
	i, ok := slices.BinarySearchFunc(s.index, series, func(e entry, id uint32) int {
		return int(int64(e.series) - int64(id))
	})
	if !ok {
		return nil, 0, nil
	}
	e := s.index[i]
	text := make([]byte, e.size)
	if _, err := s.file.ReadAt(text, e.offset); err != nil {
		return nil, 0, err
	}
	if n, err := frameAt(text); err != nil || n != len(text) || len(text) < frameHeader+4 ||
		sum(text[frameHeader:]) != binary.LittleEndian.Uint32(text[8:]) ||
		binary.LittleEndian.Uint32(text[frameHeader:]) != series {
		return nil, 0, &damage{s.path, int(e.offset), "the points of a metric cannot be read"}
	}
	return text[frameHeader+4:], e.offset, nil
}

// entries returns the index.
func (s *segment) entries() ([]entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.open(); err != nil {
		return nil, err
	}
	return s.index, nil
}

// rest closes the file and frees the index, unless they were used since the last call.
func (s *segment) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.used {
		s.close()
	}
	s.used = false
}

// close must be called with mu held, or when no other goroutine uses the segment.
func (s *segment) close() {
	if s.file != nil {
		s.file.Close()
	}
	s.file, s.index = nil, nil
}

// remove deletes the file.
func (s *segment) remove() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.close()
	return ignoreMissing(os.Remove(s.path))
}
