package target

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// After any sequence of events of a service's tasks: a task counts as RUNNING only while its target gets
// requests; a registered task stops only after the edge has drained its target, or after the delay; and at
// the end no requests go to an address without a task.
func TestTargetsFollowTasks(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ops := rapid.SliceOfN(rapid.SampledFrom([]string{
			"start", "start", "stop", "die", "drained", "by hand", "seconds", "minute",
		}), 1, 25).Draw(rt, "ops")
		picks := rapid.SliceOfN(rapid.IntRange(0, 9), len(ops), len(ops)).Draw(rt, "picks")
		var failure error
		synctest.Test(t, func(t *testing.T) { failure = follow(t, ops, picks) })
		if failure != nil {
			rt.Fatal(failure)
		}
	})
}

const delay = 10 * time.Second

// follow carries out ops and returns the first violation of a rule.
func follow(t *testing.T, ops []string, picks []int) error {
	store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	w := &world{T: t, store: store}
	w.update(func(tx *state.Tx) {
		tx.Services.Put(&ecs.Service{ServiceARN: service, ServiceName: "web"})
		tx.ContainerInstances.Put(&ecs.ContainerInstance{ContainerInstanceARN: instance, EC2InstanceID: "i-1",
			Address: "127.0.1.2", Status: ecs.InstanceActive})
		tx.TargetGroups.Put(&elb.TargetGroup{ARN: group, TargetType: elb.TargetInstance,
			Attributes: map[string]string{"deregistration_delay.timeout_seconds": "10"}})
		tx.Rules.Put(&elb.Rule{ARN: "rule", Actions: []elb.Action{
			{Type: elb.ActionForward, Forward: &elb.Forward{TargetGroups: []elb.WeightedGroup{{ARN: group}}}},
		}})
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	env := control.System(store, slog.New(slog.DiscardHandler))
	go func() { ended <- control.New(env, "target", 2, New(env, w)).Run(ctx) }()
	defer func() { cancel(); <-ended; store.Close() }()

	var tasks []string
	stopped := map[string]time.Time{} // when a task was asked to stop
	done := map[string]bool{}         // tasks that the edge has drained
	for i, op := range ops {
		if op == "start" {
			tasks = append(tasks, w.task(fmt.Sprintf("%02d", i), 32768+i, nil))
		} else if len(tasks) > 0 {
			w.happen(op, tasks[picks[i]%len(tasks)], stopped, done)
		}
		synctest.Wait()
		if err := w.consistent(stopped, done); err != nil {
			return fmt.Errorf("after %v: %w", ops[:i+1], err)
		}
	}
	time.Sleep(delay + unheard + time.Second)
	synctest.Wait()
	for target := range store.View().Targets.All() {
		if target.IsDraining() {
			return fmt.Errorf("target %s does not stop draining", target.Key())
		}
	}
	return nil
}

func (w *world) happen(op, arn string, stopped map[string]time.Time, done map[string]bool) {
	task, _ := w.store.View().Tasks.Get(arn)
	switch op {
	case "stop":
		if _, twice := stopped[arn]; !twice {
			stopped[arn] = time.Now()
		}
		w.stop(arn)
	case "die":
		w.change(arn, func(t *ecs.Task) *ecs.Task { return t.Ended("c", "r", time.Now()) })
	case "drained":
		for _, tt := range task.Targets {
			if target, ok := w.store.View().Targets.Get(elb.TargetKey(group, tt.ID, tt.Port)); ok &&
				target.IsDraining() {
				done[arn] = true
				w.drained(tt.ID, tt.Port)
			}
		}
	case "by hand":
		w.update(func(tx *state.Tx) {
			for _, tt := range task.Targets {
				if target, ok := tx.Targets.Get(elb.TargetKey(group, tt.ID, tt.Port)); ok && !target.IsDraining() {
					tx.Targets.Put(target.Deregister(time.Now(), delay))
				}
			}
		})
	case "seconds":
		time.Sleep(3 * time.Second)
	case "minute":
		time.Sleep(time.Minute)
	}
}

// consistent checks the rules that hold whenever the controller has nothing left to do.
func (w *world) consistent(stopped map[string]time.Time, done map[string]bool) error {
	snap := w.store.View()
	live := map[string]bool{}
	for t := range snap.Tasks.All() {
		for _, tt := range t.Targets {
			target, ok := snap.Targets.Get(elb.TargetKey(group, tt.ID, tt.Port))
			if t.LastStatus == ecs.Running && (!ok || target.IsDraining()) {
				return fmt.Errorf("%s counts as RUNNING without a target", t.TaskARN)
			}
			if !tt.Draining {
				live[elb.TargetKey(group, tt.ID, tt.Port)] = true
			}
		}
		if t.LastStatus == ecs.Running && len(t.Targets) != 1 {
			return fmt.Errorf("%s counts as RUNNING with %d targets", t.TaskARN, len(t.Targets))
		}
		if at, ok := stopped[t.TaskARN]; ok && t.LastStatus == ecs.Stopping && !done[t.TaskARN] &&
			time.Since(at) < delay {
			return fmt.Errorf("%s stopped after %v, before the edge had drained its target", t.TaskARN, time.Since(at))
		}
	}
	for target := range snap.Targets.All() {
		if !target.IsDraining() && !live[target.Key()] {
			return fmt.Errorf("%s gets requests although its task has ended", target.Key())
		}
	}
	return nil
}
