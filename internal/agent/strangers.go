package agent

import (
	"context"
	"errors"
	"time"

	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime"
)

// strangersAgain is how long to wait until removing them is tried again.
const strangersAgain = time.Second

// waitStrangers tries until tryRemoveStrangers succeeds.
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

// removeStrangers removes containers that carry this agent's name and that it knows nothing of: those of an earlier life whose data directory
// was lost. Nobody would ever stop them, and they hold host ports; their tasks are given up when the control plane hears of a new instance.
func (a *agent) removeStrangers(ctx context.Context) error {
	all, err := a.rt.List(ctx, engine.LabelInstance, a.name)
	if err != nil {
		return err
	}
	own := map[string]bool{}
	for _, r := range a.engine.Tasks() {
		own[r.Task.ARN] = true
	}
	var strangers []runtime.Container
	for _, c := range all {
		if !own[c.Labels[engine.LabelTask]] {
			strangers = append(strangers, c)
		}
	}
	if len(strangers) == 0 {
		return nil
	}
	a.log.Warn("removing containers of an earlier life of this instance, whose data directory was lost", "containers", len(strangers))
	return errors.Join(destroy(ctx, strangers, a.rt, func() {}), removeGroups(strangers))
}
