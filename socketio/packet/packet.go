// Package packet encodes and decodes the text form of packets of Socket.IO protocol 5. It does not decode their
// arguments.
//
// It is pure. Decoding accepts exactly the packets that the official server accepts, and in addition checks that the
// payload is valid JSON, because it may be passed on to other clients unchanged.
package packet

import (
	"bytes"
	"errors"
	"math"
	"strconv"

	"github.com/berthhq/berth/socketio/internal/jsonscan"
)

// Type is a packet type.
type Type byte

const (
	Connect Type = iota
	Disconnect
	Event
	Ack
	ConnectError
	BinaryEvent
	BinaryAck
)

// MaxAttachments is the largest number of binary attachments of a packet.
const MaxAttachments = 10

// ErrInvalid is returned for a packet that the protocol does not allow. The connection on which it came must be closed.
var ErrInvalid = errors.New("packet: invalid")

// Packet is a decoded packet.
type Packet struct {
	Type Type
	// Namespace is the exact name, "/" by default.
	Namespace string
	// ID is the acknowledgement id if HasID.
	ID    uint64
	HasID bool
	// Data is the payload: empty, an object for Connect, an array for events and acks. It aliases the
	// text that was decoded.
	Data []byte
	// Attachments is how many binary messages follow.
	Attachments int
}

// Decode decodes the text of a packet.
func Decode(text []byte) (Packet, error) {
	if len(text) == 0 || text[0] < '0' || text[0] > '6' {
		return Packet{}, ErrInvalid
	}
	p := Packet{Type: Type(text[0] - '0'), Namespace: "/"}
	rest := text[1:]
	var err error
	if p.Type >= BinaryEvent {
		if rest, err = p.attachments(rest); err != nil {
			return Packet{}, err
		}
	}
	if len(rest) > 0 && rest[0] == '/' {
		name, after, _ := bytes.Cut(rest, []byte{','})
		p.Namespace, rest = string(name), after
	}
	if rest, err = p.id(rest); err != nil {
		return Packet{}, err
	}
	if p.Data = rest; !p.valid() {
		return Packet{}, ErrInvalid
	}
	return p, nil
}

func (p *Packet) attachments(rest []byte) ([]byte, error) {
	count, after, ok := bytes.Cut(rest, []byte{'-'})
	n, err := strconv.Atoi(string(count))
	if !ok || err != nil || n < 1 || n > MaxAttachments {
		return nil, ErrInvalid
	}
	p.Attachments = n
	return after, nil
}

// id reads the digits of an acknowledgement id, which is a JavaScript number: above 2^53 it is
// rounded as the reference does.
func (p *Packet) id(rest []byte) ([]byte, error) {
	n := 0
	for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
		n++
	}
	if n == 0 {
		return rest, nil
	}
	id, err := strconv.ParseUint(string(rest[:n]), 10, 64)
	if err != nil || id > math.MaxInt64 {
		return nil, ErrInvalid
	}
	if id > 1<<53 {
		id = uint64(float64(id))
	}
	p.ID, p.HasID = id, true
	return rest[n:], nil
}

// Check reports whether a packet that came in another form than text is one that Decode could have
// returned: its type is known and its payload is valid JSON that fits the type.
func (p *Packet) Check() error {
	if p.Type > BinaryAck || p.Namespace == "" || p.Namespace[0] != '/' || !p.valid() {
		return ErrInvalid
	}
	return nil
}

// valid checks that the payload fits the type.
func (p *Packet) valid() bool {
	if len(p.Data) == 0 {
		return p.Type != BinaryEvent && p.Type != BinaryAck
	}
	if !jsonscan.Valid(p.Data) {
		return false
	}
	first := p.Data[jsonscan.Space(p.Data, 0)]
	switch p.Type {
	case Connect:
		return first == '{'
	case Disconnect:
		return false
	case ConnectError:
		return first == '{' || first == '"'
	default:
		return first == '['
	}
}

// Name splits the payload of an event into the name, unquoted, and the arguments: JSON values
// separated by commas. Reserved names are invalid.
func (p *Packet) Name() (name, args []byte, err error) {
	i := jsonscan.Space(p.Data, 0) + 1 // after the bracket, which Decode has checked
	i = jsonscan.Space(p.Data, i)
	end, err := jsonscan.Value(p.Data, i)
	if err != nil {
		return nil, nil, ErrInvalid
	}
	raw := p.Data[i:end]
	switch c := raw[0]; {
	case c == '"':
		if name = raw[1 : len(raw)-1]; bytes.IndexByte(name, '\\') >= 0 {
			if name, err = unquote(raw); err != nil {
				return nil, nil, ErrInvalid
			}
		}
		if reserved(name) {
			return nil, nil, ErrInvalid
		}
	case c == '-' || (c >= '0' && c <= '9'):
		name = raw
	default:
		return nil, nil, ErrInvalid
	}
	return name, inner(p.Data, end), nil
}

// Args returns the elements of an ack's payload: JSON values separated by commas.
func (p *Packet) Args() []byte { return inner(p.Data, jsonscan.Space(p.Data, 0)) }

// inner returns the text between p[i], a bracket or the end of the first element, and the last bracket.
func inner(p []byte, i int) []byte {
	if i >= len(p) {
		return nil
	}
	if p[i] != '[' {
		i = jsonscan.Space(p, i)
	}
	return bytes.TrimSpace(p[i+1 : max(i+1, bytes.LastIndexByte(p, ']'))])
}

func reserved(name []byte) bool {
	switch string(name) {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}
