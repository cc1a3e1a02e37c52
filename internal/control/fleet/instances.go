package fleet

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/machine"
	"github.com/berthhq/berth/internal/state"
)

// afterlife is how long a terminated instance is still described, as on EC2.
const afterlife = time.Hour

// instances brings each instance to its desired state. It is a control.Controller; its keys are the
// ARNs of instances.
type instances struct {
	control.Env
	driver machine.Driver
}

// Keys implements control.Controller. It ignores changes of Machine alone, which the observer
// writes.
func (r *instances) Keys(c state.Change, _ *state.Snapshot) []string {
	if c, ok := c.(state.Changed[fleet.Instance]); ok && c.New != nil {
		return []string{c.Key}
	}
	return nil
}

// All implements control.Controller.
func (r *instances) All(s *state.Snapshot) []string {
	var keys []string
	for i := range s.Instances.All() {
		keys = append(keys, i.ARN())
	}
	return keys
}

// Reconcile implements control.Controller.
func (r *instances) Reconcile(ctx context.Context, key string) (time.Duration, error) {
	i, ok := r.Store.View().Instances.Get(key)
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

// start starts the instance or, after a restart of the server, has the driver take over what is
// running.
func (r *instances) start(ctx context.Context, i *fleet.Instance) error {
	switch i.State {
	case fleet.Stopping: // a start was requested during a stop, which must end first
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
	_, wanted := r.Store.View().Instances.Get(i.ARN())
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx) // interrupted: the next run of the server tries again
	case !wanted: // a reset has deleted the row, and nothing else knows the machine
		return errors.Join(r.driver.Stop(ctx, i.ID), r.driver.Forget(ctx, i.ID))
	case err == nil && i.State == fleet.Pending:
		return r.move(ctx, i, fleet.Running, nil)
	case err == nil:
		return nil
	case i.State == fleet.Pending:
		return r.abandon(ctx, i, err)
	}
	return r.observe(ctx, i, fleet.PhaseFailed, err.Error()) // it cannot be taken over, so it is impaired
}

// reboot stops the machine. start then starts it again from its disk.
func (r *instances) reboot(ctx context.Context, i *fleet.Instance) error {
	if err := r.driver.Stop(ctx, i.ID); err != nil {
		return err
	}
	return r.move(ctx, i, fleet.Running, func(c *fleet.Instance) { c.Reboot = false })
}

// abandon ends an instance whose launch failed. It never ran, so its group reports a failed launch.
func (r *instances) abandon(ctx context.Context, i *fleet.Instance, why error) error {
	if err := r.driver.Stop(ctx, i.ID); err != nil {
		return err
	}
	return r.move(ctx, i, fleet.Terminated, func(c *fleet.Instance) {
		c.Desired, c.Reason, c.TransitionReason = fleet.Terminated, fleet.LaunchFailure(why.Error()),
			"Server.InternalError"
		c.Machine = fleet.MachineStatus{Phase: fleet.PhaseFailed, Reason: why.Error(), Since: r.Now()}
	})
}

// observe records what is wrong with an instance's machine. It writes nothing, and so wakes nobody,
// if the row has the same cause already, even when the words differ at each try.
func (r *instances) observe(ctx context.Context, i *fleet.Instance, phase fleet.Phase, why string) error {
	return r.Commit(ctx, i.ARN(), func(tx *state.Tx, m control.Moment) error {
		now, ok := tx.Instances.Get(i.ARN())
		if !ok || now.Machine.Phase == phase && sameCause(now.Machine.Reason, why) {
			return nil
		}
		c := now.Clone()
		c.Machine.Phase, c.Machine.Reason, c.Machine.Since = phase, why, m.Now
		tx.Instances.Put(c)
		return nil
	})
}

// sameCause reports whether two messages differ only in names and numbers: process ids, ports,
// durations, and how often they say the same.
func sameCause(a, b string) bool { return slices.Equal(plainWords(a), plainWords(b)) }

// plainWords returns the words of a message without a digit, each once, sorted.
func plainWords(message string) []string {
	words := slices.DeleteFunc(strings.Fields(message),
		func(w string) bool { return strings.ContainsAny(w, "0123456789") })
	slices.Sort(words)
	return slices.Compact(words)
}

// stop stops the instance's machine. The instance has state during until that is done, and then
// state after.
func (r *instances) stop(ctx context.Context, i *fleet.Instance, during, after fleet.InstanceState) error {
	if i.State == fleet.Stopped {
		during = fleet.ShuttingDown
	}
	if i.State != during {
		return r.move(ctx, i, during, nil) // the change makes the key dirty again
	}
	if err := r.driver.Stop(ctx, i.ID); err != nil {
		if ctx.Err() == nil {
			err = errors.Join(err, r.observe(ctx, i, i.Machine.Phase, err.Error()))
		}
		return err
	}
	return r.move(ctx, i, after, func(c *fleet.Instance) { c.Machine = fleet.MachineStatus{Since: r.Now()} })
}

// move changes the state, unless it has changed since i was read.
func (r *instances) move(
	ctx context.Context, i *fleet.Instance, to fleet.InstanceState, more func(*fleet.Instance),
) error {
	return r.Commit(ctx, i.ARN(), func(tx *state.Tx, m control.Moment) error {
		current, ok := tx.Instances.Get(i.ARN())
		if !ok || current.State != i.State {
			return nil
		}
		c := current.Clone()
		if c.State != to {
			c.State, c.TransitionAt = to, m.Now
		}
		if more != nil {
			more(c)
		}
		tx.Instances.Put(c)
		return nil
	})
}

// bury deletes a terminated instance that has been described for long enough.
func (r *instances) bury(ctx context.Context, i *fleet.Instance) (time.Duration, error) {
	if wait := i.TransitionAt.Add(afterlife).Sub(r.Now()); wait > 0 {
		return wait, nil
	}
	if i.Scaling.Member() {
		return time.Minute, nil // its group still counts it as a member
	}
	if err := r.driver.Forget(ctx, i.ID); err != nil {
		return 0, err
	}
	return 0, r.Commit(ctx, i.ARN(), func(tx *state.Tx, _ control.Moment) error {
		tx.Instances.Delete(i.ARN())
		return nil
	})
}
