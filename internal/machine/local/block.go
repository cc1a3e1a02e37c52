package local

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/berthhq/berth/internal/config"
	"github.com/berthhq/berth/internal/fleet"
)

// Claim is this server's hold on a block of addresses. Servers of one machine that see the same loopback interface never hold the same
// block at the same time, whoever runs them and whatever files they see: a block is held by an abstract unix socket, which the
// kernel keeps for each network namespace and removes with the process.
type Claim struct {
	// Server tells what this server has made in Docker from what others have. It stays the same as long as the data directory.
	Server string
	Number int
	socket net.Listener
}

// ClaimBlock claims the block that the data directory remembers, else the lowest that nobody holds. A server that is down leaves
// agents and networks behind: others tells the blocks of those that belong to other servers, which are taken last. A data directory of
// a version that knew no blocks has block 0.
func ClaimBlock(dir string, others func(server string) map[int]bool) (*Claim, error) {
	c := &Claim{}
	mine, err := config.ReadBlock(dir)
	if err != nil {
		return nil, err
	}
	if c.Server = mine.Server; c.Server == "" {
		c.Server = rand.Text()
	}
	order := blockOrder(mine.Block, others, c.Server)
	for n := range order {
		if c.socket, err = net.Listen("unix", "@berth/block/"+strconv.Itoa(n)); err != nil {
			continue
		}
		c.Number = n
		if err := writeBlock(dir, config.Block{Server: c.Server, Block: n}); err != nil {
			return nil, errors.Join(err, c.Release())
		}
		return c, nil
	}
	return nil, fmt.Errorf("%d servers run on this machine already, and there are addresses for no more: %w", fleet.Blocks, err)
}

// blockOrder yields the blocks to try: the one before, those that nobody seems to use, and the rest. before is -1 for none.
func blockOrder(before int, others func(string) map[int]bool, server string) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		if before >= 0 && !yield(before) {
			return
		}
		used := others(server)
		for _, last := range []bool{false, true} {
			for n := range fleet.Blocks {
				if n != before && used[n] == last && !yield(n) {
					return
				}
			}
		}
	}
}

// Release gives the block up.
func (c *Claim) Release() error { return c.socket.Close() }

// NetworkPrefix begins the names of the server's Docker networks.
func (c *Claim) NetworkPrefix() string {
	if c.Number == 0 {
		return "berth"
	}
	return "berth" + strconv.Itoa(c.Number)
}

func writeBlock(dir string, r config.Block) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	path, data := filepath.Join(dir, config.BlockFile), append(data, '\n')
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return nil // so a server also starts on a full disk
	}
	return writeFile(path, data)
}

// introspectionPort is where each agent listens on its instance's address.
const introspectionPort = 51678

// NextAddress implements machine.Host. An address at which an agent answers already belongs to an instance of another server, one that
// had this block before.
func (d *Driver) NextAddress(taken map[netip.Addr]bool) (netip.Addr, bool) {
	return d.cfg.Block.NextAddress(taken, func(a netip.Addr) bool {
		l, err := net.Listen("tcp", netip.AddrPortFrom(a, introspectionPort).String())
		if err != nil {
			return false
		}
		l.Close()
		return true
	})
}

// Busy implements machine.Host: the networks that this machine is in, but for those of the region's own zones.
func (d *Driver) Busy(region string) []netip.Prefix {
	own := map[string]bool{}
	if d.cfg.Networks != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		for _, bridge := range d.cfg.Networks(ctx, region) {
			own[bridge] = true
		}
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		d.cfg.Logger.Warn("the machine's networks are not known; the network of a region may collide with one", "err", err)
		return nil
	}
	var busy []netip.Prefix
	for _, i := range interfaces {
		if own[i.Name] {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // it went away
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
				busy = append(busy, p.Masked())
			}
		}
	}
	return busy
}
