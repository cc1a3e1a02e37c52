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
// alarms and the tag. It is a control.Planner whose keys are the ARNs of capacity providers.
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
		for p := range s.CapacityProviders.By(state.CapacityProvidersByGroup, c.Last().ARN()) {
			keys = append(keys, p.CapacityProviderARN)
		}
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
		return 0, nil
	}
	provider.Follow(tx, p, m.Now) // makes no alarms if there would be too many
	if p.UpdateStatus == ecs.DeleteInProgress {
		n := *p
		n.Status, n.UpdateStatus, n.DeletedAt = ecs.CapacityProviderInactive, ecs.DeleteComplete, m.Now
		tx.CapacityProviders.Put(&n)
	}
	return 0, nil
}
