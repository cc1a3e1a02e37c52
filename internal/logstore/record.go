package logstore

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// A segment file is the magic and then records, each of them one batch of one stream:
//
//	length of the payload  4 bytes, little endian
//	CRC-32C of the payload 4 bytes, little endian
//	payload                stream id, first sequence number, time of ingestion, number of events, and the events,
//	                       each a time (as the distance from the ingestion) and a message; numbers are varints
//
// A batch is there with all its events or not at all.
const (
	magic      = "BERTHLG1"
	headerSize = 8
	// maxPayload bounds what a damaged length can make a reader allocate. A batch of the API has at most 1 MiB.
	maxPayload = 8 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errDamaged is what a reader gets at the first byte that does not belong to a whole record.
var errDamaged = errors.New("damaged record")

// batch is a record in memory.
type batch struct {
	stream   string
	first    uint64 // sequence number of the first event; the others follow
	ingested int64  // milliseconds since 1970
	events   []Entry
}

// append adds the record's bytes to buf.
func (b *batch) append(buf []byte) []byte {
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
	binary.LittleEndian.PutUint32(buf[start+4:], crc32.Checksum(payload, castagnoli))
	return buf
}

// decode reads a payload. Messages are copies; the payload may be used again.
func decode(payload []byte) (*batch, error) {
	d := decoder{rest: payload}
	b := &batch{stream: string(d.bytes()), first: d.uint(), ingested: d.int()}
	n := d.uint()
	if d.bad || n > uint64(len(d.rest)) { // an event has at least two bytes
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

// decoder takes numbers and strings off a payload until one is bad.
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

// records calls fn for every record of a segment, with the offset at which it ends. It returns nil at the end of r, the error of fn, or
// one that is errDamaged.
func records(r io.Reader, fn func(b *batch, end int64) error) error {
	br := bufio.NewReaderSize(r, 64<<10)
	head := make([]byte, headerSize)
	if _, err := io.ReadFull(br, head); err != nil || string(head) != magic {
		return fmt.Errorf("%w: no segment file", errDamaged)
	}
	var payload []byte
	for end := int64(len(magic)); ; {
		switch _, err := io.ReadFull(br, head); {
		case err == io.EOF:
			return nil
		case err != nil:
			return torn(err)
		}
		n := binary.LittleEndian.Uint32(head)
		if n > maxPayload {
			return fmt.Errorf("%w: length %d at offset %d", errDamaged, n, end)
		}
		payload = grow(payload, int(n))
		if _, err := io.ReadFull(br, payload); err != nil {
			return torn(err)
		}
		if crc32.Checksum(payload, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
			return fmt.Errorf("%w: checksum at offset %d", errDamaged, end)
		}
		b, err := decode(payload)
		if err != nil {
			return err
		}
		end += headerSize + int64(n)
		if err := fn(b, end); err != nil {
			return err
		}
	}
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
