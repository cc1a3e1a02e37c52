package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// regionNames are the regions that DescribeRegions lists. A call may be signed for any other region
// too.
var regionNames = [...]string{
	"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
	"ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3",
	"sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
}

// Regions returns the names of the regions that are enabled for every account, sorted.
func Regions() []string { return slices.Clone(regionNames[:]) }

// Key returns the store key of an object whose name or id is unique in one region of one account.
func Key(region, account, name string) string { return region + "/" + account + "/" + name }

// KeyPrefix returns the common prefix of all keys of one region of one account.
func KeyPrefix(region, account string) string { return region + "/" + account + "/" }

// FixedID derives the id of an object that exists without being created, such as the default VPC. The result depends
// only on the arguments. kind is the id's prefix ("vpc"); parts distinguish objects of the same kind.
func FixedID(kind, region, account string, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(append([]string{kind, region, account}, parts...), "\x00")))
	return kind + "-" + hex.EncodeToString(sum[:])[:17]
}

// Zone is an Availability Zone.
type Zone struct {
	Name   string // us-east-1a
	ID     string // use1-az1
	Region string
}

// Zones returns a region's three Availability Zones in the order of their names.
func Zones(region string) []Zone {
	zones := make([]Zone, 3)
	for i := range zones {
		zones[i] = Zone{Name: region + string(rune('a'+i)),
			ID: shortRegion(region) + "-az" + string(rune('1'+i)), Region: region}
	}
	return zones
}

// IsZone reports whether name is an Availability Zone of region.
func IsZone(region, name string) bool {
	rest, ok := strings.CutPrefix(name, region)
	return ok && len(rest) == 1 && rest[0] >= 'a' && rest[0] <= 'c'
}

// shortRegion returns a region as zone ids abbreviate it: us-east-1 is use1, ap-southeast-2 is
// apse2.
func shortRegion(region string) string {
	parts := strings.Split(region, "-")
	if len(parts) != 3 {
		return strings.ReplaceAll(region, "-", "")
	}
	direction := strings.NewReplacer("north", "n", "south", "s", "east", "e", "west", "w", "central",
		"c").Replace(parts[1])
	return parts[0] + direction + parts[2]
}

// VPC is the virtual network of a region. Every region of every account has a default VPC from the start, and no other.
// Its address range is in Network.
type VPC struct {
	ID              string
	Region, Account string
	InternetGateway string
	RouteTable      string
	NetworkACL      string
	DHCPOptions     string
	SecurityGroup   string // id of the group named "default"
}

// DefaultVPC returns the default VPC of a region.
func DefaultVPC(region, account string) VPC {
	return VPC{
		ID: FixedID("vpc", region, account), Region: region, Account: account,
		InternetGateway: FixedID("igw", region, account),
		RouteTable:      FixedID("rtb", region, account),
		NetworkACL:      FixedID("acl", region, account),
		DHCPOptions:     FixedID("dopt", region, account),
		SecurityGroup:   FixedID("sg", region, account, "default"),
	}
}

// Subnet is one zone's part of the default VPC. Tasks in network mode awsvpc in the zone get addresses of it.
type Subnet struct {
	ID, VPC         string
	Region, Account string
	Zone            Zone
	Index           int // among the subnets of the region
}

// Subnets returns the default subnets of a region, one in each zone, in the order of the zones.
func Subnets(region, account string) []Subnet {
	vpc := FixedID("vpc", region, account)
	zones := Zones(region)
	subnets := make([]Subnet, len(zones))
	for i, z := range zones {
		subnets[i] = Subnet{
			ID: FixedID("subnet", region, account, z.Name), VPC: vpc, Region: region,
			Account: account, Zone: z, Index: i,
		}
	}
	return subnets
}

// FindSubnet returns the subnet with the given id.
func FindSubnet(region, account, id string) (Subnet, bool) {
	for _, s := range Subnets(region, account) {
		if s.ID == id {
			return s, true
		}
	}
	return Subnet{}, false
}

// ZoneSubnet returns the default subnet of a zone.
func ZoneSubnet(region, account, zone string) (Subnet, bool) {
	for _, s := range Subnets(region, account) {
		if s.Zone.Name == zone {
			return s, true
		}
	}
	return Subnet{}, false
}
