package redis

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

// embed serves a cluster inside this process. It listens where containers reach it; programs of this machine
// reach it there, too.
func (d *Driver) embed(ctx context.Context, cl *cache.Cluster) (*cache.Node, error) {
	if d.ended {
		return nil, errEnded
	}
	d.mu.Lock()
	e := d.embedded[cl.ARN]
	d.mu.Unlock()
	if e != nil {
		return d.follow(ctx, cl, e)
	}
	port, err := d.port(cl, process{})
	if err != nil {
		return &cache.Node{Backend: cache.Embedded, Problem: err.Error()}, err
	}
	// The empty directory says that there is a cluster, and a fence, if this process is killed.
	if err := os.MkdirAll(filepath.Join(d.cfg.Dir, cl.ARN), 0o700); err != nil {
		return nil, err
	}
	at, notice := d.reach(ctx, cl.ARN, port)
	e = &embedded{
		Miniredis: miniredis.NewMiniRedis(),
		node:      cache.Node{Backend: cache.Embedded, Port: port, Version: "7"},
	}
	if err := e.listen(d.cfg.Loopback, at, notice); err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.embedded[cl.ARN] = e
	d.mu.Unlock()
	return e.seen(), nil
}

// seen returns the node as it is now.
func (e *embedded) seen() *cache.Node {
	n := e.node
	return &n
}

// listen makes e listen on the address for containers, or on loopback when there is none.
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

// follow moves a cluster to the address for containers when there is one, and back to loopback when others
// could reach it there. The data stay; clients have to connect again.
func (d *Driver) follow(ctx context.Context, cl *cache.Cluster, e *embedded) (*cache.Node, error) {
	at, notice := d.reach(ctx, cl.ARN, e.node.Port)
	if d.cfg.containers().IsValid() && text(at) != e.node.ContainerAddress {
		e.Close()
		if err := e.listen(d.cfg.Loopback, at, notice); err != nil {
			return nil, errors.Join(err, e.listen(d.cfg.Loopback, netip.Addr{}, err.Error()))
		}
	}
	e.node.Notice = notice
	return e.seen(), nil
}

func (d *Driver) endEmbedded(arn string) {
	d.mu.Lock()
	e := d.embedded[arn]
	delete(d.embedded, arn)
	d.mu.Unlock()
	if e != nil {
		e.Close()
	}
}

// closeEmbedded ends all clusters inside this process.
func (d *Driver) closeEmbedded(ctx context.Context) {
	d.busy.Lock()
	defer d.busy.Unlock()
	d.ended = true
	d.mu.Lock()
	all := d.embedded
	d.embedded = make(map[string]*embedded)
	d.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for arn, e := range all {
		e.Close()
		d.unfence(ctx, arn)
	}
}

// passTime makes keys of embedded servers expire; their clock does not move by itself.
func (d *Driver) passTime(ctx context.Context) {
	const step = 100 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	for last := d.cfg.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := d.cfg.Now()
		d.mu.Lock()
		for _, e := range d.embedded {
			e.FastForward(now.Sub(last))
		}
		d.mu.Unlock()
		last = now
	}
}
