package fleet

import (
	"hash/fnv"
	"iter"
	"net/netip"
	"slices"
)

// Network is the address range of a region's default VPC. On AWS it is 172.31.0.0/16 in each
// region. Here all regions share one machine, whose networks cannot overlap, so only the first
// region gets that range (decision 0104). A region keeps the range that it got.
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

// otherRanges is the number of other ranges, from 10.128.0.0/16 on. Docker does not choose any of
// these by itself.
const otherRanges = 128

// ChooseNetwork finds a range for a region's network that overlaps neither the existing ones nor
// anything in busy. Block and region name decide the order of tries, so the same region gets the
// same range unless another one has it. ok is false when no range is left.
func ChooseNetwork(
	b *Block, region, account string, there iter.Seq[*Network], busy []netip.Prefix,
) (n Network, ok bool) {
	taken := slices.Clone(busy)
	for n := range there {
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
