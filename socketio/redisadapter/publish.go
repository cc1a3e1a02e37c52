package redisadapter

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	// ErrQueueFull says that something was dropped because Redis does not keep up.
	ErrQueueFull = errors.New("redisadapter: too much is waiting for redis")
	// ErrSlow says that something was not left to Redis because others wait too long for it already.
	ErrSlow = errors.New("redisadapter: redis is slow")
)

const (
	maxBatch = 512
	// overhead is about what a command takes in memory besides what it sends.
	overhead = 256
)

// command is something for Redis to do. done, when set, is called with the outcome, once: when Redis has
// answered, or with ErrSlow when it takes too long, though it may do it later. It must be quick.
type command struct {
	size int
	at   time.Time // when it was queued
	add  func(ctx context.Context, p redis.Pipeliner)
	done func(error)
}

// Stats is what waits for Redis.
type Stats struct {
	// Waiting is the number of messages, Bytes what they take in memory; what is being sent counts.
	Waiting, Bytes int
	// Delay is how long the oldest has been waiting.
	Delay time.Duration
	// Dropped counts what was not sent since the start.
	Dropped uint64
	// Lost says that Redis is out of reach, Slow that it takes longer than Options.MaxDelay.
	Lost, Slow bool
}

// Stats tells how publishing goes.
func (h *hub) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := Stats{Waiting: len(h.sending) + len(h.queue), Bytes: h.queued, Dropped: h.dropped, Lost: h.Lost(), Slow: h.slow}
	if at := h.oldest(); !at.IsZero() {
		s.Delay = time.Since(at)
	}
	return s
}

// oldest is when the oldest command was queued, or zero.
func (h *hub) oldest() time.Time {
	for _, list := range [][]command{h.sending, h.queue} {
		if len(list) > 0 {
			return list[0].at
		}
	}
	return time.Time{}
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
	c.size += overhead
	c.at = time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.slow && c.done != nil {
		return ErrSlow
	}
	if h.queued+c.size > h.opt.MaxQueue && h.queued > 0 {
		h.dropped++
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
	h.sending = h.queue[:n:n]
	if h.queue = h.queue[n:]; len(h.queue) == 0 {
		h.queue = nil
	}
	return h.sending
}

// run sends what is queued, batch by batch. A command that fails is lost; its done is called.
func (h *hub) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		case <-h.probe(): // nothing may come that could find out
			if h.client.Ping(ctx).Err() == nil {
				h.keptUp()
			}
		}
		for batch := h.takeBatch(); len(batch) > 0; batch = h.takeBatch() {
			h.transmit(ctx, batch)
		}
	}
}

// probe comes after a while, when Redis is slow.
func (h *hub) probe() <-chan time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.slow {
		return nil
	}
	return time.After(retryFirst)
}

func (h *hub) transmit(ctx context.Context, batch []command) {
	watch := time.AfterFunc(time.Until(batch[0].at.Add(h.opt.MaxDelay)), h.late)
	ends := make([]int, len(batch)) // of what each command added
	results, err := h.publisher(ctx).Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range batch { // done may be taken out of it meanwhile
			if add := batch[i].add; add != nil {
				add(ctx, p)
			}
			ends[i] = p.Len()
		}
		return nil
	})
	watch.Stop()
	if err != nil && ctx.Err() == nil {
		h.down(err)
		if cc, ok := h.client.(*redis.ClusterClient); ok {
			cc.ReloadState(ctx) // the masters may be others now
		}
	}
	h.mu.Lock()
	start := 0
	for i, c := range h.sending { // one may fail, and others not
		end := min(ends[i], len(results))
		h.tell(h.sending[i:i+1], failure(results[start:end], err))
		start = end
		h.queued -= c.size
	}
	h.sending = nil
	h.full = h.full && len(h.queue) > 0
	h.mu.Unlock()
	h.turns()
	if err == nil {
		h.keptUp()
	}
}

// failure is the outcome of a command that has added these to a pipeline, and of one that has added
// nothing the outcome of the whole.
func failure(results []redis.Cmder, whole error) error {
	if len(results) == 0 {
		return whole
	}
	for _, r := range results {
		if err := r.Err(); err != nil {
			return err
		}
	}
	return nil
}

// publisher is where commands go. On Redis Cluster PUBLISH reaches everybody from anywhere; all of ours go
// the same way, so that they do not overtake one another.
func (h *hub) publisher(ctx context.Context) redis.Cmdable {
	if cc, ok := h.client.(*redis.ClusterClient); ok && h.keyless {
		if master, err := cc.MasterForKey(ctx, h.opt.Prefix); err == nil {
			return master
		}
	}
	return h.client
}

// tell has the commands of a list told of the outcome, those that were not told before. It is called with
// the lock held; turns must follow.
func (h *hub) tell(list []command, err error) {
	for i := range list {
		if done := list[i].done; done != nil {
			list[i].done = nil
			h.told = append(h.told, func() { done(err) })
		}
	}
}

// turns calls what is to be told, in order and one at a time: also what such a call brings about itself.
func (h *hub) turns() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.telling {
		return // whoever does it now comes to ours
	}
	h.telling = true
	for len(h.told) > 0 {
		f := h.told[0]
		h.told = h.told[1:]
		h.mu.Unlock()
		f()
		h.mu.Lock()
	}
	h.told, h.telling = nil, false
}

// inTurn calls f after what is being told.
func (h *hub) inTurn(f func()) {
	h.mu.Lock()
	h.told = append(h.told, f)
	h.mu.Unlock()
	h.turns()
}

// late is called when Redis has taken too long for a batch. Who waits for the outcome of what is queued
// does not wait longer; Redis may still do it.
func (h *hub) late() {
	h.mu.Lock()
	if at := h.oldest(); at.IsZero() || time.Since(at) < h.opt.MaxDelay {
		h.mu.Unlock() // the answer has come just now
		return
	}
	if !h.slow {
		h.slow = true
		h.log.Warn("redis is slow: local clients are served, other servers get what is for them late", "waiting", len(h.sending)+len(h.queue), "bytes", h.queued)
		h.tellSlow(true)
	}
	h.tell(h.sending, ErrSlow)
	h.tell(h.queue, ErrSlow)
	h.mu.Unlock()
	h.turns()
}

// tellSlow has OnSlow or OnCaughtUp called, in turn: the last call is how it is. The lock is held, and
// turns must follow.
func (h *hub) tellSlow(slow bool) {
	f := h.opt.OnCaughtUp
	if slow {
		f = h.opt.OnSlow
	}
	if f != nil {
		h.told = append(h.told, f)
	}
}

// keptUp is called when Redis has answered.
func (h *hub) keptUp() {
	h.mu.Lock()
	if at := h.oldest(); h.slow && (at.IsZero() || time.Since(at) < h.opt.MaxDelay) {
		h.slow = false
		h.log.Info("redis keeps up again")
		h.tellSlow(false)
	}
	h.mu.Unlock()
	h.turns()
}

// Slow tells whether Redis takes longer than Options.MaxDelay.
func (h *hub) Slow() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.slow
}
