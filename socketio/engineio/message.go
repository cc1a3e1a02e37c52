package engineio

import (
	"encoding/base64"
	"sync"
	"sync/atomic"

	"github.com/berthhq/berth/socketio/internal/wsframe"
)

// The packet types of Engine.IO.
const (
	packetOpen    = '0'
	packetClose   = '1'
	packetPing    = '2'
	packetPong    = '3'
	packetMessage = '4'
	packetUpgrade = '5'
	packetNoop    = '6'
)

const (
	separator    = 0x1e // between the packets of a polling payload
	binaryPrefix = 'b'
	headroom     = wsframe.MaxServerHeader + 1 // frame header and packet type
)

// Message is one text packet and the binary packets that belong to it, encoded for every transport at
// once. It is immutable and may be sent to any number of sessions.
type Message struct {
	wire  []byte // the WebSocket frames, back to back
	parts []part
	first [1]part // storage for the common case of one packet
	plain bool    // must not be compressed
	buf   []byte  // where wire lies, in a message for one session

	packed atomic.Pointer[[]byte] // wire, compressed; set when it is first needed
}

// part is the position of one packet in wire.
type part struct {
	start, end int
	binary     bool
}

// NewBuffer returns a buffer for the text of a message, with capacity for size bytes. Append the
// text and pass the result to Seal.
func NewBuffer(size int) []byte {
	b := make([]byte, headroom, headroom+size)
	b[headroom-1] = packetMessage
	return b
}

// Seal returns a message made from a buffer of NewBuffer with the text appended. It keeps text;
// attachments are copied.
func Seal(text []byte, attachments ...[]byte) *Message {
	m := &Message{}
	m.seal(text)
	for _, a := range attachments {
		m.attach(a)
	}
	return m
}

var singles sync.Pool // of *Message

// maxSingle is the largest buffer, in bytes, that is kept for another message.
const maxSingle = 8 << 10

// NewSingle returns a message that can be sent once, to one session, and a buffer for its text,
// with capacity for size bytes. Append the text and pass the result to SealSingle. Both are used
// again after the message was sent.
func NewSingle(size int) (*Message, []byte) {
	m, ok := singles.Get().(*Message)
	if !ok {
		m = &Message{}
	}
	if cap(m.buf) < headroom+size {
		m.buf = make([]byte, headroom, max(headroom+size, 256))
	}
	b := m.buf[:headroom]
	b[headroom-1] = packetMessage
	return m, b
}

// SealSingle completes a message that NewSingle returned. It keeps text.
func (m *Message) SealSingle(text []byte) {
	m.buf = text[:0]
	m.seal(text)
}

// release must be called when the message has been sent.
func (m *Message) release() {
	if n := cap(m.buf); n == 0 || n > maxSingle {
		return
	}
	*m = Message{buf: m.buf}
	singles.Put(m)
}

// seal puts the header in front of text.
func (m *Message) seal(text []byte) {
	var head [wsframe.MaxServerHeader]byte
	h := wsframe.AppendHeader(head[:0], wsframe.Text, len(text)-headroom+1)
	start := wsframe.MaxServerHeader - len(h)
	copy(text[start:], h)
	m.wire = text[start:]
	m.first[0] = part{start: len(h), end: len(m.wire)}
	m.parts = m.first[:]
}

// Bytes returns a message with one binary packet.
func Bytes(p []byte) *Message {
	m := &Message{}
	m.attach(p)
	return m
}

func (m *Message) attach(p []byte) {
	m.wire = wsframe.AppendHeader(m.wire, wsframe.Binary, len(p))
	m.parts = append(m.parts, part{start: len(m.wire), end: len(m.wire) + len(p), binary: true})
	m.wire = append(m.wire, p...)
}

// Uncompressed makes a new message one that is never compressed, and returns it.
func (m *Message) Uncompressed() *Message {
	m.plain = true
	return m
}

// Size returns what the message takes on a WebSocket, in bytes.
func (m *Message) Size() int { return len(m.wire) }

// control returns a message with a packet of another type than message.
func control(kind byte, data string) *Message {
	b := append(NewBuffer(len(data)), data...)
	b[headroom-1] = kind
	return Seal(b)
}

// appendPayload appends the polling form of the messages.
func appendPayload(dst []byte, messages []*Message) []byte {
	first := true
	for _, m := range messages {
		for _, p := range m.parts {
			if !first {
				dst = append(dst, separator)
			}
			first = false
			if p.binary {
				dst = base64.StdEncoding.AppendEncode(append(dst, binaryPrefix), m.wire[p.start:p.end])
			} else {
				dst = append(dst, m.wire[p.start:p.end]...)
			}
		}
	}
	return dst
}
