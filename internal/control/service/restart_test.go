package service

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/state"
)

// The tests of this file are about programs that end soon after each start. AWS neither delays their starts nor counts
// them as failed (ecs.md 3.4, 3.5.2). Berth does both, unless it runs with AWS's rule
// (docs/decisions/0360-early-ends.md).

// exits makes the tasks of a revision exit by themselves, a time after they have begun to run.
func (w *world) exits(revision int, after time.Duration) {
	w.lives = func(t *ecs.Task) time.Duration {
		if t.TaskDefinitionARN == definition(revision) {
			return after
		}
		return 0
	}
}

// tasks returns how many tasks the service has ever had.
func (w *world) tasks() int {
	n := 0
	for range w.store.View().Tasks.By(state.TasksByService, serviceARN) {
		n++
	}
	return n
}

func breaker(rollback bool) func(*ecs.Service) {
	return func(s *ecs.Service) {
		s.DeploymentConfiguration.DeploymentCircuitBreaker = &ecs.CircuitBreaker{Enable: true, Rollback: rollback}
	}
}

func TestProgramsThatExitSoonAreSlowedDown(t *testing.T) {
	for _, lives := range []time.Duration{100 * time.Millisecond, 2 * time.Second, 39 * time.Second} {
		t.Run(lives.String(), func(t *testing.T) {
			run(t, func(w *world) {
				w.instance("a", "us-east-1a")
				w.exits(1, lives)
				w.service(1, nil)
				settle(7 * (lives + time.Second))
				settle(126 * time.Second)
				d := w.get().Primary()
				if n := w.tasks(); n > 9 || d.FailedTasks < n-1 || d.Attempts != d.FailedTasks {
					t.Errorf("%d tasks were started, %d count as failed in %d rounds", n, d.FailedTasks, d.Attempts)
				}
				wantEvent(t, w, "(service web) is unable to consistently start tasks successfully.")
				wantEvent(t, w, "(service web) (deployment ecs-svc/1) tasks ended too early 3 times in "+
					"a row, most recently (task ")
				wantEvent(t, w, fmt.Sprintf(" after %s: Essential container in task exited (web: exit code "+
					"3). The next start waits 8s", lives))
				if n := told(w, "unable to consistently start"); n != 1 {
					t.Errorf("told %d times that tasks cannot be started", n)
				}
				if n := told(w, "has reached a steady state"); n > 1 { // the first task is healthy after a second
					t.Errorf("told %d times of a steady state", n)
				}
			})
		})
	}
}

// With the circuit breaker, the earlier deployment goes on serving until the new one has run for long enough, and the
// service returns to it when the new one fails.
func TestProgramsThatExitSoonAreRolledBack(t *testing.T) {
	for _, lives := range []time.Duration{100 * time.Millisecond, 2 * time.Second, 39 * time.Second} {
		t.Run(lives.String(), func(t *testing.T) {
			run(t, func(w *world) {
				w.instance("a", "us-east-1a")
				w.exits(2, lives)
				w.service(1, breaker(true))
				settle(5 * time.Second) // as quickly as a service without failures becomes steady
				w.deploy()
				for range 3 * 60 {
					settle(time.Second)
					if w.running(byDefinition)["1"] != 1 {
						t.Fatal("the working deployment does not serve while the other fails")
					}
				}
				s := w.get()
				if s.Current().TaskDefinition != definition(1) || len(s.Deployments) != 1 ||
					s.Primary().RolloutState != ecs.RolloutCompleted {
					t.Errorf("deployments %+v", s.Deployments)
				}
				wantEvent(t, w, "(service web) (deployment ecs-svc/2) deployment failed: tasks failed to start.")
				wantEvent(t, w, "(service web) rolling back to deployment ecs-svc/1.")
				if n := w.tasks(); n != 4 {
					t.Errorf("%d tasks, want the one that serves and three that failed", n)
				}
			})
		})
	}
}

func TestProgramsThatExitSoonFailTheirDeployment(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.exits(1, 2*time.Second)
		w.service(1, breaker(false))
		settle(15 * time.Second)
		if d := w.get().Primary(); d.RolloutState != ecs.RolloutFailed || d.FailedTasks != 3 ||
			d.RolloutStateReason != "ECS deployment circuit breaker: task failed to start." {
			t.Errorf("%+v, want a deployment that failed after three tasks", d)
		}
		settle(time.Hour)
		if n := w.tasks(); n != 3 {
			t.Errorf("%d tasks in an hour, want the three that failed", n)
		}
		// The next deployment begins without failures (ecs.md 3.5.2).
		w.deploy()
		settle(time.Minute)
		if d := w.get().Primary(); d.ID != "ecs-svc/2" || d.RolloutState != ecs.RolloutCompleted {
			t.Errorf("%+v, want the second deployment completed", d)
		}
	})
}

// Behind a load balancer, a task is healthy when its target is (ecs.md 3.2.3). A task that exits before that has
// failed. If a task was healthy and exits soon, the next start is delayed, and the deployment does not fail.
func TestProgramsBehindALoadBalancerThatExitSoon(t *testing.T) {
	const group = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/tg/1"
	for _, passes := range []bool{false, true} {
		t.Run(fmt.Sprint("checks pass ", passes), func(t *testing.T) {
			run(t, func(w *world) {
				w.instance("a", "us-east-1a")
				w.exits(1, 3*time.Second)
				w.put(func(tx *state.Tx) {
					tx.Rules.Put(&elb.Rule{ARN: "r", Actions: []elb.Action{{Type: "forward",
						Forward: &elb.Forward{TargetGroups: []elb.WeightedGroup{{ARN: group, Weight: 1}}}}}})
					tx.Targets.Put(&elb.Target{TargetGroupARN: group, ID: "i-1", Port: 80})
					tx.TargetHealth.Put(&elb.TargetHealth{
						Verdict: elb.Verdict{Key: elb.TargetKey(group, "i-1", 80), State: elb.Healthy},
					})
				})
				if passes {
					w.targets = []ecs.TaskTarget{{TargetGroupARN: group, ID: "i-1", Port: 80}}
				}
				w.revision.LoadBalancers = []ecs.LoadBalancer{
					{TargetGroupARN: group, ContainerName: "web", ContainerPort: 80},
				}
				w.service(1, breaker(true))
				settle(2 * time.Minute)
				d := w.get().Primary()
				if !passes {
					if d.RolloutState != ecs.RolloutFailed || w.tasks() != 3 {
						t.Errorf("%+v after %d tasks, want it failed after three", d, w.tasks())
					}
					return
				}
				if n := w.tasks(); n > 7 || n < 5 || d.FailedTasks != 0 {
					t.Errorf("%d tasks were started and %d count as failed, want one of 2, 4, 8, ... "+
						"seconds and none", n, d.FailedTasks)
				}
				wantEvent(t, w, "is unable to consistently start tasks successfully.")
			})
		})
	}
}

func TestDaemonsThatExitSoonAreSlowedDown(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.instance("b", "us-east-1b")
		w.exits(1, 2*time.Second)
		w.service(0, daemon)
		settle(4 * time.Minute)
		if n := w.tasks(); n > 16 {
			t.Errorf("%d tasks were started on two instances in four minutes", n)
		}
		wantEvent(t, w, "is unable to consistently start tasks successfully.")
	})
}

// The delay also applies to more tasks that are desired meanwhile. It survives a restart of the server, and ends with
// a new deployment.
func TestDelayOutlastsEverythingButANewDeployment(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		w.exits(1, 2*time.Second)
		w.service(1, nil)
		settle(2 * time.Minute)
		before, until := w.tasks(), w.get().Primary().RetryAt
		if wait := time.Until(until); wait < 10*time.Second {
			t.Fatalf("the next start is in %v", wait)
		}
		w.change(func(s *ecs.Service) { s.DesiredCount = 2 })
		settle(time.Second)
		w.restart(time.Second)
		settle(time.Until(until) - 100*time.Millisecond)
		if n := w.tasks(); n != before {
			t.Errorf("%d tasks were started before their time", n-before)
		}
		settle(200 * time.Millisecond)
		if n := w.tasks(); n != before+2 {
			t.Errorf("%d tasks were started at their time, want the two that are desired", n-before)
		}
		settle(10 * time.Second)
		w.deploy()
		settle(5 * time.Second)
		if got := w.running(byDefinition)["2"]; got != 2 {
			t.Errorf("%d tasks of the mended deployment run, want two at once", got)
		}
		settle(time.Minute)
		if s := w.get(); len(s.Deployments) != 1 || s.Primary().Attempts != 0 || s.LastComplaint != "" {
			t.Errorf("%+v complains of %q", s.Deployments, s.LastComplaint)
		}
	})
}

// When the cause of the failures is removed, for instance because a database is back, the delays end after a task has
// run for long enough.
func TestDelayEndsWithAProgramThatRuns(t *testing.T) {
	run(t, func(w *world) {
		w.instance("a", "us-east-1a")
		var mended atomic.Bool
		w.lives = func(*ecs.Task) time.Duration {
			if mended.Load() {
				return 0
			}
			return 2 * time.Second
		}
		w.service(1, nil)
		settle(time.Minute)
		mended.Store(true)
		settle(3 * time.Minute)
		if s := w.get(); s.Primary().Attempts != 0 || !s.Primary().RetryAt.IsZero() ||
			s.Primary().FailedTasks != 0 || s.SteadyAt.IsZero() {
			t.Errorf("%+v, steady at %v", s.Primary(), s.SteadyAt)
		}
	})
}

func TestAWSReplacesProgramsThatExitSoonAtOnce(t *testing.T) {
	config := usual
	config.StableAfter = 0
	runWith(t, config, func(w *world) {
		w.instance("a", "us-east-1a")
		w.exits(1, 2*time.Second)
		w.service(1, breaker(true))
		settle(time.Minute)
		if n, d := w.tasks(), w.get().Primary(); n < 15 || d.FailedTasks != 0 || d.Attempts != 0 {
			t.Errorf("%d tasks in a minute, %d failed in %d rounds", n, d.FailedTasks, d.Attempts)
		}
	})
}

// A task that a user stops, or whose instance is removed, has not failed.
func TestTasksThatAreStoppedHaveNotFailed(t *testing.T) {
	for _, code := range []string{ecs.UserInitiated, ecs.TerminationNotice} {
		run(t, func(w *world) {
			w.instance("a", "us-east-1a")
			w.service(1, nil)
			for range 5 {
				settle(3 * time.Second)
				w.put(func(tx *state.Tx) {
					for task := range tx.Tasks.By(state.TasksByService, serviceARN) {
						tx.Tasks.Put(task.Ended(code, "x", time.Now()))
					}
				})
			}
			settle(3 * time.Second)
			if d := w.get().Primary(); d.FailedTasks != 0 || d.Attempts != 0 || w.running(all)["all"] != 1 {
				t.Errorf("%s: %+v", code, d)
			}
			if strings.Contains(strings.Join(w.events(), "\n"), "unable") {
				t.Errorf("%s: %q", code, w.events())
			}
		})
	}
}
