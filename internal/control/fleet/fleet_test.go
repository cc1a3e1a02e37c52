package fleet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/role"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

// in runs a test in a synctest bubble.
func in(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer func() { w.close() }()
		test(t, w)
	})
}

// A new group launches its desired number of instances, spread over its zones (ecs.md 5.1, 5.5).
func TestGroupLaunchesOverZones(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.group(func(g *fleet.AutoScalingGroup) {
			g.Desired = 3
			g.Note = fleet.NoteCreated(time.Now(), 3)
			g.Tags = tag.Set{{Key: "team", Value: "chat", Propagate: true}, {Key: "private", Value: "x"}}
		})
		w.after(time.Second)
		for _, m := range w.members() {
			if m.State != fleet.Pending || m.Scaling.Lifecycle != fleet.LifecyclePending {
				t.Errorf("%s is %s and %s after a second", m.ID, m.State, m.Scaling.Lifecycle)
			}
		}
		w.after(10 * time.Second)
		if got := w.inService(); got != "a2 b1" {
			t.Fatalf("in service: %s", got)
		}
		addresses := map[netip.Addr]bool{}
		for _, m := range w.members() {
			addresses[m.Address] = true
			tags := m.Tags.Map()
			if tags["team"] != "chat" || tags["private"] != "" || tags["aws:autoscaling:groupName"] != "g" {
				t.Errorf("tags %v", m.Tags)
			}
			if m.Machine.Phase != fleet.PhaseUp {
				t.Errorf("machine %+v", m.Machine)
			}
		}
		if len(addresses) != 3 {
			t.Errorf("addresses %v", addresses)
		}
		line := "Successful | Launching a new EC2 instance: ID | At 2000-01-01T00:00:00Z a user request " +
			"created an AutoScalingGroup changing the desired capacity from 0 to 3.  " +
			"At 2000-01-01T00:00:00Z an instance was started in response to a difference between desired " +
			"and actual capacity, increasing the capacity from 0 to 3.\n"
		if got := w.transcript(); got != strings.Repeat(line, 3) {
			t.Errorf("activities:\n%s", got)
		}
	})
}

func TestScaleOutAndIn(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.want(1)
		w.after(time.Minute)
		w.want(4)
		w.after(time.Minute)
		if got := w.inService(); got != "a2 b2" {
			t.Fatalf("in service: %s", got)
		}
		w.want(2)
		w.after(time.Minute)
		if got := w.inService(); got != "a1 b1" || w.driver.runs() != 2 {
			t.Fatalf("in service: %s, %d run", got, w.driver.runs())
		}
		got := strings.Split(w.transcript(), "\n")
		want := "Successful | Terminating EC2 instance: ID | At 2000-01-01T00:02:00Z a user request " +
			"explicitly set group desired capacity changing the desired capacity from 4 to 2.  " +
			"At 2000-01-01T00:02:00Z an instance was taken out of service in response to a difference " +
			"between desired and actual capacity, shrinking the capacity from 4 to 2.  " +
			"At 2000-01-01T00:02:00Z instance ID was selected for termination."
		if len(got) != 7 || got[4] != want || got[5] != want {
			t.Errorf("activities:\n%s", strings.Join(got, "\n"))
		}
	})
}

// Unhealthy instances are replaced (ecs.md 5.6).
func TestReplacement(t *testing.T) {
	for name, c := range map[string]struct {
		hurt func(w *world, id string)
		why  string
	}{
		"the agent is dead for good": {func(w *world, id string) { w.driver.die(id) }, fleet.WhyImpaired},
		"terminated through EC2": {func(w *world, id string) {
			w.change(id, func(i *fleet.Instance) { i.AskTermination(time.Now()) })
		}, fleet.WhyGone},
		"stopped through EC2": {func(w *world, id string) {
			w.change(id, func(i *fleet.Instance) { i.Desired = fleet.Stopped })
		}, fleet.WhyGone},
		"a user says so": {func(w *world, id string) {
			w.change(id, func(i *fleet.Instance) {
				i.Scaling.Health, i.Scaling.HealthCause = fleet.Unhealthy, fleet.WhyUser
			})
		}, fleet.WhyUser},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				w.want(2)
				w.after(time.Minute)
				hurt := w.members()[0]
				c.hurt(w, hurt.ID)
				w.after(time.Minute)
				if got := w.inService(); got != "a1 b1" || w.driver.runs() != 2 {
					t.Errorf("in service: %s, %d run", got, w.driver.runs())
				}
				gone, _ := w.store.View().Instances.Get(hurt.ARN())
				if gone.State != fleet.Terminated || gone.Scaling.Member() {
					t.Errorf("the old instance is %s, member %v", gone.State, gone.Scaling.Member())
				}
				got := w.transcript()
				for _, want := range []string{
					"Successful | Terminating EC2 instance: ID | At 2000-01-01T00:01:00Z an instance was " +
						"taken out of service in response to " + c.why + ".\n",
					"Successful | Launching a new EC2 instance: ID | At 2000-01-01T00:01:00Z an instance " +
						"was launched in response to an unhealthy instance needing to be replaced.\n",
				} {
					if !strings.Contains(got, want) {
						t.Errorf("activities:\n%s\nlack %s", got, want)
					}
				}
			})
		})
	}
}

// ecs.md 5.4: within the grace period a failed status check does not count.
func TestGracePeriod(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.group(func(g *fleet.AutoScalingGroup) { g.Desired, g.GracePeriod = 1, 300 })
		w.after(time.Minute)
		old := w.members()[0].ID
		w.driver.die(old)
		w.after(2 * time.Minute)
		if w.members()[0].ID != old {
			t.Error("replaced within the grace period")
		}
		w.after(5 * time.Minute)
		if m := w.members(); len(m) != 1 || m[0].ID == old {
			t.Errorf("not replaced after it: %v", m)
		}
	})
}

func TestFailedLaunchesPauseAndGoOn(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.driver.breakWith(errors.New("the agent cannot be started: no such file"))
		w.want(1)
		w.after(10 * time.Minute)
		failed := 0
		for _, a := range w.activities() {
			if a.Status == fleet.ActivityFailed {
				failed++
				if want := "Server.InternalError: Internal error on launch: the agent cannot be started: " +
					"no such file.  Launching EC2 instance failed."; a.StatusMessage != want {
					t.Errorf("message %q, want %q", a.StatusMessage, want)
				}
			}
		}
		if failed < 4 || failed > 8 { // after 0, 5, 15, 35, 75, 155, 315, 615 s
			t.Errorf("%d failed launches in ten minutes", failed)
		}
		w.driver.breakWith(nil)
		w.after(10 * time.Minute)
		if got := w.inService(); got != "a1" {
			t.Errorf("in service: %q", got)
		}
		if g, _ := w.store.View().AutoScalingGroups.Get(groupKey); g.LaunchFailures != 0 {
			t.Errorf("failures are still counted: %d", g.LaunchFailures)
		}
	})
}

// Resources that a launch needs may be deleted after the launch configuration was made. Then the launch fails with
// EC2's message, is tried again, and succeeds once they are there again.
func TestLaunchWithoutItsProfile(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.update(func(tx *state.Tx) {
			lc, _ := tx.LaunchConfigurations.Get(fleet.Key(region, account, "lc"))
			c := *lc
			c.Data.Profile = "p"
			tx.LaunchConfigurations.Put(&c)
		})
		w.want(1)
		w.after(time.Minute)
		for _, a := range w.activities() {
			if want := "Value (p) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance " +
				"Profile name.  Launching EC2 instance failed."; a.StatusMessage != want ||
				a.Status != fleet.ActivityFailed {
				t.Errorf("%s with message %q, want %q", a.Status, a.StatusMessage, want)
			}
		}
		if n := len(w.activities()); n < 2 || len(w.members()) != 0 {
			t.Errorf("%d tries, %d instances", n, len(w.members()))
		}
		w.update(func(tx *state.Tx) {
			tx.InstanceProfiles.Put(&role.InstanceProfile{Account: account, Name: "p", Path: "/"})
		})
		w.after(10 * time.Minute)
		if got := w.inService(); got != "a1" {
			t.Errorf("in service: %q", got)
		}
	})
}

// Protected instances are not terminated, and the group has one activity about it (ecs.md 5.8).
func TestProtectedInstancesStay(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.group(func(g *fleet.AutoScalingGroup) { g.Desired, g.NewProtected = 2, true })
		w.after(time.Minute)
		w.want(0)
		w.after(time.Hour)
		if got := w.inService(); got != "a1 b1" {
			t.Errorf("in service: %q", got)
		}
		if n := strings.Count(w.transcript(), "Could not scale to desired capacity because all remaining "+
			"instances are protected from scale-in."); n != 1 {
			t.Errorf("told %d times:\n%s", n, w.transcript())
		}
		for _, m := range w.members() {
			w.change(m.ID, func(i *fleet.Instance) { i.Scaling.Protected = false })
		}
		w.after(time.Minute)
		if got := w.inService(); got != "" {
			t.Errorf("in service: %q", got)
		}
	})
}

// When instances are moved between zones, new ones are launched before old ones are terminated (ecs.md 5.5).
func TestRebalancing(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.group(func(g *fleet.AutoScalingGroup) { g.Desired, g.Zones = 4, []string{"us-east-1a"} })
		w.after(time.Minute)
		w.group(func(g *fleet.AutoScalingGroup) { g.Zones = []string{"us-east-1a", "us-east-1b", "us-east-1c"} })
		for range 60 {
			w.after(time.Second)
			if n := w.driver.runs(); n < 4 || n > 6 {
				t.Fatalf("%d instances run while rebalancing", n)
			}
		}
		if got := w.inService(); got != "a2 b1 c1" {
			t.Errorf("in service: %q", got)
		}
		before := len(w.activities())
		w.after(time.Hour)
		if after := len(w.activities()); after != before {
			t.Errorf("it does not come to rest: %d activities, then %d", before, after)
		}
	})
}

func TestSuspendedProcesses(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.group(func(g *fleet.AutoScalingGroup) {
			g.Desired, g.Suspended = 2, []fleet.SuspendedProcess{{Name: fleet.ProcessLaunch}}
		})
		w.after(time.Hour)
		if len(w.members()) != 0 {
			t.Error("launched although Launch is suspended")
		}
		w.group(func(g *fleet.AutoScalingGroup) {
			g.Suspended = []fleet.SuspendedProcess{{Name: fleet.ProcessTerminate}}
		})
		w.after(time.Minute)
		w.want(0)
		w.after(time.Hour)
		if got := w.inService(); got != "a1 b1" {
			t.Errorf("terminated although Terminate is suspended: %q", got)
		}
	})
}

func TestDeletedGroupEndsItsInstancesAndGoes(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.want(3)
		w.after(time.Minute)
		w.group(func(g *fleet.AutoScalingGroup) { g.Status = fleet.DeleteInProgress })
		w.after(time.Minute)
		if _, ok := w.store.View().AutoScalingGroups.Get(groupKey); ok || w.driver.runs() != 0 {
			t.Errorf("group there: %v, %d instances run", ok, w.driver.runs())
		}
		if n := len(w.activities()); n != 6 {
			t.Errorf("%d activities are left of 6", n)
		}
	})
}

// After a restart, the controller passes every instance to the driver again and launches none.
func TestRestart(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.want(2)
		w.after(time.Minute)
		before := w.members()
		w.stop()
		w.driver.mu.Lock()
		w.driver.starts = nil
		w.driver.mu.Unlock()
		w.run()
		w.after(time.Minute)
		slices.Sort(w.driver.starts)
		want := []string{before[0].ID, before[1].ID}
		slices.Sort(want)
		if !slices.Equal(w.driver.starts, want) {
			t.Errorf("started %v, want %v", w.driver.starts, want)
		}
		if now := w.members(); len(now) != 2 || now[0].ID != before[0].ID {
			t.Errorf("members are %v, were %v", now, before)
		}
	})
}

func TestRestartInTheMiddleOfALaunch(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.want(2)
		w.after(time.Second)
		w.stop()
		w.run()
		w.after(time.Minute)
		if got := w.inService(); got != "a1 b1" || len(w.activities()) != 2 {
			t.Errorf("in service %q\n%s", got, w.transcript())
		}
	})
}

// An instance outside of any group: pending, running, shutting-down, terminated, described for an hour, gone.
func TestLifeOfAnInstance(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		slot := fleet.Subnets(region, account)[0]
		i := fleet.NewInstance("i-1", "r-1", slot, fleet.LaunchData{InstanceType: "t2.micro"},
			netip.MustParseAddr("127.0.1.2"), time.Now())
		w.update(func(tx *state.Tx) { tx.Instances.Put(i) })
		state := func() fleet.InstanceState {
			now, ok := w.store.View().Instances.Get(i.ARN())
			if !ok {
				return "gone"
			}
			return now.State
		}
		expect := func(d time.Duration, want fleet.InstanceState) {
			t.Helper()
			w.after(d)
			if got := state(); got != want {
				t.Fatalf("state %s, want %s", got, want)
			}
		}
		expect(time.Second, fleet.Pending)
		expect(2*time.Second, fleet.Running)
		w.change("i-1", func(i *fleet.Instance) { i.Desired = fleet.Stopped })
		expect(500*time.Millisecond, fleet.Stopping)
		expect(2*time.Second, fleet.Stopped)
		w.change("i-1", func(i *fleet.Instance) { i.Desired = fleet.Running })
		expect(time.Second, fleet.Pending)
		expect(2*time.Second, fleet.Running)
		w.change("i-1", func(i *fleet.Instance) { i.AskTermination(time.Now()) })
		expect(500*time.Millisecond, fleet.ShuttingDown)
		expect(2*time.Second, fleet.Terminated)
		expect(50*time.Minute, fleet.Terminated)
		expect(11*time.Minute, "gone")
		if !slices.Equal(w.driver.forgot, []string{"i-1"}) {
			t.Errorf("forgot %v", w.driver.forgot)
		}
	})
}

// An instance that cannot be ended, for instance because Docker does not answer, stays shutting-down with the reason.
// The controller tries again until it succeeds.
func TestStopThatFails(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.want(1)
		w.after(time.Minute)
		m := w.members()[0]
		w.driver.stickWith(func() error { return errors.New("removing its containers: no Docker") })
		w.want(0)
		w.after(10 * time.Minute)
		i, _ := w.store.View().Instances.Get(m.ARN())
		if i.State != fleet.ShuttingDown || i.Machine.Reason != "removing its containers: no Docker" {
			t.Errorf("instance %s, %+v", i.State, i.Machine)
		}
		if a := w.activities()[1]; a.Status != fleet.ActivityInProgress || a.StatusMessage != i.Machine.Reason {
			t.Errorf("activity %+v", a)
		}
		w.driver.stickWith(nil)
		w.after(10 * time.Minute)
		if i, _ = w.store.View().Instances.Get(m.ARN()); i.State != fleet.Terminated || i.Machine.Reason != "" {
			t.Errorf("instance %s, %+v", i.State, i.Machine)
		}
	})
}

// If the text of a cause differs at each try only in process numbers, ids or times, it is written once. Another cause
// is written again.
func TestStopThatFailsInOtherWords(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.want(1)
		w.after(time.Minute)
		m := w.members()[0]
		tries := 0
		w.driver.stickWith(func() error {
			tries++
			return fmt.Errorf("container %08x: dial tcp 127.0.0.1:%d: connection refused after %v",
				tries*7919, 30000+tries, time.Duration(tries)*time.Millisecond)
		})
		sub := state.Subscribe(w.store, func(c state.Change, _ *state.Snapshot) []string {
			i, ok := c.(state.Changed[fleet.Instance])
			if !ok || i.New == nil || i.New.Machine.Reason == "" {
				return nil
			}
			return []string{i.New.Machine.Reason}
		})
		defer sub.Close()
		w.want(0)
		w.after(time.Hour)
		if tries < 100 {
			t.Fatalf("%d tries", tries)
		}
		if reasons, err := sub.Next(t.Context()); err != nil || len(reasons) != 1 {
			t.Errorf("%d rows were written in %d tries: %.3q %v", len(reasons), tries, reasons, err)
		}
		w.driver.stickWith(func() error { return errors.New("container 12: permission denied") })
		w.after(time.Minute)
		if i, _ := w.store.View().Instances.Get(m.ARN()); i.Machine.Reason != "container 12: permission denied" {
			t.Errorf("reason %q", i.Machine.Reason)
		}
	})
}

func TestReboot(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.want(1)
		w.after(time.Minute)
		m := w.members()[0]
		w.change(m.ID, func(i *fleet.Instance) { i.Reboot = true })
		w.after(time.Second * 2)
		if w.driver.runs() != 0 {
			t.Error("it did not go down")
		}
		w.after(time.Minute)
		if i, _ := w.store.View().Instances.Get(m.ARN()); i.Reboot || i.State != fleet.Running ||
			w.driver.runs() != 1 || w.inService() != "a1" {
			t.Errorf("after a reboot: %+v", i)
		}
	})
}

func TestOldActivitiesGo(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.want(1)
		w.after(41 * 24 * time.Hour)
		if len(w.activities()) != 1 {
			t.Error("gone too early")
		}
		w.after(2 * 24 * time.Hour)
		if len(w.activities()) != 0 {
			t.Error("still there after six weeks")
		}
	})
}

// A group keeps its newest 2,000 activities, and older ones that have not ended. Other groups keep theirs.
func TestActivitiesBeyondTheMostGo(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		put := func(group string, from, to int) {
			w.update(func(tx *state.Tx) {
				for k := from; k < to; k++ {
					a := &fleet.Activity{ID: fmt.Sprint(k), Region: "us-east-1", Account: "1", Group: group,
						Start: time.Now().Add(time.Duration(k-3000) * time.Second)}
					if k > 0 {
						a.End = time.Now()
					}
					tx.Activities.Put(a)
				}
			})
			w.after(time.Second)
		}
		ids := func(group string) (first, second string, n int) {
			for a := range w.store.View().Activities.Prefix(fleet.ActivityPrefix("us-east-1", "1", group)) {
				switch n++; n {
				case 1:
					first = a.ID
				case 2:
					second = a.ID
				}
			}
			return first, second, n
		}
		put("busy", 0, 2000)
		put("other", 0, 10)
		if first, second, n := ids("busy"); first != "0" || second != "1" || n != 2000 {
			t.Errorf("%d activities from %s and %s on, want all 2000", n, first, second)
		}
		put("busy", 2000, 2005)
		if first, second, n := ids("busy"); first != "0" || second != "5" || n != 2001 {
			t.Errorf("%d activities from %s and %s on, want the open one and those from 5 on", n, first, second)
		}
		if _, _, n := ids("other"); n != 10 {
			t.Errorf("%d activities of another group, want 10", n)
		}
		w.after(43 * 24 * time.Hour)
		if first, _, n := ids("busy"); first != "0" || n != 1 {
			t.Errorf("%d activities from %s on after six weeks, want the open one", n, first)
		}
	})
}
