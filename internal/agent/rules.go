package agent

import (
	"context"
	"time"

	"github.com/berthhq/berth/internal/agent/engine"
)

// keeper protects the networks of containers (package redirect).
type keeper interface {
	engine.Guard
	Keep(ctx context.Context) error
	Unguard(ctx context.Context) error
}

// rulesEvery is how often the agent checks that its rules exist.
const rulesEvery = 10 * time.Second

// keepRules protects networks of containers that existed before this agent started, and adds the agent's rules
// again if a firewall was restored without them. The rules around networks stay when the agent ends, unless it
// leaves no container.
func (a *agent) keepRules(ctx context.Context) error {
	said := ""
	tick := time.NewTicker(rulesEvery)
	defer tick.Stop()
	guarded := false
	for ctx.Err() == nil {
		if !guarded {
			guarded = a.engine.GuardNetworks(ctx) == nil
		}
		err := a.rules.Keep(ctx)
		if ctx.Err() == nil && err != nil && err.Error() != said { // without root the error never changes
			said = err.Error()
			a.log.Warn("machines on the same network may reach the ports of tasks, and tasks this "+
				"machine's metadata service", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if left, err := a.rt.List(clean, engine.LabelInstance, a.name); err == nil && len(left) == 0 {
		if err := a.rules.Unguard(clean); err != nil && said == "" {
			a.log.Warn("rules around the networks of containers could not be removed", "error", err)
		}
	}
	return context.Cause(ctx)
}
