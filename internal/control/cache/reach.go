package cache

import (
	"context"
	"net/netip"
	"path/filepath"

	"github.com/berthhq/berth/internal/fence"
)

// reach returns the address at which containers may reach a cluster's port from now on, after it has put a fence around it: caches
// have no password. Without the address, notice is why there is no fence; without both there is no bridge.
func (c *Controller) reach(ctx context.Context, arn string, port int) (at netip.Addr, notice string) {
	at = c.cfg.containers()
	if !at.IsValid() {
		return at, ""
	}
	if err := c.fence(arn).Put(ctx, netip.AddrPortFrom(at, uint16(port))); err != nil {
		return netip.Addr{}, "other machines cannot be kept from it: " + err.Error()
	}
	return at, ""
}

// fence is a cluster's. Several servers of one machine may have clusters of the same ARN, but not the same directory.
func (c *Controller) fence(arn string) *fence.Fence {
	f := c.fences[arn]
	if f == nil {
		f = fence.New(filepath.Join(c.cfg.Dir, arn))
		c.fences[arn] = f
	}
	return f
}

// unfence removes the fence of a cluster that does not listen any more.
func (c *Controller) unfence(ctx context.Context, arn string) {
	if err := c.fence(arn).Remove(ctx); err != nil {
		c.cfg.Logger.Info("rules of iptables may stay behind", "cluster", arn, "err", err)
	}
	delete(c.fences, arn)
}

func text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
