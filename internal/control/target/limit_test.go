package target

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/state"
)

// occupy registers n targets that do not belong to the service.
func (w *world) occupy(group string, n int) {
	w.update(func(tx *state.Tx) {
		for i := range n {
			tx.Targets.Put(&elb.Target{TargetGroupARN: group, ID: "i-other", Port: 1 + i, Registered: time.Now()})
		}
	})
}

// alb.md 8.6: a service registers no more targets than a group may have. Another task waits, the service has
// one event about it, and the task is registered when there is room.
func TestAFullTargetGroupTakesNoMore(t *testing.T) {
	inBubble(t, elb.TargetInstance, nil, func(w *world) {
		w.occupy(group, elb.MaxTargetsPerGroup-1)
		first, second := w.task("a", 32768, nil), w.task("b", 32769, nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		for arn, want := range map[string]ecs.TaskStatus{first: ecs.Running, second: ecs.Activating} {
			if task, _ := w.store.View().Tasks.Get(arn); task.LastStatus != want {
				t.Errorf("%s is %s, want %s", arn, task.LastStatus, want)
			}
		}
		if n := w.store.View().RegisteredTargets(group); n != elb.MaxTargetsPerGroup {
			t.Errorf("%d targets", n)
		}
		w.expectEvents("(service web) registered 1 targets in (target-group TG)",
			"(service web) failed to register targets in (target-group TG) with (error A target group can "+
				"have at most '1000' targets)")
		w.update(func(tx *state.Tx) { tx.Targets.Delete(elb.TargetKey(group, "i-other", 1)) })
		time.Sleep(retry)
		synctest.Wait()
		if task, _ := w.store.View().Tasks.Get(second); task.LastStatus != ecs.Running {
			t.Errorf("with room the second task is %s", task.LastStatus)
		}
	})
}

// A service registers no more targets than a load balancer may have in all its groups (alb.md 8.6). A task
// with two groups is registered in both or in neither.
func TestAFullLoadBalancerTakesNoMore(t *testing.T) {
	const other = "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/other/1"
	inBubble(t, elb.TargetInstance, nil, func(w *world) {
		w.update(func(tx *state.Tx) {
			tx.TargetGroups.Put(&elb.TargetGroup{ARN: other, TargetType: elb.TargetInstance})
			tx.Listeners.Put(&elb.Listener{ARN: "listener", LoadBalancerARN: "lb"})
			tx.Rules.Put(&elb.Rule{ARN: "second", ListenerARN: "listener", Actions: []elb.Action{
				{Type: elb.ActionForward,
					Forward: &elb.Forward{TargetGroups: []elb.WeightedGroup{{ARN: other, Weight: 1}}}}}})
		})
		w.occupy(other, elb.MaxTargetsPerLB-1)
		both := func(t *ecs.Task) {
			t.LoadBalancers = append(t.LoadBalancers,
				ecs.LoadBalancer{TargetGroupARN: other, ContainerName: "app", ContainerPort: 3000})
		}
		arn := w.task("a", 32768, both)
		w.expect(arn, "ACTIVATING")
		w.expectEvents(fmt.Sprintf("(service web) failed to register targets in (target-group %s) with (error "+
			"A load balancer can have at most '1000' targets in all its target groups: 'lb')", other))
		w.update(func(tx *state.Tx) { tx.Targets.Delete(elb.TargetKey(other, "i-other", 1)) })
		time.Sleep(retry)
		synctest.Wait()
		w.expect(arn, "RUNNING i-1@127.0.1.2:32768")
	})
}
