// Package capacity works for capacity providers. It places the tasks that wait for capacity as soon as an instance has
// room for them, and stops those that have waited for too long. It ends the deletion of capacity providers.
//
// The package alone writes the placement of tasks that wait.
package capacity

import (
	"context"
	"sync"

	"github.com/berthhq/berth/internal/control"
)

// Controller runs the parts.
type Controller struct {
	control.Env
}

// New returns the controller.
func New(env control.Env) *Controller { return &Controller{Env: env} }

func (c *Controller) placing() control.Loop[string] {
	return control.New(c.Env, "provisioning", 2, control.Planned(c.Env, new(placing)))
}

func (c *Controller) providers() control.Loop[string] {
	return control.New(c.Env, "capacity-providers", 1, control.Planned(c.Env, providers{}))
}

// Manual returns the parts for a caller that runs them. The caller must close them.
func (c *Controller) Manual() []control.Driven {
	return []control.Driven{c.placing().Manual(), c.providers().Manual()}
}

// Run runs until ctx ends and returns its cause.
func (c *Controller) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	for _, part := range []func(context.Context) error{c.placing().Run, c.providers().Run} {
		running.Go(func() { cancel(part(ctx)) })
	}
	running.Wait()
	return context.Cause(ctx)
}
