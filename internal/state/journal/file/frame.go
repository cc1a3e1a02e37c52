package file

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/berthhq/berth/internal/state/journal"
)

// A journal file begins with two copies of its head (see head). From dataStart on it consists of
// frames, and after the last frame of zeros. A frame is a header, a payload, and padding to the
// next multiple of frameAlign, so that a header never crosses the border of a disk sector:
//
//	0   magic, 4 bytes
//	4   kind, 1 byte, and 3 zeros
//	8   length of the payload, 4 bytes
//	12  CRC-32C of the payload
//	16  offset of the frame in the file, 8 bytes
//	24  number of the file, 4 bytes; each file that a compaction makes has another one
//	28  CRC-32C of the 28 bytes before
//
// Numbers are little endian.
const (
	dataStart  = 8192
	headerSize = 32
	frameAlign = 32
	sectorSize = 512
	frameMagic = "bjf\xb2"
	padding    = 0xff // not zero: zeros are what an interrupted write leaves
)

// The kinds of frames. If a file has a snapshot, it begins with the parts of it and a frame that
// ends them; entries follow.
const (
	partFrame    byte = 1 // payload: the part
	snapshotEnd  byte = 2 // payload: revision, term, number of parts, 8 bytes each
	entriesFrame byte = 3 // payload: for each entry its revision, term, length (4 bytes) and data
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frameLength returns the length of a frame with a payload of n bytes.
func frameLength(n int) int64 {
	return (headerSize + int64(n) + frameAlign - 1) / frameAlign * frameAlign
}

// appendFrame appends a frame for the given offset of the file.
func appendFrame(buf []byte, number uint32, offset int64, kind byte, payload []byte) []byte {
	start := len(buf)
	buf = append(buf, frameMagic...)
	buf = append(buf, kind, 0, 0, 0)
	buf = binary.LittleEndian.AppendUint32(buf, uint32(len(payload)))
	buf = binary.LittleEndian.AppendUint32(buf, crc32.Checksum(payload, castagnoli))
	buf = binary.LittleEndian.AppendUint64(buf, uint64(offset))
	buf = binary.LittleEndian.AppendUint32(buf, number)
	buf = binary.LittleEndian.AppendUint32(buf, crc32.Checksum(buf[start:], castagnoli))
	buf = append(buf, payload...)
	for int64(len(buf)-start) < frameLength(len(payload)) {
		buf = append(buf, padding)
	}
	return buf
}

// frame is a frame that was read and has correct checksums.
type frame struct {
	kind    byte
	offset  int64
	end     int64
	payload []byte // valid until the next frame is read
}

// Damage is a place in a file which does not hold what was written there.
type Damage struct {
	Path   string
	Offset int64
	What   string
}

func (d *Damage) Error() string {
	return fmt.Sprintf("%s is damaged at offset %d: %s", d.Path, d.Offset, d.What)
}

// errTorn means that the end of a file looks like an append that a crash interrupted: a frame of
// which at least one disk sector was never written.
var errTorn = errors.New("an append was cut short")

// frames reads the frames of a file one by one.
type frames struct {
	path   string
	r      io.ReaderAt
	size   int64 // of the file
	number uint32
	offset int64 // of the next frame
	buf    []byte
	window window
}

// window reads ahead, so that a small frame does not cost a system call.
type window struct {
	buf   []byte
	start int64
}

const windowSize = 256 << 10

// read fills p from the offset. After the end of the file it reads zeros.
func (f *frames) read(p []byte, offset int64) error {
	w := &f.window
	if int64(len(p)) > min(windowSize, f.size) {
		return readFull(f.r, p, offset)
	}
	if offset < w.start || offset+int64(len(p)) > w.start+int64(len(w.buf)) {
		if w.buf == nil {
			w.buf = make([]byte, min(windowSize, max(f.size, int64(len(p)))))
		}
		w.start = offset
		if err := readFull(f.r, w.buf, offset); err != nil {
			w.buf = nil
			return err
		}
	}
	copy(p, w.buf[offset-w.start:])
	return nil
}

func readFull(r io.ReaderAt, p []byte, offset int64) error {
	n, err := r.ReadAt(p, offset)
	if errors.Is(err, io.EOF) {
		clear(p[n:])
		return nil
	}
	return err
}

func (f *frames) damaged(format string, args ...any) error {
	return &Damage{f.path, f.offset, fmt.Sprintf(format, args...)}
}

// next reads the next frame. It returns io.EOF if there is none, errTorn for a part of a frame, and
// a *Damage for anything else.
func (f *frames) next() (frame, error) {
	if f.offset+headerSize > f.size {
		return frame{}, io.EOF
	}
	var h [headerSize]byte
	if err := f.read(h[:], f.offset); err != nil {
		return frame{}, err
	}
	if zero(h[:]) {
		return frame{}, f.nothing()
	}
	switch {
	case crc32.Checksum(h[:28], castagnoli) != binary.LittleEndian.Uint32(h[28:]), string(h[:4]) != frameMagic:
		return frame{}, f.damaged("there is no whole header of a record")
	case binary.LittleEndian.Uint64(h[16:]) != uint64(f.offset), binary.LittleEndian.Uint32(h[24:]) != f.number:
		return frame{}, f.damaged("the record belongs to another place")
	}
	length := int(binary.LittleEndian.Uint32(h[8:]))
	end := f.offset + frameLength(length)
	if end > f.size {
		return frame{}, errTorn
	}
	f.buf = slices.Grow(f.buf[:0], length)[:length]
	if err := f.read(f.buf, f.offset+headerSize); err != nil {
		return frame{}, err
	}
	if crc32.Checksum(f.buf, castagnoli) != binary.LittleEndian.Uint32(h[12:]) {
		return frame{}, f.tornOrDamaged(end)
	}
	fr := frame{h[4], f.offset, end, f.buf}
	f.offset = end
	return fr, nil
}

// nothing returns io.EOF at the end of the records. A header that was overwritten with zeros is
// damage: after the real end there is nothing up to the next border of a sector.
func (f *frames) nothing() error {
	rest := make([]byte, sectorSize-f.offset%sectorSize)
	if err := f.read(rest, f.offset); err != nil {
		return err
	}
	if !zero(rest) {
		return f.damaged("a header of a record is empty")
	}
	return io.EOF
}

// tornOrDamaged judges a frame whose payload has a wrong checksum. A disk writes a sector
// completely or not at all, and files are filled with zeros in advance, so an interrupted append
// leaves a sector of zeros. Without one, every sector was written, and one has changed since.
func (f *frames) tornOrDamaged(end int64) error {
	for at := f.offset; at < end; {
		border := min(end, at/sectorSize*sectorSize+sectorSize)
		sector := make([]byte, border-at)
		if err := f.read(sector, at); err != nil {
			return err
		}
		if zero(sector) {
			return errTorn
		}
		at = border
	}
	return f.damaged("the checksum of a record of %d bytes is wrong", end-f.offset)
}

func zero(p []byte) bool { return len(bytes.Trim(p, "\x00")) == 0 }

// appendEntry adds an entry to the payload of a frame.
func appendEntry(payload []byte, e journal.Entry) []byte {
	payload = binary.LittleEndian.AppendUint64(payload, e.Rev)
	payload = binary.LittleEndian.AppendUint64(payload, e.Term)
	payload = binary.LittleEndian.AppendUint32(payload, uint32(len(e.Data)))
	return append(payload, e.Data...)
}

const entryHeader = 20

// entries returns the entries in a payload. Their data is part of the payload.
func entries(payload []byte) (all []journal.Entry, ok bool) {
	for len(payload) > 0 {
		if len(payload) < entryHeader {
			return nil, false
		}
		e := journal.Entry{Rev: binary.LittleEndian.Uint64(payload), Term: binary.LittleEndian.Uint64(payload[8:])}
		n := uint64(binary.LittleEndian.Uint32(payload[16:]))
		payload = payload[entryHeader:]
		if n > uint64(len(payload)) {
			return nil, false
		}
		e.Data, payload = payload[:n], payload[n:]
		all = append(all, e)
	}
	return all, true
}

// snapshot is the content of the frame that ends the parts.
type snapshot struct{ rev, term, parts uint64 }

func (s snapshot) payload() []byte {
	p := binary.LittleEndian.AppendUint64(nil, s.rev)
	p = binary.LittleEndian.AppendUint64(p, s.term)
	return binary.LittleEndian.AppendUint64(p, s.parts)
}

func readSnapshot(payload []byte) (s snapshot, ok bool) {
	if len(payload) != 24 {
		return s, false
	}
	return snapshot{
		binary.LittleEndian.Uint64(payload), binary.LittleEndian.Uint64(payload[8:]),
		binary.LittleEndian.Uint64(payload[16:]),
	}, true
}
