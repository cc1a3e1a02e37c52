package target

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

func TestRegistersBeforeRunning(t *testing.T) { // ecs.md 3.11
	for _, c := range []struct {
		name, targetType, want string
		change                 func(*ecs.Task)
	}{
		{"bridge by instance", elb.TargetInstance, "RUNNING i-1@127.0.1.2:32768", nil},
		{"bridge by address", elb.TargetIP, "RUNNING 127.0.1.2@127.0.1.2:32768", nil},
		{"awsvpc", elb.TargetIP, "RUNNING 172.31.0.9@172.31.0.9:3000", func(t *ecs.Task) {
			t.Attachments = []ecs.Attachment{{Type: "ElasticNetworkInterface", Details: []ecs.KeyValuePair{
				{Name: "privateIPv4Address", Value: "172.31.0.9"},
			}}}
		}},
		{"host, which has no bindings", elb.TargetInstance, "RUNNING i-1@127.0.1.2:3000", func(t *ecs.Task) {
			t.TaskDefinitionARN, t.Containers[0].NetworkBindings = "host:1", nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, c.targetType, nil, func(w *world) {
				w.update(func(tx *state.Tx) {
					tx.TaskDefinitions.Put(&ecs.TaskDefinition{
						TaskDefinitionARN: "host:1", NetworkMode: ecs.NetworkHost,
					})
				})
				arn := w.task("a", 32768, c.change)
				w.expect(arn, c.want)
				w.expectEvents("(service web) registered 1 targets in (target-group TG)")
				if task, _ := w.store.View().Tasks.Get(arn); task.StartedAt.IsZero() || len(task.Targets) != 1 {
					t.Errorf("task %+v", task)
				}
			})
		})
	}
}

// A stopping task is DEACTIVATING and its target is deregistered. The task may stop as soon as the edge has
// drained the target (ecs.md 3.2.6).
func TestGateOpensWhenTheEdgeIsDone(t *testing.T) {
	inBubble(t, elb.TargetInstance, nil, func(w *world) {
		arn := w.task("a", 32768, nil)
		w.stop(arn)
		w.expect(arn, "DEACTIVATING i-1@127.0.1.2:32768 draining")
		w.expectEvents("(service web) registered 1 targets in (target-group TG)",
			"(service web) deregistered 1 targets in (target-group TG)")
		if w.syncs() != 1 {
			t.Errorf("synced %v", w.synced)
		}
		time.Sleep(100 * time.Second)
		synctest.Wait()
		w.expect(arn, "DEACTIVATING i-1@127.0.1.2:32768 draining")
		w.drained("i-1", 32768)
		// alb.md D2: the target shows draining until its delay ends
		w.expect(arn, "STOPPING i-1@127.0.1.2:32768 draining")
		time.Sleep(200 * time.Second)
		synctest.Wait()
		w.expect(arn, "STOPPING")
		if n := w.store.View().TargetHealth.Len(); n != 0 {
			t.Errorf("%d verdicts are left", n)
		}
	})
}

// While the edge does not apply changes, tasks do not stop. The service has one event about it, and the
// controller tries again until it succeeds.
func TestEdgeThatDoesNotTakeItUp(t *testing.T) {
	inBubble(t, elb.TargetInstance, map[string]string{"deregistration_delay.timeout_seconds": "10"}, func(w *world) {
		arn := w.task("a", 32768, nil)
		w.edgeIs(errors.New("the edge is away"))
		w.stop(arn)
		registered, deregistered := "(service web) registered 1 targets in (target-group TG)",
			"(service web) deregistered 1 targets in (target-group TG)"
		why := "(service web) the load balancer has not applied yet that targets were deregistered: the " +
			"edge is away. It will try again, and the tasks run until then."
		w.expectEvents(registered, deregistered, why)
		time.Sleep(time.Hour) // long after the delay
		synctest.Wait()
		w.expect(arn, "DEACTIVATING i-1@127.0.1.2:32768 draining")
		w.expectEvents(registered, deregistered, why)
		if n := w.syncs(); n < 100 || n > 1000 { // every 7.5 to 15 s after the first tries
			t.Errorf("tried %d times in an hour", n)
		}
		w.edgeIs(nil)
		time.Sleep(15 * time.Second)
		synctest.Wait()
		w.expect(arn, "STOPPING")
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if n := w.store.View().Targets.Len(); n != 0 {
			t.Errorf("%d targets are left", n)
		}
	})
}

// A controller that has just started does not know whether the edge has applied earlier deregistrations. It
// calls Sync before it lets a task stop.
func TestAfterAFailoverTheEdgeIsAskedFirst(t *testing.T) {
	inBubble(t, elb.TargetInstance, map[string]string{"deregistration_delay.timeout_seconds": "10"}, func(w *world) {
		arn := w.task("a", 32768, nil)
		w.edgeIs(errors.New("the edge is away"))
		w.stop(arn)
		time.Sleep(time.Minute)
		next := New(w.controller.Env, w)
		if _, err := next.service(w.Context(), service); err == nil {
			t.Error("Sync was not called")
		}
		w.expect(arn, "DEACTIVATING i-1@127.0.1.2:32768 draining")
		w.edgeIs(nil)
		if _, err := next.service(w.Context(), service); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		w.expect(arn, "STOPPING")
	})
}

// A call of Sync covers only changes that were made before it. If a target of the same service is
// deregistered during the call, its task waits for another call.
func TestEdgeIsAskedForEachDeregistration(t *testing.T) {
	inBubbleOf(t, 1, elb.TargetInstance,
		map[string]string{"deregistration_delay.timeout_seconds": "10"}, func(w *world) {
			w.task("a", 32768, nil)
			b := w.task("b", 32769, nil)
			stop := func(name string) {
				if err := w.store.Update(w.Context(), func(tx *state.Tx) error {
					t, _ := tx.Tasks.Get("arn:aws:ecs:us-east-1:1:task/c/" + name)
					tx.Tasks.Put(t.Stop("c", "r", time.Now()))
					return nil
				}); err != nil {
					w.Error(err)
				}
			}
			w.mu.Lock()
			w.during = func() { // this call of Sync is for a; another worker might do what follows
				stop("b")
				w.edgeIs(errors.New("the edge is away")) // it has applied a's deregistration, and will not apply b's
				if _, err := w.controller.service(w.Context(), service); err == nil {
					w.Error("the edge applied b's deregistration")
				}
			}
			w.mu.Unlock()
			stop("a")
			time.Sleep(time.Hour) // long after the delay
			synctest.Wait()
			if now, _ := w.store.View().Tasks.Get(b); now.LastStatus != ecs.Deactivating {
				t.Errorf("b is %s although the edge may still send requests to it", now.LastStatus)
			}
		})
}

func TestGateOpensWhenTheDelayIsOver(t *testing.T) {
	inBubble(t, elb.TargetInstance, map[string]string{"deregistration_delay.timeout_seconds": "10"}, func(w *world) {
		arn := w.task("a", 32768, nil)
		w.stop(arn)
		time.Sleep(9 * time.Second)
		synctest.Wait()
		w.expect(arn, "DEACTIVATING i-1@127.0.1.2:32768 draining")
		time.Sleep(4 * time.Second) // the edge has not reported
		synctest.Wait()
		w.expect(arn, "STOPPING")
	})
}

func TestTaskThatDiedIsDeregistered(t *testing.T) {
	inBubble(t, elb.TargetInstance, nil, func(w *world) {
		arn := w.task("a", 32768, nil)
		w.change(arn, func(t *ecs.Task) *ecs.Task { return t.Ended(ecs.EssentialContainerExited, "x", time.Now()) })
		w.expect(arn, "STOPPED i-1@127.0.1.2:32768 draining")
		if task, _ := w.store.View().Tasks.Get(arn); len(task.Targets) != 0 {
			t.Errorf("targets %v", task.Targets)
		}
		again := w.task("b", 32768, nil) // the port is used again while the old registration drains
		w.expect(again, "RUNNING i-1@127.0.1.2:32768")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		w.expect(again, "RUNNING i-1@127.0.1.2:32768")
	})
}

// The new task was registered before the end of the old one was known. Its target must stay registered.
func TestPortTakenOver(t *testing.T) {
	inBubble(t, elb.TargetInstance, nil, func(w *world) {
		first := w.task("a", 32768, nil)
		second := w.task("b", 32768, nil)
		w.change(first, func(t *ecs.Task) *ecs.Task { return t.Ended(ecs.EssentialContainerExited, "x", time.Now()) })
		w.expect(second, "RUNNING i-1@127.0.1.2:32768")
	})
}

func TestTaskStoppedBeforeItWasRegistered(t *testing.T) {
	inBubble(t, elb.TargetInstance, nil, func(w *world) {
		arn := w.task("a", 32768, func(t *ecs.Task) { t.LastStatus = ecs.Pending })
		w.expect(arn, "PENDING")
		w.stop(arn)
		w.expect(arn, "STOPPING")
		w.expectEvents()
	})
}

func TestWhyATaskCannotBeRegistered(t *testing.T) {
	inBubble(t, elb.TargetInstance, nil, func(w *world) {
		g, _ := w.store.View().TargetGroups.Get(group)
		w.update(func(tx *state.Tx) { tx.TargetGroups.Delete(group) })
		arn := w.task("a", 32768, nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		w.expect(arn, "ACTIVATING")
		// The event is written once.
		w.expectEvents("(service web) failed to register targets in (target-group TG) with (error the " +
			"target group does not exist)")
		w.update(func(tx *state.Tx) { tx.TargetGroups.Put(g) })
		time.Sleep(10 * time.Second)
		synctest.Wait()
		w.expect(arn, "RUNNING i-1@127.0.1.2:32768")
	})
}

func TestEventsCountTargets(t *testing.T) {
	inBubble(t, elb.TargetInstance, nil, func(w *world) {
		a, b := w.task("a", 32768, nil), w.task("b", 32769, nil)
		w.update(func(tx *state.Tx) {
			for _, arn := range []string{a, b} {
				task, _ := tx.Tasks.Get(arn)
				tx.Tasks.Put(task.Stop("c", "r", time.Now()))
			}
		})
		events := w.events()
		if last := events[len(events)-1]; last != "(service web) deregistered 2 targets in (target-group TG)" {
			t.Errorf("events %q", events)
		}
	})
}

func TestWhereAServiceIsReached(t *testing.T) {
	inBubble(t, elb.TargetInstance, nil, func(w *world) {
		w.update(func(tx *state.Tx) {
			tx.BoundListeners.Put(&elb.BoundListener{ListenerARN: "listener", Bound: elb.Bound{
				Address: "127.0.0.1:8080", Reason: "port 80 could not be bound; it is served at port 8080",
			}})
		})
		w.task("a", 32768, nil)
		w.task("b", 32769, nil)
		registered := "(service web) registered 1 targets in (target-group TG)"
		w.expectEvents("(service web) (listener listener) port 80 could not be bound; it is served at port 8080",
			registered, registered)
	})
}

func TestGroupNoLoadBalancerUses(t *testing.T) {
	inBubble(t, elb.TargetInstance, nil, func(w *world) {
		arn := w.task("a", 32768, nil)
		w.update(func(tx *state.Tx) { tx.Rules.Delete("rule") })
		w.stop(arn)
		w.expect(arn, "STOPPING")
	})
}

func TestTerminatedInstanceIsDeregistered(t *testing.T) {
	inBubble(t, elb.TargetInstance, nil, func(w *world) {
		i := &fleet.Instance{ID: "i-9", Region: "us-east-1", Account: "1", State: fleet.Running}
		w.update(func(tx *state.Tx) {
			tx.Instances.Put(i)
			tx.Targets.Put(&elb.Target{
				TargetGroupARN: group, ID: "i-9", Address: "127.0.1.9", Port: 80, Registered: time.Now(),
			})
		})
		arn := w.task("a", 32768, nil)
		w.expect(arn, "RUNNING i-1@127.0.1.2:32768 i-9@127.0.1.9:80")
		ended := i.Clone()
		ended.State = fleet.ShuttingDown
		w.update(func(tx *state.Tx) { tx.Instances.Put(ended) })
		w.expect(arn, "RUNNING i-1@127.0.1.2:32768 i-9@127.0.1.9:80 draining")
	})
}

// A target that a user deregistered is registered again, as ECS does ("will immediately register it again",
// containers-roadmap #251), and the service has an event about it.
func TestTargetDeregisteredByHandIsRegisteredAgain(t *testing.T) {
	registered := "(service web) registered 1 targets in (target-group TG)"
	again := "(service web) (task a) (port 32768) was deregistered from (target-group TG) although the " +
		"task is to run. It is registered again."
	byHand := func(w *world) {
		w.update(func(tx *state.Tx) {
			target, ok := tx.Targets.Get(elb.TargetKey(group, "i-1", 32768))
			if !ok || target.IsDraining() {
				w.Fatal("there is no such target")
			}
			tx.Targets.Put(target.Deregister(time.Now(), time.Minute))
		})
	}
	inBubble(t, elb.TargetInstance, nil, func(w *world) {
		arn := w.task("a", 32768, nil)
		byHand(w)
		w.expect(arn, "RUNNING i-1@127.0.1.2:32768")
		w.expectEvents(registered, again, registered)
		time.Sleep(time.Hour)
		synctest.Wait()
		w.expect(arn, "RUNNING i-1@127.0.1.2:32768")
		w.update(func(tx *state.Tx) { tx.Targets.Delete(elb.TargetKey(group, "i-1", 32768)) }) // the row is removed
		w.expect(arn, "RUNNING i-1@127.0.1.2:32768")
		w.stop(arn) // a target that the service itself deregisters is not registered again
		w.expect(arn, "DEACTIVATING i-1@127.0.1.2:32768 draining")
	})
	// When a machine ends, its targets are removed before its tasks have ended.
	inBubble(t, elb.TargetInstance, nil, func(w *world) {
		i := &fleet.Instance{ID: "i-1", Region: "us-east-1", Account: "1", State: fleet.Running, Desired: fleet.Running}
		w.update(func(tx *state.Tx) { tx.Instances.Put(i) })
		arn := w.task("a", 32768, nil)
		ended := i.Clone()
		ended.State, ended.Desired = fleet.ShuttingDown, fleet.Terminated
		w.update(func(tx *state.Tx) { tx.Instances.Put(ended) })
		w.expect(arn, "RUNNING i-1@127.0.1.2:32768 draining")
	})
}

func TestTargetsOthersDeregisteredAreRemovedInTheEnd(t *testing.T) {
	inBubble(t, elb.TargetInstance, nil, func(w *world) {
		target := &elb.Target{TargetGroupARN: group, ID: "i-9", Port: 80, Registered: time.Now()}
		w.update(func(tx *state.Tx) { tx.Targets.Put(target) })
		w.update(func(tx *state.Tx) { tx.Targets.Put(target.Deregister(time.Now(), time.Minute)) })
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if n := w.store.View().Targets.Len(); n != 1 {
			t.Errorf("%d targets before the end of the delay", n)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := w.store.View().Targets.Len(); n != 0 {
			t.Errorf("%d targets after the end of the delay", n)
		}
	})
}
