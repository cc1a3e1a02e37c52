package fleet

import (
	"slices"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/groupscaling"
	"github.com/berthhq/berth/internal/machine"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// groups keeps each group at its number of instances. It is a control.Planner; its keys are groups'
// keys.
type groups struct {
	addresses machine.Addresses
	pace      scaling.Pace
}

// Keys implements control.Planner.
func (r *groups) Keys(c state.Change, s *state.Snapshot) []string {
	switch c := c.(type) {
	case state.Changed[fleet.AutoScalingGroup]:
		return []string{c.Key}
	case state.Changed[fleet.Instance]:
		return membership(c)
	case state.Changed[groupscaling.Scheduled]:
		last := c.Last()
		return []string{fleet.Key(last.Region, last.Account, last.Group)}
	case state.Changed[alarm.Due]:
		if key := groupscaling.GroupKeyOf(c.Last()); c.New != nil && key != "" {
			return []string{key}
		}
	case state.Changed[elb.Target]:
		return groupsOfTarget(s, c.Key)
	case state.Changed[elb.TargetHealth]:
		return groupsOfTarget(s, c.Key)
	}
	return nil
}

// membership returns the groups to which an instance belonged before a change, and belongs after
// it.
func membership(c state.Changed[fleet.Instance]) (keys []string) {
	for _, i := range []*fleet.Instance{c.Old, c.New} {
		if i != nil && i.GroupKey() != "" {
			keys = append(keys, i.GroupKey())
		}
	}
	return slices.Compact(keys)
}

// groupsOfTarget returns the groups to which a target's target group is attached, and those with a
// member that is still registered as this target.
func groupsOfTarget(s *state.Snapshot, key string) (keys []string) {
	for g := range s.AutoScalingGroups.By(state.AutoScalingGroupsByTargetGroup, elb.GroupOfTargetKey(key)) {
		keys = append(keys, g.Key())
	}
	for i := range s.Instances.By(state.InstancesByTarget, key) {
		if k := i.GroupKey(); k != "" {
			keys = append(keys, k)
		}
	}
	return keys
}

// All implements control.Planner.
func (r *groups) All(s *state.Snapshot) []string {
	var keys []string
	for g := range s.AutoScalingGroups.All() {
		keys = append(keys, g.Key())
	}
	for d := range s.DueActions.By(state.DueActionsByKind, string(alarm.GroupPolicy)) {
		if key := groupscaling.GroupKeyOf(d); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

// Step implements control.Planner.
func (r *groups) Step(tx *state.Tx, key string, m control.Moment) (time.Duration, error) {
	g, ok := tx.AutoScalingGroups.Get(key)
	if !ok {
		forget(tx, key, m.Now)
		return 0, nil
	}
	s := &step{tx: tx, m: m, addresses: r.addresses, g: g.Clone(), pace: scaling.PaceFrom(g.Tags, r.pace),
		members: slices.Collect(tx.Instances.By(state.InstancesByAutoScalingGroup, key))}
	s.run()
	return s.again(), nil
}
