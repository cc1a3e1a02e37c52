package lean

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/socketio/internal/link"
	"github.com/berthhq/berth/socketio/internal/wsframe"
)

// Pool is a number of clients that reconnect by themselves as JavaScript clients do: first after a wait of First, then
// after twice the time at each failure, up to Most. Each wait is changed at random by up to a half.
type Pool struct {
	// Addr is the address of the server. Clients open a WebSocket and join the main namespace.
	Addr string
	// From has the local addresses that the clients use in turn. If it is empty, the system chooses. One address has
	// ports for about 28,000 connections.
	From []netip.Addr
	// First and Most are the shortest and the longest mean wait. Default 1 s and 5 s.
	First, Most time.Duration
	// On is called with what client i receives after it has joined. It must not block.
	On func(i int, text []byte)

	// In is the number of clients that are joined now. Joins counts how often clients have joined, and Failures how
	// often connecting or joining has failed.
	In, Joins, Failures atomic.Int64

	group  link.Group
	ended  atomic.Bool
	dials  sync.WaitGroup
	mu     sync.Mutex
	timers map[int]*time.Timer
}

const (
	handshakeTimeout = 20 * time.Second // the JavaScript client's
	startWorkers     = 64
)

// Start connects n clients, up to 64 at the same time, and returns when each has tried once.
func (c *Pool) Start(n int) {
	if c.First <= 0 {
		c.First = time.Second
	}
	if c.Most <= 0 {
		c.Most = 5 * time.Second
	}
	c.timers = make(map[int]*time.Timer, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range startWorkers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				c.dial(i, 0)
			}
		})
	}
	wg.Wait()
}

// Close ends all connections.
func (c *Pool) Close() {
	c.ended.Store(true)
	c.mu.Lock()
	for _, t := range c.timers {
		t.Stop()
	}
	c.mu.Unlock()
	c.dials.Wait()
	c.group.Close()
}

// dialLater connects client i again, after a wait that depends on the number of attempts that have failed.
func (c *Pool) dialLater(i, attempt int) {
	wait := min(c.First<<min(attempt, 10), c.Most)
	wait += time.Duration((rand.Float64() - 0.5) * float64(wait))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended.Load() {
		return
	}
	c.timers[i] = time.AfterFunc(wait, func() {
		c.mu.Lock()
		ended := c.ended.Load()
		if !ended {
			c.dials.Add(1)
		}
		c.mu.Unlock()
		if !ended {
			defer c.dials.Done()
			c.dial(i, attempt+1)
		}
	})
}

func (c *Pool) dial(i, attempt int) {
	d := net.Dialer{Timeout: handshakeTimeout}
	if len(c.From) > 0 {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.From[i%len(c.From)], 0))
	}
	joined, ended := false, false
	_, err := DialWith(d, &c.group, c.Addr, "/socket.io/?EIO=4&transport=websocket", func(p *Client, f Frame) {
		switch {
		case ended:
		case f.Op != wsframe.Text: // a close frame, or the end of the connection
			ended = true
			p.Close()
			if joined {
				c.In.Add(-1)
				c.dialLater(i, 0)
			} else {
				c.Failures.Add(1)
				c.dialLater(i, attempt)
			}
		case joined:
			c.On(i, f.Data)
		case f.Data[0] == '0':
			_ = p.Send("40") // if this fails, the end of the connection follows
		case len(f.Data) > 1 && f.Data[1] == '0':
			joined = true
			c.In.Add(1)
			c.Joins.Add(1)
		}
	})
	if err != nil {
		c.Failures.Add(1)
		c.dialLater(i, attempt)
	}
}
