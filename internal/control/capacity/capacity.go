// Package capacity works for capacity providers. It places the tasks that wait for capacity as soon as an instance has
// room for them, and stops those that have waited for too long. It publishes the metric of managed scaling, and writes
// the desired capacity of groups when an alarm of managed scaling fires. It drains the instances that groups terminate,
// and protects those with tasks from a scale-in. It completes the deletion of capacity providers.
//
// Only this package places tasks that wait, and writes ecs.ManagedScalingState. Of an Auto Scaling group it writes only
// the desired capacity and the note about it; of the group's instances, their protection and the result of the
// lifecycle action of managed draining, and why an activity waits for it.
package capacity

import (
	"context"
	"sync"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/scaling"
)

// Controller runs the six controllers of this package.
type Controller struct {
	control.Env
	points Points
	pace   scaling.Pace // of groups that have no pace of their own
}

// New returns the controller, which writes the metric to points. pace is that of groups that have none of their own.
func New(env control.Env, points Points, pace scaling.Pace) *Controller {
	return &Controller{env, points, pace}
}

func (c *Controller) publishing() control.Loop[string] {
	return control.New[string](c.Env, "capacity-metrics", 1, &publishing{c.Env, c.points, c.pace})
}

func (c *Controller) acting() control.Loop[string] {
	return control.New(c.Env, "managed-scaling", 1, control.Planned(c.Env, acting{c.pace}))
}

func (c *Controller) placing() control.Loop[string] {
	return control.New(c.Env, "provisioning", 2, control.Planned(c.Env, new(placing)))
}

func (c *Controller) providers() control.Loop[string] {
	return control.New(c.Env, "capacity-providers", 1, control.Planned(c.Env, providers{}))
}

func (c *Controller) draining() control.Loop[string] {
	return control.New(c.Env, "managed-draining", 1, control.Planned(c.Env, draining{}))
}

func (c *Controller) protecting() control.Loop[string] {
	return control.New(c.Env, "termination-protection", 1, control.Planned(c.Env, protecting{c.pace}))
}

// Manual returns the controllers for a caller that runs them step by step. The caller must close them.
func (c *Controller) Manual() []control.Driven {
	return []control.Driven{c.placing().Manual(), c.providers().Manual(), c.publishing().Manual(),
		c.acting().Manual(), c.draining().Manual(), c.protecting().Manual()}
}

// Run runs the controllers until ctx ends, and returns the cause of that.
func (c *Controller) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	for _, part := range []func(context.Context) error{
		c.placing().Run, c.providers().Run, c.publishing().Run, c.acting().Run,
		c.draining().Run, c.protecting().Run,
	} {
		running.Go(func() { cancel(part(ctx)) })
	}
	running.Wait()
	return context.Cause(ctx)
}
