package fleet

import "net/netip"

// Blocks is how many servers of one machine can have addresses of their own.
const Blocks = 32

// Block is what one server has to itself of the addresses that all servers of a machine share. There is one row of it in a server's
// state. A server alone on its machine has block 0.
type Block struct {
	Number int
	// NoGateway says why containers do not reach load balancers at their own addresses; "" when they do.
	NoGateway string
}

// Key is the row's primary key.
func (b *Block) Key() string { return BlockKey }

// BlockKey is the key of the only row.
const BlockKey = "block"

// Loopback is where programs of the machine reach load balancers and caches: 127.N.0.1.
func (b *Block) Loopback() netip.Addr { return netip.AddrFrom4([4]byte{127, byte(b.Number), 0, 1}) }

// NextAddress returns the lowest loopback address for an instance that is not in taken and of which free is true, or ok false when all
// some sixteen thousand are in use. The addresses are 127.N.1.2 to 127.N.63.254; 127.N.1.1 is left out because Debian names the host by it.
// Instances that are still described after their end keep theirs, so that an address is not given to another while somebody may
// still talk to the old one.
func (b *Block) NextAddress(taken map[netip.Addr]bool, free func(netip.Addr) bool) (addr netip.Addr, ok bool) {
	last := netip.AddrFrom4([4]byte{127, byte(b.Number), 63, 254})
	for a := netip.AddrFrom4([4]byte{127, byte(b.Number), 1, 2}); a.Compare(last) <= 0; a = a.Next() {
		if end := a.As4()[3]; end != 0 && end != 255 && !taken[a] && (free == nil || free(a)) {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// Gateway is the range of addresses at which containers, and nobody else, reach what the server offers: 198.18.N.0/24. The range
// is set aside for measurements within one's own network (RFC 2544), so no network that a machine is in has it.
func (b *Block) Gateway() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(b.Number), 0}), 24)
}

// GatewaySlots is how many addresses the range has; slots are numbered from 1.
const GatewaySlots = 254

// GatewayAddress is the address of a slot, or an invalid one when the slot is 0 or containers do not reach the gateway.
func (b *Block) GatewayAddress(slot int) netip.Addr {
	if slot < 1 || slot > GatewaySlots || b.NoGateway != "" {
		return netip.Addr{}
	}
	a := b.Gateway().Addr().As4()
	a[3] = byte(slot)
	return netip.AddrFrom4(a)
}

// networks are the ranges that the networks of regions may have, in the order in which a server should try them.
func (b *Block) networks(hash uint32) []netip.Prefix {
	var out []netip.Prefix
	if b.Number == 0 {
		out = append(out, awsRange)
	} else {
		// 10.64.0.0 to 10.127.0.0: two for each block, which no other server takes, whether or not it sees this one's networks.
		first := 64 + 2*byte(b.Number)
		out = append(out, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, first, 0, 0}), 16),
			netip.PrefixFrom(netip.AddrFrom4([4]byte{10, first + 1, 0, 0}), 16))
	}
	for i := range uint32(otherRanges) {
		at := byte(otherRanges + (hash+uint32(4*b.Number)+i)%otherRanges)
		out = append(out, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, at, 0, 0}), 16))
	}
	return out
}
