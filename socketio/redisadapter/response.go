package redisadapter

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/internal/msgpack"
)

// response is an answer to one of our requests, in either form.
type response struct {
	Type        int                     `json:"type"`
	RequestID   string                  `json:"requestId"`
	ClientCount int                     `json:"clientCount"`
	Sockets     []socketio.RemoteSocket `json:"sockets"`
	Rooms       []string                `json:"rooms"`
	Data        json.RawMessage         `json:"data"`

	packet socketio.Payload
}

// ErrLost says that other servers cannot be asked because Redis is out of reach.
var ErrLost = errors.New("redisadapter: redis is out of reach")

// maxPending bounds the answers that wait to be read by the request they belong to.
const maxPending = 1024

// Request implements socketio.Adapter.
func (a *adapter) Request(ctx context.Context, op *socketio.Op, each func(socketio.Reply)) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.c.opt.RequestTimeout)
		defer cancel()
	}
	if a.c.Lost() {
		return ErrLost
	}
	id := newID()
	answers := make(chan response, maxPending)
	a.mu.Lock()
	a.pending[id] = answers
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		delete(a.pending, id)
		a.mu.Unlock()
	}()
	others, err := a.others(ctx)
	if err != nil || others <= 0 {
		return err
	}
	if err := a.ask(id, op); err != nil {
		return err
	}
	return gather(ctx, op.Kind, others, answers, each)
}

// others counts the other servers that have the namespace.
func (a *adapter) others(ctx context.Context) (int, error) {
	total := 0
	count := func(ctx context.Context, c redis.Cmdable) error {
		n, err := c.PubSubNumSub(ctx, a.request).Result()
		a.mu.Lock()
		total += int(n[a.request])
		a.mu.Unlock()
		return err
	}
	var err error
	if cc, ok := a.c.client.(*redis.ClusterClient); ok {
		err = cc.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error { return count(ctx, c) })
	} else {
		err = count(ctx, a.c.client)
	}
	if err != nil {
		return 0, fmt.Errorf("redisadapter: counting servers: %w", err)
	}
	return total - 1, nil
}

func (a *adapter) ask(id string, op *socketio.Op) error {
	req := request{UID: a.uid, RequestID: id}
	switch op.Kind {
	case socketio.Broadcast:
		b := msgpack.AppendMap(make([]byte, 0, 128+len(op.Payload.JSON)), 5)
		b = msgpack.AppendString(msgpack.AppendString(b, "uid"), a.uid)
		b = msgpack.AppendString(msgpack.AppendString(b, "requestId"), id)
		b = msgpack.AppendInt(msgpack.AppendString(b, "type"), typeBroadcast)
		b, err := appendPacket(msgpack.AppendString(b, "packet"), a.node.Name(), op.Payload)
		if err != nil {
			return err
		}
		return a.c.send(a.request, appendOpts(msgpack.AppendString(b, "opts"), op))
	case socketio.Fetch:
		req.Type, req.Opts = typeFetch, optsOf(op.Target)
	case socketio.ListRooms:
		req.Type = typeAllRooms
	case socketio.ServerSideEmit:
		req.Type, req.Data = typeServerSide, plainJSON(op.Payload)
	default:
		return fmt.Errorf("redisadapter: operation %d has no answer", op.Kind)
	}
	return a.sendJSON(a.request, req)
}

// gather passes answers on until every server, and for broadcasts every client, has answered.
func gather(ctx context.Context, kind socketio.Kind, servers int, answers <-chan response, each func(socketio.Reply)) error {
	clients := 0
	for servers > 0 || clients > 0 {
		select {
		case <-ctx.Done():
			return fmt.Errorf("redisadapter: %d servers and %d clients did not answer: %w", max(servers, 0), max(clients, 0), socketio.ErrMissing)
		case r := <-answers:
			switch {
			case kind == socketio.Broadcast && r.Type == typeClientCount:
				servers--
				clients += r.ClientCount
				each(socketio.Reply{Counted: true, Clients: r.ClientCount})
			case kind == socketio.Broadcast:
				clients--
				each(socketio.Reply{Answer: r.packet.Args()})
			case kind == socketio.ServerSideEmit:
				servers--
				each(socketio.Reply{Answer: socketio.Payload{JSON: bytes.Join([][]byte{[]byte("["), r.Data, []byte("]")}, nil)}.Args()})
			default:
				servers--
				each(socketio.Reply{Sockets: r.Sockets, Rooms: r.Rooms})
			}
		}
	}
	return nil
}

// onResponse hands an answer to the request it belongs to; others are none of our business.
func (a *adapter) onResponse(body []byte) error {
	var r response
	if len(body) > 0 && body[0] == '{' {
		if err := json.Unmarshal(body, &r); err != nil {
			return err
		}
	} else if err := r.unpack(body); err != nil {
		return err
	}
	a.mu.Lock()
	answers := a.pending[r.RequestID]
	a.mu.Unlock()
	if answers == nil {
		return nil
	}
	select {
	case answers <- r:
	default:
		a.c.log.Warn("redisadapter: an answer was dropped: too many wait to be read")
	}
	return nil
}

// unpack reads the acknowledgement of one client.
func (r *response) unpack(body []byte) error {
	in := msgpack.NewReader(body)
	r.packet.JSON = []byte("[]")
	return eachKey(in, func(key string) (err error) {
		switch key {
		case "type":
			var n int64
			n, err = in.Int()
			r.Type = int(n)
		case "requestId":
			r.RequestID, err = in.String()
		case "packet":
			p := &r.packet
			if p.JSON, p.Attachments, err = in.JSON([]byte("["), nil); err == nil {
				p.JSON = append(p.JSON, ']')
			}
		default:
			err = in.Skip()
		}
		return err
	})
}

// plainJSON writes binary as JavaScript's JSON.stringify writes a Buffer: these requests and answers
// have no place for attachments.
func plainJSON(p socketio.Payload) json.RawMessage {
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
