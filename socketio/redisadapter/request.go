package redisadapter

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/berthhq/berth/socketio/adapter"
	"github.com/berthhq/berth/socketio/internal/msgpack"
)

// The request and response types of the JavaScript adapter.
const (
	typeSockets = iota
	typeAllRooms
	typeJoin
	typeLeave
	typeDisconnect
	typeFetch
	typeServerSide
	typeBroadcast
	typeClientCount
	typeAck
)

// request is the JSON form of every request but typeBroadcast.
type request struct {
	UID       string          `json:"uid,omitempty"`
	RequestID string          `json:"requestId,omitempty"`
	Type      int             `json:"type"`
	Opts      *opts           `json:"opts,omitempty"`
	Rooms     []string        `json:"rooms,omitempty"`
	Close     bool            `json:"close,omitempty"`
	Data      json.RawMessage `json:"data,omitempty"`
	// The forms of older senders name one socket and one room.
	SID  string `json:"sid,omitempty"`
	Room string `json:"room,omitempty"`
}

// Publish implements adapter.Adapter.
func (a *classic) Publish(op *adapter.Op) (bool, error) {
	if op.Kind == adapter.Broadcast {
		body, err := encodeBroadcast(a.uid, a.node.Name(), op)
		if err != nil {
			return false, err
		}
		channel := a.broadcast
		if len(op.Target.Rooms) == 1 {
			channel += op.Target.Rooms[0] + "#"
		}
		return false, a.c.send(channel, body)
	}
	req := request{UID: a.uid, Rooms: op.Rooms, Close: op.Close}
	switch op.Kind {
	case adapter.Join:
		req.Type, req.Opts = typeJoin, optsOf(op.Target)
	case adapter.Leave:
		req.Type, req.Opts = typeLeave, optsOf(op.Target)
	case adapter.Disconnect:
		req.Type, req.Opts = typeDisconnect, optsOf(op.Target)
	case adapter.ServerSideEmit:
		req.Type, req.Data = typeServerSide, plainJSON(op.Payload)
	default:
		return false, fmt.Errorf("redisadapter: operation %d is a request", op.Kind)
	}
	return false, a.sendJSON(a.request, req)
}

func (a *classic) sendJSON(channel string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("redisadapter: %w", err)
	}
	return a.c.send(channel, body)
}

// onRequest handles a request of another server.
func (a *classic) onRequest(ctx context.Context, body []byte) error {
	if len(body) > 0 && body[0] != '{' {
		return a.onBroadcastRequest(ctx, body)
	}
	var req request
	if err := json.Unmarshal(body, &req); err != nil {
		return err
	}
	if req.UID == a.uid {
		return nil
	}
	op := &adapter.Op{Rooms: req.Rooms, Close: req.Close}
	if req.Opts != nil {
		req.Opts.fill(op)
	}
	switch req.Type {
	case typeJoin, typeLeave, typeDisconnect:
		a.apply(&req, op)
	case typeSockets, typeAllRooms, typeFetch:
		a.answer(ctx, &req, op)
	case typeServerSide:
		op.Kind, op.Payload = adapter.ServerSideEmit, adapter.Payload{JSON: req.Data}
		if !isEvent(req.Data) {
			return errShape
		}
		if req.RequestID == "" {
			a.node.Apply(op)
			return nil
		}
		a.c.wg.Go(func() { a.answerServerSide(ctx, &req, op) })
	default:
		a.c.log.Debug("redisadapter: unknown request", "type", req.Type)
	}
	return nil
}

func (a *classic) apply(req *request, op *adapter.Op) {
	op.Kind = map[int]adapter.Kind{
		typeJoin: adapter.Join, typeLeave: adapter.Leave, typeDisconnect: adapter.Disconnect,
	}[req.Type]
	if req.Opts == nil { // the older form: one socket by id, answered by the server that has it
		if req.SID == "" || !a.node.HasRoom(req.SID) {
			return
		}
		op.Target.Rooms, op.Rooms = []string{req.SID}, []string{req.Room}
		defer func() { _ = a.sendJSON(a.responseChannel(req.UID), map[string]string{"requestId": req.RequestID}) }()
	}
	a.node.Apply(op)
}

// responseChannel returns where the server uid expects answers.
func (a *classic) responseChannel(uid string) string {
	if a.c.opt.OwnResponseChannel && uid != "" {
		return a.response + uid + "#"
	}
	return a.response
}

type fetchResponse struct {
	RequestID string           `json:"requestId"`
	Sockets   []adapter.Socket `json:"sockets"`
}

type idsResponse struct {
	RequestID string   `json:"requestId"`
	Sockets   []string `json:"sockets"`
}

type roomsResponse struct {
	RequestID string   `json:"requestId"`
	Rooms     []string `json:"rooms"`
}

// answer answers from what the namespace knows by itself.
func (a *classic) answer(ctx context.Context, req *request, op *adapter.Op) {
	op.Kind = adapter.Fetch
	switch req.Type {
	case typeAllRooms:
		op.Kind = adapter.ListRooms
	case typeSockets:
		op.Target.Rooms = req.Rooms
	}
	a.node.Answer(ctx, op, func(r adapter.Reply) {
		var out any
		switch req.Type {
		case typeAllRooms:
			out = roomsResponse{req.RequestID, append([]string{}, r.Rooms...)}
		case typeFetch:
			out = fetchResponse{req.RequestID, append([]adapter.Socket{}, r.Sockets...)}
		default:
			ids := []string{}
			for _, s := range r.Sockets {
				ids = append(ids, s.ID)
			}
			out = idsResponse{req.RequestID, ids}
		}
		if err := a.sendJSON(a.responseChannel(req.UID), out); err != nil {
			a.c.log.Debug("redisadapter: not answered", "error", err)
		}
	})
}

// answerServerSide answers on the shared channel, as JavaScript servers do and expect.
func (a *classic) answerServerSide(ctx context.Context, req *request, op *adapter.Op) {
	ctx, cancel := context.WithTimeout(ctx, a.c.opt.RequestTimeout)
	defer cancel()
	a.node.Answer(ctx, op, func(r adapter.Reply) {
		if r.Answer == nil {
			return
		}
		err := a.sendJSON(a.response, struct {
			Type      int             `json:"type"`
			RequestID string          `json:"requestId"`
			Data      json.RawMessage `json:"data,omitempty"`
		}{typeServerSide, req.RequestID, plainJSON(*r.Answer)})
		if err != nil {
			a.c.log.Debug("redisadapter: not answered", "error", err)
		}
	})
}

// onBroadcastRequest sends a packet to the local clients and passes on what they acknowledge.
func (a *classic) onBroadcastRequest(ctx context.Context, body []byte) error {
	r := msgpack.NewReader(body)
	op := &adapter.Op{Kind: adapter.Broadcast}
	var uid, id string
	mine := true
	err := eachKey(r, func(key string) (err error) {
		switch key {
		case "uid":
			uid, err = r.String()
		case "requestId":
			id, err = r.String()
		case "packet":
			mine, err = readPacket(r, a.node.Name(), op)
		case "opts":
			err = readOpts(r, op)
		default:
			err = r.Skip()
		}
		return err
	})
	if err != nil || uid == a.uid || !mine {
		return err
	}
	if op.Payload.JSON == nil {
		return errShape
	}
	a.c.wg.Go(func() { a.collect(ctx, op, uid, id) })
	return nil
}

func (a *classic) collect(ctx context.Context, op *adapter.Op, uid, id string) {
	wait := a.c.opt.RequestTimeout
	if op.Flags.Timeout > 0 {
		wait = op.Flags.Timeout
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	channel := a.responseChannel(uid)
	a.node.Answer(ctx, op, func(r adapter.Reply) {
		var err error
		if r.ClientCount != nil {
			err = a.sendJSON(channel, struct {
				Type        int    `json:"type"`
				RequestID   string `json:"requestId"`
				ClientCount int    `json:"clientCount"`
			}{typeClientCount, id, *r.ClientCount})
		} else if r.Answer != nil {
			err = a.sendAck(channel, id, *r.Answer)
		}
		if err != nil {
			a.c.log.Debug("redisadapter: not answered", "error", err)
		}
	})
}

func (a *classic) sendAck(channel, id string, p adapter.Payload) error {
	b := msgpack.AppendMap(nil, 3)
	b = msgpack.AppendInt(msgpack.AppendString(b, "type"), typeAck)
	b = msgpack.AppendString(msgpack.AppendString(b, "requestId"), id)
	b = msgpack.AppendString(b, "packet")
	if len(p.JSON) == 0 {
		return a.c.send(channel, msgpack.AppendNil(b))
	}
	b, err := msgpack.AppendJSON(b, p.JSON, p.Attachments)
	if err != nil {
		return err
	}
	return a.c.send(channel, b)
}
