package fleet

import (
	"hash/fnv"
	"iter"
	"net/netip"
	"slices"
)

// Network is the address range of a region's default VPC. On AWS it is 172.31.0.0/16 in each region. In Berth all
// regions share one machine, whose networks cannot overlap, so only the first region gets that range (decision 0104).
// The range of a region never changes.
type Network struct {
	Region, Account string
	CIDR            netip.Prefix // a /16
}

// Key returns the network's primary key.
func (n *Network) Key() string { return Key(n.Region, n.Account, "") }

// Part returns the subnet's part of the network, a /20.
func (n *Network) Part(s Subnet) netip.Prefix {
	a := n.CIDR.Masked().Addr().As4()
	a[2] = byte(s.Index * 16)
	return netip.PrefixFrom(netip.AddrFrom4(a), partBits)
}

const partBits = 20

// PartAround returns the subnet that an IPv4 address of a network is in.
func PartAround(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, partBits).Masked() }

// awsRange is the range of every default VPC on AWS.
var awsRange = netip.MustParsePrefix("172.31.0.0/16")

// otherRanges is the number of ranges from 10.128.0.0/16 on that networks may have. Docker does not choose any of these
// by itself.
const otherRanges = 128

// ChooseNetwork returns a network for a region whose range overlaps neither the existing networks nor a range in busy.
// Block and region determine the order in which it tries ranges, so a region gets the same range again unless it is
// taken. ok is false if no range is left.
func ChooseNetwork(
	b *Block, region, account string, existing iter.Seq[*Network], busy []netip.Prefix,
) (n Network, ok bool) {
	taken := slices.Clone(busy)
	for n := range existing {
		taken = append(taken, n.CIDR)
	}
	h := fnv.New32a()
	h.Write([]byte(region + "/" + account))
	for _, p := range b.networks(h.Sum32()) {
		if !slices.ContainsFunc(taken, p.Overlaps) {
			return Network{Region: region, Account: account, CIDR: p}, true
		}
	}
	return Network{}, false
}
