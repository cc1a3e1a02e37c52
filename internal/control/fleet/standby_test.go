package fleet

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// standby moves a member into standby, and back, as the actions do.
func (w *world) standby(id string, enter bool, by int) {
	w.t.Helper()
	w.update(func(tx *state.Tx) {
		i, _ := tx.Instances.Get(fleet.InstanceARN(region, account, id))
		old, _ := tx.AutoScalingGroups.Get(groupKey)
		g := old.Clone()
		g.Desired += by
		move := g.Return
		if enter {
			move = g.Rest
		}
		c, a := move(i, "standby-"+time.Now().Format(time.TimeOnly), time.Now(), old.Desired, g.Desired)
		tx.Instances.Put(c)
		tx.Activities.Put(a)
		tx.AutoScalingGroups.Put(g)
	})
}

// stateOf returns an instance's state in the group; "" if its row was deleted.
func (w *world) stateOf(id string) fleet.Lifecycle {
	i, ok := w.store.View().Instances.Get(fleet.InstanceARN(region, account, id))
	if !ok {
		return ""
	}
	return i.Scaling.Lifecycle
}

// An instance that goes into standby is drained first, and its group neither counts nor checks it. When it comes
// back it is a target again, and hooks do not hold it (ecs.md 5.3).
func TestStandby(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.attach() // targets drain for a minute
		w.want(2)
		w.after(time.Minute)
		w.hook("up", fleet.WhenLaunching, 300, fleet.Abandon)
		one := w.members()[0]
		w.standby(one.ID, true, -1)
		w.after(30 * time.Second)
		registered, draining := w.targets()
		if len(registered) != 1 || len(draining) != 1 || w.stateOf(one.ID) != fleet.LifecycleEnteringStandby {
			t.Fatalf("%d registered, %d drain, %s", len(registered), len(draining), w.stateOf(one.ID))
		}
		w.after(40 * time.Second)
		w.change(one.ID, func(i *fleet.Instance) { i.Scaling.Health = fleet.Unhealthy })
		w.after(time.Minute)
		if w.stateOf(one.ID) != fleet.LifecycleStandby || w.driver.runs() != 2 || len(w.members()) != 2 {
			t.Fatalf("%s, %d run, %d members", w.stateOf(one.ID), w.driver.runs(), len(w.members()))
		}
		w.change(one.ID, func(i *fleet.Instance) { i.Scaling.Health = fleet.Healthy })
		w.standby(one.ID, false, 1)
		w.after(time.Second)
		if registered, _ := w.targets(); w.stateOf(one.ID) != fleet.LifecycleInService || len(registered) != 2 {
			t.Errorf("%s, %d registered", w.stateOf(one.ID), len(registered))
		}
		for _, a := range w.activities() {
			if a.Status != fleet.ActivitySuccessful {
				t.Errorf("%+v", a)
			}
		}
	})
}

// A group replaces an instance in standby if its capacity stays. It terminates it when the group is deleted.
func TestStandbyWithReplacement(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.want(1)
		w.after(time.Minute)
		one := w.members()[0]
		w.standby(one.ID, true, 0)
		w.after(time.Minute)
		if w.stateOf(one.ID) != fleet.LifecycleStandby || w.driver.runs() != 2 ||
			!strings.Contains(w.transcript(), "Successful | Moving EC2 instance to Standby: ID") {
			t.Fatalf("%s, %d run, %s", w.stateOf(one.ID), w.driver.runs(), w.transcript())
		}
		w.group(func(g *fleet.AutoScalingGroup) { g.Status, g.Desired = fleet.DeleteInProgress, 0 })
		w.after(time.Minute)
		if w.driver.runs() != 0 || w.store.View().AutoScalingGroups.Len() != 0 {
			t.Errorf("%d run after the deletion", w.driver.runs())
		}
	})
}

// An instance that is terminated in standby stays there, healthy, and its group launches none for it. When it is put
// back into service, the group finds that it is terminated and replaces it.
func TestTerminatedInStandby(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.want(2)
		w.after(time.Minute)
		one := w.members()[0]
		w.standby(one.ID, true, -1)
		w.after(time.Second)
		w.change(one.ID, func(i *fleet.Instance) { i.AskTermination(time.Now()) })
		w.after(2 * time.Hour) // longer than a terminated instance is described
		if w.stateOf(one.ID) != fleet.LifecycleStandby || w.members()[0].Scaling.Health != fleet.Healthy ||
			len(w.members()) != 2 || w.driver.runs() != 1 {
			t.Fatalf("%q; %s; %d run", w.stateOf(one.ID), w.lifecycle(), w.driver.runs())
		}
		w.standby(one.ID, false, 1)
		w.after(2 * time.Minute)
		if slices.ContainsFunc(w.members(), func(m *fleet.Instance) bool { return m.ID == one.ID }) ||
			w.inService() != "a1 b1" {
			t.Errorf("members %s, in service %s", w.lifecycle(), w.inService())
		}
		if all := w.transcript(); !strings.Contains(all, "Cancelled | Moving EC2 instance out of Standby: ID") ||
			!strings.Contains(all, "response to "+fleet.WhyGone) {
			t.Error(all)
		}
	})
}

// The same holds if its machine fails when it is started again in standby: that is no failed launch of the group.
func TestFailedInStandby(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.want(1)
		w.after(time.Minute)
		id := w.members()[0].ID
		w.standby(id, true, -1)
		w.after(time.Second)
		w.change(id, func(i *fleet.Instance) { i.Desired = fleet.Stopped })
		w.after(time.Minute)
		w.driver.breakWith(errors.New("no space"))
		w.change(id, func(i *fleet.Instance) { i.Desired = fleet.Running })
		w.after(time.Minute)
		w.driver.breakWith(nil)
		if m := w.members()[0]; m.State != fleet.Terminated || m.Scaling.Lifecycle != fleet.LifecycleStandby {
			t.Fatalf("%s, %s", m.State, m.Scaling.Lifecycle)
		}
		w.standby(id, false, 1)
		w.after(time.Minute)
		if all := w.transcript(); w.inService() != "a1" || strings.Contains(all, "Failed") {
			t.Errorf("in service %q, %s", w.inService(), all)
		}
	})
}

// ecs.md 5.10: the cooldown starts when a launch or a termination ends, and standby is neither. It does not end the
// pause after failed launches either.
func TestStandbyIsNoLaunch(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.want(1)
		w.after(time.Minute)
		old, _ := w.store.View().AutoScalingGroups.Get(groupKey)
		later := time.Now().Add(time.Hour)
		w.group(func(g *fleet.AutoScalingGroup) { g.LaunchFailures, g.NextLaunch = 9, later })
		id := w.members()[0].ID
		for _, c := range []struct {
			enter bool
			by    int
			end   fleet.Lifecycle
		}{{true, -1, fleet.LifecycleStandby}, {false, 1, fleet.LifecycleInService}} {
			w.standby(id, c.enter, c.by)
			w.after(time.Minute)
			g, _ := w.store.View().AutoScalingGroups.Get(groupKey)
			if w.stateOf(id) != c.end || !g.CooldownStart.Equal(old.CooldownStart) || g.LaunchFailures != 9 ||
				!g.NextLaunch.Equal(later) {
				t.Errorf("in %s, after %d failures: cooldown from %v, want %v; next launch at %v", w.stateOf(id),
					g.LaunchFailures, g.CooldownStart, old.CooldownStart, g.NextLaunch)
			}
		}
	})
}
