package redisadapter

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// ErrQueueFull says that a message was dropped because Redis does not keep up.
var ErrQueueFull = errors.New("redisadapter: too much is waiting to be published")

const maxBatch = 512

// send queues a message.
func (c *Cluster) send(channel string, body []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queued+len(body) > c.opt.MaxQueue && c.queued > 0 {
		if !c.full {
			c.full = true
			c.log.Warn("redis does not keep up: messages for other servers are dropped", "queued", c.queued)
		}
		return ErrQueueFull
	}
	c.queue = append(c.queue, message{channel, body})
	c.queued += len(body)
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return nil
}

func (c *Cluster) takeBatch() []message {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(len(c.queue), maxBatch)
	batch := c.queue[:n:n]
	if c.queue = c.queue[n:]; len(c.queue) == 0 {
		c.queue, c.full = nil, false
	}
	for _, m := range batch {
		c.queued -= len(m.body)
	}
	return batch
}

// publish sends what is queued, batch by batch. A batch that fails is lost.
func (c *Cluster) publish(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		}
		for {
			batch := c.takeBatch()
			if len(batch) == 0 {
				break
			}
			if err := c.publishBatch(ctx, batch); err != nil && ctx.Err() == nil {
				c.down(err)
			}
		}
	}
}

func (c *Cluster) publishBatch(ctx context.Context, batch []message) error {
	if len(batch) == 1 {
		return c.client.Publish(ctx, batch[0].channel, batch[0].body).Err()
	}
	_, err := c.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, m := range batch {
			p.Publish(ctx, m.channel, m.body)
		}
		return nil
	})
	return err
}
