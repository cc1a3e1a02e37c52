package cache

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/berthhq/berth/internal/cache"
)

// embedded is a Redis-compatible server inside this program.
type embedded struct {
	*miniredis.Miniredis
	node cache.Node
}

// embed serves a cluster inside this program. It listens where containers reach it, which this machine's programs do too.
func (c *Controller) embed(ctx context.Context, cl *cache.Cluster) (time.Duration, error) {
	c.mu.Lock()
	e := c.embedded[cl.ARN]
	c.mu.Unlock()
	if e != nil {
		return health, c.follow(ctx, cl, e)
	}
	port, err := c.port(cl, process{})
	if err != nil {
		return 0, c.observe(ctx, cl, cache.Node{Backend: cache.Embedded, Problem: err.Error()})
	}
	address := c.cfg.Loopback
	if a := c.cfg.containers(); a.IsValid() {
		address = a
	}
	e = &embedded{miniredis.NewMiniRedis(), cache.Node{
		Backend: cache.Embedded, Address: address.String(), ContainerAddress: c.containers(), Port: port, Version: "7",
	}}
	if err := e.StartAddr(netip.AddrPortFrom(address, uint16(port)).String()); err != nil {
		return 0, err
	}
	c.mu.Lock()
	c.embedded[cl.ARN] = e
	c.mu.Unlock()
	return health, c.observe(ctx, cl, e.node)
}

// follow moves a cluster to the address that containers reach, when there is one at last. Its data stay; clients connect anew.
func (c *Controller) follow(ctx context.Context, cl *cache.Cluster, e *embedded) error {
	if a := c.cfg.containers(); a.IsValid() && a.String() != e.node.ContainerAddress {
		e.Close()
		if err := e.StartAddr(netip.AddrPortFrom(a, uint16(e.node.Port)).String()); err != nil {
			return errors.Join(err, e.StartAddr(netip.AddrPortFrom(c.cfg.Loopback, uint16(e.node.Port)).String()))
		}
		e.node.Address, e.node.ContainerAddress = a.String(), a.String()
	}
	return c.observe(ctx, cl, e.node)
}

func (c *Controller) endEmbedded(arn string) {
	c.mu.Lock()
	e := c.embedded[arn]
	delete(c.embedded, arn)
	c.mu.Unlock()
	if e != nil {
		e.Close()
	}
}

func (c *Controller) closeEmbedded() {
	c.mu.Lock()
	all := c.embedded
	c.embedded = make(map[string]*embedded)
	c.mu.Unlock()
	for _, e := range all {
		e.Close()
	}
}

// passTime lets keys of embedded servers expire; their clock stands still by itself.
func (c *Controller) passTime(ctx context.Context) {
	const step = 100 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	for last := c.cfg.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := c.cfg.Now()
		c.mu.Lock()
		for _, e := range c.embedded {
			e.FastForward(now.Sub(last))
		}
		c.mu.Unlock()
		last = now
	}
}
