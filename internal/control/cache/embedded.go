package cache

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
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
	// The directory has nothing in it: it remembers that there is a cluster, and a fence, should this program be killed.
	if err := os.MkdirAll(filepath.Join(c.cfg.Dir, cl.ARN), 0o700); err != nil {
		return 0, err
	}
	at, notice := c.reach(ctx, cl.ARN, port)
	e = &embedded{Miniredis: miniredis.NewMiniRedis(), node: cache.Node{Backend: cache.Embedded, Port: port, Version: "7"}}
	if err := e.listen(c.cfg.Loopback, at, notice); err != nil {
		return 0, err
	}
	c.mu.Lock()
	c.embedded[cl.ARN] = e
	c.mu.Unlock()
	return health, c.observe(ctx, cl, e.node)
}

// listen has e answer at the address for containers, and on loopback when there is none.
func (e *embedded) listen(loopback, at netip.Addr, notice string) error {
	address := loopback
	if at.IsValid() {
		address = at
	}
	if err := e.StartAddr(netip.AddrPortFrom(address, uint16(e.node.Port)).String()); err != nil {
		return err
	}
	e.node.Address, e.node.ContainerAddress, e.node.Notice = address.String(), text(at), notice
	return nil
}

// follow moves a cluster to the address that containers reach, when there is one at last, and away from it when others reach it too.
// Its data stay; clients connect anew.
func (c *Controller) follow(ctx context.Context, cl *cache.Cluster, e *embedded) error {
	at, notice := c.reach(ctx, cl.ARN, e.node.Port)
	if c.cfg.containers().IsValid() && text(at) != e.node.ContainerAddress {
		e.Close()
		if err := e.listen(c.cfg.Loopback, at, notice); err != nil {
			return errors.Join(err, e.listen(c.cfg.Loopback, netip.Addr{}, err.Error()))
		}
	}
	e.node.Notice = notice
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

func (c *Controller) closeEmbedded(ctx context.Context) {
	c.mu.Lock()
	all := c.embedded
	c.embedded = make(map[string]*embedded)
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for arn, e := range all {
		e.Close()
		c.unfence(ctx, arn)
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
