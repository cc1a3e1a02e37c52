package role

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// linkedPath begins the path of every service-linked role.
const linkedPath = "/aws-service-role/"

// The services whose roles Berth makes when they are first used.
const (
	ServiceECS         = "ecs.amazonaws.com"
	ServiceAutoScaling = "autoscaling.amazonaws.com"
	ServiceELB         = "elasticloadbalancing.amazonaws.com"
	ServiceElastiCache = "elasticache.amazonaws.com"
	// ServiceAppScaling is Application Auto Scaling for ECS services.
	ServiceAppScaling = "ecs.application-autoscaling.amazonaws.com"
)

// linked are the service-linked roles that ECS stacks use, by service.
var linked = map[string]string{
	ServiceECS:         "AWSServiceRoleForECS",
	ServiceAutoScaling: "AWSServiceRoleForAutoScaling",
	ServiceELB:         "AWSServiceRoleForElasticLoadBalancing",
	ServiceElastiCache: "AWSServiceRoleForElastiCache",
	ServiceAppScaling:  "AWSServiceRoleForApplicationAutoScaling_ECSService",
}

// LinkedServices are the services that have a service-linked role here.
func LinkedServices() []string { return slices.Sorted(maps.Keys(linked)) }

// NewLinked returns the role of a service that no caller may change. A suffix tells several of one
// service apart. ok is false for a service without such a role.
func NewLinked(account, service, suffix string, now time.Time) (r *Role, ok bool) {
	name, ok := linked[service]
	if suffix != "" {
		name += "_" + suffix
	}
	return &Role{
		Account: account, Name: name, Path: linkedPath + service + "/", MaxSessionSeconds: 3600,
		TrustPolicy: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` +
			service + `"},"Action":"sts:AssumeRole"}]}`,
		CreatedAt: now,
	}, ok
}

// IsLinked reports whether r belongs to an AWS service.
func (r *Role) IsLinked() bool { return strings.HasPrefix(r.Path, linkedPath) }
