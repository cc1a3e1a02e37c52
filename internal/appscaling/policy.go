package appscaling

import (
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/scaling"
)

// PolicyType is the type of a policy (ecs.md 6.2).
type PolicyType string

// The types of policies that Berth supports. AWS also has PredictiveScaling.
const (
	TargetTracking PolicyType = "TargetTrackingScaling"
	StepScaling    PolicyType = "StepScaling"
)

// Policy is a scaling policy of a target. Tracking is set if the type is TargetTracking, Step if it is
// StepScaling.
type Policy struct {
	ID              string // UUID in the ARN
	Region, Account string
	ResourceID      string
	Name            string
	Type            PolicyType
	Tracking        *Tracking `json:",omitempty"`
	// Step is the rule of a step policy, which runs when an alarm with the policy as an action fires (ecs.md 6.9).
	Step      *scaling.StepRule `json:",omitempty"`
	CreatedAt time.Time
}

// Tracking keeps a metric near a target value. One of Predefined, Customized and Math is set.
type Tracking struct {
	scaling.Tracking
	Predefined *Predefined    `json:",omitempty"`
	Customized *alarm.Measure `json:",omitempty"`
	// Math has metrics and expressions, one of which is the metric (ecs.md 6.15).
	Math []Query `json:",omitempty"`
	// Period is the period in seconds that was given with Customized or Math, or nil. It is described as it was given;
	// the alarms compare points of a minute.
	Period *int `json:",omitempty"`
	// Cooldowns are in seconds; nil means scaling.DefaultCooldown (ecs.md 6.8).
	OutCooldown *int `json:",omitempty"`
	InCooldown  *int `json:",omitempty"`
	// HighID and LowID are UUIDs in the names of the two alarms.
	HighID, LowID string
}

// Query is an element of metric math. GivenPeriod and StatPeriod are the periods in seconds that were given with it and
// with its metric; they are like the Period of Tracking.
type Query struct {
	alarm.Query
	GivenPeriod *int `json:",omitempty"`
	StatPeriod  *int `json:",omitempty"`
}

// Predefined is a predefined metric (ecs.md 6.3). Label is its resource label, which only RequestsPerTarget
// has (ecs.md 6.4).
type Predefined struct{ Type, Label string }

// The predefined metrics of services (ecs.md 6.3).
const (
	AverageCPU        = "ECSServiceAverageCPUUtilization"
	AverageMemory     = "ECSServiceAverageMemoryUtilization"
	RequestsPerTarget = "ALBRequestCountPerTarget"
)

// Key returns the key of the row.
func (p *Policy) Key() string { return PolicyKey(p.Region, p.Account, p.ResourceID, p.Name) }

// PolicyKey returns the key of the policy with a name, for a resource.
func PolicyKey(region, account, resourceID, name string) string {
	return Key(region, account, resourceID) + name
}

// ARN returns the ARN of the policy, which its alarms have as an action.
func (p *Policy) ARN() string {
	return partARN(p.Region, p.Account, "scalingPolicy", p.ID, p.ResourceID, "policyName", p.Name)
}

// SplitPolicyARN returns the region, the account and the resource id in the ARN of a policy of a service. ok is false
// for any other ARN.
func SplitPolicyARN(text string) (region, account, resourceID string, ok bool) {
	a, err := arn.Parse(text)
	if err != nil || a.Service != "autoscaling" {
		return "", "", "", false
	}
	_, rest, ok := strings.Cut(a.Resource, ":resource/"+Namespace+"/")
	resourceID, _, named := strings.Cut(rest, ":policyName/")
	return a.Region, a.Account, resourceID, ok && named
}

// TargetKeyOf returns the key of the target whose policy a due action calls, or "" for an action of another kind.
func TargetKeyOf(d *alarm.Due) string {
	region, account, resourceID, ok := SplitPolicyARN(d.Action)
	if d.Kind != alarm.ServicePolicy || !ok {
		return ""
	}
	return Key(region, account, resourceID)
}

var label = regexp.MustCompile(`^(app/[^/\s]+/[^/\s]+)/(targetgroup/[^/\s]+/[^/\s]+)$`)

// SplitLabel returns the ends of two ARNs, the load balancer's and the target group's, from a resource label.
// They are also the values of the metric's dimensions (ecs.md 6.4). ok is false if the label has another
// form.
func SplitLabel(text string) (balancer, group string, ok bool) {
	m := label.FindStringSubmatch(text)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

// RequestsOfTargets returns the metric RequestsPerTarget of the load balancer and the target group in the label.
func (p *Predefined) RequestsOfTargets() alarm.Measure {
	balancer, group, _ := SplitLabel(p.Label)
	return alarm.Measure{Statistic: "Sum", Metric: alarm.Metric{Namespace: "AWS/ApplicationELB",
		Name: "RequestCountPerTarget", Dimensions: []alarm.Dimension{
			{Name: "TargetGroup", Value: group}, {Name: "LoadBalancer", Value: balancer}}}}
}

// Measure returns the metric of a policy for a resource, and the statistic of its values (ecs.md 6.5). It is empty for
// a policy with Math.
func (t *Tracking) Measure(resourceID string) alarm.Measure {
	switch {
	case t.Customized != nil:
		return *t.Customized
	case t.Math != nil:
		return alarm.Measure{}
	}
	cluster, service, _ := SplitResource(resourceID)
	name := "CPUUtilization"
	switch t.Predefined.Type {
	case RequestsPerTarget:
		return t.Predefined.RequestsOfTargets()
	case AverageMemory:
		name = "MemoryUtilization"
	}
	return alarm.Measure{Statistic: "Average", Unit: "Percent", Metric: alarm.Metric{Namespace: "AWS/ECS", Name: name,
		Dimensions: []alarm.Dimension{{Name: "ClusterName", Value: cluster}, {Name: "ServiceName", Value: service}}}}
}

// Same reports whether two policies track the same metric of the same target. A target may have only one such
// policy.
func (t *Tracking) Same(other *Tracking) bool {
	if t.Customized != nil && other.Customized != nil {
		a, b := t.Customized, other.Customized
		return a.Metric.Equal(b.Metric) && a.Statistic == b.Statistic && a.Unit == b.Unit
	}
	if t.Math != nil {
		return reflect.DeepEqual(t.Queries(time.Minute), other.Queries(time.Minute))
	}
	return t.Predefined != nil && other.Predefined != nil && *t.Predefined == *other.Predefined
}

// Alarms returns the alarms of a policy, the high one first, with their settings but without tags. A policy
// that tracks a target has two, or only the high one if scale-in is disabled. Other policies have none
// (ecs.md 6.5).
func (p *Policy) Alarms(now time.Time) []*alarm.Alarm {
	if p.Type != TargetTracking {
		return nil
	}
	high, low, hasLow := p.Tracking.Alarms(time.Minute)
	highName, lowName := scaling.AlarmNames(p.ResourceID, p.Tracking.HighID, p.Tracking.LowID)
	all := []*alarm.Alarm{p.alarm(highName, high, now)}
	if hasLow {
		all = append(all, p.alarm(lowName, low, now))
	}
	return all
}

func (p *Policy) alarm(name string, c scaling.Condition, now time.Time) *alarm.Alarm {
	a := alarm.OfPolicy(p.Region, p.Account, p.ARN(), name, p.Tracking.Measure(p.ResourceID), c, now)
	a.Queries = p.Tracking.Queries(c.Period)
	return a
}

// Queries returns Math as an alarm has it, with the period of its metrics.
func (t *Tracking) Queries(period time.Duration) (all []alarm.Query) {
	for _, one := range t.Math {
		q := one.Query
		if q.Measure != nil {
			q.Period = period
		}
		all = append(all, q)
	}
	return all
}

// AlarmARNs returns the ARNs of the policy's alarms.
func (p *Policy) AlarmARNs() (arns []string) {
	for _, a := range p.Alarms(time.Time{}) {
		arns = append(arns, a.ARN)
	}
	return arns
}

// ValidPolicyName reports whether a text can be a policy's name: 1 to 256 printable ASCII characters.
func ValidPolicyName(name string) bool {
	return len(name) >= 1 && len(name) <= 256 && !strings.ContainsFunc(name, func(r rune) bool {
		return r < ' ' || r > '~'
	})
}
