package redisadapter

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/adapter"
)

// emitterUID is the name under which emitters of all languages send.
const emitterUID = "emitter"

// Emitter sends to the clients of a cluster from a process that serves none of them, in the classic
// format. It has no acknowledgements.
type Emitter struct {
	client redis.UniversalClient
	prefix string
	nsp    string
}

// NewEmitter makes an emitter for a namespace. prefix is the cluster's, "" for the default.
func NewEmitter(client redis.UniversalClient, prefix, nsp string) *Emitter {
	if prefix == "" {
		prefix = Options{}.withDefaults().Prefix
	}
	return &Emitter{client: client, prefix: prefix, nsp: nsp}
}

// Emit sends an event to the selected clients. It waits until Redis has taken it.
func (e *Emitter) Emit(ctx context.Context, to adapter.Target, event string, args ...any) error {
	p, err := socketio.NewPayload(event, args...)
	if err != nil {
		return err
	}
	body, err := encodeBroadcast(emitterUID, e.nsp, &adapter.Op{Target: to, Payload: p})
	if err != nil {
		return err
	}
	channel := e.prefix + "#" + e.nsp + "#"
	if len(to.Rooms) == 1 {
		channel += to.Rooms[0] + "#"
	}
	return e.publish(ctx, channel, body)
}

func (e *Emitter) publish(ctx context.Context, channel string, body []byte) error {
	if err := e.client.Publish(ctx, channel, body).Err(); err != nil {
		return fmt.Errorf("redisadapter: %w", err)
	}
	return nil
}

func (e *Emitter) request(ctx context.Context, req request) error {
	body, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("redisadapter: %w", err)
	}
	return e.publish(ctx, e.prefix+"-request#"+e.nsp+"#", body)
}

// Join puts the selected clients into rooms.
func (e *Emitter) Join(ctx context.Context, to adapter.Target, rooms ...string) error {
	return e.request(ctx, request{Type: typeJoin, Opts: optsOf(to), Rooms: rooms})
}

// Leave takes them out of rooms.
func (e *Emitter) Leave(ctx context.Context, to adapter.Target, rooms ...string) error {
	return e.request(ctx, request{Type: typeLeave, Opts: optsOf(to), Rooms: rooms})
}

// Disconnect makes them leave the namespace or, when closing, closes their connections.
func (e *Emitter) Disconnect(ctx context.Context, to adapter.Target, closing bool) error {
	return e.request(ctx, request{Type: typeDisconnect, Opts: optsOf(to), Close: closing})
}

// ServerSideEmit sends an event to all servers.
func (e *Emitter) ServerSideEmit(ctx context.Context, event string, args ...any) error {
	p, err := socketio.NewPayload(event, args...)
	if err != nil {
		return err
	}
	return e.request(ctx, request{UID: emitterUID, Type: typeServerSide, Data: plainJSON(p)})
}
