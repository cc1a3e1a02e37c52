// Package wsframe reads and writes WebSocket frames (RFC 6455), mainly for servers. Its Reader is given bytes as they
// arrive, in pieces of any size, and has no buffer between messages.
//
// The package does no I/O. A Reader must be used by one goroutine at a time. The only extension that it supports is
// permessage-deflate, which uses bit RSV1.
package wsframe

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"
)

// Op is a frame's opcode.
type Op byte

const (
	Continuation Op = 0x0
	Text         Op = 0x1
	Binary       Op = 0x2
	Close        Op = 0x8
	Ping         Op = 0x9
	Pong         Op = 0xA
)

var (
	// ErrProtocol is returned for a frame that RFC 6455 does not allow.
	ErrProtocol = errors.New("wsframe: protocol error")
	// ErrTooBig is returned for a message that is longer than the reader's limit.
	ErrTooBig = errors.New("wsframe: message too big")
	// ErrUTF8 is returned for a text message that is not UTF-8.
	ErrUTF8 = errors.New("wsframe: text is not UTF-8")
)

// RSV1 in a frame's first byte marks a compressed message.
const RSV1 = 0x40

const (
	fin        = 0x80
	maskBit    = 0x80
	maxHeader  = 14
	maxControl = 125
	// firstAlloc is at most how many bytes are allocated for a payload of which only the header has arrived.
	firstAlloc = 16 << 10
)

// Reader reads messages from a stream of frames.
type Reader struct {
	// Limit is how long a message may be, in bytes. The lengths of its fragments are added.
	Limit int
	// Inflate decompresses messages with bit RSV1. If it is nil, such messages are a protocol error. Its result must
	// not be longer than limit.
	Inflate func(p []byte, limit int) ([]byte, error)
	// FromServer says that frames come from a server: they must not be masked. Otherwise they must be.
	FromServer bool

	frame   header
	payload []byte
	message []byte // the fragments of the current message that have arrived

	head       [maxHeader]byte
	nhead      uint8
	messageOp  Op
	compressed bool
	inFrame    bool
}

type header struct {
	size int
	mask [4]byte
	op   Op
	fin  bool
	rsv1 bool
}

// Feed reads p and calls emit for each message and each control frame that is complete. emit may keep the payload.
// After an error, of emit or of the stream, the Reader must not be used again.
func (r *Reader) Feed(p []byte, emit func(op Op, payload []byte) error) error {
	for {
		if !r.inFrame {
			rest, ok, err := r.readHeader(p)
			if err != nil {
				return err
			}
			if p = rest; !ok {
				return nil
			}
		}
		n := min(r.frame.size-len(r.payload), len(p))
		r.take(p[:n])
		p = p[n:]
		if len(r.payload) < r.frame.size {
			return nil
		}
		payload := r.payload
		r.payload, r.inFrame = nil, false
		if err := r.finish(payload, emit); err != nil {
			return err
		}
		if len(p) == 0 {
			return nil
		}
	}
}

// take unmasks bytes of the payload and appends them.
func (r *Reader) take(p []byte) {
	if r.payload == nil {
		if len(p) == r.frame.size {
			r.payload = make([]byte, 0, len(p))
		} else {
			r.payload = make([]byte, 0, min(r.frame.size, max(firstAlloc, len(p))))
		}
	}
	at := len(r.payload)
	r.payload = append(r.payload, p...)
	Mask(r.payload[at:], r.frame.mask, at)
}

// readHeader reads a frame header, which may arrive in pieces, and returns the bytes after it. ok is false while the
// header is not complete.
func (r *Reader) readHeader(p []byte) (rest []byte, ok bool, err error) {
	for {
		need := r.headerSize()
		if int(r.nhead) >= need {
			break
		}
		if len(p) == 0 {
			return nil, false, nil
		}
		n := copy(r.head[r.nhead:need], p)
		r.nhead += uint8(n)
		p = p[n:]
	}
	err = r.parseHeader()
	r.nhead, r.inFrame = 0, true
	return p, err == nil, err
}

// headerSize returns the length of the header. While its first two bytes have not arrived, it returns 2.
func (r *Reader) headerSize() int {
	if r.nhead < 2 {
		return 2
	}
	n := 2
	switch r.head[1] &^ maskBit {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if r.head[1]&maskBit != 0 {
		n += 4
	}
	return n
}

func (r *Reader) parseHeader() error {
	b := r.head[:r.nhead]
	h := header{op: Op(b[0] & 0x0f), fin: b[0]&fin != 0, rsv1: b[0]&RSV1 != 0}
	size := uint64(b[1] &^ maskBit)
	switch size {
	case 126:
		size = uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		size = binary.BigEndian.Uint64(b[2:])
	}
	if b[0]&0x30 != 0 || (b[1]&maskBit == 0) != r.FromServer {
		return ErrProtocol
	}
	if !r.FromServer {
		copy(h.mask[:], b[len(b)-4:])
	}
	if err := r.check(h, size); err != nil {
		return err
	}
	h.size = int(size)
	r.frame = h
	return nil
}

// check checks a header against the protocol and the limit.
func (r *Reader) check(h header, size uint64) error {
	switch h.op {
	case Close, Ping, Pong:
		if !h.fin || size > maxControl || h.rsv1 {
			return ErrProtocol
		}
		return nil
	case Text, Binary:
		if r.messageOp != 0 || (h.rsv1 && r.Inflate == nil) {
			return ErrProtocol
		}
	case Continuation:
		if r.messageOp == 0 || h.rsv1 {
			return ErrProtocol
		}
	default:
		return ErrProtocol
	}
	if size > uint64(r.Limit) || len(r.message)+int(size) > r.Limit {
		return ErrTooBig
	}
	return nil
}

// finish handles a complete frame. It calls emit if the frame is a control frame or ends a message.
func (r *Reader) finish(payload []byte, emit func(Op, []byte) error) error {
	h := r.frame
	if h.op >= Close {
		return emit(h.op, payload)
	}
	op, compressed := h.op, h.rsv1
	if h.op != Continuation && !h.fin {
		r.message, r.messageOp, r.compressed = payload, op, compressed
		return nil
	}
	if h.op == Continuation {
		r.message = append(r.message, payload...)
		if !h.fin {
			return nil
		}
		payload, op, compressed = r.message, r.messageOp, r.compressed
		r.message, r.messageOp = nil, 0
	}
	if compressed {
		var err error
		if payload, err = r.Inflate(payload, r.Limit); err != nil {
			return err
		}
	}
	if op == Text && !utf8.Valid(payload) {
		return ErrUTF8
	}
	return emit(op, payload)
}

// Mask masks or unmasks p with a key. p starts offset bytes after the beginning of the payload.
func Mask(p []byte, key [4]byte, offset int) {
	var k [8]byte
	for i := range k {
		k[i] = key[(offset+i)&3]
	}
	word := binary.LittleEndian.Uint64(k[:])
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^word)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= k[i]
	}
}
