package fleet

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// hook gives the group a lifecycle hook.
func (w *world) hook(name string, at fleet.Transition, heartbeat int, result fleet.HookResult) {
	w.t.Helper()
	w.update(func(tx *state.Tx) {
		tx.LifecycleHooks.Put(&fleet.Hook{Region: region, Account: account, Group: "g", Name: name, Transition: at,
			Heartbeat: heartbeat, Default: result})
	})
}

// lifecycle returns the states of the members, in the order of their zones and ids.
func (w *world) lifecycle() string {
	var all []string
	for _, m := range w.members() {
		all = append(all, string(m.Scaling.Lifecycle))
	}
	return strings.Join(all, " ")
}

func (w *world) complete(id, hook string, result fleet.HookResult) {
	w.t.Helper()
	w.update(func(tx *state.Tx) {
		i, _ := tx.Instances.Get(fleet.InstanceARN(region, account, id))
		c, ok := i.Complete(hook, result)
		if !ok {
			w.t.Fatalf("%s does not wait for %s: %+v", id, hook, i.Scaling)
		}
		tx.Instances.Put(c)
	})
}

// states subscribes to the states that members pass through, each once.
func (w *world) states() func() []string {
	sub := state.Subscribe(w.store, func(c state.Change, _ *state.Snapshot) []string {
		if i, ok := c.(state.Changed[fleet.Instance]); ok && i.New != nil {
			return []string{string(i.New.Scaling.Lifecycle)}
		}
		return nil
	})
	return func() []string {
		defer sub.Close()
		all, err := sub.Next(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		return all
	}
}

// ecs.md 5.3, 5.9: a launching hook holds an instance until it is completed, and a terminating one too.
func TestHooksHoldInstances(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.hook("up", fleet.WhenLaunching, 300, fleet.Abandon)
		w.hook("down", fleet.WhenTerminating, 300, fleet.Continue)
		passed := w.states()
		w.want(1)
		w.after(4 * time.Minute)
		if got := w.lifecycle(); got != "Pending:Wait" || w.driver.runs() != 1 {
			t.Fatalf("%s, %d run", got, w.driver.runs())
		}
		if a := w.activities()[0]; a.Status != fleet.ActivityMidLifecycle || a.Progress() != 60 || !a.Open() {
			t.Errorf("the launch is %+v", a)
		}
		id := w.members()[0].ID
		w.complete(id, "up", fleet.Continue)
		w.after(time.Second)
		if got := w.lifecycle(); got != "InService" || w.members()[0].Scaling.Actions != nil {
			t.Fatalf("%s, %+v", got, w.members()[0].Scaling)
		}
		w.want(0)
		w.after(4 * time.Minute)
		if got := w.lifecycle(); got != "Terminating:Wait" || w.driver.runs() != 1 {
			t.Fatalf("%s, %d run", got, w.driver.runs())
		}
		if a := w.activities()[1]; a.Status != fleet.ActivityMidLifecycle {
			t.Errorf("the termination is %+v", a)
		}
		w.complete(id, "down", fleet.Continue)
		w.after(time.Minute)
		if got := w.lifecycle(); got != "" || w.driver.runs() != 0 {
			t.Fatalf("%s, %d run", got, w.driver.runs())
		}
		all := passed()
		for _, want := range []fleet.Lifecycle{fleet.LifecyclePending, fleet.LifecyclePendingWait,
			fleet.LifecyclePendingProceed, fleet.LifecycleInService,
			fleet.LifecycleTerminatingProceed, fleet.LifecycleTerminated} {
			if !slices.Contains(all, string(want)) {
				t.Errorf("states %q lack %s", all, want)
			}
		}
		for _, a := range w.activities() {
			if a.Status != fleet.ActivitySuccessful {
				t.Errorf("%+v", a)
			}
		}
	})
}

// ecs.md 5.9: a launch that is abandoned, or not completed in time with that default, ends the
// instance, and another one is launched after a pause.
func TestAbandonedLaunches(t *testing.T) {
	for what, c := range map[string]struct {
		result fleet.HookResult // "" if nobody completes the action
		why    string
	}{
		"completed": {fleet.Abandon, "Lifecycle Action Completed with ABANDON Result"},
		"timed out": {"", "Heartbeat Timeout"},
	} {
		t.Run(what, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				w.hook("up", fleet.WhenLaunching, 60, fleet.Abandon)
				w.want(1)
				w.after(10 * time.Second)
				first := w.members()[0]
				token := first.Scaling.Actions[0].Token
				if c.result != "" {
					w.complete(first.ID, "up", c.result)
				} else {
					w.after(time.Minute)
				}
				w.after(20 * time.Second)
				a := w.activities()[0]
				want := "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token " + token +
					" was abandoned: " + c.why
				if a.Status != fleet.ActivityCancelled || a.StatusMessage != want {
					t.Errorf("%s: %s", a.Status, a.StatusMessage)
				}
				old, _ := w.store.View().Instances.Get(first.ARN())
				if old.State != fleet.Terminated || w.lifecycle() != "Pending:Wait" || w.members()[0].ID == first.ID {
					t.Fatalf("%s, and now %s", old.State, w.lifecycle())
				}
				w.complete(w.members()[0].ID, "up", fleet.Continue)
				w.after(time.Second)
				if got := w.inService(); got != "a1" {
					t.Errorf("in service: %s", got)
				}
			})
		})
	}
}

// ecs.md 5.9: heartbeats restart the timer, up to the global timeout; then the default counts.
func TestHeartbeats(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.hook("up", fleet.WhenLaunching, 30, fleet.Continue)
		w.want(1)
		w.after(10 * time.Second)
		id := w.members()[0].ID
		beats := 0
		for w.lifecycle() == "Pending:Wait" && beats < 1000 {
			w.change(id, func(i *fleet.Instance) {
				c, _ := i.Heartbeat("up", time.Now())
				*i = *c
			})
			beats++
			w.after(20 * time.Second)
		}
		if w.inService() != "a1" || beats != 150 { // 100 times 30 seconds
			t.Errorf("%s after %d heartbeats", w.lifecycle(), beats)
		}
	})
}

// ecs.md 5.9: load balancers drain first, then the hook runs. Two hooks run at the same time.
func TestHooksComeAfterDraining(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.hook("one", fleet.WhenTerminating, 100, fleet.Continue)
		w.hook("two", fleet.WhenTerminating, 30, fleet.Continue)
		w.attach() // targets drain for a minute
		w.want(1)
		w.after(time.Minute)
		w.want(0)
		w.after(50 * time.Second)
		if got := w.lifecycle(); got != "Terminating" {
			t.Fatalf("while it drains: %s", got)
		}
		w.after(20 * time.Second)
		if got := w.lifecycle(); got != "Terminating:Wait" {
			t.Fatalf("after it has drained: %s", got)
		}
		w.after(60 * time.Second)
		if got := w.lifecycle(); got != "Terminating:Wait" {
			t.Fatalf("after the shorter one of two hooks: %s", got)
		}
		w.after(time.Minute)
		if got := w.lifecycle(); got != "" || w.driver.runs() != 0 {
			t.Errorf("%q, %d run", got, w.driver.runs())
		}
	})
}

// An abandoned termination does not wait for the other hooks (ecs.md 5.9).
func TestAbandonedTermination(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.hook("one", fleet.WhenTerminating, 7200, fleet.Continue)
		w.hook("two", fleet.WhenTerminating, 7200, fleet.Continue)
		w.want(1)
		w.after(time.Minute)
		id := w.members()[0].ID
		w.want(0)
		w.after(time.Minute)
		w.complete(id, "two", fleet.Abandon)
		w.after(time.Minute)
		if got := w.lifecycle(); got != "" {
			t.Error(got)
		}
	})
}

// Hooks hold neither instances that have ended by themselves nor those of a group that is deleted.
func TestHooksThatDoNotHold(t *testing.T) {
	for what, end := range map[string]func(w *world){
		"the group is deleted": func(w *world) {
			w.group(func(g *fleet.AutoScalingGroup) { g.Status, g.Desired = fleet.DeleteInProgress, 0 })
		},
		"the instance is terminated through EC2": func(w *world) {
			w.group(func(g *fleet.AutoScalingGroup) { g.Desired = 0 })
			w.after(time.Minute)
			w.change(w.members()[0].ID, func(i *fleet.Instance) { i.AskTermination(time.Now()) })
		},
	} {
		t.Run(what, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				w.hook("down", fleet.WhenTerminating, 7200, fleet.Continue)
				w.want(1)
				w.after(time.Minute)
				end(w)
				w.after(time.Minute)
				if got := w.lifecycle(); got != "" || w.driver.runs() != 0 {
					t.Errorf("%s, %d run", got, w.driver.runs())
				}
				if n := w.store.View().LifecycleHooks.Len(); (what == "the group is deleted") != (n == 0) {
					t.Errorf("%d hooks are left", n)
				}
			})
		})
	}
}

// A server that stops while instances wait goes on with what is left of their time.
func TestHooksSurviveARestart(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.hook("up", fleet.WhenLaunching, 60, fleet.Continue)
		w.want(2)
		w.after(10 * time.Second)
		before := fmt.Sprint(w.members()[0].Scaling.Actions)
		w.stop()
		w.after(30 * time.Second)
		w.run()
		w.after(10 * time.Second)
		if got := fmt.Sprint(w.members()[0].Scaling.Actions); got != before || w.lifecycle() != "Pending:Wait "+
			"Pending:Wait" {
			t.Errorf("%s, and was %s", got, before)
		}
		w.after(15 * time.Second)
		if got := w.inService(); got != "a1 b1" || w.driver.runs() != 2 {
			t.Errorf("in service: %s, %d run", got, w.driver.runs())
		}
	})
}
