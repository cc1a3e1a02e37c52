package engineio

import (
	"bytes"
	"encoding/base64"
	"errors"
	"unicode/utf8"
)

var errPacket = errors.New("engineio: not a packet")

// packet is a received packet. Its data aliases the bytes it was decoded from, base64 excepted.
type packet struct {
	kind   byte
	binary bool
	data   []byte
}

// decodeText decodes a text packet. It may hold binary data in base64 on any transport: clients
// with forceBase64 send that on a WebSocket too.
func decodeText(p []byte) (packet, error) {
	if len(p) > 0 && p[0] == binaryPrefix {
		data, err := base64.StdEncoding.AppendDecode(nil, p[1:])
		if err != nil {
			return packet{}, errPacket
		}
		return packet{kind: packetMessage, binary: true, data: data}, nil
	}
	if len(p) == 0 || p[0] < packetOpen || p[0] > packetNoop {
		return packet{}, errPacket
	}
	return packet{kind: p[0], data: p[1:]}, nil
}

// decodePayload calls f for each packet of a polling body until f or the decoding fails.
func decodePayload(body []byte, f func(packet) error) error {
	for {
		raw, rest, more := bytes.Cut(body, []byte{separator})
		pkt, err := decodePolled(raw)
		if err != nil {
			return err
		}
		if err := f(pkt); err != nil {
			return err
		}
		if !more {
			return nil
		}
		body = rest
	}
}

func decodePolled(raw []byte) (packet, error) {
	if !utf8.Valid(raw) {
		return packet{}, errPacket
	}
	return decodeText(raw)
}
