package capacity

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/meter/compare"
	"github.com/berthhq/berth/internal/provider"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

func (s *stage) group() *fleet.AutoScalingGroup {
	g, _ := s.store.View().AutoScalingGroups.Get(fleet.Key(region, account, "g"))
	return g
}

// fire makes the action of an alarm of managed scaling due, as control/alarm does: 0 is the high one, 1 the low one.
func (s *stage) fire(which int) {
	s.t.Helper()
	s.put(func(tx *state.Tx) {
		p, _ := tx.CapacityProviders.Get(ecs.ProviderARN(clusterARN, "p"))
		c, _ := tx.Clusters.Get(clusterARN)
		a := provider.Alarms(p, s.group(), c, time.Now())[which]
		tx.DueActions.Put(&alarm.Due{Action: a.AlarmActions[0], Kind: alarm.GroupPolicy, AlarmARN: a.ARN,
			To: scaling.InAlarm, At: time.Now()})
	})
	if n := s.store.View().DueActions.Len(); n != 0 {
		s.t.Errorf("%d actions are left", n)
	}
}

// serve makes the group have as many instances in service as it wants, as control/fleet does.
func (s *stage) serve() {
	s.t.Helper()
	s.put(func(tx *state.Tx) {
		for n := range 10 {
			i := &fleet.Instance{ID: fmt.Sprint("i-", n), Region: region, Account: account, Desired: fleet.Running,
				Scaling: fleet.Membership{Group: "g", Lifecycle: fleet.LifecycleInService, InServiceAt: time.Now()}}
			old, there := tx.Instances.Get(i.ARN())
			switch {
			case n < s.group().Desired && !there:
				tx.Instances.Put(i)
			case n >= s.group().Desired && there:
				tx.Instances.Delete(old.ARN())
			}
		}
	})
}

func (s *stage) desired(want int) {
	s.t.Helper()
	if got := s.group().Desired; got != want {
		s.t.Errorf("the group should have %d instances, want %d", got, want)
	}
}

// The whole way, from an empty group and back (ecs.md 4.2 to 4.8).
func TestManagedScaling(t *testing.T) {
	play(t, func(s *stage) {
		tasks := s.ask(6)
		s.fire(0)
		s.desired(2) // two at first, whatever is needed
		if note := s.group().Note; !strings.HasSuffix(note, "Z a monitor alarm TargetTracking-g-AlarmHigh-high in "+
			"state ALARM triggered policy ECSManagedAutoScalingPolicy-policy changing the desired capacity "+
			"from 0 to 2.") {
			t.Errorf("the note is %q", note)
		}
		s.fire(0) // the action is due in each minute of the alarm
		s.desired(2)
		s.serve()
		s.register("i-0", "p")
		s.register("i-1", "p")
		s.expect(tasks, "i-0", "i-0", "i-1", "i-1", "-", "-")
		s.fire(0)
		s.desired(2) // they warm up (ecs.md 4.8)
		s.wait(300 * time.Second)
		s.fire(0)
		s.desired(3)
		s.serve()
		s.register("i-2", "p")
		s.expect(tasks, "i-0", "i-0", "i-1", "i-1", "i-2", "i-2")
		s.wait(10 * time.Minute)
		s.fire(0) // nothing waits any more
		s.fire(1)
		s.desired(3)

		for _, task := range tasks[2:] { // two instances become empty
			s.end(task)
		}
		s.fire(1)
		s.desired(3) // within 15 minutes of the scale-out (ecs.md 4.7)
		s.wait(5 * time.Minute)
		s.fire(1)
		s.desired(2) // at most half of them at a time
		s.serve()
		s.fire(1)
		s.desired(1)
		s.serve()
		s.fire(1)
		s.desired(1)
	})
}

// An action of managed scaling ends like those of other policies: the alarm's history has its result, and the group
// keeps the notes that it has already.
func TestResultOfAnAction(t *testing.T) {
	play(t, func(s *stage) {
		s.put(func(tx *state.Tx) {
			g := s.group().Clone()
			g.Note = "An earlier sentence."
			tx.AutoScalingGroups.Put(g)
		})
		s.ask(1)
		s.fire(0)
		if note := s.group().Note; !strings.HasPrefix(note, "An earlier sentence.  At ") ||
			!strings.HasSuffix(note, "changing the desired capacity from 0 to 2.") {
			t.Errorf("the note is %q", note)
		}
		s.put(func(tx *state.Tx) {
			g := s.group().Clone()
			g.Suspended = []fleet.SuspendedProcess{{Name: fleet.ProcessAlarm}}
			tx.AutoScalingGroups.Put(g)
		})
		s.fire(0)
		var results []string
		for a := range s.store.View().Alarms.All() {
			for h := range s.store.View().AlarmHistory.Prefix(alarm.HistoryPrefix(a.ARN)) {
				if h.Type == alarm.ActionItem {
					result, _, _ := strings.Cut(h.Summary, " action ")
					_, problem, _ := strings.Cut(h.Summary, "Received error: ")
					results = append(results, result+" "+problem)
				}
			}
		}
		want := []string{"Successfully executed ",
			`Failed to execute "the process AlarmNotification of the group is suspended"`}
		if !slices.Equal(results, want) {
			t.Errorf("the results in the history are %q, want %q", results, want)
		}
	})
}

// At the pace of seconds the alarms compare the points that the controller publishes.
func TestPaceOfSeconds(t *testing.T) {
	play(t, func(s *stage) {
		s.put(func(tx *state.Tx) {
			g := s.group().Clone()
			g.Tags = g.Tags.With(tag.Tag{Key: scaling.PaceTag, Value: string(scaling.PaceOfSeconds)})
			tx.AutoScalingGroups.Put(g)
		})
		s.wait(2 * time.Minute) // the controller looks again after a minute of AWS's pace
		p, _ := s.store.View().CapacityProviders.Get(ecs.ProviderARN(clusterARN, "p"))
		c, _ := s.store.View().Clusters.Get(clusterARN)
		for _, a := range provider.Alarms(p, s.group(), c, time.Now()) {
			pace := s.store.View().PaceOf(a, scaling.PaceOfAWS)
			if m := compare.Metric(a, a.Measure.Metric, pace); !s.namespaces[m.Namespace] ||
				m.Namespace == provider.Namespace {
				t.Errorf("%s compares points in %s, and there are points in %v", a.Name, m.Namespace, s.namespaces)
			}
		}
	})
}

// A group at its maximum: the services that wait are told once why (ecs.md 4.1).
func TestGroupAtItsMaximum(t *testing.T) {
	play(t, func(s *stage) {
		service := prefix + "service/c/web"
		s.put(func(tx *state.Tx) {
			g := s.group().Clone()
			g.Max = 1
			tx.AutoScalingGroups.Put(g)
			tx.Services.Put(&ecs.Service{ServiceARN: service, ServiceName: "web", ClusterARN: clusterARN,
				Status: ecs.ServiceActive})
		})
		s.ask(4)
		s.fire(0)
		s.desired(1)
		s.serve()
		s.register("i-0", "p")
		s.fire(0)
		s.fire(0)
		s.desired(1)
		var events []string
		for e := range s.store.View().ServiceEvents.By(state.ServiceEventsByService, service) {
			events = append(events, e.Message)
		}
		want := []string{"(service web) has tasks in PROVISIONING, and capacity provider p gets no more instances " +
			"for them: Auto Scaling group g has reached its maximum of 1 instances."}
		if !slices.Equal(events, want) {
			t.Errorf("the events are %q", events)
		}
	})
}

// An instance that never registers counts as coming capacity for five minutes, and then another one is launched.
func TestInstanceThatNeverRegisters(t *testing.T) {
	play(t, func(s *stage) {
		s.put(func(tx *state.Tx) {
			p, _ := tx.CapacityProviders.Get(ecs.ProviderARN(clusterARN, "p"))
			n := *p
			n.AutoScalingGroupProvider.ManagedScaling.InstanceWarmupPeriod = 0
			tx.CapacityProviders.Put(&n)
		})
		s.ask(1)
		s.fire(0)
		s.serve()
		s.wait(299 * time.Second)
		s.fire(0)
		s.desired(2)
		s.wait(time.Second)
		s.fire(0)
		s.desired(3)
	})
}

// The metric is published at the end of each minute (ecs.md 4.2): 100 without tasks and instances, 200 when the first
// tasks wait.
func TestReservationIsPublished(t *testing.T) {
	play(t, func(s *stage) {
		s.published()
		s.wait(time.Minute)
		s.ask(1, func(t *ecs.Task) { t.Need = ecs.Resources{CPU: 512, Memory: 512} })
		s.wait(time.Minute)
		synctest.Wait()
		want := []string{"00:00 CapacityProviderReservation 100", "00:01 CapacityProviderReservation 200"}
		if got := s.published(); !slices.Equal(got, want) {
			t.Errorf("the points are %q, want %q", got, want)
		}
	})
}

// Actions of other policies are left to others.
func TestOtherPoliciesAreLeftAlone(t *testing.T) {
	play(t, func(s *stage) {
		s.put(func(tx *state.Tx) {
			tx.DueActions.Put(&alarm.Due{Kind: alarm.GroupPolicy, AlarmARN: "a",
				Action: "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:x:autoScalingGroupName/g:" +
					"policyName/mine"})
		})
		if n := s.store.View().DueActions.Len(); n != 1 {
			t.Errorf("%d actions are left, want 1", n)
		}
	})
}
