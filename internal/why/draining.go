package why

import (
	"strings"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/provider"
	"github.com/berthhq/berth/internal/state"
)

// Draining returns a text without a full stop that says what an instance waits for while its Auto Scaling group
// terminates it and managed draining delays this; "" if it does not wait. The activity of the group has the same text.
func Draining(t *state.Tables, ci *ecs.ContainerInstance) string {
	if ci.Status != ecs.InstanceDraining {
		return ""
	}
	i, ok := provider.EC2Instance(t, ci.ContainerInstanceARN, ci.EC2InstanceID)
	if !ok || !i.Scaling.WaitsFor(fleet.DrainingHook) {
		return ""
	}
	a, ok := t.Activities.Get(i.Scaling.TerminatedBy)
	if !ok {
		return ""
	}
	return strings.TrimSuffix(a.StatusMessage, ".")
}
