package admin

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/berthhq/berth/socketio/engineio"
)

// Counter counts traffic for the reports. It is an engineio.Metrics.
type Counter struct {
	mu     sync.Mutex
	second int64
	counts map[countKey]int
}

type countKey struct {
	second int64 // Unix
	kind   string
	sub    string
}

// aggregate is a count for one second.
type aggregate struct {
	Timestamp int64  `json:"timestamp"` // Unix milliseconds
	Type      string `json:"type"`
	SubType   string `json:"subType,omitempty"`
	Count     int    `json:"count"`
}

// keepSeconds is how many seconds of counts are kept while no report takes them.
const keepSeconds = 60

// NewCounter returns a counter.
func NewCounter() *Counter { return &Counter{counts: make(map[countKey]int)} }

func (c *Counter) add(kind, sub string, n int) {
	now := time.Now().Unix()
	c.mu.Lock()
	defer c.mu.Unlock()
	if now != c.second {
		c.second = now
		for k := range c.counts {
			if now-k.second > keepSeconds {
				delete(c.counts, k)
			}
		}
	}
	c.counts[countKey{now, kind, sub}] += n
}

// Opened implements engineio.Metrics.
func (c *Counter) Opened() { c.add("rawConnection", "", 1) }

// Closed implements engineio.Metrics.
func (c *Counter) Closed(why engineio.Reason) { c.add("rawDisconnection", string(why), 1) }

// Packets implements engineio.Metrics.
func (c *Counter) Packets(in bool, packets, bytes int) {
	if in {
		c.add("packetsIn", "", packets)
		c.add("bytesIn", "", bytes)
		return
	}
	c.add("packetsOut", "", packets)
	c.add("bytesOut", "", bytes)
}

// take returns the counts and sets them to zero.
func (c *Counter) take() []aggregate {
	all := []aggregate{}
	if c == nil {
		return all
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, n := range c.counts {
		all = append(all, aggregate{k.second * 1000, k.kind, k.sub, n})
	}
	clear(c.counts)
	return all
}

type namespaceStats struct {
	Name    string `json:"name"`
	Sockets int    `json:"socketsCount"`
}

type stats struct {
	ServerID   string           `json:"serverId"`
	Hostname   string           `json:"hostname"`
	PID        int              `json:"pid"`
	Uptime     float64          `json:"uptime"` // seconds
	Clients    int              `json:"clientsCount"`
	Polling    int              `json:"pollingClientsCount"`
	Events     []aggregate      `json:"aggregatedEvents"`
	Namespaces []namespaceStats `json:"namespaces"`
}

// Run sends reports about this server until ctx is done. They go through the adapter, so the UI gets those of all
// servers of the cluster, whichever it is connected to.
func (a *Admin) Run(ctx context.Context) error {
	tick := time.NewTicker(a.opt.Every)
	defer tick.Stop()
	for {
		a.sent(a.ns.Emit("server_stats", a.stats()))
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

func (a *Admin) stats() stats {
	s := stats{
		ServerID: a.opt.ServerID, Hostname: a.host, PID: os.Getpid(), Uptime: time.Since(a.started).Seconds(),
		Clients: a.io.Clients(), Polling: a.io.Polling(), Events: a.opt.Counter.take(), Namespaces: []namespaceStats{},
	}
	for _, name := range a.io.Namespaces() {
		s.Namespaces = append(s.Namespaces, namespaceStats{name, a.io.Of(name).Len()})
	}
	return s
}
