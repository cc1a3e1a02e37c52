package provider

import (
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// hookGroup gives a group the lifecycle hook of managed draining, or takes it away (ecs.md 4.10). What a user has set
// for the hook stays. The limit of a group's hooks is for those of users. Instances that wait for a hook that is taken
// away are terminated.
func hookGroup(tx *state.Tx, g *fleet.AutoScalingGroup, on bool) {
	h, has := tx.LifecycleHooks.Get(fleet.PartKey(g.Region, g.Account, g.Name, fleet.DrainingHook))
	switch {
	case on && (!has || h.Transition != fleet.WhenTerminating):
		tx.LifecycleHooks.Put(&fleet.Hook{Region: g.Region, Account: g.Account, Group: g.Name,
			Name: fleet.DrainingHook, Transition: fleet.WhenTerminating, Heartbeat: fleet.DefaultHeartbeat,
			Default: fleet.Continue})
	case !on && has:
		tx.DeleteHook(h)
	}
}
