package server

import (
	"cmp"
	"context"
	"slices"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/machine/dockerhost"
	"github.com/berthhq/berth/internal/machine/local"
	"github.com/berthhq/berth/internal/state"
)

// claimBlock claims a block of addresses and names that no other server of the machine has.
func (s *Server) claimBlock(context.Context) (err error) {
	if s.claim, err = local.ClaimBlock(s.dir.Path, dockerhost.OthersBlocks); err != nil {
		return err
	}
	s.cfg.EdgeAddr = cmp.Or(s.cfg.EdgeAddr, new(s.block()).Loopback().String())
	s.gateway = local.NewGateway(s.block())
	return nil
}

// writeBlock writes the block into the state, and whether containers reach load balancers in it.
func (s *Server) writeBlock(ctx context.Context) error {
	block := s.block()
	block.NoGateway = s.openGateway(ctx)
	s.noteGateway(block.NoGateway)
	return s.store.Update(ctx, func(tx *state.Tx) error {
		tx.Blocks.Put(&block)
		for _, lb := range slices.Collect(tx.LoadBalancers.All()) {
			if lb.Slot == 0 { // of a version without slots
				c := *lb
				c.Slot = elb.NextSlot(tx.LoadBalancers.All(), fleet.GatewaySlots)
				tx.LoadBalancers.Put(&c)
			}
		}
		return nil
	})
}

// block returns the block that was claimed.
func (s *Server) block() fleet.Block { return fleet.Block{Number: s.claim.Number} }
