package service

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

func rebalanced(s *ecs.Service) { s.AvailabilityZoneRebalancing = ecs.RebalancingEnabled }

// told returns the number of events that contain a text.
func told(w *world, part string) int {
	n := 0
	for _, m := range w.events() {
		if strings.Contains(m, part) {
			n++
		}
	}
	return n
}

// ecs.md 2.8: an instance in an empty zone gets its share of the tasks, one by one, each started before one is stopped.
func TestTasksMoveToAnEmptyZone(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.service(4, rebalanced)
		settle(10 * time.Second)
		w.instance("b", "us-east-1b")
		for range 400 {
			settle(50 * time.Millisecond)
			live := 0
			for task := range w.store.View().Tasks.By(state.TasksByService, serviceARN) {
				if task.Live() {
					live++
				}
			}
			if n := w.running(all)["all"]; n < 4 || live > 5 {
				t.Fatalf("%d tasks run and %d are live, want at least 4 and at most one more", n, live)
			}
		}
		if got := w.running(byZone); got["us-east-1a"] != 2 || got["us-east-1b"] != 2 {
			t.Errorf("running by zone = %v, want two in each", got)
		}
		if w.get().Rebalancing || told(w, "has started to rebalance its tasks") != 1 ||
			told(w, "has stopped rebalancing its tasks") != 1 {
			t.Errorf("rebalancing %v, events:\n%s", w.get().Rebalancing, strings.Join(w.events(), "\n"))
		}
		before := w.store.View().Rev
		settle(time.Hour)
		if after := w.store.View().Rev; after != before {
			t.Errorf("%d transactions in an hour of balance", after-before)
		}
	})
}

func TestTasksStayWhereTheyAre(t *testing.T) {
	for name, edit := range map[string]func(*ecs.Service){
		"not asked for": func(s *ecs.Service) { s.AvailabilityZoneRebalancing = ecs.RebalancingDisabled },
		"never set":     func(s *ecs.Service) { s.AvailabilityZoneRebalancing = "" },
		"no room": func(s *ecs.Service) {
			rebalanced(s)
			s.DeploymentConfiguration = ecs.DeploymentConfiguration{MaximumPercent: 100}
		},
		"other strategy": func(s *ecs.Service) {
			rebalanced(s)
			s.PlacementStrategy = []ecs.PlacementStrategy{{Type: "binpack", Field: "cpu"}}
		},
		"other zone ruled out": func(s *ecs.Service) {
			rebalanced(s)
			s.PlacementConstraints = []ecs.PlacementConstraint{{Type: "memberOf", Expression: "attribute:stack exists"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				w.instance("a", "us-east-1a")
				w.changeInstance("a", func(ci *ecs.ContainerInstance) {
					ci.Attributes = append(ci.Attributes, ecs.Attribute{Name: "stack"})
				})
				w.service(4, edit)
				settle(10 * time.Second)
				w.instance("b", "us-east-1b")
				settle(time.Minute)
				if got := w.running(byZone); got["us-east-1a"] != 4 || w.get().Rebalancing {
					t.Errorf("running by zone = %v, want all where they were", got)
				}
			})
		})
	}
}

// While a task is protected, the service is not rebalanced (ecs.md 2.8).
func TestProtectionHoldsRebalancingOff(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.service(2, rebalanced)
		settle(10 * time.Second)
		w.put(func(tx *state.Tx) {
			for task := range tx.Tasks.By(state.TasksByService, serviceARN) {
				n := *task
				n.ProtectedUntil = time.Now().Add(time.Minute)
				tx.Tasks.Put(&n)
			}
		})
		w.instance("b", "us-east-1b")
		settle(59 * time.Second)
		if got := w.running(byZone); got["us-east-1a"] != 2 || got["us-east-1b"] != 0 {
			t.Errorf("running by zone = %v under protection", got)
		}
		settle(20 * time.Second)
		if got := w.running(byZone); got["us-east-1a"] != 1 || got["us-east-1b"] != 1 {
			t.Errorf("running by zone = %v after it, want one in each", got)
		}
	})
}

// ecs.md 2.8: a deployment ends rebalancing, and spreads its own tasks.
func TestDeploymentEndsRebalancing(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.service(4, rebalanced)
		settle(10 * time.Second)
		w.instance("b", "us-east-1b")
		settle(500 * time.Millisecond) // the first task is starting
		if !w.get().Rebalancing {
			t.Fatal("rebalancing has not begun")
		}
		w.deploy()
		settle(100 * time.Millisecond)
		if w.get().Rebalancing {
			t.Error("rebalancing goes on under a deployment")
		}
		settle(time.Minute)
		if got := w.running(byZone); got["us-east-1a"] != 2 || got["us-east-1b"] != 2 {
			t.Errorf("running by zone = %v, want two in each", got)
		}
		if got := w.running(byDefinition); got["2"] != 4 || len(got) != 1 {
			t.Errorf("running by revision = %v, want four of the second", got)
		}
	})
}

// After the event with AWS's sentence comes one with the reasons of each instance, once.
func TestPlacementIsExplained(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.instance("b", "us-east-1b")
		w.connected("b", false)
		w.service(5, nil)
		settle(time.Minute)
		wantEvent(t, w, "(service web) was unable to place a task because no container instance met all of "+
			"its requirements. The closest matching (container-instance a) has insufficient CPU units available.")
		wantEvent(t, w, "(service web) placement in detail: container-instance a: needs 256 CPU units, 0 "+
			"are free; container-instance b: the agent is not connected.")
		if n := told(w, "placement in detail"); n != 1 {
			t.Errorf("explained %d times in a minute", n)
		}
	})
}

// A placement failure has one event, even if another instance becomes the closest, and another event when the cause
// changes (ecs.md 1.7.4).
func TestAnotherClosestInstanceIsNoNews(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.instance("b", "us-east-1b")
		room := func(id string, cpu, memory int) {
			w.changeInstance(id,
				func(ci *ecs.ContainerInstance) { ci.Registered.CPU, ci.Registered.Memory = cpu, memory })
		}
		room("a", 200, 4096)
		room("b", 100, 4096)
		w.service(1, nil)
		settle(time.Minute)
		wantEvent(t, w, "The closest matching (container-instance a) has insufficient CPU units available.")
		for range 10 {
			room("a", 100, 4096)
			room("b", 200, 4096)
			settle(time.Minute)
			room("a", 200, 4096)
			room("b", 100, 4096)
			settle(time.Minute)
		}
		if got := w.events(); len(got) != 2 {
			t.Errorf("the one cause was told of in %d events, want the pair of the first time:\n%s", len(got),
				strings.Join(got, "\n"))
		}
		room("a", 4096, 100)
		settle(time.Minute)
		wantEvent(t, w, "The closest matching (container-instance a) has insufficient memory available.")
	})
}

func TestDaemonPlacementIsExplained(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.changeInstance("a", func(ci *ecs.ContainerInstance) { ci.Registered.CPU = 100 })
		w.service(0, daemon)
		settle(time.Minute)
		wantEvent(t, w, "(service web) placement in detail: container-instance a: needs 256 CPU units, 100 are free.")
	})
}

func daemon(s *ecs.Service) {
	s.SchedulingStrategy = ecs.Daemon
	s.DeploymentConfiguration = ecs.DeploymentConfiguration{MinimumHealthyPercent: 0, MaximumPercent: 100}
}

// Tasks of a disconnected agent are not considered stopped, and keep their last health status (ecs.md 1.3.2).
func TestTasksOfADisconnectedAgentStay(t *testing.T) {
	for name, edit := range map[string]func(*ecs.Service){
		"REPLICA": func(s *ecs.Service) { s.DesiredCount = 2 }, "DAEMON": daemon,
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				w.instance("a", "us-east-1a")
				w.instance("b", "us-east-1b")
				w.service(0, edit)
				settle(10 * time.Second)
				w.connected("a", false)
				settle(time.Hour)
				if got := w.running(byZone); got["us-east-1a"] != 1 || got["us-east-1b"] != 1 ||
					w.store.View().Tasks.Len() != 2 {
					t.Errorf("running by zone = %v of %d tasks, want the two there were", got,
						w.store.View().Tasks.Len())
				}
				w.connected("a", true)
				settle(time.Minute)
				if n := w.store.View().Tasks.Len(); n != 2 {
					t.Errorf("%d tasks once the agent is back, want the two there were", n)
				}
			})
		})
	}
}

// The row of an instance also has the numbers of messages to its agent. When only these change, services are not woken.
func TestOnlyChangesThatMatterWakeServices(t *testing.T) {
	row := func(edit func(*ecs.ContainerInstance)) *ecs.ContainerInstance {
		i := &ecs.ContainerInstance{ContainerInstanceARN: "a", Status: ecs.InstanceActive,
			AgentConnected: true, Attributes: []ecs.Attribute{{Name: "x"}}}
		edit(i)
		return i
	}
	same := row(func(*ecs.ContainerInstance) {})
	for name, tt := range map[string]struct {
		after *ecs.ContainerInstance
		want  bool
	}{
		"sequence":  {row(func(i *ecs.ContainerInstance) { i.Sequence, i.Version = 7, 7 }), false},
		"tags":      {row(func(i *ecs.ContainerInstance) { i.Tags = tag.Set{{Key: "k"}} }), false},
		"agent":     {row(func(i *ecs.ContainerInstance) { i.AgentConnected = false }), true},
		"status":    {row(func(i *ecs.ContainerInstance) { i.Status = ecs.InstanceDraining }), true},
		"attribute": {row(func(i *ecs.ContainerInstance) { i.Attributes = nil }), true},
		"machine":   {row(func(i *ecs.ContainerInstance) { i.EC2InstanceID = "i-2" }), true},
		"resources": {row(func(i *ecs.ContainerInstance) { i.Registered.CPU = 1 }), true},
		"version":   {row(func(i *ecs.ContainerInstance) { i.AgentVersion = "1.2.3" }), true},
		"address":   {row(func(i *ecs.ContainerInstance) { i.Address = "127.0.1.7" }), true},
		"runtime":   {row(func(i *ecs.ContainerInstance) { i.RuntimeStatus = "OK" }), false},
		"gone":      {nil, true},
	} {
		if got := matters(state.Changed[ecs.ContainerInstance]{Old: same, New: tt.after}); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// A deployment fails after as many failed tasks as the threshold in its configuration says (ecs.md 3.5.1).
func TestCircuitBreakerHasAThresholdOfItsOwn(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.fails = func(*ecs.Task) bool { return true }
		w.service(1, func(s *ecs.Service) {
			s.DeploymentConfiguration.DeploymentCircuitBreaker = &ecs.CircuitBreaker{
				Enable: true, ThresholdConfiguration: &ecs.ThresholdConfiguration{Type: "COUNT", Value: 5},
			}
		})
		settle(10 * time.Minute)
		if s := w.get(); s.Primary().RolloutState != ecs.RolloutFailed || s.Primary().FailedTasks != 5 {
			t.Errorf("rollout %s after %d failed tasks, want FAILED after 5", s.Primary().RolloutState,
				s.Primary().FailedTasks)
		}
	})
}

// Finding out whether a service with many requirements is balanced is quick, and moves no task, however often
// instances change.
func TestBalancedServiceIsNotMoved(t *testing.T) {
	run(t, func(w *world) {
		for i := range 3 {
			w.instance(fmt.Sprint("i", i), "us-east-1"+string(rune('a'+i)))
		}
		w.service(4, rebalanced) // 2, 1, 1
		settle(10 * time.Second)
		w.connected("i0", false)
		w.connected("i0", true)
		settle(time.Minute)
		if n := w.store.View().Tasks.Len(); n != 4 {
			t.Errorf("%d tasks were made for 4", n)
		}
	})
}
