package capacity

import (
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/provider"
	"github.com/berthhq/berth/internal/state"
)

// providers completes the deletion of capacity providers. When the group of a capacity provider changes, it updates the
// alarms, the tag and the lifecycle hook. It is a control.Planner whose keys are the ARNs of capacity providers.
type providers struct{}

// Keys implements control.Planner.
func (providers) Keys(c state.Change, s *state.Snapshot) (keys []string) {
	switch c := c.(type) {
	case state.Changed[ecs.CapacityProvider]:
		if c.New != nil {
			return []string{c.Key}
		}
	case state.Changed[fleet.AutoScalingGroup]:
		if c.Old != nil && c.New != nil && c.Old.Status == c.New.Status {
			return nil
		}
		return ofGroup(s, c.Last())
	case state.Changed[fleet.Hook]: // somebody may have deleted that of managed draining
		h := c.Last()
		g, ok := s.AutoScalingGroups.Get(fleet.Key(h.Region, h.Account, h.Group))
		if h.Name == fleet.DrainingHook && ok {
			return ofGroup(s, g)
		}
	}
	return nil
}

// ofGroup returns the ARNs of the capacity providers of a group: there is at most one.
func ofGroup(s *state.Snapshot, g *fleet.AutoScalingGroup) (keys []string) {
	for p := range s.CapacityProviders.By(state.CapacityProvidersByGroup, g.ARN()) {
		keys = append(keys, p.CapacityProviderARN)
	}
	return keys
}

// All implements control.Planner.
func (providers) All(s *state.Snapshot) (keys []string) {
	for p := range s.CapacityProviders.All() {
		keys = append(keys, p.CapacityProviderARN)
	}
	return keys
}

// Step implements control.Planner.
func (providers) Step(tx *state.Tx, key string, m control.Moment) (time.Duration, error) {
	p, ok := tx.CapacityProviders.Get(key)
	if !ok || p.Status == ecs.CapacityProviderInactive {
		tx.ManagedScaling.Delete(key)
		return 0, nil
	}
	provider.Follow(tx, p, m.Now) // makes no alarms if there would be too many
	if p.UpdateStatus == ecs.DeleteInProgress {
		n := *p
		n.Status, n.UpdateStatus, n.DeletedAt = ecs.CapacityProviderInactive, ecs.DeleteComplete, m.Now
		tx.CapacityProviders.Put(&n)
		tx.ManagedScaling.Delete(key)
	}
	return 0, nil
}
