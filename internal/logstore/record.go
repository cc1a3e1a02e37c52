package logstore

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// A segment file is the magic, 8 bytes of salt, and then records. Each record is one batch of one stream:
//
//	length of the payload  4 bytes, little endian
//	CRC-32C of the salt and the payload, 4 bytes, little endian
//	payload                stream id, first sequence number, time of ingestion, number of events, and the events,
//	                       each a time (as the distance from the ingestion) and a message; numbers are varints
//
// A batch is in the file with all its events or not at all. The salt is random, so log events cannot contain
// text that looks like a record; a reader searches for the next record after damage. Files of the earlier
// format, magicOld, have no salt.
const (
	magic      = "BERTHLG2"
	magicOld   = "BERTHLG1"
	saltSize   = 8
	headerSize = 8
	// maxPayload bounds the memory that a reader allocates for a damaged length. A batch of the API has at
	// most 1 MiB.
	maxPayload = 8 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errDamaged is the error at the first byte that does not belong to a complete record.
var errDamaged = errors.New("damaged record")

// batch is a record in memory.
type batch struct {
	stream   string
	first    uint64 // sequence number of the first event; the others follow
	ingested int64  // milliseconds since 1970
	events   []Entry
	size     int64 // size of the record that was read
}

// append adds the record's bytes to buf. seed is the checksum of the file's salt.
func (b *batch) append(buf []byte, seed uint32) []byte {
	start := len(buf)
	buf = append(buf, make([]byte, headerSize)...)
	buf = binary.AppendUvarint(buf, uint64(len(b.stream)))
	buf = append(buf, b.stream...)
	buf = binary.AppendUvarint(buf, b.first)
	buf = binary.AppendVarint(buf, b.ingested)
	buf = binary.AppendUvarint(buf, uint64(len(b.events)))
	for _, e := range b.events {
		buf = binary.AppendVarint(buf, e.Time-b.ingested)
		buf = binary.AppendUvarint(buf, uint64(len(e.Message)))
		buf = append(buf, e.Message...)
	}
	payload := buf[start+headerSize:]
	binary.LittleEndian.PutUint32(buf[start:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(buf[start+4:], crc32.Update(seed, castagnoli, payload))
	return buf
}

// decode parses a payload. Messages are copies, so the payload can be reused.
func decode(payload []byte) (*batch, error) {
	d := decoder{rest: payload}
	b := &batch{stream: string(d.bytes()), first: d.uint(), ingested: d.int()}
	n := d.uint()
	if d.bad || n > uint64(len(d.rest)) { // an event takes at least two bytes
		return nil, errDamaged
	}
	b.events = make([]Entry, n)
	for i := range b.events {
		b.events[i] = Entry{Time: b.ingested + d.int(), Message: string(d.bytes())}
	}
	if d.bad || len(d.rest) > 0 {
		return nil, errDamaged
	}
	return b, nil
}

// decoder parses numbers and strings until it finds an invalid one.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.rest)
	d.skip(n)
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.rest)
	d.skip(n)
	return v
}

func (d *decoder) skip(n int) {
	if n <= 0 {
		d.bad, d.rest = true, nil
		return
	}
	d.rest = d.rest[n:]
}

func (d *decoder) bytes() []byte {
	n := d.uint()
	if n > uint64(len(d.rest)) {
		d.bad, d.rest = true, nil
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

// fileHead is the start of a segment file.
type fileHead struct {
	size int64  // offset of the first record
	seed uint32 // of their checksums
	salt string // "" in files of magicOld
}

func readHead(r io.ReaderAt) (fileHead, error) {
	b := make([]byte, len(magic)+saltSize)
	n, err := r.ReadAt(b, 0)
	switch {
	case n >= len(magicOld) && string(b[:len(magicOld)]) == magicOld:
		return fileHead{size: int64(len(magicOld))}, nil
	case n == len(b) && string(b[:len(magic)]) == magic:
		salt := b[len(magic):]
		return fileHead{int64(n), crc32.Checksum(salt, castagnoli), hexSalt(salt)}, nil
	case err == nil || err == io.EOF:
		return fileHead{}, fmt.Errorf("%w: no segment file", errDamaged)
	}
	return fileHead{}, err
}

// damage is a part of a segment file that is not a record. It is an errDamaged.
type damage struct {
	from, to int64
	why      error
}

func (d *damage) Error() string { return fmt.Sprintf("bytes %d to %d: %v", d.from, d.to, d.why) }
func (d *damage) Unwrap() error { return errDamaged }

// records calls fn for every record in the first size bytes of a segment, with the offset of its end. After
// damage it continues at the next complete record, and at the end it returns all damage, joined. It stops at
// the first error of fn and returns that error.
func records(r io.ReaderAt, size int64, fn func(b *batch, end int64) error) error {
	head, err := readHead(r)
	if err != nil {
		return err
	}
	var bad []error
	for at := head.size; at < size; {
		end, err := run(r, head.seed, at, size, fn)
		if err == nil {
			break
		}
		if !errors.Is(err, errDamaged) {
			return err
		}
		next, found := resume(r, head.seed, end+1, size)
		if found != nil {
			return found
		}
		bad = append(bad, &damage{end, next, err})
		at = next
	}
	return errors.Join(bad...)
}

// run reads records from an offset to the end, or to the first damaged record, and returns where it stopped.
func run(r io.ReaderAt, seed uint32, at, size int64, fn func(b *batch, end int64) error) (int64, error) {
	br := bufio.NewReaderSize(io.NewSectionReader(r, at, size-at), 64<<10)
	head := make([]byte, headerSize)
	var payload []byte
	for {
		switch _, err := io.ReadFull(br, head); {
		case err == io.EOF:
			return at, nil
		case err != nil:
			return at, torn(err)
		}
		n := binary.LittleEndian.Uint32(head)
		if n > maxPayload {
			return at, fmt.Errorf("%w: its length would be %d", errDamaged, n)
		}
		payload = grow(payload, int(n))
		if _, err := io.ReadFull(br, payload); err != nil {
			return at, torn(err)
		}
		if crc32.Update(seed, castagnoli, payload) != binary.LittleEndian.Uint32(head[4:]) {
			return at, fmt.Errorf("%w: its checksum is wrong", errDamaged)
		}
		b, err := decode(payload)
		if err != nil {
			return at, err
		}
		b.size = headerSize + int64(n)
		at += b.size
		if err := fn(b, at); err != nil {
			return at, err
		}
	}
}

// resume returns the offset of the next complete record, or size if there is none.
func resume(r io.ReaderAt, seed uint32, at, size int64) (int64, error) {
	if at >= size {
		return size, nil
	}
	rest := make([]byte, size-at)
	if _, err := r.ReadAt(rest, at); err != nil && err != io.EOF {
		return 0, err
	}
	for i := 0; i+headerSize < len(rest); i++ {
		n := int(binary.LittleEndian.Uint32(rest[i:]))
		// A payload starts with the length of a stream's id and has at least four more numbers.
		if n < 5 || n > len(rest)-i-headerSize || rest[i+headerSize] == 0 || rest[i+headerSize] > maxID {
			continue
		}
		payload := rest[i+headerSize : i+headerSize+n]
		if crc32.Update(seed, castagnoli, payload) == binary.LittleEndian.Uint32(rest[i+4:]) {
			return at + int64(i), nil
		}
	}
	return size, nil
}

func torn(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: it ends early", errDamaged)
	}
	return err
}

func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}
