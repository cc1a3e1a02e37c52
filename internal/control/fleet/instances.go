package fleet

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/machine"
	"github.com/berthhq/berth/internal/state"
)

// afterlife is how long a terminated instance is still described, as on EC2.
const afterlife = time.Hour

// instances moves each instance to the state it is wanted in.
type instances struct {
	store  *state.Store
	driver machine.Driver
}

// Keys implements control.Reconciler. What the driver reported needs no answer here.
func (r *instances) Keys(c state.Change) []string {
	if _, ok := c.New.(*fleet.Instance); ok {
		return []string{c.Key}
	}
	return nil
}

// All implements control.Reconciler.
func (r *instances) All(s *state.Snapshot) []string {
	var keys []string
	for i := range s.Instances.All() {
		keys = append(keys, i.ARN())
	}
	return keys
}

// Reconcile takes one instance one step further.
func (r *instances) Reconcile(ctx context.Context, key string) (time.Duration, error) {
	i, ok := r.store.View().Instances.Get(key)
	if !ok {
		return 0, nil
	}
	if i.State == fleet.Terminated {
		return r.bury(ctx, i)
	}
	switch i.Desired {
	case fleet.Terminated:
		return 0, r.stop(ctx, i, fleet.ShuttingDown, fleet.Terminated)
	case fleet.Stopped:
		if i.State == fleet.Stopped {
			return 0, nil
		}
		return 0, r.stop(ctx, i, fleet.Stopping, fleet.Stopped)
	}
	return 0, r.start(ctx, i)
}

// start makes the instance run, or, after a restart of ours, has the driver take over what runs.
func (r *instances) start(ctx context.Context, i *fleet.Instance) error {
	switch i.State {
	case fleet.Stopping: // a stop was under way when a start was asked for: it ends first
		return r.stop(ctx, i, fleet.Stopping, fleet.Stopped)
	case fleet.Stopped:
		return r.move(ctx, i, fleet.Pending, func(c *fleet.Instance) {
			c.Reason, c.TransitionReason, c.Machine = fleet.StateReason{}, "", fleet.MachineStatus{}
		})
	}
	if i.State == fleet.Running && i.Reboot {
		if err := r.reboot(ctx, i); err != nil {
			return err
		}
	}
	err := r.driver.Start(ctx, i)
	_, wanted := r.store.View().Instances.Get(i.ARN())
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx) // cut short: the next life tries again
	case !wanted: // a reset came meanwhile, and nobody else knows of the machine
		return errors.Join(r.driver.Stop(ctx, i.ID), r.driver.Forget(ctx, i.ID))
	case err == nil && i.State == fleet.Pending:
		return r.move(ctx, i, fleet.Running, nil)
	case err == nil:
		return nil
	case i.State == fleet.Pending:
		return r.abandon(ctx, i, err)
	}
	return r.observe(ctx, i, fleet.PhaseFailed, err.Error()) // it cannot be taken over: it is impaired
}

// reboot ends the machine, so that start makes it anew from its disk.
func (r *instances) reboot(ctx context.Context, i *fleet.Instance) error {
	if err := r.driver.Stop(ctx, i.ID); err != nil {
		return err
	}
	return r.move(ctx, i, fleet.Running, func(c *fleet.Instance) { c.Reboot = false })
}

// abandon ends an instance whose launch failed. The instance never ran, so its group tells the failure as that of the launch.
func (r *instances) abandon(ctx context.Context, i *fleet.Instance, why error) error {
	if err := r.driver.Stop(ctx, i.ID); err != nil {
		return err
	}
	return r.move(ctx, i, fleet.Terminated, func(c *fleet.Instance) {
		c.Desired, c.Reason, c.TransitionReason = fleet.Terminated, fleet.LaunchFailure(why.Error()), "Server.InternalError"
		c.Machine = fleet.MachineStatus{Phase: fleet.PhaseFailed, Reason: why.Error(), Since: time.Now()}
	})
}

// observe records what is wrong with an instance's machine. Said once, it is not said again: the row stays as it is and wakes nobody. That
// holds too for a cause that is worded anew at each try.
func (r *instances) observe(ctx context.Context, i *fleet.Instance, phase fleet.Phase, why string) error {
	err := r.store.Update(ctx, func(tx *state.Tx) error {
		now, ok := tx.Instances.Get(i.ARN())
		if !ok || now.Machine.Phase == phase && sameCause(now.Machine.Reason, why) {
			return errNothing
		}
		c := now.Clone()
		c.Machine.Phase, c.Machine.Reason, c.Machine.Since = phase, why, time.Now()
		tx.Instances.Put(c)
		return nil
	})
	return ignoreNothing(err)
}

// sameCause reports whether two messages differ at most in what they name and count: process numbers, ports, ids, durations, and how often
// the same is said of several things.
func sameCause(a, b string) bool { return slices.Equal(plainWords(a), plainWords(b)) }

// plainWords are the words of a message that hold no digit, each once, sorted.
func plainWords(message string) []string {
	words := slices.DeleteFunc(strings.Fields(message), func(w string) bool { return strings.ContainsAny(w, "0123456789") })
	slices.Sort(words)
	return slices.Compact(words)
}

// stop ends the instance's machine: it is in state during until that is done, and in state after from then on.
func (r *instances) stop(ctx context.Context, i *fleet.Instance, during, after fleet.InstanceState) error {
	if i.State == fleet.Stopped {
		during = fleet.ShuttingDown
	}
	if i.State != during {
		return r.move(ctx, i, during, nil) // the change wakes us again
	}
	if err := r.driver.Stop(ctx, i.ID); err != nil {
		if ctx.Err() == nil {
			err = errors.Join(err, r.observe(ctx, i, i.Machine.Phase, err.Error()))
		}
		return err
	}
	return r.move(ctx, i, after, func(c *fleet.Instance) { c.Machine = fleet.MachineStatus{Since: time.Now()} })
}

// move changes the state, unless somebody has changed it since i was read.
func (r *instances) move(ctx context.Context, i *fleet.Instance, to fleet.InstanceState, more func(*fleet.Instance)) error {
	now := time.Now()
	err := r.store.Update(ctx, func(tx *state.Tx) error {
		current, ok := tx.Instances.Get(i.ARN())
		if !ok || current.State != i.State {
			return errNothing
		}
		c := current.Clone()
		if c.State != to {
			c.State, c.TransitionAt = to, now
		}
		if more != nil {
			more(c)
		}
		tx.Instances.Put(c)
		return nil
	})
	return ignoreNothing(err)
}

// bury removes a terminated instance once it has been described for long enough.
func (r *instances) bury(ctx context.Context, i *fleet.Instance) (time.Duration, error) {
	if wait := time.Until(i.TransitionAt.Add(afterlife)); wait > 0 {
		return wait, nil
	}
	if i.Scaling.Member() {
		return time.Minute, nil // its group has not taken note yet
	}
	if err := r.driver.Forget(ctx, i.ID); err != nil {
		return 0, err
	}
	return 0, r.store.Update(ctx, func(tx *state.Tx) error {
		tx.Instances.Delete(i.ARN())
		return nil
	})
}
