package fence

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"
)

// Network is a bridge network whose containers are protected.
type Network struct {
	Bridge string // the interface
	// Published says that ports of containers are published on addresses that other machines are to reach. Nobody but
	// containers of this machine reaches the containers' own addresses even so.
	Published bool
	// BlockMetadata keeps containers from the metadata service of the machine's cloud.
	BlockMetadata bool
}

// Metadata is where a machine in a cloud finds its metadata service, with credentials of the machine's role. Port 53 is not
// blocked: one of the clouds has its name server there.
const Metadata = "169.254.169.254/32"

// defaultBridge is that of Docker's default network.
const defaultBridge = "docker0"

// Networks are rules around networks of containers.
//
// Docker Engine before version 28 forwards what a neighbour sends to a port that a container publishes, to the container's
// own address, if the neighbour routes that through this machine, and also to 127.0.1.N, since it rewrites addresses before
// Linux looks at them. It calls its chain DOCKER-USER for everything that is forwarded before its own rules; that is where
// these are put, and at the head of FORWARD where Docker has made no such chain.
type Networks struct {
	*chain
	inside func(at netip.Addr) ([]string, error) // Docker's bridges; tests replace it
	from   struct {
		sync.Mutex
		chain string // that calls the rules, as last seen
	}
}

// NewNetworks makes the rules of an owner; nothing is put yet.
func NewNetworks(owner string) *Networks {
	return &Networks{chain: newChain("networks ", owner), inside: bridges}
}

// Put returns nil once the networks are protected. Networks that were protected before and are not named are not protected
// any more. It is called again and again while there are containers.
func (n *Networks) Put(ctx context.Context, networks []Network) error {
	inside, err := n.inside(netip.Addr{})
	if err != nil {
		return err
	}
	n.from.Lock()
	defer n.from.Unlock()
	if want := n.rules(n.from.chain, inside, networks); n.fresh(want) {
		return n.keep(ctx, want)
	}
	lines, err := n.list(ctx)
	if err != nil {
		return err
	}
	n.from.chain = "FORWARD"
	if slices.Contains(lines, "-N DOCKER-USER") {
		n.from.chain = "DOCKER-USER"
	}
	return n.keep(ctx, n.rules(n.from.chain, inside, networks))
}

func (n *Networks) rules(from string, inside []string, networks []Network) (r rules) {
	networks = slices.Clone(networks)
	slices.SortFunc(networks, func(a, b Network) int { return cmp.Compare(a.Bridge, b.Bridge) })
	var input []string
	for _, network := range networks {
		call := " " + n.named() + " -j " + n.name
		r.calls = append(r.calls, "-A "+from+" -o "+network.Bridge+call)
		if network.BlockMetadata {
			match := " -d " + Metadata + " -i " + network.Bridge + " -p tcp -m tcp ! --dport 53"
			r.calls = append(r.calls, "-A "+from+match+call)
			input = append(input, "-A INPUT"+match+call) // the machine itself may have the address
		}
	}
	r.calls = append(r.calls, input...)
	r.body = append(r.body,
		n.rule("-d "+Metadata, "REJECT --reject-with icmp-port-unreachable"),
		n.rule("-m conntrack --ctstate RELATED,ESTABLISHED", "RETURN"))
	// What was sent to a loopback address was rewritten on its way; no machine sends that but to harm.
	r.body = append(r.body, n.rule("-m conntrack --ctorigdst 127.0.0.0/8", "DROP"))
	for _, name := range append(inside, defaultBridge) {
		r.body = append(r.body, n.rule("-i "+name, "RETURN"))
	}
	for _, network := range networks {
		if network.Published {
			r.body = append(r.body, n.rule("-o "+network.Bridge+" -m conntrack --ctstate DNAT", "RETURN"))
		}
	}
	r.body = append(r.body, n.rule("", "DROP"))
	return r
}
