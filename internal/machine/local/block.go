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
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
)

// Claim holds a block of addresses for this server (decision 0340). Servers that see the same loopback
// interface never hold the same block at the same time, whoever runs them and whatever files they see: a block
// is held by an abstract unix socket, which belongs to the network namespace and disappears with the process.
type Claim struct {
	// Server is the label by which Docker objects of this server are distinguished from those of others. It never
	// changes for a data directory.
	Server string
	Number int
	socket net.Listener
}

// ClaimBlock claims the block of the data directory, or else the lowest free one. others returns the blocks of
// networks in Docker that belong to other servers; these blocks are taken last, as a server that is not running
// may have left agents and networks there. The data directory of a version without blocks has block 0.
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
	return nil, fmt.Errorf("%d servers run on this machine already, and there are addresses for no more: %w",
		fleet.Blocks, err)
}

// blockOrder yields the blocks in the order in which to try them: before, which is -1 if there was none, then
// those that nobody seems to use, then the rest.
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

// Release ends the claim.
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
		return nil // so that a server starts on a full disk
	}
	return writeFile(path, data)
}

// introspectionPort is the port where each agent listens, on its instance's address.
const introspectionPort = 51678

// NextAddress implements machine.Host. It skips addresses at which an agent listens: that is an instance of
// another server, which had this block before.
func (d *Driver) NextAddress(taken fleet.AddressSet) (netip.Addr, error) {
	a, ok := nextAddress(d.cfg.Block, taken, canListen)
	if !ok {
		return a, fault.New("InsufficientInstanceCapacity",
			"There are no free loopback addresses for more instances on this machine.")
	}
	return a, nil
}

// outsideBlocks is a loopback address that no block has.
var outsideBlocks = netip.AddrFrom4([4]byte{127, 255, 255, 254})

// nextAddress is NextAddress for any way to see whether an address is free. Amazon's agent listens at every
// address of its machine. Then none looks free, and no agent of Berth listens at one, so none is skipped.
func nextAddress(b fleet.Block, taken fleet.AddressSet, free func(netip.Addr) bool) (netip.Addr, bool) {
	if !free(outsideBlocks) {
		free = nil
	}
	return b.NextAddress(taken, free)
}

// canListen reports whether an agent could listen at the address.
func canListen(a netip.Addr) bool {
	l, err := net.Listen("tcp", netip.AddrPortFrom(a, introspectionPort).String())
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// Busy implements machine.Host. It returns the networks that this machine is connected to, except those of the
// region's own zones.
func (d *Driver) Busy(region string) []netip.Prefix {
	own := map[string]bool{}
	if d.cfg.Containers != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		for _, bridge := range d.cfg.Containers.Bridges(ctx, region) {
			own[bridge] = true
		}
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		d.cfg.Logger.Warn(
			"the machine's networks are not known; the network of a region may collide with one", "err", err)
		return nil
	}
	var busy []netip.Prefix
	for _, i := range interfaces {
		if own[i.Name] {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // it was removed since
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
				busy = append(busy, p.Masked())
			}
		}
	}
	return busy
}
