//go:build linux

package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/socketio/internal/lean"
	"github.com/berthhq/berth/socketio/internal/wsframe"
)

// measurement is one row of the table.
type measurement struct {
	name, what string
	servers    int
	pinned     bool
	open       func(*load) (window, error)
	once       func(*load) (sample, error) // used instead of open
	gate       float64                     // the goal: at most this ratio of our cost to that of Node.js; 0 for none
	faster     float64                     // the goal: at least this ratio of our rate to that of Node.js; 0 for none
	counts     bool                        // count allocations
	latency    string                      // a name for the latency; empty if it is not printed
	quantile   float64                     // which quantile of the latencies is printed; 0 for the median
	typed      bool                        // our handlers decode their arguments
}

var measurements = []measurement{
	{name: "connect", what: "connect, join, leave (64 at a time)", servers: 1, pinned: true,
		open: (*load).connect, gate: 0.33},
	{name: "connect-typed", what: "the same, handlers with typed arguments", servers: 1, pinned: true,
		open: (*load).connect, gate: 0.25, typed: true},
	{name: "ack", what: "ack round trip, 200 clients, 32 B", servers: 1, pinned: true,
		open: turns(200, 1, ack), gate: 0.45, counts: true},
	{name: "ack-typed", what: "the same, typed", servers: 1, pinned: true, open: turns(200, 1, ack),
		gate: 0.35, counts: true, typed: true},
	{name: "ack-rate", what: "5,000 acks a second, 500 clients, typed", servers: 1, pinned: true,
		open: atRate(500, 5000, ack), gate: 0.40, latency: "99 of 100 within", quantile: 0.99, typed: true},
	{name: "echo", what: "echo, 200 clients, 1 KiB", servers: 1, pinned: true, open: turns(200, 1, echo),
		gate: 0.40, counts: true},
	{name: "echo-typed", what: "the same, typed", servers: 1, pinned: true, open: turns(200, 1, echo),
		gate: 0.35, counts: true, typed: true},
	{name: "pipe", what: "ack round trip, 50 clients, 16 in flight each", servers: 1, pinned: true,
		open: turns(50, 16, ack), counts: true},
	{name: "fanout", what: "broadcast to 5,000, one at a time, 64 B", servers: 1, pinned: true,
		open: broadcasts(5000, 1), gate: 0.70, counts: true, latency: "until the last has it"},
	{name: "fanout-typed", what: "the same, typed", servers: 1, pinned: true, open: broadcasts(5000, 1),
		gate: 0.50, counts: true, latency: "until the last has it", typed: true},
	{name: "beside", what: "ack of one client beside broadcasts to 5,000", servers: 1, pinned: true,
		open: beside(5000), latency: "ack round trip"},
	{name: "fanout8", what: "broadcast to 5,000, 8 in flight, 64 B", servers: 1, pinned: true,
		open: broadcasts(5000, 8), counts: true},
	{name: "fanout8k", what: "broadcast to 1,000, 8 in flight, 64 B", servers: 1, pinned: true,
		open: broadcasts(1000, 8), counts: true},
	{name: "cores", what: "broadcast to 1,000, 8 in flight, no pinning", servers: 1,
		open: broadcasts(1000, 8), faster: 3},
	{name: "idle", what: "memory of 10,000 idle connections", servers: 1, pinned: true, once: (*load).idle, gate: 0.20},
	{name: "cross", what: "event through Redis to another server, 500/s", servers: 2, open: (*load).cross,
		latency: "from client to client"},
}

var (
	ack  = `421["ack","` + strings.Repeat("x", 32) + `"]`
	echo = `42["echo","` + strings.Repeat("x", 1024) + `"]`
)

var errLost = errors.New("not everything came back")

func (l *load) connect() (window, error) {
	return func(length time.Duration) (int64, error) {
		var n atomic.Int64
		var failed atomic.Pointer[error]
		var wg sync.WaitGroup
		end := time.Now().Add(length)
		for range 64 {
			wg.Go(func() {
				for time.Now().Before(end) {
					c, err := l.dial(l.addrs[0], nil)
					if err != nil {
						failed.Store(&err)
						return
					}
					c.Close()
					n.Add(1)
				}
			})
		}
		wg.Wait()
		if err := failed.Load(); err != nil {
			return 0, *err
		}
		time.Sleep(200 * time.Millisecond) // until the server has noticed that the connections have ended
		return n.Load(), nil
	}, nil
}

// flow is traffic in which each answer causes the next request, until it is stopped.
type flow struct {
	ops     atomic.Int64 // answers so far
	left    atomic.Int64 // requests that have not been answered since the flow was stopped
	stopped atomic.Bool
	idle    chan struct{} // gets a value when the last request has been answered
}

// again is called for each answer. It reports whether another request must follow.
func (f *flow) again() bool {
	if !f.stopped.Load() {
		return true
	}
	if f.left.Add(-1) == 0 {
		f.idle <- struct{}{}
	}
	return false
}

// run keeps n requests under way for the given time. start sends the first n. It returns the number of answers.
func (f *flow) run(n int, length time.Duration, start func() error) (int64, error) {
	f.stopped.Store(false)
	f.left.Store(int64(n))
	before := f.ops.Load()
	if err := start(); err != nil {
		return 0, err
	}
	time.Sleep(length)
	f.stopped.Store(true)
	select {
	case <-f.idle:
		return f.ops.Load() - before, nil
	case <-time.After(patience):
		return 0, errLost
	}
}

// turns keeps inflight requests of each client under way. Each request is a frame, and so is each answer.
func turns(clients, inflight int, frame string) func(*load) (window, error) {
	raw := lean.AppendFrame(nil, wsframe.Text, []byte(frame))
	return func(l *load) (window, error) {
		f := &flow{idle: make(chan struct{}, 1)}
		all, err := l.many(clients, func(c *lean.Client, _ []byte) {
			f.ops.Add(1)
			if f.again() {
				_ = c.Raw(raw)
			}
		})
		return func(length time.Duration) (int64, error) {
			return f.run(clients*inflight, length, func() error {
				for _, c := range all {
					for range inflight {
						if err := c.Raw(raw); err != nil {
							return err
						}
					}
				}
				return nil
			})
		}, err
	}
}

// atRate sends perSecond requests a second, from all clients in turn, whether or not earlier ones have been answered.
// It measures how long each answer takes.
func atRate(clients, perSecond int, frame string) func(*load) (window, error) {
	raw := lean.AppendFrame(nil, wsframe.Text, []byte(frame))
	return func(l *load) (window, error) {
		var sent sync.Map // *lean.Client to the time of its request
		answered := make(chan struct{}, 1<<16)
		all, err := l.many(l.count(clients), func(c *lean.Client, _ []byte) {
			if at, ok := sent.Load(c); ok {
				l.latency(time.Since(at.(time.Time)))
			}
			answered <- struct{}{}
		})
		return func(length time.Duration) (n int64, err error) {
			pause := time.Second / time.Duration(perSecond)
			for start := time.Now(); time.Since(start) < length; n++ {
				time.Sleep(time.Until(start.Add(time.Duration(n) * pause)))
				c := all[n%int64(len(all))]
				sent.Store(c, time.Now())
				if err := c.Raw(raw); err != nil {
					return n, err
				}
			}
			for range n {
				select {
				case <-answered:
				case <-time.After(patience):
					return n, errLost
				}
			}
			return n, nil
		}, err
	}
}

// broadcasts keeps inflight broadcasts under way: when all clients have got one, the next is requested.
func broadcasts(clients, inflight int) func(*load) (window, error) {
	raw := lean.AppendFrame(nil, wsframe.Text, []byte(`42["all","`+strings.Repeat("x", 64)+`"]`))
	return func(l *load) (window, error) {
		clients := l.count(clients)
		f := &flow{idle: make(chan struct{}, 1)}
		var first *lean.Client
		var sent atomic.Int64
		all, err := l.many(clients, func(*lean.Client, []byte) {
			if f.ops.Add(1)%int64(clients) != 0 {
				return
			}
			if inflight == 1 {
				l.latency(time.Duration(time.Now().UnixNano() - sent.Load()))
			}
			sent.Store(time.Now().UnixNano())
			if f.again() {
				_ = first.Raw(raw)
			}
		})
		if err != nil {
			return nil, err
		}
		first = all[0]
		return func(length time.Duration) (int64, error) {
			return f.run(inflight, length, func() error {
				sent.Store(time.Now().UnixNano())
				for range inflight {
					if err := first.Raw(raw); err != nil {
						return err
					}
				}
				return nil
			})
		}, nil
	}
}

// beside measures how long one client waits for an answer while the server sends one broadcast after the other.
func beside(clients int) func(*load) (window, error) {
	open := broadcasts(clients, 2) // with two, broadcasts does not add latencies of its own
	return func(l *load) (window, error) {
		traffic, err := open(l)
		if err != nil {
			return nil, err
		}
		answered := make(chan struct{}, 1)
		c, err := l.dial(l.addrs[0], func(_ *lean.Client, p []byte) { // broadcasts arrive here too, and are not counted
			if p[1] == '3' {
				answered <- struct{}{}
			}
		})
		return func(length time.Duration) (int64, error) {
			stop, done := make(chan struct{}), make(chan error, 1)
			go func() { done <- l.askRepeatedly(c, answered, stop) }()
			n, err := traffic(length)
			close(stop)
			return n, errors.Join(err, <-done)
		}, err
	}
}

// askRepeatedly sends one request after the other, with a pause in between, until stop is closed.
func (l *load) askRepeatedly(c *lean.Client, answered, stop chan struct{}) error {
	for {
		sent := time.Now()
		if err := c.Send(ack); err != nil {
			return err
		}
		select {
		case <-answered:
		case <-time.After(patience):
			return errLost
		}
		l.latency(time.Since(sent))
		select {
		case <-stop:
			return nil
		case <-time.After(3 * time.Millisecond):
		}
	}
}

// idle measures how much memory the server needs for connections that do nothing.
func (l *load) idle() (sample, error) {
	before, err := resident(l.pids[0])
	if err != nil {
		return sample{}, err
	}
	n := l.count(10000)
	start := time.Now()
	if _, err := l.many(n, nil); err != nil {
		return sample{}, err
	}
	rate := float64(n) / time.Since(start).Seconds()
	time.Sleep(6 * time.Second)
	after, err := resident(l.pids[0])
	l.group.Close() // the clients of the other server need the descriptors
	return sample{Rate: rate, Cost: float64(after-before) / float64(n)}, err
}

// cross sends events from a client of the first server to a client of the second one, and measures how long they take.
// The CPU time is that of both servers.
func (l *load) cross() (window, error) {
	arrived := make(chan struct{}, 1<<16)
	sender, err := l.dial(l.addrs[0], nil)
	if err != nil {
		return nil, err
	}
	_, err = l.dial(l.addrs[1], func(_ *lean.Client, p []byte) {
		var sent int64
		_, _ = fmt.Sscanf(string(p), `42["all",%d]`, &sent)
		l.latency(time.Duration(time.Now().UnixNano() - sent))
		arrived <- struct{}{}
	})
	return func(length time.Duration) (int64, error) {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		sent := int64(0)
		for end := time.Now().Add(length); time.Now().Before(end); sent++ {
			<-tick.C
			if err := sender.Send(fmt.Sprintf(`42["all",%d]`, time.Now().UnixNano())); err != nil {
				return 0, err
			}
		}
		for range sent {
			select {
			case <-arrived:
			case <-time.After(patience):
				return 0, errLost
			}
		}
		return sent, nil
	}, err
}
