package ec2

import (
	"log/slog"
	"net/netip"
	"testing"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/file"
)

// Several regions share a machine. Each has addresses of its own, and EC2 returns the addresses in use, the
// same before and after a restart. Where the machine itself uses AWS's default range, as an instance in a
// default VPC does, Berth takes another range.
func TestNetworksOfRegions(t *testing.T) {
	dir := t.TempDir()
	busy := []netip.Prefix{}
	begin := func() *api {
		journal, err := file.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		store, err := state.Open(t.Context(), journal, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		return &api{store: store, host: fakeHost{func() []netip.Prefix { return busy }}}
	}
	a := begin()
	network := func(region string) (cidr string) {
		t.Helper()
		call := &awswire.Call{Region: region, Account: account}
		vpcs, err := a.describeVpcs(t.Context(), call, &shape.DescribeVpcsInput{})
		if err != nil {
			t.Fatal(err)
		}
		cidr = *vpcs.Vpcs[0].CidrBlock
		subnets, err := a.describeSubnets(t.Context(), call, &shape.DescribeSubnetsInput{})
		if err != nil {
			t.Fatal(err)
		}
		routes, err := a.describeRouteTables(t.Context(), call, &shape.DescribeRouteTablesInput{})
		if err != nil || *routes.RouteTables[0].Routes[0].DestinationCidrBlock != cidr {
			t.Errorf("routes %+v, %v", routes, err)
		}
		for _, s := range subnets.Subnets {
			if !netip.MustParsePrefix(cidr).Overlaps(netip.MustParsePrefix(*s.CidrBlock)) {
				t.Errorf("subnet %s is not of %s", *s.CidrBlock, cidr)
			}
		}
		return cidr
	}
	first, second := network("eu-west-1"), network("us-east-1")
	if first != "172.31.0.0/16" || netip.MustParsePrefix(first).Overlaps(netip.MustParsePrefix(second)) {
		t.Errorf("the networks are %s and %s", first, second)
	}
	busy = []netip.Prefix{netip.MustParsePrefix("10.128.0.0/9")} // a later use changes no network
	if network("us-east-1") != second {
		t.Error("the network has changed")
	}
	if err := a.store.Close(); err != nil {
		t.Fatal(err)
	}
	a = begin()
	if network("eu-west-1") != first || network("us-east-1") != second {
		t.Error("the networks have changed at a restart")
	}
	dir, busy = t.TempDir(), []netip.Prefix{netip.MustParsePrefix("172.31.5.0/20").Masked()}
	a = begin()
	if got := network("eu-west-1"); netip.MustParsePrefix(got).Overlaps(busy[0]) {
		t.Errorf("the region's network is %s although the machine uses %s", got, busy[0])
	}
}
