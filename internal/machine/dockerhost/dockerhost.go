// Package dockerhost is what instances leave in the Docker of this machine: their containers, the networks of
// zones, and the images that they share. It implements local.Containers, and finds what other servers of the
// machine have in Docker.
package dockerhost

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/agent"
	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime"
	"github.com/berthhq/berth/internal/agent/runtime/docker"
	"github.com/berthhq/berth/internal/machine/local"
)

// Host tells what in Docker belongs to this server.
type Host struct {
	Server        string // the label of everything that its agents create (local.Claim)
	Block         int
	NetworkPrefix string // begins the names of the server's networks
	Registry      string // host:port that agents pull images from
}

var _ local.Containers = (*Host)(nil)

// askTime is the longest that a start or a call waits for an answer of Docker.
const askTime = 2 * time.Second

func connect() (*docker.Engine, error) { return docker.New(os.Getenv("DOCKER_HOST")) }

// networks returns the networks that agents have created; none when Docker does not answer.
func networks(ctx context.Context) []runtime.Network {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	rt, err := connect()
	if err != nil {
		return nil
	}
	defer rt.Close()
	all, err := rt.NetworksWith(ctx, engine.LabelNetwork)
	if err != nil {
		return nil // without Docker there are no networks in the way
	}
	return all
}

// OthersBlocks returns the blocks whose networks other servers use, or have left in Docker.
func OthersBlocks(server string) map[int]bool {
	used := map[int]bool{}
	for _, n := range networks(context.Background()) {
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

// Bridges implements local.Containers.
func (h *Host) Bridges(ctx context.Context, region string) (bridges []string) {
	for _, n := range networks(ctx) {
		if strings.HasPrefix(n.Name, h.NetworkPrefix+"-"+region) {
			bridges = append(bridges, n.Bridge)
		}
	}
	return bridges
}

// BridgeGateway returns the address of this machine on Docker's default bridge, where containers reach programs
// of the machine. It is invalid when there is no such bridge.
func BridgeGateway() netip.Addr {
	bridge, err := net.InterfaceByName("docker0")
	if err != nil {
		return netip.Addr{}
	}
	addrs, err := bridge.Addrs()
	if err != nil {
		return netip.Addr{}
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			return p.Addr()
		}
	}
	return netip.Addr{}
}

// Purge implements local.Containers.
func (h *Host) Purge(ctx context.Context, instanceID string, dead func()) error {
	rt, err := connect()
	if err != nil {
		return err
	}
	defer rt.Close()
	if err := agent.Purge(ctx, instanceID, rt, dead); err != nil {
		return fmt.Errorf("%w; remove the rest of it in Docker with:  docker rm --force --volumes "+
			"$(docker ps --all --quiet --filter label=%s=%s)",
			err, engine.LabelInstance, instanceID)
	}
	return nil
}
