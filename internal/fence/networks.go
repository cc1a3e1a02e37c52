package fence

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"sync"
)

// Network is a bridge network whose containers are protected.
type Network struct {
	Bridge string // the interface
	// Published means that published ports of containers are on addresses that other machines may reach. Even
	// so, only containers of this machine reach the containers' own addresses.
	Published bool
	// BlockMetadata keeps containers from the cloud's metadata service.
	BlockMetadata bool
}

// metadata are the addresses of metadata services, which hand out credentials of the machine's role: the
// address that nearly all clouds use, those of Azure and Alibaba, and the IPv6 addresses of AWS and Google.
// Port 53 stays open, since some clouds have their name server there.
var (
	metadata  = []string{"100.100.100.200/32", "168.63.129.16/32", "169.254.169.254/32"}
	metadata6 = []string{"fd00:ec2::254/128", "fd20:ce::254/128"}
)

// defaultBridge is the bridge of Docker's default network.
const defaultBridge = "docker0"

// Networks are the rules around networks of containers.
//
// Docker Engine before version 28 forwards packets that a neighbour sends to a port published by a container:
// to the container's own address, if the neighbour routes that by this machine, and also to 127.0.1.N, since
// Docker rewrites addresses before Linux looks at them. Docker's chain DOCKER-USER sees everything that is
// forwarded before Docker's own rules, so the rules are put there, or at the head of FORWARD if Docker has made
// no such chain.
//
// The same rules are put for IPv6, which agents' networks have where Docker gives it to every network.
type Networks struct {
	*chain  // for IPv4
	six     *chain
	inside  func(at netip.Addr) ([]string, error) // returns Docker's bridges; tests replace it
	hasIPv6 func() bool                           // reports whether this machine has IPv6; tests replace it

	mu   sync.Mutex
	from map[*chain]string // the chain that jumps to the rules, as last seen
}

// NewNetworks returns the rules of an owner without putting any.
func NewNetworks(owner string) *Networks {
	n := &Networks{
		chain: newChain("networks ", owner), six: newChain("networks ", owner),
		inside: bridges, hasIPv6: hasIPv6, from: map[*chain]string{},
	}
	n.six.program = "ip6tables"
	return n
}

// hasIPv6 reports whether any interface of this machine may have IPv6 addresses.
func hasIPv6() bool {
	_, err := os.Stat("/proc/net/if_inet6")
	return err == nil
}

// Put returns nil once the networks are protected. Networks that are not in the list are not protected any
// more. Call it again and again while there are containers.
func (n *Networks) Put(ctx context.Context, networks []Network) error {
	inside, err := n.inside(netip.Addr{})
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	err = n.protect(ctx, n.chain, inside, networks)
	if n.hasIPv6() {
		err = errors.Join(err, n.protect(ctx, n.six, inside, networks))
	}
	return err
}

func (n *Networks) protect(ctx context.Context, c *chain, inside []string, networks []Network) error {
	if want := c.around(n.from[c], inside, networks); c.fresh(want) {
		return c.keep(ctx, want)
	}
	lines, err := c.list(ctx)
	if err != nil {
		return err
	}
	n.from[c] = "FORWARD"
	if slices.Contains(lines, "-N DOCKER-USER") {
		n.from[c] = "DOCKER-USER"
	}
	return c.keep(ctx, c.around(n.from[c], inside, networks))
}

// Remove removes the rules; see Fence.Remove.
func (n *Networks) Remove(ctx context.Context) error {
	err := n.chain.Remove(ctx)
	if n.hasIPv6() {
		err = errors.Join(err, n.six.Remove(ctx))
	}
	return err
}

// around returns the rules around networks, in the format of iptables-save.
func (c *chain) around(from string, inside []string, networks []Network) (r rules) {
	services, refusal := metadata, "REJECT --reject-with icmp-port-unreachable"
	if c.program == "ip6tables" {
		services, refusal = metadata6, "REJECT --reject-with icmp6-port-unreachable"
	}
	networks = slices.Clone(networks)
	slices.SortFunc(networks, func(a, b Network) int { return cmp.Compare(a.Bridge, b.Bridge) })
	var input []string
	for _, network := range networks {
		call := " " + c.named() + " -j " + c.name
		r.calls = append(r.calls, "-A "+from+" -o "+network.Bridge+call)
		if !network.BlockMetadata {
			continue
		}
		for _, service := range services {
			match := " -d " + service + " -i " + network.Bridge + " -p tcp -m tcp ! --dport 53"
			r.calls = append(r.calls, "-A "+from+match+call)
			input = append(input, "-A INPUT"+match+call) // this machine itself may have the address
		}
	}
	r.calls = append(r.calls, input...)
	for _, service := range services {
		r.body = append(r.body, c.rule("-d "+service, refusal))
	}
	r.body = append(r.body, c.rule("-m conntrack --ctstate RELATED,ESTABLISHED", "RETURN"))
	if c.program == "iptables" {
		// Docker has rewritten the destination of such packets by now. Another machine sends packets to a
		// loopback address only to attack this one.
		r.body = append(r.body, c.rule("-m conntrack --ctorigdst 127.0.0.0/8", "DROP"))
	}
	for _, name := range append(inside, defaultBridge) {
		r.body = append(r.body, c.rule("-i "+name, "RETURN"))
	}
	for _, network := range networks {
		if network.Published {
			r.body = append(r.body, c.rule("-o "+network.Bridge+" -m conntrack --ctstate DNAT", "RETURN"))
		}
	}
	r.body = append(r.body, c.rule("", "DROP"))
	return r
}
