package redisadapter

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrQueueFull says that something was dropped because Redis does not keep up.
var ErrQueueFull = errors.New("redisadapter: too much is waiting for redis")

const maxBatch = 512

// command is something for Redis to do. done, when set, is called with the outcome; it must be quick.
type command struct {
	size int
	add  func(ctx context.Context, p redis.Pipeliner)
	done func(error)
}

// send queues a message for a channel.
func (h *hub) send(channel string, body []byte) error {
	return h.enqueue(command{size: len(body), add: func(ctx context.Context, p redis.Pipeliner) {
		if h.sharded {
			p.SPublish(ctx, channel, body)
			return
		}
		p.Publish(ctx, channel, body)
	}})
}

func (h *hub) enqueue(c command) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.queued+c.size > h.opt.MaxQueue && h.queued > 0 {
		if !h.full {
			h.full = true
			h.log.Warn("redis does not keep up: what is for other servers is dropped", "queued", h.queued)
		}
		return ErrQueueFull
	}
	h.queue = append(h.queue, c)
	h.queued += c.size
	poke(h.wake)
	return nil
}

// barrier waits until what is queued now was sent or has failed, or the time is over.
func (h *hub) barrier(most time.Duration) {
	passed := make(chan struct{})
	if h.enqueue(command{done: func(error) { close(passed) }}) != nil {
		return
	}
	select {
	case <-passed:
	case <-time.After(most):
	case <-h.ctx.Done():
	}
}

func (h *hub) takeBatch() []command {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := min(len(h.queue), maxBatch)
	batch := h.queue[:n:n]
	if h.queue = h.queue[n:]; len(h.queue) == 0 {
		h.queue, h.full = nil, false
	}
	for _, c := range batch {
		h.queued -= c.size
	}
	return batch
}

// run sends what is queued, batch by batch. A batch that fails is lost, and its commands are told.
func (h *hub) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		}
		for batch := h.takeBatch(); len(batch) > 0; batch = h.takeBatch() {
			_, err := h.client.Pipelined(ctx, func(p redis.Pipeliner) error {
				for _, c := range batch {
					if c.add != nil {
						c.add(ctx, p)
					}
				}
				return nil
			})
			if err != nil && ctx.Err() == nil {
				h.down(err)
			}
			for _, c := range batch {
				if c.done != nil {
					c.done(err)
				}
			}
		}
	}
}
