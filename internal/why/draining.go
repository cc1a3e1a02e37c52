package why

import (
	"strings"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/provider"
	"github.com/berthhq/berth/internal/state"
)

// Draining says without a full stop what an instance waits for that its Auto Scaling group terminates, and that the
// managed draining of its capacity provider holds; "" if it does not wait. These are the words of the group's activity.
func Draining(t *state.Tables, ci *ecs.ContainerInstance) string {
	if ci.Status != ecs.InstanceDraining {
		return ""
	}
	i, ok := provider.Machine(t, ci.ContainerInstanceARN, ci.EC2InstanceID)
	if !ok || !i.Scaling.WaitsFor(fleet.DrainingHook) {
		return ""
	}
	a, ok := t.Activities.Get(i.Scaling.TerminatedBy)
	if !ok {
		return ""
	}
	return strings.TrimSuffix(a.StatusMessage, ".")
}
