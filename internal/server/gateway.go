package server

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/cache"
	"github.com/berthhq/berth/internal/state"
)

// How long opening the gateway may take, and how often it is done again. A network that was created since the
// last time is let in a moment later; its first packets are sent again.
const (
	gatewayTime  = 5 * time.Second
	gatewayAgain = 500 * time.Millisecond
)

// openGateway adds the addresses where containers reach load balancers. It returns why it cannot, or "".
func (s *Server) openGateway(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, gatewayTime)
	defer cancel()
	if err := s.gateway.Open(ctx); err != nil {
		return "containers do not reach load balancers by name: " + err.Error()
	}
	return ""
}

func (s *Server) closeGateway() error {
	ctx, cancel := context.WithTimeout(context.Background(), gatewayTime)
	defer cancel()
	return s.gateway.Close(ctx)
}

// keepGateway opens the gateway again and again until ctx ends, and writes into the state whether it is open.
func (s *Server) keepGateway(ctx context.Context) error {
	tick := time.NewTicker(gatewayAgain)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		why := s.openGateway(ctx)
		if ctx.Err() != nil || s.store.View().Block().NoGateway == why {
			continue
		}
		s.noteGateway(why)
		err := s.store.Update(ctx, func(tx *state.Tx) error {
			b := *tx.Block()
			b.NoGateway = why
			tx.Blocks.Put(&b)
			return nil
		})
		if err != nil {
			s.cfg.Logger.Warn("the state of the gateway to load balancers could not be written", "err", err,
				"retry_in", gatewayAgain)
		}
	}
}

func (s *Server) noteGateway(why string) {
	if why != "" {
		s.cfg.Logger.Warn("only containers in host mode reach load balancers by their names", "reason", why)
		return
	}
	s.cfg.Logger.Info("containers reach load balancers by their names", "addresses", new(s.block()).Gateway())
}

// hosts returns the names that containers resolve, those of load balancers and caches, sorted.
func (s *Server) hosts(t *state.Tables) []acs.HostEntry {
	var all []acs.HostEntry
	for name, address := range cache.HostEntries(t.CacheClusters.All()) {
		all = append(all, acs.HostEntry{Name: name, Address: address, HostMode: address})
	}
	block := t.Block()
	edge, err := netip.ParseAddr(s.cfg.EdgeAddr)
	if err != nil || edge.IsUnspecified() {
		edge = block.Loopback()
	}
	for lb := range t.LoadBalancers.All() {
		h := acs.HostEntry{Name: strings.ToLower(lb.DNSName), HostMode: edge.String()}
		if at := block.GatewayAddress(lb.Slot); at.IsValid() {
			h.Address, h.HostMode = at.String(), at.String()
		}
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b acs.HostEntry) int { return strings.Compare(a.Name, b.Name) })
	return all
}
