// Package provider makes and deletes what a capacity provider has besides its own row: the two alarms of its scaling
// policy, and the tag and the lifecycle hook of its Auto Scaling group (ecs.md 4.6, 4.10). It also knows which capacity
// provider an instance belongs to. Actions call it in the transaction of the request; control/capacity calls it when a
// group changes.
//
// The package does not check requests and decides nothing about capacity.
package provider

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/groupscaling"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

// The metric of managed scaling (ecs.md 4.2).
const (
	Namespace   = "AWS/ECS/ManagedScaling"
	Reservation = "CapacityProviderReservation"
)

// groupTag marks groups that ECS scales, and their instances (ecs.md 4.6).
const groupTag = "AmazonECSManaged"

// Group returns the Auto Scaling group of a capacity provider. It returns false if the group does not exist.
func Group(t *state.Tables, p *ecs.CapacityProvider) (*fleet.AutoScalingGroup, bool) {
	groupARN := p.AutoScalingGroupProvider.AutoScalingGroupARN
	key, ok := fleet.GroupKeyFromARN(groupARN)
	if !ok {
		return nil, false
	}
	g, ok := t.AutoScalingGroups.Get(key)
	if !ok || g.ARN() != groupARN || g.Status == fleet.DeleteInProgress {
		return nil, false
	}
	return g, true
}

// Named returns the capacity provider of a cluster with a name. It returns false if the cluster has none with the name.
func Named(t *state.Tables, c *ecs.Cluster, name string) (*ecs.CapacityProvider, bool) {
	if !slices.Contains(c.CapacityProviders, name) {
		return nil, false
	}
	return t.CapacityProviders.Get(ecs.ProviderARN(c.ClusterARN, name))
}

// Cluster returns the cluster of a capacity provider with managed scaling, which has at most one. It returns false if
// there is none.
func Cluster(t *state.Tables, p *ecs.CapacityProvider) (*ecs.Cluster, bool) {
	for c := range t.Clusters.By(state.ClustersByCapacityProvider, p.CapacityProviderARN) {
		return c, true
	}
	return nil, false
}

// Of returns the name of the cluster's capacity provider whose Auto Scaling group has an EC2 instance, or "" if there
// is none.
func Of(t *state.Tables, clusterARN, ec2InstanceID string) string {
	c, ok := t.Clusters.Get(clusterARN)
	if !ok || len(c.CapacityProviders) == 0 {
		return ""
	}
	i, ok := EC2Instance(t, clusterARN, ec2InstanceID)
	if !ok {
		return ""
	}
	g, ok := t.AutoScalingGroups.Get(i.GroupKey())
	if !ok {
		return ""
	}
	for p := range t.CapacityProviders.By(state.CapacityProvidersByGroup, g.ARN()) {
		if slices.Contains(c.CapacityProviders, p.Name) {
			return p.Name
		}
	}
	return ""
}

// EC2Instance returns the EC2 instance with an id in the region and account of an ARN of ECS, and whether it is one of
// Berth's.
func EC2Instance(t *state.Tables, ecsARN, ec2InstanceID string) (*fleet.Instance, bool) {
	a, err := arn.Parse(ecsARN)
	if err != nil {
		return nil, false
	}
	return t.Instances.Get(fleet.InstanceARN(a.Region, a.Account, ec2InstanceID))
}

// Policy returns the scaling policy of the managed scaling as EC2 Auto Scaling describes it (ecs.md 4.6). It returns
// false if there is none, because managed scaling is disabled or no cluster has the capacity provider.
func Policy(t *state.Tables, p *ecs.CapacityProvider) (*groupscaling.Policy, bool) {
	g, exists := Group(t, p)
	c, used := Cluster(t, p)
	if !exists || !used || !p.ScalesGroup() {
		return nil, false
	}
	managed := p.AutoScalingGroupProvider.ManagedScaling
	return &groupscaling.Policy{
		ID: p.PolicyID, Region: g.Region, Account: g.Account, Group: g.Name, Name: p.PolicyName(),
		Type: groupscaling.TargetTracking, Warmup: new(managed.InstanceWarmupPeriod),
		Tracking: &appscaling.Tracking{Tracking: scaling.Tracking{Target: float64(managed.TargetCapacity)},
			Customized: new(measure(p, c)), HighID: p.HighID, LowID: p.LowID},
	}, true
}

// measure returns the metric that the alarms of managed scaling compare.
func measure(p *ecs.CapacityProvider, c *ecs.Cluster) alarm.Measure {
	return alarm.Measure{Statistic: "Average", Metric: alarm.Metric{Namespace: Namespace, Name: Reservation,
		Dimensions: []alarm.Dimension{{Name: "CapacityProviderName", Value: p.Name},
			{Name: "ClusterName", Value: c.ClusterName}}}}
}

// Alarms returns the alarms of the scaling policy, the high one first (ecs.md 4.6).
func Alarms(p *ecs.CapacityProvider, g *fleet.AutoScalingGroup, c *ecs.Cluster, now time.Time) []*alarm.Alarm {
	target := scaling.Tracking{Target: float64(p.AutoScalingGroupProvider.ManagedScaling.TargetCapacity)}
	high, low := target.ReservationAlarms()
	highName, lowName := scaling.AlarmNames(g.Name, p.HighID, p.LowID)
	return []*alarm.Alarm{
		alarm.OfPolicy(g.Region, g.Account, p.PolicyARN(), highName, measure(p, c), high, now),
		alarm.OfPolicy(g.Region, g.Account, p.PolicyARN(), lowName, measure(p, c), low, now),
	}
}

// AtMaximum and NoFit are the reasons why a group does not get the instances that its tasks need, as
// ecs.ManagedScalingState.Held has them.
func AtMaximum(g *fleet.AutoScalingGroup) string {
	return fmt.Sprintf("Auto Scaling group %s has reached its maximum of %d instances", g.Name, g.Max)
}

// NoFit is described at AtMaximum.
func NoFit(g *fleet.AutoScalingGroup) string {
	return fmt.Sprintf("none of the tasks fits on an instance of Auto Scaling group %s", g.Name)
}

// Follow makes the tag, the hook and the alarms those that the capacity provider needs now, and deletes what it does
// not need. It changes nothing if they are there already. It returns false if there is no room for the alarms; the
// group has its tag and its hook then.
func Follow(tx *state.Tx, p *ecs.CapacityProvider, now time.Time) bool {
	g, exists := Group(&tx.Tables, p)
	c, used := Cluster(&tx.Tables, p)
	var wanted []*alarm.Alarm
	if exists && used && p.ScalesGroup() {
		wanted = Alarms(p, g, c, now)
	}
	if exists {
		tagGroup(tx, g, p.ScalesGroup() && p.UpdateStatus != ecs.DeleteInProgress)
		hookGroup(tx, g, used && p.Drains() && p.UpdateStatus != ecs.DeleteInProgress)
	}
	return putAlarms(tx, p, wanted, now)
}

// putAlarms makes or updates the wanted alarms of a capacity provider, and deletes its other ones.
func putAlarms(tx *state.Tx, p *ecs.CapacityProvider, wanted []*alarm.Alarm, now time.Time) bool {
	if len(wanted) == 0 {
		for _, a := range alarmARNs(p) {
			tx.DeleteAlarm(a, now)
		}
		return true
	}
	for _, a := range wanted {
		old, ok := tx.Alarms.Get(a.ARN)
		if ok && old.Condition == a.Condition {
			continue
		}
		if !tx.PutAlarm(a, now) {
			return false
		}
	}
	return true
}

// alarmARNs returns the ARNs of a capacity provider's alarms, even if they or its group do not exist.
func alarmARNs(p *ecs.CapacityProvider) []string {
	a, err := arn.Parse(p.AutoScalingGroupProvider.AutoScalingGroupARN)
	if err != nil {
		return nil
	}
	_, group, _ := strings.Cut(a.Resource, ":autoScalingGroupName/")
	high, low := scaling.AlarmNames(group, p.HighID, p.LowID)
	return []string{alarm.ARN(a.Region, a.Account, high), alarm.ARN(a.Region, a.Account, low)}
}

// tagGroup adds the tag to a group and to its instances, or removes it from the group.
func tagGroup(tx *state.Tx, g *fleet.AutoScalingGroup, on bool) {
	if _, has := g.Tags.Get(groupTag); has == on {
		return
	}
	n := g.Clone()
	if !on {
		n.Tags = g.Tags.Without(groupTag)
		tx.AutoScalingGroups.Put(n)
		return
	}
	mark := tag.Tag{Key: groupTag, Propagate: true}
	n.Tags = g.Tags.With(mark).Sorted()
	tx.AutoScalingGroups.Put(n)
	for i := range tx.Instances.By(state.InstancesByAutoScalingGroup, g.Key()) {
		c := i.Clone()
		c.Tags = i.Tags.With(tag.Tag{Key: groupTag})
		tx.Instances.Put(c)
	}
}

// Attachments returns the scaling policies that ECS has made for the capacity providers of a cluster (ecs.md 1.2.4).
func Attachments(t *state.Tables, c *ecs.Cluster) []ecs.Attachment {
	var all []ecs.Attachment
	for _, name := range c.CapacityProviders {
		p, ok := Named(t, c, name)
		if !ok {
			continue
		}
		if p.Drains() {
			all = append(all, attachment(p, "managed_draining", ecs.KeyValuePair{
				Name: "autoScalingLifecycleHookName", Value: fleet.DrainingHook}))
		}
		if p.ScalesGroup() {
			all = append(all, attachment(p, "as_policy", ecs.KeyValuePair{Name: "scalingPolicyName",
				Value: p.PolicyName()}))
		}
	}
	return all
}

func attachment(p *ecs.CapacityProvider, kind string, detail ecs.KeyValuePair) ecs.Attachment {
	id := sha256.Sum256([]byte(p.PolicyID + kind))
	return ecs.Attachment{ID: newid.UUIDOf(id[:16]), Type: kind, Status: "CREATED",
		Details: []ecs.KeyValuePair{{Name: "capacityProviderName", Value: p.Name}, detail}}
}
