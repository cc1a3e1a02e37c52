package redisadapter

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	pingAfter  = 5 * time.Second // silence after which the connection is tried
	retryFirst = 50 * time.Millisecond
	retryMost  = 2 * time.Second
)

// receive hands messages to the namespaces until ctx is done. The PubSub reconnects and subscribes
// again by itself when it is asked to receive after a failure.
func (h *hub) receive(ctx context.Context, ps *redis.PubSub) {
	wait, asked := retryFirst, false
	for ctx.Err() == nil {
		msg, err := ps.ReceiveTimeout(ctx, pingAfter)
		switch {
		case err == nil:
			wait, asked = retryFirst, false
			h.up()
			switch m := msg.(type) {
			case *redis.Message:
				h.dispatch(ctx, m)
			case *redis.Subscription:
				h.confirm(m.Channel)
			}
			continue
		case ctx.Err() != nil:
			return
		case isTimeout(err) && !asked:
			asked = true
			if ps.Ping(ctx) == nil {
				continue
			}
		case isTimeout(err): // the ping was not answered: this makes it connect anew
			_ = h.client.Ping(ctx).Err()
		}
		h.down(err)
		asked = false
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(wait*2, retryMost)
	}
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}

func (h *hub) dispatch(ctx context.Context, m *redis.Message) {
	key := m.Channel
	if m.Pattern != "" {
		key = m.Pattern
	}
	if a := h.route(key); a != nil {
		a.receive(ctx, m.Channel, []byte(m.Payload))
	}
}
