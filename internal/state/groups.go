package state

import (
	"iter"

	"github.com/berthhq/berth/internal/fleet"
)

// HooksOf returns the lifecycle hooks of a group, by name.
func (t *Tables) HooksOf(g *fleet.AutoScalingGroup) iter.Seq[*fleet.Hook] {
	return t.LifecycleHooks.Prefix(fleet.PartPrefix(g.Region, g.Account, g.Name))
}

// DeleteAutoScalingGroup deletes a group and what belongs to it. Its activities stay.
func (tx *Tx) DeleteAutoScalingGroup(g *fleet.AutoScalingGroup) {
	for h := range tx.HooksOf(g) {
		tx.LifecycleHooks.Delete(h.Key())
	}
	tx.AutoScalingGroups.Delete(g.Key())
}
