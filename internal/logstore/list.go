package logstore

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// A group has two files besides its segments, and a marker beside its directory. With them, Check knows which
// files there should be (decision 0313).
//
// The list names the segments. When a segment is started, the list is written before the segment gets events.
// When segments are dropped, it is written before their files are removed.
//
// The mark is a high-water mark: the number of bytes of the last segment that are on the disk. It is written
// after each sync and is not synced itself. So it is never too high, and after a loss of power it may miss
// the last write.
const (
	listFile = "segments"
	markFile = "mark"
)

// listed is an entry of the list.
type listed struct {
	ID    uint64
	Salt  string // of the file's head, hexadecimal; "" for files of magicOld
	First uint64 // no event has a lower sequence number
	// The following are zero while the segment is written to.
	Size   int64
	Last   uint64 // the highest sequence number
	Newest int64  // time of the latest event
}

func (l listed) path(dir string) string { return segmentPath(dir, l.ID) }

// withSum returns v as a line of JSON, and a line with its checksum.
func withSum(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	return fmt.Appendf(text, "\n%08x\n", crc32.Checksum(text, castagnoli)), err
}

// readSummed reads what withSum has returned. It is an error if the checksum is wrong.
func readSummed(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, sum, _ := bytes.Cut(text, []byte("\n"))
	if string(sum) != fmt.Sprintf("%08x\n", crc32.Checksum(text, castagnoli)) {
		return fmt.Errorf("%s is damaged: its checksum is wrong", path)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%s is damaged: %w", path, err)
	}
	return nil
}

func readList(dir string) (list []listed, err error) {
	return list, readSummed(filepath.Join(dir, listFile), &list)
}

func writeList(dir string, list []listed) error {
	text, err := withSum(list)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, listFile)
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path+".new"))
	}
	return errors.Join(os.Rename(path+".new", path), syncDir(dir))
}

// mark says how much of a segment is on the disk.
type mark struct {
	id  uint64
	end int64
}

// The mark has two copies, which are written alternately, so that one is always complete.
const (
	markSize = 20
	markGap  = 64
)

func (m mark) writeTo(f *os.File, turn uint64) error {
	b := binary.LittleEndian.AppendUint64(nil, m.id)
	b = binary.LittleEndian.AppendUint64(b, uint64(m.end))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	_, err := f.WriteAt(b, int64(turn%2)*markGap)
	return err
}

// readMark returns the newer copy.
func readMark(dir string) (newest mark, err error) {
	path := filepath.Join(dir, markFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return mark{}, err
	}
	if len(b) != markGap+markSize {
		return mark{}, fmt.Errorf("%s is damaged: it has %d bytes and not %d", path, len(b), markGap+markSize)
	}
	found := false
	for at := 0; at+markSize <= len(b); at += markGap {
		c := b[at : at+markSize]
		if crc32.Checksum(c[:16], castagnoli) != binary.LittleEndian.Uint32(c[16:]) {
			continue
		}
		m := mark{binary.LittleEndian.Uint64(c), int64(binary.LittleEndian.Uint64(c[8:]))}
		if !found || m.id > newest.id || m.id == newest.id && m.end > newest.end {
			newest, found = m, true
		}
	}
	if !found {
		return mark{}, fmt.Errorf("%s is damaged: no copy of the mark has the right checksum", path)
	}
	return newest, nil
}

// compare compares the directory with the list. Segments that are copies of others are not read.
func (g *group) compare() error {
	list, err := readList(g.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist): // written by a version without lists
		return nil
	case err != nil:
		g.log.Error("the list of a log group's segments cannot be read; missing segments are not noticed", "err", err)
		return nil
	}
	salts := make(map[string]listed)
	for _, l := range list {
		if l == lostDirectory {
			g.lost = append(g.lost, l)
			continue
		}
		g.newest = max(g.newest, l.ID)
		g.next = max(g.next, l.First, l.Last+1)
		if l.Salt != "" {
			salts[l.Salt] = l
		}
		i := slices.IndexFunc(g.segments, func(s *segment) bool { return s.id == l.ID })
		if i < 0 {
			g.lost = append(g.lost, l)
			g.log.Error("a log segment is missing; its events cannot be read", "segment", l.path(g.dir),
				"from", l.First, "to", l.Last)
			continue
		}
		g.segments[i].listed = &l
	}
	g.segments = slices.DeleteFunc(g.segments, func(s *segment) bool {
		if s.listed != nil {
			return false
		}
		if err := s.readSalt(); err != nil {
			return false // learn logs what is wrong with it
		}
		of, copied := salts[s.salt]
		if copied {
			g.log.Error("a log segment is a copy of another and is not read", "segment", s.path, "of", of.path(g.dir))
		}
		return copied
	})
	return nil
}

func (s *segment) readSalt() error {
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	head, err := readHead(f)
	s.salt = head.salt
	return err
}

// entries returns the list: the existing segments, and the missing ones.
func (g *group) entries() (list []listed) {
	g.mu.Lock()
	defer g.mu.Unlock()
	list = slices.Clone(g.lost)
	for i, s := range g.segments {
		l := listed{ID: s.id, Salt: s.salt, First: s.first}
		if s.listed != nil && s.listed.Size > 0 {
			l = *s.listed // even if the file is now shorter
		} else if g.file == nil || i < len(g.segments)-1 {
			l.Size, l.Last, l.Newest = s.size, s.last, s.span(func(string) bool { return true }).Last
		}
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b listed) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// saveListing writes the list. The caller holds the mutex listing.
func (g *group) saveListing() error { return writeList(g.dir, g.entries()) }

// keepMetadata makes sure that the list has the last segment, and that there is a mark. It is called before
// each write to the last segment.
func (g *group) keepMetadata() error {
	g.listing.Lock()
	defer g.listing.Unlock()
	return g.keepMetadataListing()
}

func (g *group) keepMetadataListing() error {
	if g.unsaved {
		if err := g.saveListing(); err != nil {
			return err
		}
		g.unsaved = false
	}
	g.mu.Lock()
	there := g.mark != nil
	last := g.segments[len(g.segments)-1]
	m := mark{last.id, last.size}
	g.mu.Unlock()
	if there {
		return nil
	}
	f, err := openMark(g.dir, m)
	if err != nil {
		return err
	}
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return errors.Join(ErrClosed, f.Close())
	}
	g.mark = f
	g.mu.Unlock()
	g.writeMark(m)
	return g.writeMarker()
}

// writeMark writes how much of the last segment is on the disk. If it fails, the mark is too low, which is
// harmless.
func (g *group) writeMark(m mark) {
	g.mu.Lock()
	f := g.mark
	g.mu.Unlock()
	if f == nil {
		return
	}
	g.turn++
	if err := m.writeTo(f, g.turn); err != nil && !errors.Is(err, os.ErrClosed) {
		g.log.Warn("the mark of a log group could not be written", "directory", g.dir, "err", err)
	}
}

// openMark opens the mark's file. If there is none, or it is too short, it creates one with m.
func openMark(dir string, m mark) (*os.File, error) {
	path := filepath.Join(dir, markFile)
	if info, err := os.Stat(path); err == nil && info.Size() == markGap+markSize {
		return os.OpenFile(path, os.O_RDWR, 0)
	}
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for turn := range uint64(2) {
		err = errors.Join(err, m.writeTo(f, turn))
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(path+".new"))
	}
	return f, nil
}

// cutShort compares the size of a segment with the list and the mark. A segment that has lost its end is not
// written to any more, and the list keeps its former size.
func (g *group) cutShort(s *segment) error {
	l := listed{ID: s.id, Salt: s.salt}
	if s.listed != nil {
		l = *s.listed
	}
	m, err := readMark(g.dir)
	switch {
	case err == nil && m.id == s.id:
		l.Size = max(l.Size, m.end)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		g.log.Error("the mark of a log group cannot be read", "err", err)
	}
	if s.size >= l.Size {
		return nil
	}
	l.Last = max(l.Last, s.last)
	l.Newest = max(l.Newest, s.span(func(string) bool { return true }).Last)
	s.listed = &l
	return &damage{s.size, l.Size, errShort}
}

// errShort is the damage of a file that ends between two records.
var errShort = fmt.Errorf("%w: the file ends early", errDamaged)

// begun returns the list's entry for a segment that is written to.
func (l *listed) begun() *listed {
	if l == nil {
		return nil
	}
	return &listed{ID: l.ID, Salt: l.Salt, First: l.First}
}

// forget removes missing segments from the list when all their events are older than a time.
func (g *group) forget(before int64) {
	g.listing.Lock()
	defer g.listing.Unlock()
	g.mu.Lock()
	n := len(g.lost)
	g.lost = slices.DeleteFunc(g.lost, func(l listed) bool { return l.Size > 0 && l.Newest < before })
	changed := len(g.lost) < n
	g.mu.Unlock()
	if !changed {
		return
	}
	if err := g.saveListing(); err != nil {
		g.log.Warn("the list of a log group's segments could not be written", "directory", g.dir, "err", err)
	}
}

// Freeze links the existing segments into a directory of groups, with the list and the mark of each group at
// this moment. It keeps segments that are dropped later.
func (s *Store) Freeze(into string) error {
	ids, err := groupIDs(s.dir)
	if err != nil {
		return err
	}
	for _, id := range ids {
		g, err := s.group(id)
		if err == nil {
			err = g.freeze(filepath.Join(into, id))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // the group was dropped
			return err
		}
	}
	return nil
}

func (g *group) freeze(into string) error {
	g.mu.Lock()
	err := g.openLocked()
	g.mu.Unlock()
	if err != nil {
		return err
	}
	g.listing.Lock() // keeps segments from being dropped
	defer g.listing.Unlock()
	marker, err := hasMarker(g.dir)
	if err != nil {
		return err
	}
	if !isDir(g.dir) {
		if !marker { // the group was dropped
			return nil
		}
		return createMarker(into)
	}
	if err := os.MkdirAll(into, 0o700); err != nil {
		return err
	}
	if err := g.freezeSegments(into); err != nil || !marker {
		return err
	}
	return createMarker(into)
}

// freezeSegments links the segments, and writes the list and the mark. The caller holds the mutex listing.
func (g *group) freezeSegments(into string) error {
	list := g.entries()
	for _, l := range list {
		err := os.Link(l.path(g.dir), l.path(into))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := writeList(into, list); err != nil {
		return err
	}
	var m mark
	if len(list) > 0 {
		last := list[len(list)-1]
		m.id = last.ID
		if info, err := os.Stat(last.path(into)); err == nil {
			g.mu.Lock()
			if n := len(g.segments); n > 0 && g.segments[n-1].id == last.ID {
				m.end = min(g.segments[n-1].size, info.Size())
			}
			g.mu.Unlock()
		}
	}
	f, err := openMark(into, m)
	if err != nil {
		return err
	}
	return f.Close()
}

// hexSalt returns a salt in the format of the list.
func hexSalt(salt []byte) string { return hex.EncodeToString(salt) }
