package redisadapter

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/berthhq/berth/socketio/adapter"
	"github.com/berthhq/berth/socketio/internal/msgpack"
)

// The message types of the JavaScript ClusterAdapter, which the sharded and the streams adapter share.
const (
	msgBroadcast = iota + 3
	msgJoin
	msgLeave
	msgDisconnect
	msgFetch
	msgFetchAnswer
	msgServerSide
	msgServerSideAnswer
	msgClientCount
	msgAck
)

// envelope is a message between servers.
type envelope struct {
	Type int    `json:"type"`
	Data *body  `json:"data,omitempty"`
	UID  string `json:"uid"`
	NSP  string `json:"nsp"`

	attachments [][]byte // of the placeholders in Data
}

// body has the members of all types.
type body struct {
	Packet      json.RawMessage  `json:"packet,omitempty"`
	RequestID   string           `json:"requestId,omitempty"`
	Opts        *opts            `json:"opts,omitempty"`
	Rooms       []string         `json:"rooms,omitempty"`
	Close       *bool            `json:"close,omitempty"`
	ClientCount *int             `json:"clientCount,omitempty"`
	Sockets     []adapter.Socket `json:"sockets,omitempty"`
}

type eventPacket struct {
	Type int             `json:"type"`
	Data json.RawMessage `json:"data"`
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("redisadapter: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// encode returns JSON, or MessagePack if there is binary data in it or packed is true.
func (e *envelope) encode(packed bool) ([]byte, error) {
	text, err := marshal(e)
	if err != nil || (!packed && len(e.attachments) == 0) {
		return text, err
	}
	return msgpack.AppendJSON(nil, text, e.attachments)
}

func decodeEnvelope(raw []byte) (*envelope, error) {
	e := &envelope{}
	if len(raw) > 0 && raw[0] != '{' {
		text, attachments, err := msgpack.NewReader(raw).JSON(nil, nil)
		if err != nil {
			return nil, err
		}
		raw, e.attachments = text, attachments
	}
	if err := json.Unmarshal(raw, e); err != nil {
		return nil, err
	}
	if e.Data == nil {
		e.Data = &body{}
	}
	return e, nil
}

// pack returns the message for an operation.
func pack(op *adapter.Op) (*envelope, error) {
	b := &body{Rooms: op.Rooms}
	e := &envelope{Data: b, attachments: op.Payload.Attachments}
	if op.Kind != adapter.ServerSideEmit {
		b.Opts = fullOpts(op)
	}
	switch op.Kind {
	case adapter.Broadcast:
		packet, err := marshal(eventPacket{eventType, op.Payload.JSON})
		if err != nil {
			return nil, err
		}
		e.Type, b.Packet = msgBroadcast, packet
	case adapter.Join:
		e.Type = msgJoin
	case adapter.Leave:
		e.Type = msgLeave
	case adapter.Disconnect:
		e.Type, b.Close = msgDisconnect, &op.Close
	case adapter.Fetch:
		e.Type = msgFetch
	case adapter.ServerSideEmit:
		e.Type, b.Packet = msgServerSide, op.Payload.JSON
	default:
		return nil, fmt.Errorf("redisadapter: operation %d is not known to this kind of cluster", op.Kind)
	}
	return e, nil
}

func fullOpts(op *adapter.Op) *opts {
	o := optsOf(op.Target)
	f := op.Flags
	o.Flags = &flags{Volatile: f.Volatile, Single: f.Single, Timeout: float64(f.Timeout.Milliseconds())}
	if f.Plain {
		o.Flags.Compress = new(false)
	}
	return o
}

// op returns the operation that a message requests, or nil if it requests none.
func (e *envelope) op() (*adapter.Op, error) {
	op := &adapter.Op{Rooms: e.Data.Rooms}
	if e.Data.Opts != nil {
		e.Data.Opts.fill(op)
	}
	switch e.Type {
	case msgBroadcast:
		var p eventPacket
		if err := json.Unmarshal(e.Data.Packet, &p); err != nil {
			return nil, err
		}
		op.Kind, op.Payload = adapter.Broadcast, adapter.Payload{JSON: p.Data, Attachments: e.attachments}
	case msgJoin:
		op.Kind = adapter.Join
	case msgLeave:
		op.Kind = adapter.Leave
	case msgDisconnect:
		op.Kind, op.Close = adapter.Disconnect, e.Data.Close != nil && *e.Data.Close
	case msgFetch:
		op.Kind = adapter.Fetch
	case msgServerSide:
		op.Kind, op.Payload = adapter.ServerSideEmit, adapter.Payload{JSON: e.Data.Packet, Attachments: e.attachments}
	default:
		return nil, nil
	}
	if (op.Kind == adapter.Broadcast || op.Kind == adapter.ServerSideEmit) && !isEvent(op.Payload.JSON) {
		return nil, errShape
	}
	return op, nil
}

// reply returns the content of an answer; ok is false if the message is not an answer.
func (e *envelope) reply() (r adapter.Reply, ok bool) {
	switch e.Type {
	case msgFetchAnswer:
		r.Sockets = e.Data.Sockets
	case msgClientCount:
		r.ClientCount = e.Data.ClientCount
		if r.ClientCount == nil {
			r.ClientCount = new(int)
		}
	case msgAck, msgServerSideAnswer:
		r.Answer = &adapter.Payload{JSON: e.Data.Packet, Attachments: e.attachments}
	default:
		return r, false
	}
	return r, true
}
