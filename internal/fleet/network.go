package fleet

import (
	"hash/fnv"
	"iter"
	"net/netip"
	"slices"
)

// Network is where the default VPC of a region lies. On AWS each region's is 172.31.0.0/16; here all regions share the networks of one
// machine, which cannot overlap, so that only the first one gets that range (decision 0104). A network once given is kept.
type Network struct {
	Region, Account string
	CIDR            netip.Prefix // a /16
}

// Key is the network's primary key.
func (n *Network) Key() string { return Key(n.Region, n.Account, "") }

// Part is a subnet's part of the network, a /20.
func (n *Network) Part(s Subnet) netip.Prefix {
	a := n.CIDR.Masked().Addr().As4()
	a[2] = byte(s.Index * 16)
	return netip.PrefixFrom(netip.AddrFrom4(a), partBits)
}

const partBits = 20

// PartAround is the subnet's part that an IPv4 address of a network lies in.
func PartAround(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, partBits).Masked() }

// awsRange is what AWS gives every default VPC.
var awsRange = netip.MustParsePrefix("172.31.0.0/16")

// otherRanges is how many ranges there are beside, from 10.128.0.0/16 on: outside of those that Docker chooses by itself.
const otherRanges = 128

// ChooseNetwork finds a place for a region's network beside those that there are and outside of what is busy on the machine. The
// choice follows from the block and from the region's name as far as others have not made the same one. ok is false when there is no
// place left.
func ChooseNetwork(b *Block, region, account string, there iter.Seq[*Network], busy []netip.Prefix) (n Network, ok bool) {
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
