package groupscaling

import (
	"strings"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/scaling"
)

// PolicyType is the type of a policy (ecs.md 5.10).
type PolicyType string

// The types of policies that Berth supports. AWS also has PredictiveScaling.
const (
	Simple         PolicyType = "SimpleScaling"
	Step           PolicyType = "StepScaling"
	TargetTracking PolicyType = "TargetTrackingScaling"
)

// Limits of a group (ecs.md 5.10).
const (
	MaxPolicies  = 50
	MaxScheduled = 125
)

// The predefined metrics of groups (ecs.md 5.10).
const (
	AverageCPU        = "ASGAverageCPUUtilization"
	AverageNetworkIn  = "ASGAverageNetworkIn"
	AverageNetworkOut = "ASGAverageNetworkOut"
	RequestsPerTarget = "ALBRequestCountPerTarget"
)

// Policy is a scaling policy of a group. Of Adjusts, Steps and Tracking, only the one for its type is set (Simple,
// Step, TargetTracking).
type Policy struct {
	ID              string // UUID in the ARN
	Region, Account string
	Group, Name     string
	Type            PolicyType
	Disabled        bool                 `json:",omitempty"`
	Adjusts         *SimpleRule          `json:",omitempty"`
	Steps           *scaling.StepRule    `json:",omitempty"`
	Tracking        *appscaling.Tracking `json:",omitempty"` // without cooldowns
	// Warmup is the EstimatedInstanceWarmup in seconds; nil means the warm-up time of the group.
	Warmup    *int `json:",omitempty"`
	CreatedAt time.Time
}

// SimpleRule has the settings of a simple policy.
type SimpleRule struct {
	Adjustment scaling.Adjustment
	By         int
	Magnitude  int  `json:",omitempty"` // least change of a PercentChangeInCapacity; 0 is none
	Cooldown   *int `json:",omitempty"` // seconds; nil means that of the group
}

// Key returns the key of the row.
func (p *Policy) Key() string { return fleet.PartKey(p.Region, p.Account, p.Group, p.Name) }

const (
	resourcePrefix = "scalingPolicy:"
	groupPart      = ":autoScalingGroupName/"
	policyPart     = ":policyName/"
)

// ARN returns the ARN of the policy, which alarms have as an action.
func (p *Policy) ARN() string {
	return arn.New("autoscaling", p.Region, p.Account,
		resourcePrefix+p.ID+groupPart+p.Group+policyPart+p.Name).String()
}

// KeyFromARN returns the key of the policy with an ARN, and the key of its group. The caller must compare the ARN of
// the policy that it finds: a policy that was deleted and created again under the same name has another id.
func KeyFromARN(text string) (policy, group string, ok bool) {
	a, err := arn.Parse(text)
	if err != nil || a.Service != "autoscaling" || !strings.HasPrefix(a.Resource, resourcePrefix) {
		return "", "", false
	}
	_, rest, ok := strings.Cut(a.Resource, groupPart)
	name, policyName, cut := strings.Cut(rest, policyPart)
	if !ok || !cut || name == "" || policyName == "" {
		return "", "", false
	}
	return fleet.PartKey(a.Region, a.Account, name, policyName), fleet.Key(a.Region, a.Account, name), true
}

// GroupKeyOf returns the key of the group whose policy a due action calls, or "" for an action of another kind.
func GroupKeyOf(d *alarm.Due) string {
	_, group, ok := KeyFromARN(d.Action)
	if d.Kind != alarm.GroupPolicy || !ok {
		return ""
	}
	return group
}

// Measure returns the metric of a policy that tracks a target. It is empty for a policy with metric math.
func (p *Policy) Measure() alarm.Measure {
	switch {
	case p.Tracking.Customized != nil:
		return *p.Tracking.Customized
	case p.Tracking.Math != nil:
		return alarm.Measure{}
	}
	name := "CPUUtilization"
	switch p.Tracking.Predefined.Type {
	case RequestsPerTarget:
		return p.Tracking.Predefined.RequestsOfTargets()
	case AverageNetworkIn:
		name = "NetworkIn"
	case AverageNetworkOut:
		name = "NetworkOut"
	}
	return alarm.Measure{Statistic: "Average", Metric: alarm.Metric{Namespace: "AWS/EC2", Name: name,
		Dimensions: []alarm.Dimension{{Name: "AutoScalingGroupName", Value: p.Group}}}}
}

// Alarms returns the alarms of a policy, the high one first, with their settings but without tags. A policy that tracks
// a target has two, or only the high one if it never scales in. Other policies have none. The periods and thresholds
// are those of policies of services (ecs.md 6.5), because AWS documents none for groups.
func (p *Policy) Alarms(now time.Time) []*alarm.Alarm {
	if p.Type != TargetTracking {
		return nil
	}
	high, low, hasLow := p.Tracking.Alarms(time.Minute)
	highName, lowName := scaling.AlarmNames(p.Group, p.Tracking.HighID, p.Tracking.LowID)
	all := []*alarm.Alarm{p.alarm(highName, high, now)}
	if hasLow {
		all = append(all, p.alarm(lowName, low, now))
	}
	return all
}

func (p *Policy) alarm(name string, c scaling.Condition, now time.Time) *alarm.Alarm {
	a := alarm.OfPolicy(p.Region, p.Account, p.ARN(), name, p.Measure(), c, now)
	a.Queries = p.Tracking.Queries(c.Period)
	return a
}

// AlarmARNs returns the ARNs of the policy's alarms.
func (p *Policy) AlarmARNs() (arns []string) {
	for _, a := range p.Alarms(time.Time{}) {
		arns = append(arns, a.ARN)
	}
	return arns
}
