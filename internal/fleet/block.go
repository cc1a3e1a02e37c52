package fleet

import "net/netip"

// Blocks is the number of servers on one machine that can each have their own addresses.
const Blocks = 32

// Block is the part of a machine's loopback and gateway addresses that belongs to one server. A
// server's state has one row of it. A server that is alone on its machine has block 0.
type Block struct {
	Number int
	// NoGateway is the reason why containers cannot reach load balancers at their gateway addresses; "" if they can.
	NoGateway string
}

// Key returns the row's primary key.
func (b *Block) Key() string { return BlockKey }

// BlockKey is the key of the only row.
const BlockKey = "block"

// Loopback returns the address at which programs of the machine reach load balancers and caches:
// 127.N.0.1.
func (b *Block) Loopback() netip.Addr { return netip.AddrFrom4([4]byte{127, byte(b.Number), 0, 1}) }

// AddressSet is the set of the addresses that instances have.
type AddressSet interface {
	Contains(netip.Addr) bool
	// CountIn returns how many instances have an address in a range that AddressRange returns.
	CountIn(netip.Prefix) int
}

// AddressRange returns the range of 256 addresses to which an IPv4 address belongs.
func AddressRange(a netip.Addr) netip.Prefix {
	bits := max(0, a.BitLen()-8)
	return netip.PrefixFrom(a, bits).Masked()
}

// NextAddress returns the lowest loopback address for an instance that is not in taken and for which free returns true;
// ok is false if all of about sixteen thousand are in use. A nil free accepts every address. The addresses are
// 127.N.1.2 to 127.N.63.254, without 127.N.1.1, which Debian gives to the host's name. Terminated instances that the
// API still describes keep their addresses, because clients may still use them. Each full range costs one call of
// CountIn.
func (b *Block) NextAddress(taken AddressSet, free func(netip.Addr) bool) (addr netip.Addr, ok bool) {
	for third := byte(1); third <= 63; third++ {
		first := byte(1)
		if third == 1 {
			first = 2
		}
		r := AddressRange(netip.AddrFrom4([4]byte{127, byte(b.Number), third, 0}))
		if taken.CountIn(r) > 254-int(first) {
			continue
		}
		for last := first; last <= 254; last++ {
			a := netip.AddrFrom4([4]byte{127, byte(b.Number), third, last})
			if !taken.Contains(a) && (free == nil || free(a)) {
				return a, true
			}
		}
	}
	return netip.Addr{}, false
}

// Gateway returns the range of addresses at which containers reach the server: 198.18.N.0/24. Only containers can reach
// them. RFC 2544 reserves this range for benchmarks inside a network, so no network of a machine uses it.
func (b *Block) Gateway() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(b.Number), 0}), 24)
}

// GatewaySlots is the number of addresses in the range; slots are numbered from 1.
const GatewaySlots = 254

// GatewayAddress returns the address of a slot. It is invalid when the slot is 0 or containers
// cannot reach the gateway.
func (b *Block) GatewayAddress(slot int) netip.Addr {
	if slot < 1 || slot > GatewaySlots || b.NoGateway != "" {
		return netip.Addr{}
	}
	a := b.Gateway().Addr().As4()
	a[3] = byte(slot)
	return netip.AddrFrom4(a)
}

// networks returns the ranges for the networks of regions, in the order in which a server should
// try them.
func (b *Block) networks(hash uint32) []netip.Prefix {
	var out []netip.Prefix
	if b.Number == 0 {
		out = append(out, awsRange)
	} else {
		// 10.64.0.0 to 10.127.0.0: two for each block. No other server uses them, so they are free even if the other
		// servers do not know this server's networks.
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
