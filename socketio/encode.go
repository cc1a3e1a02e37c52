package socketio

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/berthhq/berth/socketio/adapter"
	"github.com/berthhq/berth/socketio/engineio"
	"github.com/berthhq/berth/socketio/internal/jsonscan"
	"github.com/berthhq/berth/socketio/packet"
)

// NewPayload encodes an event as Emit does.
func NewPayload(event string, args ...any) (adapter.Payload, error) {
	return payload(nil, event, true, args)
}

// Inline returns the JSON of a payload with its attachments as base64 text.
func Inline(p adapter.Payload) json.RawMessage {
	return (&Args{attachments: p.Attachments}).inline(p.JSON)
}

// elements returns the elements of a payload that is an array.
func elements(p adapter.Payload) *Args {
	return &Args{json: bytes.TrimSpace(p.JSON[1 : len(p.JSON)-1]), attachments: p.Attachments}
}

// payload appends a JSON array to dst: the event name, if named is true, and the arguments.
func payload(dst []byte, event string, named bool, args []any) (adapter.Payload, error) {
	p, err := encodeArgs(dst, event, named, args, slices.ContainsFunc(args, hasBinary))
	if err == nil && len(p.Attachments) > 0 && !p.binary {
		p, err = encodeArgs(dst, event, named, args, true) // an argument contains a Binary
	}
	return p.Payload, err
}

func hasBinary(v any) bool {
	switch v := v.(type) {
	case []byte, Binary:
		return true
	case *Args:
		return v != nil && len(v.attachments) > 0
	}
	return false
}

func encodeArgs(dst []byte, event string, named bool, args []any, binary bool) (encoded, error) {
	p := encoded{Payload: adapter.Payload{JSON: append(dst, '[')}, binary: binary}
	if named {
		p.JSON = appendString(p.JSON, event)
	}
	for i, a := range args {
		if list, ok := a.(*Args); ok && (list == nil || len(list.json) == 0) {
			continue
		}
		if len(p.JSON) > len(dst)+1 {
			p.JSON = append(p.JSON, ',')
		}
		if err := p.add(a); err != nil {
			return encoded{}, fmt.Errorf("socketio: argument %d of %q: %w", i, event, err)
		}
	}
	p.JSON = append(p.JSON, ']')
	return p, nil
}

// encoded is a payload while it is being encoded.
type encoded struct {
	adapter.Payload
	// binary says that the packet has attachments. In such a packet, an object in the sender's data that looks like a
	// placeholder would make receivers close their connections, or would stand for the bytes of another argument. It
	// is replaced by null. In a packet without attachments it is ordinary data.
	binary bool
}

func (p *encoded) add(v any) error {
	switch v := v.(type) {
	case nil:
		p.JSON = append(p.JSON, "null"...)
	case string:
		p.JSON = appendString(p.JSON, v)
	case bool:
		p.JSON = strconv.AppendBool(p.JSON, v)
	case int:
		p.JSON = strconv.AppendInt(p.JSON, int64(v), 10)
	case int64:
		p.JSON = strconv.AppendInt(p.JSON, v, 10)
	case []byte:
		p.attach(v)
	case Binary:
		p.attach(v)
	case *Args:
		p.addArgs(v)
	case json.RawMessage:
		if len(v) == 0 {
			v = json.RawMessage("null")
		}
		p.JSON = append(p.JSON, p.data(v)...)
	default:
		return p.marshal(v)
	}
	return nil
}

// data returns JSON that refers to no attachment in the form in which it may be in the packet: see encoded.binary.
func (p *encoded) data(text []byte) []byte {
	if !p.binary || !jsonscan.Valid(text) {
		return text
	}
	return withoutPlaceholders(text)
}

func (p *encoded) attach(b []byte) {
	p.placeholder(len(p.Attachments))
	p.Attachments = append(p.Attachments, b)
}

func (p *encoded) placeholder(num int) {
	p.JSON = strconv.AppendInt(append(p.JSON, placeholderHead...), int64(num), 10)
	p.JSON = append(p.JSON, '}')
}

// addArgs adds arguments that were received, with their attachments.
func (p *encoded) addArgs(a *Args) {
	if len(a.attachments) == 0 {
		if !p.binary {
			p.JSON = append(p.JSON, a.json...)
			return
		}
		list := slices.Concat([]byte{'['}, a.json, []byte{']'})
		list = withoutPlaceholders(list)
		p.JSON = append(p.JSON, list[1:len(list)-1]...)
		return
	}
	base := len(p.Attachments)
	p.Attachments = append(p.Attachments, a.attachments...)
	if base == 0 {
		p.JSON = append(p.JSON, a.json...)
		return
	}
	eachPlaceholder(a.json, func(before []byte, num int) {
		p.JSON = append(p.JSON, before...)
		switch {
		case num >= 0 && num < len(a.attachments):
			p.placeholder(base + num)
		case num >= 0:
			p.JSON = append(p.JSON, "null"...)
		}
	})
}

// marshal encodes v with encoding/json and turns the Binary values in it into attachments.
func (p *encoded) marshal(v any) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	rest := p.data(bytes.TrimSuffix(buf.Bytes(), []byte("\n")))
	for {
		before, after, ok := bytes.Cut(rest, []byte(inlineHead))
		p.JSON = append(p.JSON, before...)
		if !ok {
			return nil
		}
		text, tail, _ := bytes.Cut(after, []byte(`"}`))
		b, err := base64.StdEncoding.AppendDecode(nil, text)
		if err != nil {
			return err
		}
		p.attach(b)
		rest = tail
	}
}

// appendString appends s as a JSON string. Invalid UTF-8, which no client could read, is replaced by U+FFFD.
func appendString(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return jsonscan.AppendString(dst, []byte(s))
}

// estimatedSize returns roughly how many bytes the arguments need when they are encoded.
func estimatedSize(args []any) int {
	n := 64
	for _, a := range args {
		switch a := a.(type) {
		case string:
			n += len(a) + 8
		case *Args:
			if a != nil {
				n += len(a.json)
			}
		case json.RawMessage:
			n += len(a)
		default:
			n += 32
		}
	}
	return n
}

// event encodes an event, or an acknowledgement if kind is packet.Ack, as a message for one session.
func (srv *Server) event(
	kind packet.Type, nsp string, id uint64, hasID bool, event string, args []any,
) (*engineio.Message, error) {
	head := packet.Packet{Type: kind, Namespace: nsp, ID: id, HasID: hasID}
	if srv.opt.Parser == MsgPack {
		p, err := payload(nil, event, kind == packet.Event, args)
		if err != nil {
			return nil, err
		}
		return srv.message(head, p), nil
	}
	m, text := engineio.NewSingle(len(nsp) + 24 + len(event) + estimatedSize(args))
	text = packet.AppendHead(text, &head)
	p, err := payload(text, event, kind == packet.Event, args)
	if err != nil {
		return nil, err
	}
	if len(p.Attachments) == 0 {
		m.SealSingle(p.JSON)
		return m, nil
	}
	p.JSON = p.JSON[len(text):]
	return srv.message(head, p), nil
}

// ack encodes an acknowledgement with the value that v points to. It returns nil for values of other types than those
// below. It does not keep v, so v may be on the stack of a handler.
func (srv *Server) ack(nsp string, id uint64, v any) *engineio.Message {
	size := 24
	switch v := v.(type) {
	case *string:
		size += len(*v) + 8
	case *bool, *int, *int64:
	default:
		return nil
	}
	if srv.opt.Parser == MsgPack {
		return nil
	}
	m, text := engineio.NewSingle(len(nsp) + size)
	text = packet.AppendHead(text, &packet.Packet{Type: packet.Ack, Namespace: nsp, ID: id, HasID: true})
	text = append(text, '[')
	switch v := v.(type) {
	case *string:
		text = appendString(text, *v)
	case *bool:
		text = strconv.AppendBool(text, *v)
	case *int:
		text = strconv.AppendInt(text, int64(*v), 10)
	case *int64:
		text = strconv.AppendInt(text, *v, 10)
	}
	m.SealSingle(append(text, ']'))
	return m
}

// message encodes a packet with a payload, which may be empty.
func (srv *Server) message(head packet.Packet, p adapter.Payload) *engineio.Message {
	if srv.opt.Parser == MsgPack {
		return engineio.Bytes(packed(head, p))
	}
	if head.Attachments = len(p.Attachments); head.Attachments > 0 {
		head.Type += packet.BinaryEvent - packet.Event
	}
	text := packet.AppendHead(engineio.NewBuffer(len(head.Namespace)+24+len(p.JSON)), &head)
	return engineio.Seal(append(text, p.JSON...), p.Attachments...)
}
