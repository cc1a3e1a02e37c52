// Package repository holds Amazon ECR's nouns: repositories and the images in them, with the rules
// of names, tags and manifests.
//
// Values only: no I/O and no clock. The content of images (their blobs) is package registry's; what
// a repository shows of that content is decided by the Image rows here. Values kept in state are
// immutable: functions return changed copies.
package repository

import (
	"fmt"
	"regexp"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/tag"
)

// Tag mutability settings of a repository. AWS's two settings with exclusion filters are not offered.
const (
	Mutable   = "MUTABLE"
	Immutable = "IMMUTABLE"
)

// Repository is a named collection of images.
type Repository struct {
	ARN           string // arn:aws:ecr:REGION:ACCOUNT:repository/NAME, the primary key
	Account       string // the registry's id
	Region        string
	Name          string
	CreatedAt     time.Time
	TagMutability string // Mutable or Immutable
	ScanOnPush    bool   // stored and returned; images are not scanned
	// EncryptionType and KMSKey are stored and returned; content is kept as the disk keeps it.
	EncryptionType  string  `json:",omitempty"`
	KMSKey          string  `json:",omitempty"`
	Policy          string  `json:",omitempty"` // the repository policy's JSON text, "" when there is none
	LifecyclePolicy string  `json:",omitempty"` // the lifecycle policy's JSON text, "" when there is none
	Tags            tag.Set `json:",omitempty"`
}

// ARN is the ARN of the repository of that name.
func ARN(region, account, name string) string {
	return arn.New("ecr", region, account, "repository/"+name).String()
}

// New makes a repository with ECR's defaults.
func New(region, account, name string, now time.Time) *Repository {
	return &Repository{
		ARN: ARN(region, account, name), Account: account, Region: region, Name: name,
		CreatedAt: now, TagMutability: Mutable, EncryptionType: "AES256",
	}
}

// URI is what task definitions and docker call the repository: ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME.
func (r *Repository) URI() string { return Host(r.Region, r.Account) + "/" + r.Name }

// Host is the registry's host name in image names.
func Host(region, account string) string { return account + ".dkr.ecr." + region + ".amazonaws.com" }

// Clone returns a copy that may be changed.
func (r *Repository) Clone() *Repository {
	c := *r
	return &c
}

// The pattern and the bounds are those of the repositoryName member in ECR's API reference.
var name = regexp.MustCompile(`^(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*$`)

// ValidateName returns nil or ECR's InvalidParameterException.
func ValidateName(s string) error {
	if len(s) < 2 || len(s) > 256 || !name.MatchString(s) {
		return Unsatisfied("repositoryName",
			"must satisfy regular expression '(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*'")
	}
	return nil
}

// Unsatisfied is ECR's error for a member of a request that does not satisfy a constraint.
func Unsatisfied(member, constraint string, args ...any) *fault.Error {
	return fault.New("InvalidParameterException", "Invalid parameter at '%s' failed to satisfy constraint: '%s'",
		member, fmt.Sprintf(constraint, args...))
}

// NotFound is ECR's error for a repository that does not exist.
func NotFound(name, account string) *fault.Error {
	return fault.New("RepositoryNotFoundException",
		"The repository with name '%s' does not exist in the registry with id '%s'", name, account)
}
