// Package role holds AWS IAM's nouns that ECS needs: roles and instance profiles, with their policies kept as text.
//
// Values only: no I/O and no clock. Policies are not evaluated: every principal of an account may
// do everything in Berth. Names are unique in an account whatever their path, so rows are found by
// name.
package role

import (
	"crypto/sha256"
	"encoding/base32"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/identity"
	"github.com/berthhq/berth/internal/tag"
)

// Role is what a task, an instance or another principal may act as.
type Role struct {
	Account           string
	Name              string
	Path              string // begins and ends with a slash
	Description       string `json:",omitempty"`
	TrustPolicy       string // JSON
	MaxSessionSeconds int
	Boundary          string            `json:",omitempty"` // ARN of the permissions boundary
	Tags              tag.Set           `json:",omitempty"`
	Attached          []string          `json:",omitempty"` // ARNs of managed policies, in the order they were attached
	Inline            map[string]string `json:",omitempty"` // JSON by policy name
	CreatedAt         time.Time
}

// InstanceProfile is how an instance carries a role.
type InstanceProfile struct {
	Account   string
	Name      string
	Path      string
	RoleName  string  `json:",omitempty"` // "" while it has none
	Tags      tag.Set `json:",omitempty"`
	CreatedAt time.Time
}

// Key is the primary key of the role or profile of that name.
func Key(account, name string) string { return account + "/" + name }

// Key is r's primary key.
func (r *Role) Key() string { return Key(r.Account, r.Name) }

// ARN is arn:aws:iam::ACCOUNT:role/PATH/NAME.
func (r *Role) ARN() string { return arn.New("iam", "", r.Account, "role"+r.Path+r.Name).String() }

// ID is the role's stable unique id, AROA….
func (r *Role) ID() string { return identity.RoleID(r.ARN()) }

// Clone returns a copy that may be changed.
func (r *Role) Clone() *Role {
	c := *r
	c.Attached, c.Inline = slices.Clone(r.Attached), maps.Clone(r.Inline)
	if c.Inline == nil {
		c.Inline = make(map[string]string)
	}
	return &c
}

// Key is p's primary key.
func (p *InstanceProfile) Key() string { return Key(p.Account, p.Name) }

// ARN is arn:aws:iam::ACCOUNT:instance-profile/PATH/NAME.
func (p *InstanceProfile) ARN() string {
	return arn.New("iam", "", p.Account, "instance-profile"+p.Path+p.Name).String()
}

// ID is the profile's stable unique id, AIPA….
func (p *InstanceProfile) ID() string {
	sum := sha256.Sum256([]byte(p.ARN()))
	return "AIPA" + base32.StdEncoding.EncodeToString(sum[:])[:17]
}

var (
	name = regexp.MustCompile(`^[\w+=,.@-]+$`)
	path = regexp.MustCompile(`^/(?:[\x21-\x2e\x30-\x7e]+/)*$`)
)

// ValidName reports whether s may name a role (max 64), an instance profile or a policy (max 128).
func ValidName(s string, max int) bool { return len(s) <= max && name.MatchString(s) }

// ValidPath reports whether s may be a path.
func ValidPath(s string) bool { return len(s) <= 512 && path.MatchString(s) }
