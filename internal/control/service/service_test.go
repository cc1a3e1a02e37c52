package service

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/rollout"
	"github.com/berthhq/berth/internal/state"
)

func byZone(t *ecs.Task) string       { return t.AvailabilityZone }
func byDefinition(t *ecs.Task) string { return t.TaskDefinitionARN[len(t.TaskDefinitionARN)-1:] }
func all(*ecs.Task) string            { return "all" }

// settle lets d pass, and waits until everything that is due has happened.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func wantEvent(t *testing.T, w *world, part string) {
	t.Helper()
	if !slices.ContainsFunc(w.events(), func(m string) bool { return strings.Contains(m, part) }) {
		t.Errorf("no event has %q; there are:\n%s", part, strings.Join(w.events(), "\n"))
	}
}

// ecs.md 2.4: without a strategy tasks spread over zones.
func TestServiceReachesItsDesiredCountOverTheZones(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.instance("b", "us-east-1b")
		w.service(4, nil)
		settle(10 * time.Second)
		if got := w.running(byZone); got["us-east-1a"] != 2 || got["us-east-1b"] != 2 {
			t.Errorf("running by zone = %v, want two in each", got)
		}
		if s := w.get(); s.Primary().RolloutState != ecs.RolloutCompleted {
			t.Errorf("rollout state = %s, want COMPLETED", s.Primary().RolloutState)
		}
		wantEvent(t, w, "(service web) has started 4 tasks: (task ")
		wantEvent(t, w, "(service web) (deployment ecs-svc/1) deployment completed.")
		wantEvent(t, w, "(service web) has reached a steady state.")
	})
}

// One event says why tasks cannot be placed. They start when there is room (ecs.md 1.7.4).
func TestServiceWaitsForRoomAndSaysWhy(t *testing.T) {
	run(t, func(w *world) {
		w.service(2, nil)
		settle(time.Minute)
		wantEvent(t, w, "was unable to place a task because no container instance met all of its "+
			"requirements. Reason: No Container Instances were found in your cluster.")
		if n := len(w.events()); n != 1 {
			t.Errorf("%d events after a minute of waiting, want one:\n%s", n, strings.Join(w.events(), "\n"))
		}
		w.instance("a", "us-east-1a")
		settle(5 * time.Second)
		if got := w.running(all)["all"]; got != 2 {
			t.Errorf("%d tasks run after an instance came, want 2", got)
		}
		if w.get().LastComplaint != "" {
			t.Error("the complaint outlived its cause")
		}
	})
}

// During a rolling update there are never fewer tasks than the minimum or more than the maximum (ecs.md 3.2.1).
func TestRollingUpdateKeepsItsBounds(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.instance("b", "us-east-1b")
		w.service(4, func(s *ecs.Service) { s.DeploymentConfiguration.MaximumPercent = 150 })
		settle(10 * time.Second)
		w.deploy()
		for range 300 {
			settle(100 * time.Millisecond)
			live := 0
			for task := range w.store.View().Tasks.By(state.TasksByService, serviceARN) {
				if task.Live() {
					live++
				}
			}
			if n := w.running(all)["all"]; n < 4 {
				t.Fatalf("%d tasks run, want at least 4", n)
			}
			if live > 6 {
				t.Fatalf("%d tasks are live, want at most 6", live)
			}
		}
		if got := w.running(byDefinition); got["2"] != 4 || got["1"] != 0 {
			t.Errorf("running by revision = %v, want four of the second", got)
		}
		if s := w.get(); len(s.Deployments) != 1 || s.Primary().RolloutState != ecs.RolloutCompleted {
			t.Errorf("deployments = %+v, want the second alone, completed", s.Deployments)
		}
	})
}

// A task that ended is not started again; another one replaces it (ecs.md 1.5.6).
func TestAStoppedTaskIsReplaced(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.service(2, nil)
		settle(5 * time.Second)
		var victim *ecs.Task
		for task := range w.store.View().Tasks.By(state.TasksByService, serviceARN) {
			victim = task
		}
		w.put(func(tx *state.Tx) {
			tx.Tasks.Put(victim.Ended(ecs.EssentialContainerExited, "Essential container in task exited", time.Now()))
		})
		settle(5 * time.Second)
		if got := w.running(all)["all"]; got != 2 {
			t.Errorf("%d tasks run, want 2", got)
		}
	})
}

// Tasks on a DRAINING instance are replaced on others, within minimum and maximum (ecs.md 1.3.12).
func TestDrainingMovesTasksAway(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.service(2, nil)
		settle(5 * time.Second)
		w.instance("b", "us-east-1b")
		w.changeInstance("a", func(ci *ecs.ContainerInstance) { ci.Status = ecs.InstanceDraining })
		settle(20 * time.Second)
		if got := w.running(byZone); got["us-east-1b"] != 2 || got["us-east-1a"] != 0 {
			t.Errorf("running by zone = %v, want both tasks on the other instance", got)
		}
	})
}

// ecs.md 3.5: a deployment whose tasks never run fails, and is rolled back.
func TestCircuitBreakerRollsBack(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.fails = func(task *ecs.Task) bool { return task.TaskDefinitionARN == definition(2) }
		w.service(2, func(s *ecs.Service) {
			s.DeploymentConfiguration.DeploymentCircuitBreaker = &ecs.CircuitBreaker{Enable: true, Rollback: true}
		})
		settle(5 * time.Second)
		w.deploy()
		settle(5 * time.Minute)
		s := w.get()
		if s.Current().TaskDefinition != definition(1) || s.Primary().ID != "ecs-svc/1" ||
			s.Primary().RolloutState != ecs.RolloutCompleted {
			t.Errorf("primary %+v, want the first deployment completed again", s.Primary())
		}
		if got := w.running(byDefinition); got["1"] != 2 {
			t.Errorf("running by revision = %v, want two of the first", got)
		}
		wantEvent(t, w, "deployment failed: tasks failed to start.")
		wantEvent(t, w, "rolling back to deployment ecs-svc/1.")
	})
}

// ecs.md 3.1.1: a deleted service is DRAINING until its last task has stopped.
func TestDeletedServiceEnds(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.service(2, nil)
		settle(5 * time.Second)
		w.change(func(s *ecs.Service) { s.Status, s.DesiredCount = ecs.ServiceDraining, 0 })
		settle(5 * time.Second)
		if s := w.wanted(); s.Status != ecs.ServiceInactive {
			t.Errorf("status = %s, want INACTIVE", s.Status)
		}
		if got := w.running(all)["all"]; got != 0 {
			t.Errorf("%d tasks still run", got)
		}
	})
}

// A daemon service runs one task on each instance, and on new instances too (ecs.md 3.3).
func TestDaemonRunsEverywhere(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.service(0, func(s *ecs.Service) {
			s.SchedulingStrategy = ecs.Daemon
			s.DeploymentConfiguration = ecs.DeploymentConfiguration{MinimumHealthyPercent: 0, MaximumPercent: 100}
		})
		settle(5 * time.Second)
		w.instance("b", "us-east-1b")
		settle(5 * time.Second)
		if got := w.running(byZone); got["us-east-1a"] != 1 || got["us-east-1b"] != 1 {
			t.Errorf("running by zone = %v, want one in each", got)
		}
		// Clients consider a service stable when as many tasks run as desired.
		if p := w.get(); p.DesiredCount(w.wanted()) != 2 || p.Primary().DesiredCount != 2 {
			t.Errorf("the service desires %d tasks and its deployment %d, want one for each instance",
				p.DesiredCount(w.wanted()), p.Primary().DesiredCount)
		}
	})
}

// The tasks on an instance matter to a daemon service only while the instance is draining; others are not looked at.
func TestPlacesLookAtDrainingInstances(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.service(1, nil)
		settle(time.Minute)
		places := func() []rollout.Place {
			return (&cluster{t: &w.store.View().Tables, svc: w.wanted(), worlds: new(worlds)}).Places()
		}
		if p := places(); len(p) != 1 || p[0].OtherTasks != 0 || p[0].Draining {
			t.Errorf("%+v", p)
		}
		w.changeInstance("a", func(i *ecs.ContainerInstance) { i.Status = ecs.InstanceDraining })
		if p := places(); len(p) != 1 || p[0].OtherTasks != 1 || !p[0].Draining {
			t.Errorf("%+v", p)
		}
	})
}

// The task of a daemon service stays on a draining instance for as long as another task is there, and stops after that
// one (ecs.md 1.3.12).
func TestDaemonLeavesADrainingInstanceLast(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.service(0, daemon)
		settle(5 * time.Second)
		other := &ecs.Task{TaskARN: "arn:aws:ecs:us-east-1:123456789012:task/c/other", ClusterARN: clusterARN,
			ContainerInstanceARN: instanceARN("a"),
			LastStatus:           ecs.Running, DesiredStatus: ecs.Running}
		w.put(func(tx *state.Tx) {
			tx.Tasks.Put(other)
			ci, _ := tx.ContainerInstances.Get(instanceARN("a"))
			n := *ci
			n.Status = ecs.InstanceDraining
			tx.ContainerInstances.Put(&n)
		})
		settle(time.Minute)
		if got := w.running(byZone)["us-east-1a"]; got != 1 {
			t.Fatalf("%d tasks of the daemon beside another task, want 1", got)
		}
		w.put(func(tx *state.Tx) { tx.Tasks.Put(other.Stop(ecs.UserInitiated, "x", time.Now())) })
		settle(time.Minute)
		if got := w.running(byZone)["us-east-1a"]; got != 0 {
			t.Errorf("%d tasks of the daemon when all others have left, want 0", got)
		}
	})
}

// The controller does nothing for a service in steady state: its own writes must not wake it.
func TestSteadyServiceIsQuiet(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.service(1, nil)
		settle(10 * time.Second)
		before := w.store.View().Rev
		settle(time.Hour)
		if after := w.store.View().Rev; after != before {
			t.Errorf("%d transactions in an hour of steady state", after-before)
		}
	})
}

// Tasks behind a load balancer are drained before they stop, and the event names their deployment (ecs.md 1.7.4,
// 3.2.6).
func TestDrainingIsToldOfTheDeploymentThatDrains(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.service(2, nil)
		settle(5 * time.Second)
		w.put(func(tx *state.Tx) {
			for task := range tx.Tasks.By(state.TasksByService, serviceARN) {
				n := *task
				n.Targets = []ecs.TaskTarget{{TargetGroupARN: "tg", ID: "i", Port: 1}}
				tx.Tasks.Put(&n)
			}
		})
		w.deploy()
		settle(time.Minute)
		wantEvent(t, w, "(service web, taskSet ecs-svc/1) has begun draining connections on ")
		if got := told(w, "taskSet ecs-svc/2"); got != 0 {
			t.Errorf("%d events of a deployment that does not drain", got)
		}
	})
}

// ecs.md 1.7.4: the event about a failing target names the task by its id, as all events do, and
// comes before what is done about it.
func TestUnhealthyTargetsAreToldFirst(t *testing.T) {
	run(t, func(w *world) {
		const group = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/tg/1"
		var id string
		w.instance("a", "us-east-1a")
		w.revision.LoadBalancers = []ecs.LoadBalancer{{TargetGroupARN: group, ContainerName: "web", ContainerPort: 80}}
		w.service(1, func(s *ecs.Service) {
			s.DeploymentConfiguration = ecs.DeploymentConfiguration{MinimumHealthyPercent: 0, MaximumPercent: 100}
		})
		settle(5 * time.Second)
		registered := time.Now()
		w.put(func(tx *state.Tx) {
			tx.Rules.Put(&elb.Rule{ARN: "r", Actions: []elb.Action{{Type: "forward", Forward: &elb.Forward{
				TargetGroups: []elb.WeightedGroup{{ARN: group, Weight: 1}},
			}}}})
			tx.Targets.Put(&elb.Target{TargetGroupARN: group, ID: "i-1", Port: 80, Registered: registered})
			tx.TargetHealth.Put(&elb.TargetHealth{Verdict: elb.Verdict{Key: elb.TargetKey(group, "i-1", 80),
				Registered: registered, State: elb.Unhealthy, Description: "Health checks failed"}})
			for task := range tx.Tasks.By(state.TasksByService, serviceARN) {
				n := *task
				n.Targets = []ecs.TaskTarget{{TargetGroupARN: group, ID: "i-1", Port: 80}}
				tx.Tasks.Put(&n)
				id = arn.LastID(n.TaskARN)
			}
		})
		settle(5 * time.Second)
		var got []string
		for _, m := range w.events() {
			if strings.Contains(m, id) {
				got = append(got, m)
			}
		}
		want := []string{"(service web) has started 1 tasks: (task " + id + ").", "(service web) (task " + id +
			") (port 80) is unhealthy in (target-group " + group + ") due to (reason Health checks failed)",
			"(service web) has stopped 1 running tasks: (task " + id + ")."}
		if !slices.Equal(got, want) {
			t.Errorf("events %q, want %q", got, want)
		}
	})
}

// The service is woken when something changes that decides whether a target counts as healthy: its health, its
// registration, and whether a rule forwards to it.
func TestServicesHearOfTheirLoadBalancers(t *testing.T) {
	run(t, func(w *world) {
		const group = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/tg/1"
		w.revision.LoadBalancers = []ecs.LoadBalancer{{TargetGroupARN: group, ContainerName: "web", ContainerPort: 80}}
		w.service(0, nil)
		c := New(Config{})
		rule := &elb.Rule{Actions: []elb.Action{{
			Type: "forward", Forward: &elb.Forward{TargetGroups: []elb.WeightedGroup{{ARN: group, Weight: 1}}},
		}}}
		target, key := &elb.Target{TargetGroupARN: group}, elb.TargetKey(group, "i-1", 80)
		health := &elb.TargetHealth{Verdict: elb.Verdict{Key: key}}
		for _, ch := range []state.Change{
			state.Changed[elb.TargetHealth]{Key: key, New: health},
			state.Changed[elb.TargetHealth]{Key: key, Old: health},
			state.Changed[elb.Target]{New: target}, state.Changed[elb.Target]{Old: target},
			state.Changed[elb.Rule]{New: rule}, state.Changed[elb.Rule]{Old: rule},
		} {
			if keys := c.Keys(ch, w.store.View()); !slices.Equal(keys, []string{serviceARN}) {
				t.Errorf("%s makes dirty %q", ch, keys)
			}
		}
	})
}

// An event about a problem that lasts is repeated every 6 hours. If the problem ends and begins again, there is a new
// event (ecs.md 1.7.4). In this test nothing else wakes the service meanwhile.
func TestEventsAreRepeated(t *testing.T) {
	count := func(w *world, part string) (n int) {
		for _, e := range w.events() {
			if strings.Contains(e, part) {
				n++
			}
		}
		return n
	}
	const stuck = "was unable to stop or start tasks during a deployment"
	for _, c := range []struct {
		name, message string
		begin, end    func(w *world)
	}{
		{"no instance", "unable to place a task", func(w *world) { w.service(1, nil) },
			func(w *world) { w.change(func(s *ecs.Service) { s.DesiredCount = 0 }) }},
		{"no task definition", "was unable to place a task. Reason: the task definition", func(w *world) {
			w.service(0, nil)
			w.start("3", definition(3))
			w.change(func(s *ecs.Service) { s.DesiredCount = 1 })
		}, func(w *world) { w.change(func(s *ecs.Service) { s.DesiredCount = 0 }) }},
		{"steady", "has reached a steady state", func(w *world) {
			w.instance("a", "us-east-1a")
			w.service(1, nil)
		}, nil},
		{"a deployment that cannot move", stuck, func(w *world) {
			w.instance("a", "us-east-1a")
			w.service(1, func(s *ecs.Service) { s.DeploymentConfiguration.MaximumPercent = 100 })
			time.Sleep(time.Minute)
			w.deploy()
		}, func(w *world) { w.change(func(s *ecs.Service) { s.DeploymentConfiguration.MaximumPercent = 200 }) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, func(w *world) {
				c.begin(w)
				for n := range 3 { // at 1 min, 6 h 1 min, 12 h 1 min
					time.Sleep(time.Minute)
					synctest.Wait()
					if got := count(w, c.message); got != n+1 {
						t.Fatalf("told %d times after %d h: %q", got, 6*n, w.events())
					}
					time.Sleep(6*time.Hour - 2*time.Minute)
					synctest.Wait()
					if got := count(w, c.message); got != n+1 {
						t.Fatalf("told %d times after %d h: %q", got, 6*n+5, w.events())
					}
					time.Sleep(time.Minute)
				}
				if c.end == nil {
					return
				}
				c.end(w)
				time.Sleep(time.Minute)
				synctest.Wait()
				if why := w.get().LastComplaint; why != "" {
					t.Errorf("it has ended and is still complained of: %s", why)
				}
			})
		})
	}
}

// If the subnet of a zone is full, the tasks of that zone do not start, and an event says so. The others start (ecs.md
// 1.6).
func TestFullSubnetHoldsUpItsOwnTasks(t *testing.T) {
	run(t, func(w *world) {
		subnets := fleet.Subnets("us-east-1", "123456789012")
		w.put(func(tx *state.Tx) {
			d, _ := tx.TaskDefinitions.Get(definition(1))
			c := *d
			c.NetworkMode = ecs.NetworkAwsvpc
			tx.TaskDefinitions.Put(&c)
			full := netip.MustParsePrefix("172.31.0.0/20")
			for i, ip := 0, full.Addr(); full.Contains(ip); i, ip = i+1, ip.Next() {
				tx.Tasks.Put(&ecs.Task{TaskARN: fmt.Sprintf("arn:aws:ecs:us-east-1:123456789012:task/other/%d", i),
					LastStatus: ecs.Running, DesiredStatus: ecs.Running,
					Attachments: []ecs.Attachment{{Type: "ElasticNetworkInterface",
						Details: []ecs.KeyValuePair{{Name: "privateIPv4Address", Value: ip.String()}}}}})
			}
		})
		w.instance("a", "us-east-1a")
		w.instance("b", "us-east-1b")
		w.revision.NetworkConfiguration = &ecs.NetworkConfiguration{
			AwsvpcConfiguration: &ecs.AwsvpcConfiguration{Subnets: []string{subnets[0].ID, subnets[1].ID}}}
		w.service(4, nil)
		settle(30 * time.Second)
		if got := w.running(byZone); got["us-east-1a"] != 0 || got["us-east-1b"] < 2 {
			t.Errorf("running by zone: %v", got)
		}
		wantEvent(t, w, "was unable to place a task. Reason: The subnet "+subnets[0].ID+" has no free address left.")
	})
}
