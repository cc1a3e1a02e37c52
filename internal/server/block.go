package server

import (
	"cmp"
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/agent"
	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime"
	"github.com/berthhq/berth/internal/agent/runtime/docker"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/machine/local"
	"github.com/berthhq/berth/internal/state"
)

// claimBlock gives this server the addresses and names that no other server of the machine has, and writes them into the state.
func (s *Server) claimBlock(ctx context.Context) (err error) {
	if s.claim, err = local.ClaimBlock(s.dir.Path, othersBlocks); err != nil {
		return err
	}
	s.closers = append(s.closers, s.claim.Release)
	s.cfg.EdgeAddr = cmp.Or(s.cfg.EdgeAddr, new(s.block()).Loopback().String())
	s.gateway = local.NewGateway(s.block())
	s.closers = append(s.closers, s.closeGateway)
	block := s.block()
	block.NoGateway = s.openGateway(ctx)
	s.noteGateway(block.NoGateway)
	return s.store.Update(ctx, func(tx *state.Tx) error {
		tx.Blocks.Put(&block)
		for _, lb := range slices.Collect(tx.LoadBalancers.All()) {
			if lb.Slot == 0 { // of a version that knew no slots
				c := *lb
				c.Slot = elb.NextSlot(tx.LoadBalancers.All(), fleet.GatewaySlots)
				tx.LoadBalancers.Put(&c)
			}
		}
		return nil
	})
}

// block is the server's own, as claimed.
func (s *Server) block() fleet.Block { return fleet.Block{Number: s.claim.Number} }

// dockerTime bounds a question to Docker that a start or a call waits for.
const dockerTime = 2 * time.Second

// networks are those that agents have made in Docker; none when Docker does not answer.
func networks() []runtime.Network {
	ctx, cancel := context.WithTimeout(context.Background(), dockerTime)
	defer cancel()
	rt, err := docker.New(os.Getenv("DOCKER_HOST"))
	if err != nil {
		return nil
	}
	defer rt.Close()
	all, err := rt.NetworksWith(ctx, engine.LabelNetwork)
	if err != nil {
		return nil // without Docker nobody is in the way of its networks
	}
	return all
}

// othersBlocks are the blocks of networks that other servers have left in Docker, or use now.
func othersBlocks(server string) map[int]bool {
	used := map[int]bool{}
	for _, n := range networks() {
		if n.Labels[engine.LabelServer] == server {
			continue
		}
		prefix, _, _ := strings.Cut(n.Name, "-")
		number, found := strings.CutPrefix(prefix, agent.NetworkPrefix)
		if block, err := strconv.Atoi(cmp.Or(number, "0")); found && err == nil {
			used[block] = true
		}
	}
	return used
}

// ownBridges names the bridges of the networks of a region's zones.
func (s *Server) ownBridges(_ context.Context, region string) (bridges []string) {
	for _, n := range networks() {
		if strings.HasPrefix(n.Name, s.claim.NetworkPrefix()+"-"+region) {
			bridges = append(bridges, n.Bridge)
		}
	}
	return bridges
}
