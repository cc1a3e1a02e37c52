package redisadapter

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/berthhq/berth/socketio/adapter"
	"github.com/berthhq/berth/socketio/internal/msgpack"
)

var errShape = errors.New("redisadapter: message is not of the expected shape")

const eventType = 2 // of every packet on the wire, with or without binary

// encodeBroadcast is [uid, packet, opts].
func encodeBroadcast(uid, nsp string, op *adapter.Op) ([]byte, error) {
	b := msgpack.AppendArray(make([]byte, 0, 96+len(op.Payload.JSON)), 3)
	b = msgpack.AppendString(b, uid)
	b, err := appendPacket(b, nsp, op.Payload)
	if err != nil {
		return nil, err
	}
	return appendOpts(b, op), nil
}

func appendPacket(b []byte, nsp string, p adapter.Payload) ([]byte, error) {
	b = msgpack.AppendMap(b, 3)
	b = msgpack.AppendInt(msgpack.AppendString(b, "type"), eventType)
	b, err := msgpack.AppendJSON(msgpack.AppendString(b, "data"), p.JSON, p.Attachments)
	if err != nil {
		return nil, fmt.Errorf("redisadapter: %w", err)
	}
	return msgpack.AppendString(msgpack.AppendString(b, "nsp"), nsp), nil
}

func appendOpts(b []byte, op *adapter.Op) []byte {
	b = msgpack.AppendMap(b, 3)
	b = appendStrings(msgpack.AppendString(b, "rooms"), op.Target.Rooms)
	b = appendStrings(msgpack.AppendString(b, "except"), op.Target.Except)
	b = msgpack.AppendString(b, "flags")
	f, n := op.Flags, 0
	for _, set := range []bool{f.Volatile, f.Plain, f.Timeout > 0, f.Single} {
		if set {
			n++
		}
	}
	b = msgpack.AppendMap(b, n)
	if f.Volatile {
		b = msgpack.AppendBool(msgpack.AppendString(b, "volatile"), true)
	}
	if f.Plain {
		b = msgpack.AppendBool(msgpack.AppendString(b, "compress"), false)
	}
	if f.Timeout > 0 {
		b = msgpack.AppendInt(msgpack.AppendString(b, "timeout"), f.Timeout.Milliseconds())
	}
	if f.Single {
		b = msgpack.AppendBool(msgpack.AppendString(b, "expectSingleResponse"), true)
	}
	return b
}

func appendStrings(b []byte, list []string) []byte {
	b = msgpack.AppendArray(b, len(list))
	for _, s := range list {
		b = msgpack.AppendString(b, s)
	}
	return b
}

// decodeBroadcast returns no operation for a packet of another namespace.
func decodeBroadcast(body []byte, nsp string) (uid string, op *adapter.Op, err error) {
	r := msgpack.NewReader(body)
	if n, err := r.Array(); err != nil || n < 2 {
		return "", nil, errShape
	}
	if uid, err = r.String(); err != nil {
		return "", nil, err
	}
	op = &adapter.Op{Kind: adapter.Broadcast}
	mine, err := readPacket(r, nsp, op)
	if err != nil {
		return "", nil, err
	}
	if r.Len() > 0 {
		if err := readOpts(r, op); err != nil {
			return "", nil, err
		}
	}
	if !mine {
		return uid, nil, nil
	}
	return uid, op, nil
}

func readPacket(r *msgpack.Reader, nsp string, op *adapter.Op) (mine bool, err error) {
	mine = true
	err = eachKey(r, func(key string) (err error) {
		switch key {
		case "data":
			op.Payload.JSON, op.Payload.Attachments, err = r.JSON(nil, nil)
			return err
		case "nsp":
			name, err := r.String()
			mine = name == nsp
			return err
		default:
			return r.Skip()
		}
	})
	if err == nil && !isEvent(op.Payload.JSON) {
		err = errShape
	}
	return mine, err
}

// isEvent reports whether an array begins with what may be the name of an event: anything else would
// make every client close its connection.
func isEvent(text []byte) bool {
	return len(text) > 2 && text[0] == '[' && (text[1] == '"' || text[1] == '-' || (text[1] >= '0' && text[1] <= '9'))
}

func eachKey(r *msgpack.Reader, f func(key string) error) error {
	n, err := r.Map()
	if err != nil {
		return err
	}
	for range n {
		key, err := r.String()
		if err != nil {
			return err
		}
		if err := f(key); err != nil {
			return err
		}
	}
	return nil
}

// opts is how JavaScript servers write a target and its flags.
type opts struct {
	Rooms  []string `json:"rooms"`
	Except []string `json:"except"`
	Flags  *flags   `json:"flags,omitempty"`
}

type flags struct {
	Volatile bool    `json:"volatile,omitempty"`
	Compress *bool   `json:"compress,omitempty"`
	Timeout  float64 `json:"timeout,omitempty"` // milliseconds
	Single   bool    `json:"expectSingleResponse,omitempty"`
}

func readOpts(r *msgpack.Reader, op *adapter.Op) error {
	text, _, err := r.JSON(nil, nil)
	if err != nil {
		return err
	}
	var o opts
	if err := json.Unmarshal(text, &o); err != nil {
		return err
	}
	o.fill(op)
	return nil
}

func (o *opts) fill(op *adapter.Op) {
	op.Target = adapter.Target{Rooms: o.Rooms, Except: o.Except}
	if f := o.Flags; f != nil {
		op.Flags = adapter.Flags{
			Volatile: f.Volatile,
			Plain:    f.Compress != nil && !*f.Compress,
			Single:   f.Single,
			Timeout:  time.Duration(f.Timeout * float64(time.Millisecond)),
		}
	}
}

func optsOf(t adapter.Target) *opts {
	o := &opts{Rooms: t.Rooms, Except: t.Except}
	if o.Rooms == nil {
		o.Rooms = []string{}
	}
	if o.Except == nil {
		o.Except = []string{}
	}
	return o
}
