package redisadapter

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/berthhq/berth/socketio/adapter"
	"github.com/berthhq/berth/socketio/internal/msgpack"
)

// response is an answer to one of our requests, in either form.
type response struct {
	Type        int              `json:"type"`
	RequestID   string           `json:"requestId"`
	ClientCount int              `json:"clientCount"`
	Sockets     []adapter.Socket `json:"sockets"`
	Rooms       []string         `json:"rooms"`
	Data        json.RawMessage  `json:"data"`

	packet adapter.Payload
}

// question is a request of ours that is being answered.
type question struct {
	kind    adapter.Kind
	answers chan<- adapter.Reply
}

// ErrLost means that other servers cannot be asked because Redis cannot be reached. It wraps
// adapter.ErrTimeout.
var ErrLost = fmt.Errorf("redisadapter: redis is out of reach: %w", adapter.ErrTimeout)

// maxPending bounds the answers that wait to be read by the request they belong to.
const maxPending = 1024

// Request implements adapter.Adapter.
func (a *classic) Request(ctx context.Context, op *adapter.Op, each func(adapter.Reply)) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.c.opt.RequestTimeout)
		defer cancel()
	}
	if a.c.Lost() {
		return ErrLost
	}
	id := newID()
	answers := make(chan adapter.Reply, maxPending)
	a.mu.Lock()
	a.pending[id] = question{op.Kind, answers}
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		delete(a.pending, id)
		a.mu.Unlock()
	}()
	return a.c.ask(ctx, op.Kind, a.request, func() error { return a.ask(id, op) }, answers, each)
}

func (a *classic) ask(id string, op *adapter.Op) error {
	req := request{UID: a.uid, RequestID: id}
	switch op.Kind {
	case adapter.Broadcast:
		b := msgpack.AppendMap(make([]byte, 0, 128+len(op.Payload.JSON)), 5)
		b = msgpack.AppendString(msgpack.AppendString(b, "uid"), a.uid)
		b = msgpack.AppendString(msgpack.AppendString(b, "requestId"), id)
		b = msgpack.AppendInt(msgpack.AppendString(b, "type"), typeBroadcast)
		b, err := appendPacket(msgpack.AppendString(b, "packet"), a.node.Name(), op.Payload)
		if err != nil {
			return err
		}
		return a.c.send(a.request, appendOpts(msgpack.AppendString(b, "opts"), op))
	case adapter.Fetch:
		req.Type, req.Opts = typeFetch, optsOf(op.Target)
	case adapter.ListRooms:
		req.Type = typeAllRooms
	case adapter.ServerSideEmit:
		req.Type, req.Data = typeServerSide, plainJSON(op.Payload)
	default:
		return fmt.Errorf("redisadapter: operation %d has no answer", op.Kind)
	}
	return a.sendJSON(a.request, req)
}

// reply returns the content of a response to a request of that kind.
func (r *response) reply(kind adapter.Kind) adapter.Reply {
	switch {
	case kind == adapter.Broadcast && r.Type == typeClientCount:
		return adapter.Reply{ClientCount: &r.ClientCount}
	case kind == adapter.Broadcast:
		return adapter.Reply{Answer: &r.packet}
	case kind == adapter.ServerSideEmit:
		return adapter.Reply{Answer: &adapter.Payload{JSON: r.Data}}
	default:
		return adapter.Reply{Sockets: r.Sockets, Rooms: r.Rooms}
	}
}

// onResponse passes an answer to the request it belongs to, and ignores other answers.
func (a *classic) onResponse(body []byte) error {
	var r response
	if len(body) > 0 && body[0] == '{' {
		if err := json.Unmarshal(body, &r); err != nil {
			return err
		}
	} else if err := r.unpack(body); err != nil {
		return err
	}
	a.mu.Lock()
	q, ok := a.pending[r.RequestID]
	a.mu.Unlock()
	if !ok {
		return nil
	}
	select {
	case q.answers <- r.reply(q.kind):
	default:
		a.c.log.Warn("redisadapter: an answer was dropped: too many wait to be read")
	}
	return nil
}

// unpack reads the acknowledgement of one client.
func (r *response) unpack(body []byte) error {
	in := msgpack.NewReader(body)
	return eachKey(in, func(key string) (err error) {
		switch key {
		case "type":
			var n int64
			n, err = in.Int()
			r.Type = int(n)
		case "requestId":
			r.RequestID, err = in.String()
		case "packet":
			r.packet.JSON, r.packet.Attachments, err = in.JSON(nil, nil)
		default:
			err = in.Skip()
		}
		return err
	})
}

// plainJSON writes binary data as JavaScript's JSON.stringify writes a Buffer, because these
// requests and answers have no attachments.
func plainJSON(p adapter.Payload) json.RawMessage {
	if len(p.Attachments) == 0 {
		return p.JSON
	}
	out := p.JSON
	for i, b := range p.Attachments {
		numbers := make([]int, len(b))
		for j, c := range b {
			numbers[j] = int(c)
		}
		text, _ := json.Marshal(struct { // numbers cannot fail
			Type string `json:"type"`
			Data []int  `json:"data"`
		}{"Buffer", numbers})
		out = bytes.Replace(out, fmt.Appendf(nil, `{"_placeholder":true,"num":%d}`, i), text, 1)
	}
	return out
}
