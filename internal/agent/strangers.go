package agent

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/agent/checkpoint"
	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime"
)

// strangersAgain is the pause after a failed attempt to remove them.
const strangersAgain = time.Second

// waitStrangers repeats tryRemoveStrangers until it succeeds.
func (a *agent) waitStrangers(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(strangersAgain):
		}
		if err := a.removeStrangers(ctx); err == nil {
			return nil
		}
	}
}

// strangers returns containers that are labelled with this agent's name but are not in its checkpoint.
func (a *agent) strangers(ctx context.Context) (strangers []runtime.Container, err error) {
	all, err := a.rt.List(ctx, engine.LabelInstance, a.name)
	if err != nil {
		return nil, err
	}
	own := map[string]bool{}
	for _, r := range a.engine.Tasks() {
		own[r.Task.ARN] = true
	}
	for _, c := range all {
		if !own[c.Labels[engine.LabelTask]] {
			strangers = append(strangers, c)
		}
	}
	return strangers, nil
}

// remembersAll compares the checkpoint with the container runtime. A task is in the checkpoint before it has
// containers, and longer than them. So if there are containers without a task, the end of the checkpoint was
// lost, and with it perhaps tasks without containers. Then remembersAll drops the agent's registration, as if
// the whole checkpoint were lost, and returns false.
func (a *agent) remembersAll(ctx context.Context) (bool, error) {
	ask, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	strangers, err := a.strangers(ask)
	if err != nil || len(strangers) == 0 {
		return true, nil // without a runtime this is not known
	}
	tasks := map[string]bool{}
	for _, c := range strangers {
		tasks[c.Labels[engine.LabelTask]] = true
	}
	a.log.Error("the checkpoint does not have tasks whose containers are here, so it has lost what was written last; "+
		"this agent registers as a new container instance, and the tasks that it had are stopped",
		"tasks", slices.Sorted(maps.Keys(tasks)))
	return false, errors.Join(a.store.Delete(checkpoint.Agent, newestKey),
		a.store.Delete(checkpoint.Agent, registrationKey))
}

// removeStrangers removes containers from before the data directory was lost. Nothing else would stop them, and
// they hold host ports. The control plane gives up their tasks when the new instance registers.
func (a *agent) removeStrangers(ctx context.Context) error {
	strangers, err := a.strangers(ctx)
	if err != nil || len(strangers) == 0 {
		return err
	}
	a.log.Warn("removing containers from before this instance's data directory was lost",
		"containers", len(strangers))
	return errors.Join(destroy(ctx, strangers, a.rt, func() {}), removeGroups(strangers))
}
