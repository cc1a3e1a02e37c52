package ecs

import (
	"cmp"
	"slices"
)

// TaskSums is what a set of tasks adds up to. State keeps one for each container instance, service and
// cluster and updates it with every write of a task, so that nobody has to walk over tasks to count them.
//
// A TaskSums is never changed: Add and Remove return another one. The nil TaskSums is that of no tasks.
type TaskSums struct {
	// Counts are the tasks by label, zone, provider, statuses and WasHealthy, in that order. No count is 0.
	Counts []TaskCount
	// Used is what the live tasks take of their instances (see Task.Live). Its ports are those in Ports.
	Used Resources
	// Ports are the live tasks that hold static host ports, by ARN.
	Ports []*Task
	// Protected are the live tasks that have, or had, scale-in protection, by ARN.
	Protected []*Task
}

// TaskCount is how many tasks of a set are alike.
type TaskCount struct {
	Label         string // chosen by the owner of the sums: a deployment's id, a task group, or nothing
	Zone          string // availability zone, or nothing when the owner does not count by zone
	Provider      string // capacity provider, or nothing
	LastStatus    TaskStatus
	DesiredStatus TaskStatus
	WasHealthy    bool
	Tasks         int
}

// Live reports whether the counted tasks take resources (see Task.Live).
func (c TaskCount) Live() bool { return c.DesiredStatus == Running && c.LastStatus != Stopped }

// compare orders counts of one set; two that are alike are equal.
func (c TaskCount) compare(o TaskCount) int {
	return cmp.Or(cmp.Compare(c.Label, o.Label), cmp.Compare(c.Zone, o.Zone), cmp.Compare(c.Provider, o.Provider),
		cmp.Compare(c.LastStatus, o.LastStatus), cmp.Compare(c.DesiredStatus, o.DesiredStatus),
		compareBool(c.WasHealthy, o.WasHealthy))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// CountsLike reports whether sums stay the same when a task replaces another one with the same label and zone.
func (t *Task) CountsLike(o *Task) bool {
	plain := func(t *Task) bool {
		return len(t.Need.PortsTCP)+len(t.Need.PortsUDP) == 0 && t.ProtectedUntil.IsZero()
	}
	return t.CapacityProviderName == o.CapacityProviderName && t.LastStatus == o.LastStatus &&
		t.DesiredStatus == o.DesiredStatus && t.WasHealthy == o.WasHealthy &&
		t.Need.CPU == o.Need.CPU && t.Need.Memory == o.Need.Memory && t.Need.GPUs == o.Need.GPUs &&
		t.Need.ENIs == o.Need.ENIs && plain(t) && plain(o)
}

// Add returns the sums of the set with t, which is counted under the label and the zone.
func (s *TaskSums) Add(t *Task, label, zone string) *TaskSums { return s.with(t, label, zone, 1) }

// Remove returns the sums of the set without t; label and zone are those that it was added with.
// The result is nil when no task is left.
func (s *TaskSums) Remove(t *Task, label, zone string) *TaskSums { return s.with(t, label, zone, -1) }

func (s *TaskSums) with(t *Task, label, zone string, n int) *TaskSums {
	var out TaskSums
	if s != nil {
		out = *s
	}
	out.Counts = counted(out.Counts, TaskCount{
		label, zone, t.CapacityProviderName, t.LastStatus, t.DesiredStatus, t.WasHealthy, n,
	})
	if len(out.Counts) == 0 {
		return nil
	}
	if t.Live() {
		out.Used.CPU += n * t.Need.CPU
		out.Used.Memory += n * t.Need.Memory
		out.Used.GPUs += n * t.Need.GPUs
		out.Used.ENIs += n * t.Need.ENIs
		if len(t.Need.PortsTCP)+len(t.Need.PortsUDP) > 0 {
			out.Ports = listed(out.Ports, t, n > 0)
		}
		if !t.ProtectedUntil.IsZero() {
			out.Protected = listed(out.Protected, t, n > 0)
		}
	}
	return &out
}

// counted returns counts with c.Tasks added to the one that is like c.
func counted(counts []TaskCount, c TaskCount) []TaskCount {
	at, found := slices.BinarySearchFunc(counts, c, TaskCount.compare)
	switch {
	case !found:
		return slices.Insert(slices.Clone(counts), at, c)
	case counts[at].Tasks+c.Tasks == 0:
		return slices.Delete(slices.Clone(counts), at, at+1)
	}
	counts = slices.Clone(counts)
	counts[at].Tasks += c.Tasks
	return counts
}

// listed returns tasks with or without t.
func listed(tasks []*Task, t *Task, with bool) []*Task {
	at, found := slices.BinarySearchFunc(tasks, t, func(a, b *Task) int { return cmp.Compare(a.TaskARN, b.TaskARN) })
	tasks = slices.Clone(tasks)
	if found {
		tasks = slices.Delete(tasks, at, at+1)
	}
	if with {
		tasks = slices.Insert(tasks, at, t)
	}
	return tasks
}

// Count returns the number of tasks for which which is true.
func (s *TaskSums) Count(which func(TaskCount) bool) int {
	if s == nil {
		return 0
	}
	n := 0
	for _, c := range s.Counts {
		if which(c) {
			n += c.Tasks
		}
	}
	return n
}

// Remaining is what the tasks of a container instance leave of its resources (ecs.md 1.3.5).
// The port lists are those in use.
func (s *TaskSums) Remaining(registered Resources) Resources {
	if s == nil {
		return registered
	}
	r := registered.Sub(s.Used)
	for _, t := range s.Ports {
		r.PortsTCP = append(r.PortsTCP, t.Need.PortsTCP...)
		r.PortsUDP = append(r.PortsUDP, t.Need.PortsUDP...)
	}
	return r
}

// RunningAndPending returns how many tasks of those that which selects, nil selects all, count as
// running and as pending where AWS counts tasks. One that is being stopped still runs until it has
// stopped.
func (s *TaskSums) RunningAndPending(which func(TaskCount) bool) (running, pending int) {
	if s == nil {
		return 0, 0
	}
	for _, c := range s.Counts {
		if which != nil && !which(c) {
			continue
		}
		switch c.LastStatus {
		case Running, Deactivating:
			running += c.Tasks
		case Provisioning, Pending, Activating:
			pending += c.Tasks
		}
	}
	return running, pending
}
