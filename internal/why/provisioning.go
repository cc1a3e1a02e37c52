package why

import (
	"strings"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/provider"
	"github.com/berthhq/berth/internal/sched"
	"github.com/berthhq/berth/internal/state"
)

// provisioning adds what a task in PROVISIONING waits for.
func (a *Answer) provisioning(t *state.Tables, task *ecs.Task, now time.Time) {
	name := task.CapacityProviderName
	spec, ok := launch.OfWaiting(t, task)
	if !ok {
		a.Failed = true
		a.add("scheduler", "Its task definition or its cluster does not exist any more.")
		return
	}
	request, err := spec.Request(1)
	if err != nil {
		a.Failed = true
		a.add("scheduler", "It cannot be placed: %v", err)
		return
	}
	plan := sched.Plan(launch.World(t, task.ClusterARN), []sched.Request{request})
	if len(plan.Failures) == 0 {
		a.add("scheduler", "There is room for it on an instance of capacity provider %s; it is about to be placed.",
			name)
		return
	}
	f := plan.Failures[0]
	detail := f.Detail
	if len(plan.Refusals[0]) > 0 {
		detail = launch.Explain(plan.Refusals[0], f.InstanceARN)
	}
	end := task.CreatedAt.Add(ecs.ProvisioningTimeout)
	a.add("scheduler", "It has waited %s for room on an instance of capacity provider %s, and is stopped at %s if "+
		"there "+
		"is none: %s.", age(task.CreatedAt, now), name, at(end), strings.TrimSuffix(detail, "."))
	p, ok := provider.Named(t, spec.Cluster, name)
	if !ok {
		a.add("capacity", "The cluster does not have capacity provider %s any more.", name)
		return
	}
	a.capacity(t, spec.Cluster, p)
}

// capacity adds whether the Auto Scaling group of a capacity provider is launching instances, or why it is not.
func (a *Answer) capacity(t *state.Tables, c *ecs.Cluster, p *ecs.CapacityProvider) {
	g, ok := provider.Group(t, p)
	if !ok {
		a.add("capacity", "The Auto Scaling group of capacity provider %s does not exist any more.", p.Name)
		return
	}
	inService, starting := 0, 0
	for i := range t.Instances.By(state.InstancesByAutoScalingGroup, g.Key()) {
		switch l := i.Scaling.Lifecycle; {
		case l == fleet.LifecycleInService:
			inService++
		case l.Launching():
			starting++
		}
	}
	r := a.add("capacity", "Auto Scaling group %s has %s in service and %d starting; it should have %d.", g.Name,
		number(inService, "instance", "instances"), starting, g.Desired)
	switch why := limit(t, c, p, g); {
	case why == provider.AtMaximum(g):
		r.Text += " No more are launched: " + why + "."
		r.Advice = "Raise the maximum of the group: aws autoscaling update-auto-scaling-group --max-size N"
	case why != "":
		r.Text += " No more are launched: " + why + "."
	case !p.ScalesGroup():
		r.Text += " ECS does not scale it: managed scaling is disabled."
		r.Advice = "Launch instances in the group, or enable managed scaling of capacity provider " + p.Name + "."
	}
}
