package engineio

import (
	"encoding/base64"
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

	packed atomic.Pointer[[]byte] // wire, compressed, when somebody wanted it
}

// part is the place of one packet in wire.
type part struct {
	start, end int
	binary     bool
}

// NewBuffer returns a buffer to append the text of a message to, with capacity for size more bytes. Give
// it to Seal.
func NewBuffer(size int) []byte {
	b := make([]byte, headroom, headroom+size)
	b[headroom-1] = packetMessage
	return b
}

// Seal makes a message of a buffer that NewBuffer returned and the caller appended text to. It keeps text;
// attachments are copied.
func Seal(text []byte, attachments ...[]byte) *Message {
	m := &Message{}
	var head [wsframe.MaxServerHeader]byte
	h := wsframe.AppendHeader(head[:0], wsframe.Text, len(text)-headroom+1)
	start := wsframe.MaxServerHeader - len(h)
	copy(text[start:], h)
	m.wire = text[start:]
	m.first[0] = part{start: len(h), end: len(m.wire)}
	m.parts = m.first[:]
	for _, a := range attachments {
		m.attach(a)
	}
	return m
}

// Bytes makes a message of one binary packet.
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

// Uncompressed marks a fresh message as not worth compressing and returns it.
func (m *Message) Uncompressed() *Message {
	m.plain = true
	return m
}

// Size is what the message takes on a WebSocket, in bytes.
func (m *Message) Size() int { return len(m.wire) }

// control makes a message of a packet that is not of type message.
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
