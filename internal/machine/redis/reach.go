package redis

import (
	"context"
	"net/netip"
	"path/filepath"

	"github.com/berthhq/berth/internal/fence"
)

// reach puts a fence around a cluster's port, since caches have no password, and returns the address at which
// containers reach it. If there is no address, notice says why there is no fence; notice is "" when there is no
// bridge.
func (d *Driver) reach(ctx context.Context, arn string, port int) (at netip.Addr, notice string) {
	at = d.cfg.containers()
	if !at.IsValid() {
		return at, ""
	}
	if err := d.fence(arn).Put(ctx, netip.AddrPortFrom(at, uint16(port))); err != nil {
		return netip.Addr{}, "other machines could reach it:  " + err.Error()
	}
	return at, ""
}

// fence returns the fence of a cluster. Clusters of several servers on a machine may have the same ARN, but
// never the same directory.
func (d *Driver) fence(arn string) *fence.Fence {
	f := d.fences[arn]
	if f == nil {
		f = fence.New(filepath.Join(d.cfg.Dir, arn))
		d.fences[arn] = f
	}
	return f
}

// unfence removes the fence of a cluster that does not listen any more.
func (d *Driver) unfence(ctx context.Context, arn string) {
	if err := d.fence(arn).Remove(ctx); err != nil {
		d.cfg.Logger.Info("rules of iptables may stay behind", "cluster", arn, "err", err)
	}
	delete(d.fences, arn)
}

func text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
