package fleet

import (
	"slices"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

const tgARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/0123456789abcdef"

// attach makes a target group whose targets drain for a minute, and gives it to the group.
func (w *world) attach() {
	w.update(func(tx *state.Tx) {
		tx.TargetGroups.Put(&elb.TargetGroup{ARN: tgARN, Name: "web", Protocol: "HTTP", Port: 8080,
			TargetType: elb.TargetInstance, HealthCheck: elb.DefaultHealthCheck(),
			Attributes: map[string]string{"deregistration_delay.timeout_seconds": "60"}})
	})
	w.group(func(g *fleet.AutoScalingGroup) { g.TargetGroups, g.HealthCheckType = []string{tgARN}, "EC2,ELB" })
}

func (w *world) targets() (registered, draining []*elb.Target) {
	for t := range w.store.View().Targets.All() {
		if t.IsDraining() {
			draining = append(draining, t)
		} else {
			registered = append(registered, t)
		}
	}
	return registered, draining
}

// Instances in service are targets. An instance that is removed drains first, and is terminated when the load balancer
// has drained it (ecs.md 5.9).
func TestInstancesAreTargets(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.want(2)
		w.after(time.Minute)
		w.attach()
		w.after(time.Second)
		registered, _ := w.targets()
		if len(registered) != 2 || registered[0].Port != 8080 ||
			registered[0].Address != w.members()[0].Address.String() &&
				registered[0].Address != w.members()[1].Address.String() {
			t.Fatalf("targets %v", registered)
		}
		w.want(1)
		w.after(30 * time.Second)
		registered, draining := w.targets()
		if len(registered) != 1 || len(draining) != 1 || w.driver.runs() != 2 {
			t.Fatalf("%d registered, %d drain, %d run", len(registered), len(draining), w.driver.runs())
		}
		w.after(40 * time.Second) // the delay is over
		if w.driver.runs() != 1 || w.inService() == "" {
			t.Errorf("%d run", w.driver.runs())
		}
		w.want(0)
		w.after(10 * time.Second)
		_, draining = w.targets()
		last := draining[slices.IndexFunc(draining, func(d *elb.Target) bool { return d.ID == registered[0].ID })]
		w.update(func(tx *state.Tx) {
			tx.TargetHealth.Put(&elb.TargetHealth{Verdict: elb.Verdict{
				Key: last.Key(), Registered: last.Registered, State: elb.Healthy, Drained: true,
			}})
		})
		w.after(5 * time.Second) // there are no connections, so it does not wait for the whole delay
		if w.driver.runs() != 0 {
			t.Error("an instance waits for connections that are gone")
		}
	})
}

func TestDetachedTargetGroup(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.want(2)
		w.attach()
		w.after(time.Minute)
		w.group(func(g *fleet.AutoScalingGroup) { g.TargetGroups = nil })
		w.after(time.Second)
		if registered, draining := w.targets(); len(registered) != 0 || len(draining) != 2 {
			t.Errorf("%d registered, %d drain", len(registered), len(draining))
		}
		w.after(2 * time.Minute)
		for _, m := range w.members() {
			if len(m.Scaling.Targets) != 0 || m.Scaling.Lifecycle != fleet.LifecycleInService {
				t.Errorf("member %+v", m.Scaling)
			}
		}
	})
}

// The health that load balancers report counts if the group's health check type is ELB (ecs.md 5.6).
func TestUnhealthyTargetIsReplaced(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.want(1)
		w.attach()
		w.after(time.Minute)
		sick := w.members()[0]
		registered, _ := w.targets()
		w.update(func(tx *state.Tx) {
			tx.TargetHealth.Put(&elb.TargetHealth{Verdict: elb.Verdict{
				Key: registered[0].Key(), Registered: registered[0].Registered, State: elb.Unhealthy,
			}})
		})
		w.after(3 * time.Minute)
		m := w.members()
		if len(m) != 1 || m[0].ID == sick.ID || w.inService() != "a1" && w.inService() != "b1" {
			t.Fatalf("members %v", m)
		}
		if i, _ := w.store.View().Instances.Get(sick.ARN()); i.State != fleet.Terminated {
			t.Errorf("the sick instance is %s", i.State)
		}
	})
}
