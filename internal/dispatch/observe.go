package dispatch

import (
	"cmp"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/ecs"
)

// Report is what an agent reports about a task.
type Report struct {
	Status     ecs.TaskStatus // PENDING, RUNNING, STOPPED, or "" for nothing about the task as a whole
	Reason     string
	Containers []ContainerReport // in the order in which they happened
	Attached   []string          // ids of attachments that now exist

	PullStartedAt, PullStoppedAt, ExecutionStoppedAt time.Time
}

// ContainerReport is what an agent reports about a container.
type ContainerReport struct {
	Name        string
	Status      ecs.TaskStatus
	RuntimeID   string
	ExitCode    *int
	Reason      string
	ImageDigest string
	Bindings    []ecs.NetworkBinding
}

// reasonEssential is AWS's text (ecs.md 1.5.4).
const reasonEssential = "Essential container in task exited"

// Observe returns the task as it is after a report; t itself if nothing changes. Nothing in a task
// ever moves back, in whatever order reports arrive.
func Observe(t *ecs.Task, def *ecs.TaskDefinition, r Report, now time.Time) *ecs.Task {
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

// containerOrder returns how far a container has come.
func containerOrder(s ecs.TaskStatus) int {
	return slices.Index([]ecs.TaskStatus{ecs.Pending, ecs.Running, ecs.Stopped}, s)
}

// observeContainer applies a report to a container and returns whether anything changed.
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
	return moved || before.RuntimeID != c.RuntimeID || before.ImageDigest != c.ImageDigest ||
		before.Reason != c.Reason ||
		!slices.Equal(before.NetworkBindings, c.NetworkBindings)
}

// observeTimes keeps the first report of each time (ecs.md 1.5.2).
func observeTimes(t *ecs.Task, r Report) (changed bool) {
	for _, at := range []struct {
		have *time.Time
		said time.Time
	}{{&t.PullStartedAt, r.PullStartedAt}, {&t.PullStoppedAt, r.PullStoppedAt},
		{&t.ExecutionStoppedAt, r.ExecutionStoppedAt}} {
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

// hold writes why a task that has not started yet waits, as the reason of its containers; "" means
// that it no longer waits.
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

// runs moves a task to RUNNING. If load balancers must know it first, it moves to ACTIVATING, and
// control/target then moves it on.
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

// stopped ends a task. If nobody asked for that, the reason comes from the agent's report
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

// up reports whether the task was ever seen running.
func up(t *ecs.Task) bool {
	return !t.StartedAt.IsZero() || ecs.Pending.Before(t.LastStatus) && t.LastStatus.Before(ecs.Deactivating)
}

// exited reports whether an essential container got so far that it could exit: then the task has
// run, although nobody saw it. It is false if the agent gives a reason of its own: then containers
// may have exited because the task could not start.
func exited(t *ecs.Task, def *ecs.TaskDefinition) bool {
	for _, c := range t.Containers {
		essential := def == nil || def.Container(c.Name) != nil && def.Container(c.Name).Essential
		if essential && c.ExitCode != nil {
			return true
		}
	}
	return false
}

// failure returns why a task did not start: the report's own reason, else the first one of a
// container.
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

// ObserveHealth returns the task with the health of some of its containers; t itself if nothing
// changes.
func ObserveHealth(t *ecs.Task, def *ecs.TaskDefinition, health map[string]string) *ecs.Task {
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
