package fleet

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// For any number of regions, in any order, and with any addresses in use on the machine: no network overlaps
// another one or an address in use, the first one has AWS's range if that is free, and the same input gives
// the same choice.
func TestNetworksOfRegions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var busy []netip.Prefix
		for range rapid.IntRange(0, 5).Draw(t, "others") {
			octets := [4]byte{rapid.SampledFrom([]byte{10, 172, 192}).Draw(t, "a"), rapid.Byte().Draw(t, "b"),
				rapid.Byte().Draw(t, "c"), 0}
			busy = append(busy,
				netip.PrefixFrom(netip.AddrFrom4(octets), rapid.IntRange(9, 24).Draw(t, "bits")).Masked())
		}
		var there []*Network
		for i, name := range rapid.SliceOfNDistinct(rapid.IntRange(0, 999), 1, 140, rapid.ID).Draw(t, "regions") {
			region := fmt.Sprint("region-", name)
			n, ok := ChooseNetwork(&Block{}, region, "1", slices.Values(there), busy)
			same, _ := ChooseNetwork(&Block{}, region, "1", slices.Values(there), busy)
			if n != same {
				t.Fatalf("the same input gave %v and %v", n, same)
			}
			if !ok {
				if len(busy) == 0 && i <= otherRanges {
					t.Fatalf("no network for the %dth region", i+1)
				}
				return
			}
			if clear := !slices.ContainsFunc(busy, awsRange.Overlaps); i == 0 && clear != (n.CIDR == awsRange) {
				t.Fatalf("the first network is %s; busy are %v", n.CIDR, busy)
			}
			for _, p := range busy {
				if n.CIDR.Overlaps(p) {
					t.Fatalf("%s overlaps %s of the machine", n.CIDR, p)
				}
			}
			for _, o := range there {
				if n.CIDR.Overlaps(o.CIDR) {
					t.Fatalf("%s of %s overlaps %s of %s", n.CIDR, region, o.CIDR, o.Region)
				}
			}
			for _, s := range Subnets(region, "1") {
				if part := n.Part(s); !n.CIDR.Overlaps(part) || PartAround(part.Addr().Next()) != part {
					t.Fatalf("subnet %s of %s", part, n.CIDR)
				}
			}
			there = append(there, &n)
		}
	})
}

// A server sees the networks of another server on its machine only while tasks run in them. So the first two
// regions of each server have ranges that no other server uses.
func TestNetworksOfBlocks(t *testing.T) {
	var all []netip.Prefix
	for number := range Blocks {
		b := &Block{Number: number}
		var own []*Network
		for _, region := range []string{"us-east-1", "eu-west-1"}[:min(2, number+1)] {
			n, ok := ChooseNetwork(b, region, "123456789012", slices.Values(own), nil)
			if !ok || slices.ContainsFunc(all, n.CIDR.Overlaps) {
				t.Errorf("block %d has %s for %s; others have %v", number, n.CIDR, region, all)
			}
			own = append(own, &n)
			all = append(all, n.CIDR)
		}
		a, ok := b.NextAddress(addresses(nil), nil)
		if !ok || a.As4()[1] != byte(number) || b.Loopback().As4()[1] != byte(number) ||
			!b.Gateway().Contains(b.GatewayAddress(254)) ||
			b.GatewayAddress(0).IsValid() || b.GatewayAddress(255).IsValid() {
			t.Errorf("block %d has %v, %v, %v", number, a, b.Loopback(), b.Gateway())
		}
	}
}
