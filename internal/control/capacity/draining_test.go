package capacity

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// leaving is an instance of the group that waits for the hook, as control/fleet writes it, with its activity.
func leaving(id string) (*fleet.Instance, *fleet.Activity) {
	g := &fleet.AutoScalingGroup{Name: "g", ID: "1", Region: region, Account: account}
	i := &fleet.Instance{ID: id, Region: region, Account: account, State: fleet.Running, Desired: fleet.Running,
		Scaling: fleet.Membership{Group: "g", Lifecycle: fleet.LifecycleInService}}
	i, a := g.Retire(i, "a-"+id, "a test", time.Now())
	hook := &fleet.Hook{Name: fleet.DrainingHook, Transition: fleet.WhenTerminating, Heartbeat: 3600,
		Default: fleet.Continue}
	return i.HoldFor(fleet.WhenTerminating, []*fleet.Hook{hook}, func() string { return "t-" + id }, time.Now()), a
}

func (s *stage) terminate(id string, edit ...func(*fleet.Instance)) {
	s.t.Helper()
	s.put(func(tx *state.Tx) {
		i, a := leaving(id)
		for _, e := range edit {
			e(i)
		}
		tx.Instances.Put(i)
		tx.Activities.Put(a)
	})
}

// result returns the result of the lifecycle action of an instance; "" while it waits.
func (s *stage) result(id string) fleet.HookResult {
	s.t.Helper()
	i, ok := s.store.View().Instances.Get(fleet.InstanceARN(region, account, id))
	if !ok || len(i.Scaling.Actions) != 1 {
		s.t.Fatalf("the instance is %+v", i)
	}
	return i.Scaling.Actions[0].Result
}

// drained checks whether an instance still waits, and what its activity says.
func (s *stage) drained(id string, want bool, message string) {
	s.t.Helper()
	if got := s.result(id) == fleet.Continue; got != want {
		s.t.Errorf("the action of %s is completed: %v, want %v", id, got, want)
	}
	for a := range s.store.View().Activities.All() {
		if a.Instance == id && a.StatusMessage != message {
			s.t.Errorf("the activity says %q, want %q", a.StatusMessage, message)
		}
	}
}

func (s *stage) status(arn string) string {
	s.t.Helper()
	ci, ok := s.store.View().ContainerInstances.Get(arn)
	if !ok {
		s.t.Fatal("there is no container instance", arn)
	}
	return fmt.Sprint(ci.Status, " ", ci.Version)
}

// set gives a container instance a status, as a user or control/instance does.
func (s *stage) set(arn, status string) {
	s.t.Helper()
	s.put(func(tx *state.Tx) {
		ci, _ := tx.ContainerInstances.Get(arn)
		n := *ci
		n.Status = status
		tx.ContainerInstances.Put(&n)
	})
}

// run puts tasks on a container instance.
func (s *stage) run(arn string, n int, edit ...func(*ecs.Task)) []string {
	return s.ask(n, append(edit, func(t *ecs.Task) {
		t.LastStatus, t.Waiting, t.ContainerInstanceARN = ecs.Running, nil, arn
	})...)
}

func left(n int) string {
	return fmt.Sprintf("Amazon ECS drains the instance before it is terminated; tasks that are left: %d.", n)
}

// ecs.md 4.10: an instance that waits for the hook is DRAINING, and is terminated when no task is left on it, which
// includes standalone tasks and daemons.
func TestManagedDraining(t *testing.T) {
	play(t, func(s *stage) {
		arn := s.register("i-1", "p")
		other := s.register("i-2", "p")
		tasks := s.run(arn, 2)
		tasks = append(tasks, s.run(arn, 1, func(t *ecs.Task) { t.ServiceARN = "" })...)
		s.run(other, 1)
		s.terminate("i-1")
		s.drained("i-1", false, left(3))
		if got := s.status(arn) + ", " + s.status(other); got != "DRAINING 1, ACTIVE 0" {
			t.Errorf("the container instances are %s", got)
		}
		s.end(tasks[0])
		s.drained("i-1", false, left(2))
		s.wait(47 * time.Hour) // no heartbeat of the hook is missed
		i, _ := s.store.View().Instances.Get(fleet.InstanceARN(region, account, "i-1"))
		if got := i.Scaling.ActionsAt(time.Now()); got.Result != "" {
			t.Errorf("after 47 hours the instance waits no more: %+v", got)
		}
		s.put(func(tx *state.Tx) { tx.Tasks.Delete(tasks[1]) })
		s.drained("i-1", false, left(1))
		s.end(tasks[2])
		s.drained("i-1", true, "")
		s.set(arn, ecs.InstanceActive) // while another hook still holds the instance
		if got := s.status(arn); got != "DRAINING 2" {
			t.Errorf("the container instance is %s", got)
		}
		s.drained("i-1", true, "")
	})
}

// A user who completes the action of managed draining ends the wait, and the activity does not tell of it any more. The
// instance stays DRAINING.
func TestDrainingThatAUserEnds(t *testing.T) {
	play(t, func(s *stage) {
		arn := s.register("i-1", "p")
		s.run(arn, 1)
		s.terminate("i-1")
		s.drained("i-1", false, left(1))
		s.put(func(tx *state.Tx) {
			i, _ := tx.Instances.Get(fleet.InstanceARN(region, account, "i-1"))
			done, _ := i.Complete(fleet.DrainingHook, fleet.Continue)
			tx.Instances.Put(done)
		})
		s.drained("i-1", true, "")
		s.set(arn, ecs.InstanceActive)
		if got := s.status(arn); got != "DRAINING 2" {
			t.Errorf("the container instance is %s", got)
		}
		s.drained("i-1", true, "")
	})
}

// An instance without tasks, and one whose agent has not registered, are terminated at once.
func TestDrainingOfWhatIsEmpty(t *testing.T) {
	play(t, func(s *stage) {
		arn := s.register("i-1", "p")
		s.terminate("i-1")
		s.drained("i-1", true, "")
		if got := s.status(arn); got != "DRAINING 1" {
			t.Errorf("the container instance is %s", got)
		}
		s.terminate("i-2")
		s.drained("i-2", true, "")
	})
}

// While the instance waits, nobody can make it ACTIVE again, and a second container instance of the machine is drained
// too. One that was deregistered does not hold the instance.
func TestDrainingStays(t *testing.T) {
	play(t, func(s *stage) {
		arn := s.register("i-1", "p")
		task := s.run(arn, 1)
		s.terminate("i-1")
		s.set(arn, ecs.InstanceActive)
		if got := s.status(arn); got != "DRAINING 2" {
			t.Errorf("the container instance is %s", got)
		}
		s.put(func(tx *state.Tx) {
			ci, _ := tx.ContainerInstances.Get(arn)
			n := *ci
			n.ContainerInstanceARN, n.Status, n.Version = arn+"b", ecs.InstanceActive, 0
			tx.ContainerInstances.Put(&n)
		})
		if got := s.status(arn + "b"); got != "DRAINING 1" {
			t.Errorf("the second container instance is %s", got)
		}
		s.drained("i-1", false, left(1))
		s.set(arn, ecs.InstanceInactive)
		s.drained("i-1", true, "")
		if got := s.task(task[0]).LastStatus; got != ecs.Running {
			t.Errorf("the task is %s: control/instance ends it", got)
		}
	})
}

// The agent of an impaired instance has failed and reports nothing more. The instance is terminated when services have
// replaced their tasks.
func TestDrainingOfAnImpairedInstance(t *testing.T) {
	play(t, func(s *stage) {
		daemon := prefix + "service/c/daemon"
		s.put(func(tx *state.Tx) {
			tx.Services.Put(&ecs.Service{ServiceARN: daemon, SchedulingStrategy: ecs.Daemon, ClusterARN: clusterARN})
		})
		arn := s.register("i-1", "p")
		web := s.run(arn, 1)
		s.run(arn, 1, func(t *ecs.Task) { t.ServiceARN = daemon })
		s.run(arn, 1, func(t *ecs.Task) { t.ServiceARN = "" })
		s.terminate("i-1", func(i *fleet.Instance) { i.Machine.Phase = fleet.PhaseFailed })
		s.drained("i-1", false, left(1))
		s.put(func(tx *state.Tx) {
			task, _ := tx.Tasks.Get(web[0])
			tx.Tasks.Put(task.Stop("ServiceSchedulerInitiated", "draining", time.Now()))
		})
		s.drained("i-1", true, "")
	})
}

// A hook that somebody deletes is made again; the instances that waited for it are terminated.
func TestHookIsMadeAgain(t *testing.T) {
	play(t, func(s *stage) {
		hook := func() (*fleet.Hook, bool) {
			return s.store.View().LifecycleHooks.Get(fleet.PartKey(region, account, "g", fleet.DrainingHook))
		}
		change := func(draining, update string) {
			s.put(func(tx *state.Tx) {
				p, _ := tx.CapacityProviders.Get(ecs.ProviderARN(clusterARN, "p"))
				n := *p
				n.AutoScalingGroupProvider.ManagedDraining, n.UpdateStatus = draining, update
				tx.CapacityProviders.Put(&n)
			})
		}
		if h, ok := hook(); ok {
			t.Fatalf("there is the hook %+v without managed draining", h)
		}
		change(ecs.Enabled, "")
		s.run(s.register("i-1", "p"), 1)
		s.terminate("i-1")
		s.drained("i-1", false, left(1))
		s.put(func(tx *state.Tx) {
			h, ok := tx.LifecycleHooks.Get(fleet.PartKey(region, account, "g", fleet.DrainingHook))
			if !ok {
				t.Fatal("there is no hook")
			}
			tx.DeleteHook(h)
		})
		if _, ok := hook(); !ok || s.result("i-1") != fleet.Continue {
			t.Errorf("there is a hook: %v, and the action has the result %q", ok, s.result("i-1"))
		}
		change(ecs.Enabled, ecs.DeleteInProgress)
		if h, ok := hook(); ok {
			t.Errorf("the capacity provider is deleted, and there is the hook %+v", h)
		}
	})
}

// byHand has one of the controllers, which a property runs step by step and kills between its steps.
type byHand struct {
	t     *testing.T
	store *state.Store
	start func(control.Env) control.Driven
	now   time.Time
	run   control.Driven
}

func newByHand(t *testing.T, start func(control.Env) control.Driven, setting func(*state.Tx)) *byHand {
	store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	b := &byHand{t: t, store: store, start: start, now: time.Unix(1000, 0)}
	b.put(setting)
	b.restart()
	return b
}

func (b *byHand) put(fn func(*state.Tx)) {
	b.t.Helper()
	if err := b.store.Update(b.t.Context(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		b.t.Fatal(err)
	}
}

func (b *byHand) restart() {
	if b.run != nil {
		b.run.Close()
	}
	env := control.System(b.store, slog.New(slog.DiscardHandler))
	env.Now = func() time.Time { return b.now }
	b.run = b.start(env)
}

func (b *byHand) settle() { control.Drain(b.t.Context(), b.run) }

func (b *byHand) close() {
	b.run.Close()
	b.store.Close()
}

// Whatever happens in which order, and wherever the controller is killed: an instance is not released while a task is
// on it, its container instances are DRAINING, and without tasks it is released.
func TestDrainingReleasesNoTask(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newByHand(t, func(e control.Env) control.Driven {
			return control.New(e, "draining", 1, control.Planned(e, draining{})).Manual()
		}, func(*state.Tx) {})
		defer b.close()
		id := func() string { return fmt.Sprint("i-", rapid.IntRange(0, 2).Draw(rt, "instance")) }
		instanceARN := func(id string) string { return prefix + "container-instance/c/" + id }
		tasks, released := 0, map[string]bool{}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			on := id()
			switch rapid.SampledFrom([]string{"register", "run", "stop", "end", "terminate", "activate", "restart",
				"step"}).Draw(rt, "what") {
			case "register":
				b.put(func(tx *state.Tx) {
					if _, ok := tx.ContainerInstances.Get(instanceARN(on)); !ok {
						tx.ContainerInstances.Put(&ecs.ContainerInstance{ContainerInstanceARN: instanceARN(on),
							ClusterARN: clusterARN, EC2InstanceID: on, Status: ecs.InstanceActive})
					}
				})
			case "activate":
				b.put(func(tx *state.Tx) {
					if ci, ok := tx.ContainerInstances.Get(instanceARN(on)); ok {
						n := *ci
						n.Status = ecs.InstanceActive
						tx.ContainerInstances.Put(&n)
					}
				})
			case "run": // as launch does: on ACTIVE instances only
				b.put(func(tx *state.Tx) {
					if ci, ok := tx.ContainerInstances.Get(instanceARN(on)); ok && ci.Status == ecs.InstanceActive &&
						!released[on] {
						tasks++
						tx.Tasks.Put(&ecs.Task{TaskARN: fmt.Sprint(prefix, "task/c/", tasks), ClusterARN: clusterARN,
							ContainerInstanceARN: instanceARN(on), LastStatus: ecs.Running, DesiredStatus: ecs.Running})
					}
				})
			case "end":
				b.put(func(tx *state.Tx) {
					arn := fmt.Sprint(prefix, "task/c/", rapid.IntRange(0, tasks).Draw(rt, "task"))
					if task, ok := tx.Tasks.Get(arn); ok {
						tx.Tasks.Put(task.Ended("", "", b.now))
					}
				})
			case "terminate":
				b.put(func(tx *state.Tx) {
					i, a := leaving(on)
					if _, ok := tx.Instances.Get(i.ARN()); !ok {
						tx.Instances.Put(i)
						tx.Activities.Put(a)
					}
				})
			case "restart":
				b.restart()
			case "step":
				b.run.Step(t.Context())
			}
			releasesNoTask(rt, b.store.View(), released)
		}
		b.restart()
		b.settle()
		releasesNoTask(rt, b.store.View(), released)
		b.put(func(tx *state.Tx) {
			for task := range tx.Tables.Tasks.All() {
				tx.Tasks.Put(task.Ended("", "", b.now))
			}
		})
		b.settle()
		for i := range b.store.View().Instances.All() {
			if i.Scaling.WaitsFor(fleet.DrainingHook) {
				rt.Fatalf("%s waits without tasks", i.ID)
			}
		}
	})
}

// releasesNoTask checks the instances that have been released since the last call.
func releasesNoTask(rt *rapid.T, s *state.Snapshot, released map[string]bool) {
	for i := range s.Instances.All() {
		if i.Scaling.WaitsFor(fleet.DrainingHook) || released[i.ID] {
			continue
		}
		released[i.ID] = true
		for ci := range s.ContainerInstances.By(state.ContainerInstancesByEC2Instance, i.ID) {
			if n := tasksLeft(&s.Tables, ci, false); n > 0 || ci.Status != ecs.InstanceDraining {
				rt.Fatalf("%s was released while it was %s and had %d tasks", i.ID, ci.Status, n)
			}
		}
	}
}
