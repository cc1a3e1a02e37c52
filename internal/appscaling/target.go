// Package appscaling has the rows that Application Auto Scaling stores for ECS services: scalable targets,
// their policies and scheduled actions, and activities. Package scaling does the arithmetic.
//
// Actions of the API write targets, policies and scheduled actions, and the alarms of policies that track a target.
// control/scale writes activities and progress.
package appscaling

import (
	"strings"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/tag"
)

// The only values that the API's members have here: the desired count of ECS services (ecs.md 6.1).
const (
	Namespace = "ecs"
	Dimension = "ecs:service:DesiredCount"
)

// AWS's quotas: targets of an account in a region, and policies and scheduled actions of a target (ecs.md
// 6.1).
const (
	MaxTargets   = 3000
	MaxPolicies  = 50
	MaxScheduled = 200
)

// Target is a scalable target: a service with bounds for its desired count.
type Target struct {
	ID              string // last part of the ARN
	Region, Account string
	ResourceID      string // service/CLUSTER/SERVICE
	Bounds          scaling.Bounds
	Suspended       Suspension `json:",omitzero"`
	CreatedAt       time.Time
	Tags            tag.Set `json:",omitempty"`
}

// Suspension says which scaling is suspended: by policies, in and out, and by scheduled actions (ecs.md 6.1).
type Suspension struct {
	In        bool `json:",omitempty"`
	Out       bool `json:",omitempty"`
	Scheduled bool `json:",omitempty"`
}

// Prefix returns the common prefix of all keys of this package for an account in a region.
func Prefix(region, account string) string { return region + " " + account + " " }

// Key returns the key of the target of a resource. The keys of the target's policies, scheduled actions and
// activities begin with it, and no other keys do, since a resource id contains no spaces.
func Key(region, account, resourceID string) string {
	return Prefix(region, account) + resourceID + " "
}

// Key returns the key of the row.
func (t *Target) Key() string { return Key(t.Region, t.Account, t.ResourceID) }

// Pace returns the pace of the target's policies. server is the pace if the target's tags have none.
func (t *Target) Pace(server scaling.Pace) scaling.Pace { return scaling.PaceFrom(t.Tags, server) }

// ARN returns the ARN of the target.
func (t *Target) ARN() string {
	return arn.New("application-autoscaling", t.Region, t.Account, "scalable-target/"+t.ID).String()
}

// SplitResource returns the names in SERVICE's resource id, service/CLUSTER/SERVICE. ok is false if the id
// has another form.
func SplitResource(resourceID string) (cluster, service string, ok bool) {
	rest, ok := strings.CutPrefix(resourceID, "service/")
	cluster, service, two := strings.Cut(rest, "/")
	if !ok || !two || cluster == "" || service == "" || strings.ContainsAny(service, "/ ") ||
		strings.Contains(cluster, " ") {
		return "", "", false
	}
	return cluster, service, true
}

// partARN returns the ARN of a policy or a scheduled action, which has the resource id and the name in it.
func partARN(region, account, kind, id, resourceID, label, name string) string {
	return arn.New("autoscaling", region, account,
		kind+":"+id+":resource/"+Namespace+"/"+resourceID+":"+label+"/"+name).String()
}
