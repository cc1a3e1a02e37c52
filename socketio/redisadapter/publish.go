package redisadapter

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	// ErrQueueFull means that something was dropped because Redis does not keep up.
	ErrQueueFull = errors.New("redisadapter: too much is waiting for redis")
	// ErrSlow means that something was not sent to Redis because others have been waiting for it
	// too long.
	ErrSlow = errors.New("redisadapter: redis is slow")
)

const (
	maxBatch = 512
	// overhead is about what a command takes in memory besides what it sends.
	overhead = 256
)

// command is a command for Redis. done, when set, is called once with the outcome: when Redis has
// answered, or with ErrSlow when it takes too long, although it may still execute the command. done
// must be quick.
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

// Stats returns the state of publishing.
func (h *hub) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := Stats{Waiting: len(h.sending) + len(h.queue), Bytes: h.queued, Dropped: h.dropped,
		Lost: h.Lost(), Slow: h.slow}
	if at := h.oldest(); !at.IsZero() {
		s.Delay = time.Since(at)
	}
	return s
}

// oldest returns when the oldest command was queued, or zero.
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
	signal(h.wake)
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
		case <-h.probe(): // find out whether Redis answers, in case nothing else is sent
			if h.client.Ping(ctx).Err() == nil {
				h.keptUp()
			}
		}
		for batch := h.takeBatch(); len(batch) > 0; batch = h.takeBatch() {
			h.transmit(ctx, batch)
		}
	}
}

// probe returns a channel that gets a value after a while, if Redis is slow.
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
		h.finish(h.sending[i:i+1], failure(results[start:end], err))
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

// failure returns the outcome of a command, from the results of what it added to a pipeline; if it
// added nothing, that of the pipeline.
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

// publisher returns where commands are sent. On Redis Cluster PUBLISH reaches all nodes from any;
// all of ours use the same node, so that they stay in order.
func (h *hub) publisher(ctx context.Context) redis.Cmdable {
	if cc, ok := h.client.(*redis.ClusterClient); ok && h.anyNode {
		if master, err := cc.MasterForKey(ctx, h.opt.Prefix); err == nil {
			return master
		}
	}
	return h.client
}

// finish queues the calls of done for the commands of a list, once for each. The lock must be held;
// turns must follow.
func (h *hub) finish(list []command, err error) {
	for i := range list {
		if done := list[i].done; done != nil {
			list[i].done = nil
			h.calls = append(h.calls, func() { done(err) })
		}
	}
}

// turns makes the queued calls, in order and one at a time. Calls that are queued by such a call are made too.
func (h *hub) turns() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.calling {
		return // the goroutine that makes calls now makes these too
	}
	h.calling = true
	for len(h.calls) > 0 {
		f := h.calls[0]
		h.calls = h.calls[1:]
		h.mu.Unlock()
		f()
		h.mu.Lock()
	}
	h.calls, h.calling = nil, false
}

// inTurn calls f after the calls that are queued.
func (h *hub) inTurn(f func()) {
	h.mu.Lock()
	h.calls = append(h.calls, f)
	h.mu.Unlock()
	h.turns()
}

// late is called when Redis has taken too long for a batch. Callers that wait for queued commands
// get ErrSlow; Redis may still execute the commands.
func (h *hub) late() {
	h.mu.Lock()
	if at := h.oldest(); at.IsZero() || time.Since(at) < h.opt.MaxDelay {
		h.mu.Unlock() // the answer has just arrived
		return
	}
	if !h.slow {
		h.slow = true
		h.log.Warn("redis is slow: local clients are served, other servers get what is for them late",
			"waiting", len(h.sending)+len(h.queue), "bytes", h.queued)
		h.callSlow(true)
	}
	h.finish(h.sending, ErrSlow)
	h.finish(h.queue, ErrSlow)
	h.mu.Unlock()
	h.turns()
}

// callSlow queues a call of OnSlow or OnCaughtUp, so that the last call always matches the state. The lock is held,
// and turns must follow.
func (h *hub) callSlow(slow bool) {
	f := h.opt.OnCaughtUp
	if slow {
		f = h.opt.OnSlow
	}
	if f != nil {
		h.calls = append(h.calls, f)
	}
}

// keptUp is called when Redis has answered.
func (h *hub) keptUp() {
	h.mu.Lock()
	if at := h.oldest(); h.slow && (at.IsZero() || time.Since(at) < h.opt.MaxDelay) {
		h.slow = false
		h.log.Info("redis keeps up again")
		h.callSlow(false)
	}
	h.mu.Unlock()
	h.turns()
}

// Slow reports whether Redis takes longer than Options.MaxDelay.
func (h *hub) Slow() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.slow
}
