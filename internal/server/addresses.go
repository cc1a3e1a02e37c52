package server

import (
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/agent"
	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime"
	"github.com/berthhq/berth/internal/agent/runtime/docker"
)

// busyAddresses are those of networks that this machine is in, Docker's included, so that the network of a region is put elsewhere. What is
// left of the region's own zones is no obstacle.
func (s *Server) busyAddresses(region string) []netip.Prefix {
	var own []runtime.Network
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if rt, err := docker.New(os.Getenv("DOCKER_HOST")); err == nil {
		all, err := rt.NetworksWith(ctx, engine.LabelNetwork)
		if err != nil { // without Docker nobody is in the way of its networks
			s.cfg.Logger.Debug("Docker's networks could not be looked through", "err", err)
		}
		for _, n := range all {
			if strings.HasPrefix(n.Name, agent.NetworkPrefix+"-"+region) {
				own = append(own, n)
			}
		}
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		s.cfg.Logger.Warn("the machine's networks are not known; the network of a region may collide with one", "err", err)
		return nil
	}
	var busy []netip.Prefix
	for _, i := range interfaces {
		if slices.ContainsFunc(own, func(n runtime.Network) bool { return n.Bridge == i.Name }) {
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
