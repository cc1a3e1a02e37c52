// Package fleet brings instances and Auto Scaling groups to their desired state. Three things run in it: a controller
// for groups, which carries out scheduled actions, policies and fleet.PlanGroup, and writes activities; a controller
// for instances, which calls the machine driver and moves an instance from pending to terminated; and an observer,
// which writes the driver's reports to the store, where they wake the other two.
//
// It alone writes an instance's State, Reason of failure and Machine, and the lifecycle of group
// members, except that actions begin terminations. Nothing is kept outside of the store: after a
// restart every instance is given to the driver again, which finds what is running already. The
// package does not know how an instance is made, or what ECS does on it; a package that must know
// when an instance ends watches its row.
package fleet

import (
	"context"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/machine"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// Controller runs the three.
type Controller struct {
	control.Env
	driver   machine.Driver
	reporter machine.Reporter
	pace     scaling.Pace
}

// New returns a controller. reporter is usually the driver itself. pace is that of groups without a tag for it.
func New(env control.Env, driver machine.Driver, reporter machine.Reporter, pace scaling.Pace) *Controller {
	return &Controller{Env: env, driver: driver, reporter: reporter, pace: pace}
}

// bootWorkers is how many instances are started, stopped or taken over at the same time.
const bootWorkers = 16

func (c *Controller) groups() control.Loop[string] {
	return control.New(c.Env, "auto-scaling-groups", 2, control.Planned(c.Env, &groups{c.driver, c.pace}))
}

func (c *Controller) instances() control.Loop[string] {
	return control.New(c.Env, "instances", bootWorkers, &instances{c.Env, c.driver})
}

func (c *Controller) activities() control.Loop[string] {
	return control.New(c.Env, "activities", 1, control.Planned(c.Env, activities{}))
}

// Manual returns the controllers for a caller that runs them, and that calls Record with the
// driver's reports. The caller must close them.
func (c *Controller) Manual() []control.Driven {
	return []control.Driven{c.groups().Manual(), c.instances().Manual(), c.activities().Manual()}
}

// Run runs until ctx ends and returns its cause. Instances keep running.
func (c *Controller) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	for _, part := range []func(context.Context) error{
		c.groups().Run, c.instances().Run, c.activities().Run, c.observe,
	} {
		running.Go(func() { cancel(part(ctx)) })
	}
	running.Wait()
	return context.Cause(ctx)
}

// recordAgain is how long to wait before writing a report again that could not be written.
const recordAgain = time.Second

// observe writes the driver's reports to the rows of instances. If the store refuses writes for a
// while, as on a full disk, the report is written later.
func (c *Controller) observe(ctx context.Context) error {
	for {
		r, err := c.reporter.Next(ctx)
		if err != nil {
			return err
		}
		for err = c.Record(ctx, r); err != nil; err = c.Record(ctx, r) {
			c.Logger.Warn("the report about an instance's machine could not be written", "instance", r.ID,
				"err", err, "retry_in", recordAgain)
			select {
			case <-time.After(recordAgain):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
}

// Record writes a report of the driver to the instance's row.
func (c *Controller) Record(ctx context.Context, r machine.Report) error {
	return c.Commit(ctx, r.ID, func(tx *state.Tx, _ control.Moment) error {
		for i := range tx.Instances.By(state.InstancesByID, r.ID) { // none if the row was deleted in the meantime
			if i.State == fleet.Terminated {
				continue
			}
			changed := i.Clone()
			changed.Machine = r.Status
			tx.Instances.Put(changed)
		}
		return nil
	})
}
