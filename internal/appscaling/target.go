// Package appscaling has what Application Auto Scaling keeps of ECS services: scalable targets, their policies and
// scheduled actions, and the history of what was scaled. The arithmetic is in package scaling.
//
// Actions of the API write targets, policies and scheduled actions, and with a policy that tracks a target its
// alarms. Activities are written by whatever carries policies and scheduled actions out.
package appscaling

import (
	"strings"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/tag"
)

// What is scaled, in the API's words: the desired count of ECS services, and nothing else (ecs.md 6.1).
const (
	Namespace = "ecs"
	Dimension = "ecs:service:DesiredCount"
)

// The quotas of AWS: targets in a region of an account, and policies and scheduled actions of a target (ecs.md 6.1).
const (
	MaxTargets   = 3000
	MaxPolicies  = 50
	MaxScheduled = 200
)

// Target is a scalable target: a service whose desired count may be scaled.
type Target struct {
	ID              string // last part of the ARN
	Region, Account string
	ResourceID      string // service/CLUSTER/SERVICE
	Bounds          scaling.Bounds
	Suspended       Suspension `json:",omitzero"`
	CreatedAt       time.Time
	Tags            tag.Set `json:",omitempty"`
}

// Suspension says what is suspended: scaling in and out by policies, and scheduled actions (ecs.md 6.1).
type Suspension struct {
	In        bool `json:",omitempty"`
	Out       bool `json:",omitempty"`
	Scheduled bool `json:",omitempty"`
}

// Prefix returns the prefix of all keys of this package in a region of an account.
func Prefix(region, account string) string { return region + " " + account + " " }

// Key returns the key of the target of a resource. It is also the prefix of the keys of what belongs to the target,
// and of nothing else: the names in a resource's id have no spaces.
func Key(region, account, resourceID string) string {
	return Prefix(region, account) + resourceID + " "
}

// Key returns the key of the row.
func (t *Target) Key() string { return Key(t.Region, t.Account, t.ResourceID) }

// ARN returns the ARN of the target.
func (t *Target) ARN() string {
	return arn.New("application-autoscaling", t.Region, t.Account, "scalable-target/"+t.ID).String()
}

// SplitResource returns the names in the id of a service's resource, service/CLUSTER/SERVICE. ok is false for an id
// of another form.
func SplitResource(resourceID string) (cluster, service string, ok bool) {
	rest, ok := strings.CutPrefix(resourceID, "service/")
	cluster, service, two := strings.Cut(rest, "/")
	if !ok || !two || cluster == "" || service == "" || strings.ContainsAny(service, "/ ") ||
		strings.Contains(cluster, " ") {
		return "", "", false
	}
	return cluster, service, true
}

// partARN returns the ARN of a policy or a scheduled action, which names its resource and itself.
func partARN(region, account, kind, id, resourceID, label, name string) string {
	return arn.New("autoscaling", region, account,
		kind+":"+id+":resource/"+Namespace+"/"+resourceID+":"+label+"/"+name).String()
}
