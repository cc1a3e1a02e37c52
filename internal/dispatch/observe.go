package dispatch

import (
	"cmp"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/ecs"
)

// Report is what an agent says of a task.
type Report struct {
	Status     ecs.TaskStatus // PENDING, RUNNING, STOPPED, or "" to say nothing of the task as a whole
	Reason     string
	Containers []ContainerReport // in the order in which they happened
	Attached   []string          // ids of attachments that are there

	PullStartedAt, PullStoppedAt, ExecutionStoppedAt time.Time
}

// ContainerReport is what an agent says of a container.
type ContainerReport struct {
	Name        string
	Status      ecs.TaskStatus
	RuntimeID   string
	ExitCode    *int
	Reason      string
	ImageDigest string
	Bindings    []ecs.NetworkBinding
}

// reasonEssential is AWS's sentence (ecs.md 1.5.4).
const reasonEssential = "Essential container in task exited"

// observe returns the task as it is after a report, t itself if that changes
// nothing. Nothing in it ever moves back, whatever comes in whatever order.
func observe(t *ecs.Task, def *ecs.TaskDefinition, r Report, now time.Time) *ecs.Task {
	if t.LastStatus == ecs.Stopped {
		return t
	}
	c := *t
	c.Containers = slices.Clone(t.Containers)
	changed := false
	for _, cr := range r.Containers {
		i := slices.IndexFunc(c.Containers, func(c ecs.Container) bool { return c.Name == cr.Name })
		if i >= 0 && observeContainer(&c.Containers[i], cr) {
			changed = true
		}
	}
	changed = observeTimes(&c, r) || changed
	changed = observeAttachments(&c, r.Attached) || changed
	if t.Connectivity == "" {
		c.Connectivity, c.ConnectivityAt, changed = connected, now, true
	}
	if changed {
		c.Version++
		c.HealthStatus = taskHealth(def, &c)
		t = &c
	}
	switch r.Status {
	case ecs.Pending:
		return hold(t, r.Reason)
	case ecs.Running:
		return runs(t, now)
	case ecs.Stopped:
		return stopped(t, def, r.Reason, now)
	}
	return t
}

func taskHealth(def *ecs.TaskDefinition, t *ecs.Task) string {
	if def == nil {
		return t.HealthStatus
	}
	return ecs.TaskHealth(def, t.Containers)
}

// containerOrder is how far a container has come.
func containerOrder(s ecs.TaskStatus) int {
	return slices.Index([]ecs.TaskStatus{ecs.Pending, ecs.Running, ecs.Stopped}, s)
}

// observeContainer takes a report in and tells whether it said anything new.
func observeContainer(c *ecs.Container, r ContainerReport) bool {
	if containerOrder(r.Status) < containerOrder(c.LastStatus) || c.LastStatus == ecs.Stopped {
		return false
	}
	before := *c
	moved := c.LastStatus != r.Status
	c.LastStatus = r.Status
	c.RuntimeID = cmp.Or(r.RuntimeID, c.RuntimeID)
	c.ImageDigest = cmp.Or(r.ImageDigest, c.ImageDigest)
	if len(r.Bindings) > 0 {
		c.NetworkBindings = r.Bindings
	}
	if r.Status == ecs.Stopped {
		c.ExitCode = r.ExitCode
	}
	if moved || r.Reason != "" {
		c.Reason = r.Reason
	}
	return moved || before.RuntimeID != c.RuntimeID || before.ImageDigest != c.ImageDigest || before.Reason != c.Reason ||
		!slices.Equal(before.NetworkBindings, c.NetworkBindings)
}

// observeTimes keeps the first value of each (ecs.md 1.5.2).
func observeTimes(t *ecs.Task, r Report) (changed bool) {
	for _, at := range []struct {
		have *time.Time
		said time.Time
	}{{&t.PullStartedAt, r.PullStartedAt}, {&t.PullStoppedAt, r.PullStoppedAt}, {&t.ExecutionStoppedAt, r.ExecutionStoppedAt}} {
		if at.have.IsZero() && !at.said.IsZero() {
			*at.have, changed = at.said, true
		}
	}
	return changed
}

func observeAttachments(t *ecs.Task, ids []string) (changed bool) {
	for i := range t.Attachments {
		if t.Attachments[i].Status != attached && slices.Contains(ids, t.Attachments[i].ID) {
			t.Attachments = slices.Clone(t.Attachments)
			t.Attachments[i].Status, changed = attached, true
		}
	}
	return changed
}

// Statuses of an attachment.
const (
	attached = "ATTACHED"
	deleted  = "DELETED"
)

// hold notes why a task that has not started yet is waiting, in the reasons of its
// containers; "" says that it goes on.
func hold(t *ecs.Task, reason string) *ecs.Task {
	c := *t
	c.Containers = slices.Clone(t.Containers)
	changed := false
	for i := range c.Containers {
		if oc := &c.Containers[i]; oc.LastStatus == ecs.Pending && oc.Reason != reason {
			oc.Reason, changed = reason, true
		}
	}
	if !changed {
		return t
	}
	c.Version++
	return &c
}

// runs moves a task to RUNNING, or to ACTIVATING if load balancers must know it
// first; control/target then moves it on.
func runs(t *ecs.Task, now time.Time) *ecs.Task {
	next := ecs.Running
	if len(t.LoadBalancers) > 0 {
		next = ecs.Activating
	}
	if !t.LastStatus.Before(next) {
		return t
	}
	c := *t
	c.LastStatus = next
	if next == ecs.Running {
		c.StartedAt = now
	}
	c.Version++
	return &c
}

// stopped ends a task. If nobody asked for that, the agent's account says why
// (ecs-agent.md 6.2).
func stopped(t *ecs.Task, def *ecs.TaskDefinition, reason string, now time.Time) *ecs.Task {
	code, why := ecs.EssentialContainerExited, reasonEssential
	if !up(t) && (reason != "" || !exited(t, def)) {
		code, why = ecs.TaskFailedToStart, failure(t, reason)
	}
	c := *t.Ended(code, why, now)
	c.Attachments = slices.Clone(c.Attachments)
	for i := range c.Attachments {
		c.Attachments[i].Status = deleted
	}
	return &c
}

// up tells whether the task was ever seen running.
func up(t *ecs.Task) bool {
	return !t.StartedAt.IsZero() || ecs.Pending.Before(t.LastStatus) && t.LastStatus.Before(ecs.Deactivating)
}

// exited tells whether an essential container came far enough to exit: the task
// has run then, although nobody saw it. It says nothing when the agent has a reason
// of its own: then others may have exited because the task could not start.
func exited(t *ecs.Task, def *ecs.TaskDefinition) bool {
	for _, c := range t.Containers {
		essential := def == nil || def.Container(c.Name) != nil && def.Container(c.Name).Essential
		if essential && c.ExitCode != nil {
			return true
		}
	}
	return false
}

// failure is the reason of a task that did not start: its own, else the first one
// of a container.
func failure(t *ecs.Task, reason string) string {
	if reason != "" {
		return reason
	}
	for _, c := range t.Containers {
		if c.LastStatus == ecs.Stopped && c.Reason != "" {
			return c.Reason
		}
	}
	return "Task failed to start"
}

// observeHealth returns the task with the health of one of its containers, t itself
// if that is known.
func observeHealth(t *ecs.Task, def *ecs.TaskDefinition, health map[string]string) *ecs.Task {
	if t.LastStatus == ecs.Stopped {
		return t
	}
	c := *t
	c.Containers = slices.Clone(t.Containers)
	changed := false
	for i := range c.Containers {
		oc := &c.Containers[i]
		if h, said := health[oc.Name]; said && oc.LastStatus != ecs.Stopped && oc.HealthStatus != h {
			oc.HealthStatus, changed = h, true
		}
	}
	if !changed {
		return t
	}
	c.HealthStatus = taskHealth(def, &c)
	c.Version++
	return &c
}
