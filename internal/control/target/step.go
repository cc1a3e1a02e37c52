package target

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// step is one transaction for the tasks of one service.
type step struct {
	tx      *state.Tx
	svc     *ecs.Service // nil when the service does not exist any more
	now     time.Time
	added   []string // target group ARNs, one for each registration
	removed []string
	// synced is a state that the edge has applied. Tasks whose targets were deregistered after it
	// must wait.
	synced *state.Tables
}

func newStep(tx *state.Tx, serviceARN string, now time.Time) *step {
	s := &step{tx: tx, now: now, synced: &tx.Tables}
	s.svc, _ = tx.Services.Get(serviceARN)
	return s
}

// unheard is how long after the end of a deregistration delay a task may stop although the edge has
// not reported that it has finished.
const unheard = 2 * time.Second

// waitsForTargets reports whether a task's containers run and it is not registered yet.
func waitsForTargets(t *ecs.Task) bool {
	return t.LastStatus == ecs.Activating && t.DesiredStatus == ecs.Running
}

// needsDeregistering reports whether a task has stopped, or should, and still receives requests.
func needsDeregistering(t *ecs.Task) bool {
	leaving := t.DesiredStatus == ecs.Stopped || !t.LastStatus.Before(ecs.Deactivating)
	return leaving && slices.ContainsFunc(t.Targets, func(tt ecs.TaskTarget) bool { return !tt.Draining })
}

// mayStop reports whether a task that waits to stop may do so, because none of its traffic is left:
// each of its targets is deleted, or the edge has finished with it, or its delay ended some time
// ago, or no load balancer uses its group.
func mayStop(t *state.Tables, task *ecs.Task, now time.Time) bool {
	return task.LastStatus == ecs.Deactivating && !slices.ContainsFunc(task.Targets, func(tt ecs.TaskTarget) bool {
		key := elb.TargetKey(tt.TargetGroupARN, tt.ID, tt.Port)
		target, ok := t.Targets.Get(key)
		if !tt.Draining {
			return true
		}
		if !ok || !target.IsDraining() || !inUse(t, tt.TargetGroupARN) {
			return false
		}
		seen, ok := t.TargetHealth.Get(key)
		done := ok && seen.Drained && seen.Registered.Equal(target.Registered)
		return !done && now.Before(target.DrainUntil.Add(unheard))
	})
}

// edgeKnows reports whether the edge has applied a state in which the task's targets were
// deregistered.
func (s *step) edgeKnows(task *ecs.Task) bool {
	then, ok := s.synced.Tasks.Get(task.TaskARN)
	return ok && then.LastStatus == ecs.Deactivating && !needsDeregistering(then)
}

// lost returns the targets of a task that were deregistered although it should run on. Only this
// package deregisters tasks, so it was done by hand, and ECS registers such a task again (ecs.md
// 3.11). Targets of deleted groups do not count.
func lost(t *state.Tables, task *ecs.Task) []ecs.TaskTarget {
	if task.LastStatus != ecs.Running || task.DesiredStatus != ecs.Running {
		return nil
	}
	var out []ecs.TaskTarget
	for _, tt := range task.Targets {
		if target, ok := t.Targets.Get(elb.TargetKey(tt.TargetGroupARN, tt.ID, tt.Port)); tt.Draining ||
			ok && !target.IsDraining() {
			continue
		}
		if _, ok := t.TargetGroups.Get(tt.TargetGroupARN); ok {
			out = append(out, tt)
		}
	}
	return out
}

// standing reports whether the machine of a task exists and is not to end.
func standing(t *state.Tables, containerInstanceARN string) bool {
	ci, ok := t.ContainerInstances.Get(containerInstanceARN)
	if !ok || !ci.Present() {
		return false
	}
	a, err := arn.Parse(containerInstanceARN)
	if err != nil {
		return false
	}
	i, ok := t.Instances.Get(fleet.InstanceARN(a.Region, a.Account, ci.EC2InstanceID))
	return !ok || i.Live() && i.Desired == fleet.Running // a machine that is not one of ours is judged by its agent
}

func (s *step) task(t *ecs.Task) {
	switch {
	case waitsForTargets(t):
		s.register(t)
	case needsDeregistering(t):
		s.deregister(t)
	case mayStop(&s.tx.Tables, t, s.now) && s.edgeKnows(t):
		c := *t
		c.LastStatus, c.Targets = ecs.Stopping, nil
		s.put(&c)
	case t.LastStatus == ecs.Stopped && len(t.Targets) > 0:
		c := *t
		c.Targets = nil
		s.put(&c)
	}
}

func (s *step) put(t *ecs.Task) {
	t.Version++
	s.tx.Tasks.Put(t)
}

// register registers the task's targets and moves the task to RUNNING. A task that cannot be
// registered stays ACTIVATING; the service gets an event, and the registration is tried again
// later.
func (s *step) register(t *ecs.Task) {
	var targets []*elb.Target
	for _, lb := range t.LoadBalancers {
		target, why := s.targetOf(t, lb)
		if why != "" {
			s.refuse(lb.TargetGroupARN, why)
			return
		}
		targets = append(targets, target)
	}
	if group, why := s.place(targets); why != "" {
		s.refuse(group, why)
		return
	}
	c := *t
	for _, target := range targets {
		c.Targets = append(c.Targets, ecs.TaskTarget{
			TargetGroupARN: target.TargetGroupARN, ID: target.ID, Port: target.Port,
		})
		s.added = append(s.added, target.TargetGroupARN)
	}
	c.LastStatus, c.StartedAt = ecs.Running, s.now
	s.put(&c)
}

// restore registers again what was deregistered by hand, and adds an event.
func (s *step) restore(t *ecs.Task) {
	if !standing(&s.tx.Tables, t.ContainerInstanceARN) {
		return
	}
	for _, tt := range lost(&s.tx.Tables, t) {
		for _, lb := range t.LoadBalancers {
			target, why := s.targetOf(t, lb)
			if why != "" || target.Key() != elb.TargetKey(tt.TargetGroupARN, tt.ID, tt.Port) {
				continue
			}
			if group, why := s.place([]*elb.Target{target}); why != "" {
				s.refuse(group, why)
				continue
			}
			s.added = append(s.added, tt.TargetGroupARN)
			s.tell(fmt.Sprintf("(service %s) (task %s) (port %d) was deregistered from (target-group %s) "+
				"although the task is to run. It is registered again.",
				s.name(), arn.LastID(t.TaskARN), tt.Port, tt.TargetGroupARN))
		}
	}
}

// targetOf returns the target of a task for a load balancer, or why there is none (ecs.md 3.11).
func (s *step) targetOf(t *ecs.Task, lb ecs.LoadBalancer) (target *elb.Target, why string) {
	g, ok := s.tx.TargetGroups.Get(lb.TargetGroupARN)
	if !ok {
		return nil, "the target group does not exist"
	}
	target = &elb.Target{TargetGroupARN: g.ARN, Zone: t.AvailabilityZone, Registered: s.now}
	if address := t.Address(); address != "" {
		target.ID, target.Address, target.Port = address, address, lb.ContainerPort
		return target, ""
	}
	ci, ok := s.tx.ContainerInstances.Get(t.ContainerInstanceARN)
	if !ok || ci.Address == "" {
		return nil, "the address of the task's container instance is not known"
	}
	if target.Port = s.hostPort(t, lb); target.Port == 0 {
		return nil, fmt.Sprintf("container %s has no host port for container port %d",
			lb.ContainerName, lb.ContainerPort)
	}
	target.Address, target.ID = ci.Address, ci.EC2InstanceID
	if g.TargetType == elb.TargetIP || target.ID == "" {
		target.ID = ci.Address
	}
	if _, err := netip.ParseAddr(target.Address); err != nil {
		return nil, fmt.Sprintf("%q, the address of the task's container instance, is not an IP address",
			target.Address)
	}
	return target, ""
}

// hostPort returns the port where the container's port is published, 0 if it is not. In host mode
// it is the container's own port, and agents report no bindings (ecs-agent.md 6).
func (s *step) hostPort(t *ecs.Task, lb ecs.LoadBalancer) int {
	if d, ok := s.tx.TaskDefinitions.Get(t.TaskDefinitionARN); ok && d.NetworkMode == ecs.NetworkHost {
		return lb.ContainerPort
	}
	for _, c := range t.Containers {
		if c.Name != lb.ContainerName {
			continue
		}
		for _, b := range c.NetworkBindings {
			if b.ContainerPort == lb.ContainerPort && b.HostPort != 0 && b.Protocol != "udp" {
				return b.HostPort
			}
		}
	}
	return 0
}

// deregister makes the task's targets drain. If the task has stopped already, they need not drain.
func (s *step) deregister(t *ecs.Task) {
	c := *t
	c.Targets = slices.Clone(t.Targets)
	for i := range c.Targets {
		tt := &c.Targets[i]
		if tt.Draining {
			continue
		}
		tt.Draining = true
		s.removed = append(s.removed, tt.TargetGroupARN)
		target, ok := s.tx.Targets.Get(elb.TargetKey(tt.TargetGroupARN, tt.ID, tt.Port))
		if !ok || target.IsDraining() || s.shared(t, *tt) {
			continue
		}
		delay := time.Duration(0)
		if g, ok := s.tx.TargetGroups.Get(tt.TargetGroupARN); ok {
			delay = g.DeregistrationDelay()
		}
		s.tx.Targets.Put(target.Deregister(s.now, delay))
	}
	if c.LastStatus == ecs.Stopped {
		c.Targets = nil
	}
	s.put(&c)
}

// shared reports whether another task has the same registration: it got the port before this task's
// end was known.
func (s *step) shared(t *ecs.Task, tt ecs.TaskTarget) bool {
	for other := range s.tx.Tasks.By(state.TasksByTarget, elb.TargetKey(tt.TargetGroupARN, tt.ID, tt.Port)) {
		if other.TaskARN != t.TaskARN && slices.Contains(other.Targets,
			ecs.TaskTarget{TargetGroupARN: tt.TargetGroupARN, ID: tt.ID, Port: tt.Port}) {
			return true
		}
	}
	return false
}

// finish adds the service's events about what was changed, one for each target group.
func (s *step) finish() {
	s.tellWhere()
	s.count("registered", s.added)
	s.count("deregistered", s.removed)
}

// tellWhere adds an event if a port of the service's load balancers had to be served elsewhere.
func (s *step) tellWhere() {
	for _, group := range s.added {
		for r := range s.tx.Rules.By(state.RulesByTargetGroup, group) {
			if b, ok := s.tx.BoundListeners.Get(r.ListenerARN); ok && b.Reason != "" {
				s.complain(fmt.Sprintf("(service %s) (listener %s) %s", s.name(), r.ListenerARN, b.Reason))
			}
		}
	}
}

func (s *step) count(what string, groups []string) {
	slices.Sort(groups)
	for len(groups) > 0 {
		n := 1
		for n < len(groups) && groups[n] == groups[0] {
			n++
		}
		s.tell(fmt.Sprintf("(service %s) %s %d targets in (target-group %s)", s.name(), what, n, groups[0]))
		groups = groups[n:]
	}
}

func (s *step) name() string {
	if s.svc == nil {
		return ""
	}
	return s.svc.ServiceName
}

// complain adds an event about something that lasts, unless there was one lately.
func (s *step) complain(message string) {
	if s.svc == nil {
		return
	}
	for old := range s.tx.ServiceEvents.By(state.ServiceEventsByService, s.svc.ServiceARN) {
		if old.Message == message && s.now.Sub(old.CreatedAt) < ecs.RepeatAfter {
			return
		}
	}
	s.tell(message)
}

// tell adds an event to the service.
func (s *step) tell(message string) {
	if s.svc != nil {
		s.tx.AddServiceEvent(s.svc.ServiceARN, message, s.now)
	}
}
