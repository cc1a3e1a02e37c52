package fleet

import (
	"iter"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/tag"
)

// KeyPair is an SSH key pair. Berth stores the public key only; instances on a local machine have
// no SSH daemon.
type KeyPair struct {
	Name, ID        string
	Region, Account string
	Type            string // rsa or ed25519
	Fingerprint     string
	PublicKey       string
	CreatedAt       time.Time
	Tags            tag.Set `json:",omitempty"`
}

// Key returns the pair's key in the store.
func (k *KeyPair) Key() string { return Key(k.Region, k.Account, k.Name) }

// SecurityGroup is a named set of rules. Rules are stored and described and not enforced:
// everything that an instance of a local machine publishes is bound to the loopback interface.
type SecurityGroup struct {
	ID, Name, Description string
	Region, Account, VPC  string
	Rules                 []SecurityRule
	Tags                  tag.Set `json:",omitempty"`
}

// SecurityRule is one rule: a protocol, a port range and exactly one peer (CIDR4, CIDR6, Group or
// PrefixList).
type SecurityRule struct {
	ID          string
	Egress      bool   `json:",omitempty"`
	Protocol    string // tcp, udp, icmp, a number, or -1 for all
	From, To    int32  // ports; -1 for all
	CIDR4       string `json:",omitempty"`
	CIDR6       string `json:",omitempty"`
	Group       string `json:",omitempty"` // id of a security group
	PrefixList  string `json:",omitempty"`
	Description string `json:",omitempty"`
	Tags        tag.Set
}

// Same reports whether two rules allow the same traffic. It ignores ids, descriptions and tags.
func (r SecurityRule) Same(o SecurityRule) bool {
	return r.Egress == o.Egress && r.Protocol == o.Protocol && r.From == o.From && r.To == o.To &&
		r.CIDR4 == o.CIDR4 && r.CIDR6 == o.CIDR6 && r.Group == o.Group && r.PrefixList == o.PrefixList
}

// Key returns the group's key in the store.
func (g *SecurityGroup) Key() string { return Key(g.Region, g.Account, g.ID) }

// Clone returns a copy that may be changed.
func (g *SecurityGroup) Clone() *SecurityGroup {
	c := *g
	c.Rules = slices.Clone(g.Rules)
	return &c
}

// DefaultSecurityGroup returns the group named "default" that a region's VPC has from the start. The store has a row
// for it only after a caller has changed it.
func DefaultSecurityGroup(region, account string) *SecurityGroup {
	vpc := DefaultVPC(region, account)
	id := vpc.SecurityGroup
	return &SecurityGroup{
		ID: id, Name: "default", Description: "default VPC security group", Region: region,
		Account: account, VPC: vpc.ID,
		Rules: []SecurityRule{
			{ID: FixedID("sgr", region, account, id, "in"), Protocol: "-1", From: -1, To: -1, Group: id},
			{ID: FixedID("sgr", region, account, id, "out"), Egress: true, Protocol: "-1", From: -1, To: -1,
				CIDR4: "0.0.0.0/0"},
		},
	}
}

// ResourceTags has the tags of an object that has no row, such as a default subnet.
type ResourceTags struct {
	Resource        string // its id
	Region, Account string
	Tags            tag.Set
}

// Key returns the row's key in the store.
func (t *ResourceTags) Key() string { return Key(t.Region, t.Account, t.Resource) }

// FindSecurityGroup returns the id of the group with the given id or name in a region's VPC. stored
// are the region's rows.
func FindSecurityGroup(stored iter.Seq[*SecurityGroup], region, account, idOrName string) (id string, ok bool) {
	for g := range stored {
		if g.ID == idOrName || g.Name == idOrName {
			return g.ID, true
		}
	}
	if d := DefaultVPC(region, account).SecurityGroup; idOrName == d || idOrName == "default" {
		return d, true
	}
	return "", false
}
