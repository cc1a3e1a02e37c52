// Package fleet makes instances and Auto Scaling groups what they are wanted to be. Three things run in it: a reconciler for groups, which
// carries out fleet.PlanGroup and writes activities; a reconciler for instances, which drives the machine driver and moves an instance from
// pending to terminated; and an observer, which writes the driver's reports into the store, from where they wake the other two.
//
// It alone writes an instance's State, Reason of failure and Machine, and the lifecycle of members, save that actions begin a termination. The store is
// all that survives: after a restart every instance is handed to the driver again, which finds what runs already. The package refuses to know how an
// instance is made, and what ECS does on it; whoever cares that an instance has ended watches its row.
package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/machine"
	"github.com/berthhq/berth/internal/state"
)

// Controller is the three of them.
type Controller struct {
	store    *state.Store
	driver   machine.Driver
	reporter machine.Reporter
	logger   *slog.Logger
}

// New makes a controller; reporter is usually the driver itself.
func New(store *state.Store, driver machine.Driver, reporter machine.Reporter, logger *slog.Logger) *Controller {
	return &Controller{store: store, driver: driver, reporter: reporter, logger: logger}
}

// bootWorkers is how many instances boot, stop or are taken over at the same time.
const bootWorkers = 16

// Run runs until ctx ends and returns its cause. Instances go on without it.
func (c *Controller) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	for _, part := range []func(context.Context) error{
		func(ctx context.Context) error {
			return control.Run(ctx, c.store, c.logger, "auto-scaling-groups", 2, &groups{c.store, c.driver})
		},
		func(ctx context.Context) error {
			return control.Run(ctx, c.store, c.logger, "instances", bootWorkers, &instances{c.store, c.driver})
		},
		c.observe,
		c.reapActivities,
	} {
		running.Go(func() { cancel(part(ctx)) })
	}
	running.Wait()
	return context.Cause(ctx)
}

// recordAgain is how long to wait before a report that could not be written is tried again.
const recordAgain = time.Second

// observe writes what the driver reports into the instances' rows. A store that takes no writes for now, as on a full disk, ends nothing:
// the report is written when it does again.
func (c *Controller) observe(ctx context.Context) error {
	for {
		r, err := c.reporter.Next(ctx)
		if err != nil {
			return err
		}
		for err = c.record(ctx, r); err != nil; err = c.record(ctx, r) {
			c.logger.Warn("what an instance's machine does could not be written", "instance", r.ID, "err", err, "retry_in", recordAgain)
			select {
			case <-time.After(recordAgain):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
}

func (c *Controller) record(ctx context.Context, r machine.Report) error {
	key, ok := findInstance(&c.store.View().Tables, r.ID)
	if !ok {
		return nil // forgotten meanwhile
	}
	err := c.store.Update(ctx, func(tx *state.Tx) error {
		i, ok := tx.Instances.Get(key)
		if !ok || i.State == fleet.Terminated || i.Machine == r.Status {
			return errNothing
		}
		changed := i.Clone()
		changed.Machine = r.Status
		tx.Instances.Put(changed)
		return nil
	})
	return ignoreNothing(err)
}

// findInstance finds the key of an instance by its id, which is unique over all regions.
func findInstance(t *state.Tables, id string) (string, bool) {
	for i := range t.Instances.All() {
		if i.ID == id {
			return i.ARN(), true
		}
	}
	return "", false
}

// errNothing ends a transaction that turned out to have nothing to do.
var errNothing = errors.New("nothing to do")

func ignoreNothing(err error) error {
	if errors.Is(err, errNothing) {
		return nil
	}
	return err
}

// activityAge is how long AWS keeps activities; activityCount bounds them for a group that never comes to rest.
const (
	activityAge   = 42 * 24 * time.Hour
	activityCount = 2000
)

// reapActivities removes old activities once an hour.
func (c *Controller) reapActivities(ctx context.Context) error {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		old := oldActivities(&c.store.View().Tables, time.Now())
		if len(old) == 0 {
			continue
		}
		if err := c.store.Update(ctx, func(tx *state.Tx) error {
			for _, key := range old {
				tx.Activities.Delete(key)
			}
			return nil
		}); err != nil {
			c.logger.Warn("old activities could not be removed; it is tried again", "err", err)
		}
	}
}

// oldActivities are the keys of what is too old, or beyond the newest activityCount of its group. Open ones stay.
func oldActivities(t *state.Tables, now time.Time) []string {
	counts := map[string]int{}
	for a := range t.Activities.All() {
		counts[a.GroupARN]++
	}
	var old []string
	for a := range t.Activities.All() { // oldest of a group first
		if counts[a.GroupARN]--; !a.Open() && (now.Sub(a.Start) > activityAge || counts[a.GroupARN] >= activityCount) {
			old = append(old, a.Key())
		}
	}
	return old
}

// newID and newUUID mint ids; crypto/rand never fails.
func newID(kind string) string {
	var b [8]byte
	rand.Read(b[:])
	return fleet.ID(kind, b)
}

func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	return fleet.UUID(b)
}
