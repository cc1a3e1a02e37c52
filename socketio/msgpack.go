package socketio

import (
	"github.com/berthhq/berth/socketio/adapter"
	"github.com/berthhq/berth/socketio/internal/msgpack"
	"github.com/berthhq/berth/socketio/packet"
)

// Parser is the format of the packets between server and clients. Both sides must use the same one.
type Parser uint8

const (
	// Text is the default: JSON, with binary in attachments.
	Text Parser = iota
	// MsgPack is the format of the npm package socket.io-msgpack-parser: each packet is one binary message.
	MsgPack
)

// packed encodes a packet as a MessagePack map.
func packed(head packet.Packet, p adapter.Payload) []byte {
	n := 2
	if len(p.JSON) > 0 {
		n++
	}
	if head.HasID {
		n++
	}
	b := msgpack.AppendMap(make([]byte, 0, 32+len(head.Namespace)+len(p.JSON)), n)
	b = msgpack.AppendInt(msgpack.AppendString(b, "type"), int64(head.Type))
	if len(p.JSON) > 0 {
		data, err := msgpack.AppendJSON(msgpack.AppendString(b, "data"), p.JSON, p.Attachments)
		if err != nil { // the caller's json.RawMessage is not JSON
			data = msgpack.AppendNil(msgpack.AppendString(b, "data"))
		}
		b = data
	}
	b = msgpack.AppendString(msgpack.AppendString(b, "nsp"), head.Namespace)
	if head.HasID {
		b = msgpack.AppendUint(msgpack.AppendString(b, "id"), head.ID)
	}
	return b
}

// unpack decodes a packet that packed could have encoded.
func unpack(raw []byte) (p packet.Packet, attachments [][]byte, err error) {
	r := msgpack.NewReader(raw)
	n, err := r.Map()
	if err != nil {
		return p, nil, packet.ErrInvalid
	}
	kind := int64(-1)
	for range n {
		key, err := r.String()
		if err != nil {
			return p, nil, packet.ErrInvalid
		}
		switch key {
		case "type":
			kind, err = r.Int()
		case "nsp":
			p.Namespace, err = r.String()
		case "id":
			var id int64
			id, err = r.Int()
			p.ID, p.HasID = uint64(id), true
		case "data":
			p.Data, attachments, err = r.JSON(nil, nil)
		default:
			err = r.Skip()
		}
		if err != nil {
			return p, nil, packet.ErrInvalid
		}
	}
	if kind < 0 || kind > int64(packet.ConnectError) || r.Len() > 0 {
		return p, nil, packet.ErrInvalid
	}
	if p.Type = packet.Type(kind); string(p.Data) == "null" {
		p.Data = nil // a JavaScript client has sent undefined
	}
	return p, attachments, p.Check()
}
