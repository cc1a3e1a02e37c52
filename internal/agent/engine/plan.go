package engine

import (
	"fmt"
	"time"

	"github.com/berthhq/berth/internal/acs"
)

// Kind is the kind of a step.
type Kind string

// The kinds. Admit, Prepare and Fail are for the task, the others for a container.
const (
	Admit   Kind = "admit"   // reserve the resources
	Prepare Kind = "prepare" // make networks, volumes, limits
	Fail    Kind = "fail"    // give the task up
	Pull    Kind = "pull"
	Create  Kind = "create"
	Start   Kind = "start"
	Stop    Kind = "stop"
	Skip    Kind = "skip" // what never ran needs no stopping
)

// Step is something to do for a task.
type Step struct {
	Kind      Kind
	Container string
	Reason    string // of a Fail
}

// plan returns everything that can be done for the task now, and when to plan again even if nothing happens
// (zero: only after an event).
func plan(r *Record, now time.Time) (steps []Step, wake time.Time) {
	if r.Status == StatusStopped {
		return nil, time.Time{}
	}
	if !r.wanted() {
		return planEnd(r), time.Time{}
	}
	switch {
	case !r.Admitted:
		return []Step{{Kind: Admit}}, time.Time{}
	case !r.Prepared:
		return []Step{{Kind: Prepare}}, time.Time{}
	}
	for i := range r.Containers {
		b := &r.Containers[i]
		switch b.Phase {
		case Waiting:
			steps = append(steps, Step{Kind: Pull, Container: b.Def.Name})
		case Pulled:
			ready, failure, again := dependencies(r, i, now)
			if failure != "" {
				return []Step{{Kind: Fail, Container: b.Def.Name, Reason: failure}}, time.Time{}
			}
			if ready {
				steps = append(steps, Step{Kind: Create, Container: b.Def.Name})
			}
			wake = earlier(wake, again)
		case Created:
			steps = append(steps, Step{Kind: Start, Container: b.Def.Name})
		}
	}
	return steps, wake
}

// planEnd stops running containers, dependants before the containers they depend on.
func planEnd(r *Record) (steps []Step) {
	for i := range r.Containers {
		b := &r.Containers[i]
		switch {
		case b.Phase == Stopped:
		case b.Phase != Running:
			steps = append(steps, Step{Kind: Skip, Container: b.Def.Name})
		case !hasLiveDependants(r, i):
			steps = append(steps, Step{Kind: Stop, Container: b.Def.Name})
		}
	}
	return steps
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// needs returns what container i waits for, including links and shared volumes.
func needs(r *Record, i int) []acs.Dependency {
	b := &r.Containers[i]
	if b.Pause {
		return nil
	}
	var out []acs.Dependency
	if r.Containers[0].Pause {
		out = append(out, acs.Dependency{ContainerName: pauseName, Condition: acs.ConditionStart})
	}
	out = append(out, b.Def.DependsOn...)
	for _, link := range b.Def.Links {
		name, _ := splitLink(link)
		out = append(out, acs.Dependency{ContainerName: name, Condition: acs.ConditionStart})
	}
	for _, from := range b.Def.VolumesFrom {
		out = append(out, acs.Dependency{ContainerName: from.SourceContainer, Condition: conditionCreated})
	}
	return out
}

// conditionCreated is the condition for volumesFrom; the protocol has no name for it.
const conditionCreated = "CREATED"

// dependencies reports whether container i may be created. If not, failure says why it never may, or again is
// when its wait times out.
func dependencies(r *Record, i int, now time.Time) (ready bool, failure string, again time.Time) {
	ready = true
	for _, d := range needs(r, i) {
		n := r.box(d.ContainerName)
		if n < 0 {
			return false, fmt.Sprintf("dependency %q is not a container of the task", d.ContainerName), time.Time{}
		}
		on := &r.Containers[n]
		met, impossible := condition(on, d.Condition)
		if met {
			continue
		}
		ready = false
		if impossible {
			return false, fmt.Sprintf("container %q cannot start: container %q stopped before it was %s",
				r.Containers[i].Def.Name, d.ContainerName, d.Condition), time.Time{}
		}
		if on.Def.StartTimeout > 0 && !on.StartedAt.IsZero() {
			limit := on.StartedAt.Add(time.Duration(on.Def.StartTimeout) * time.Second)
			if !now.Before(limit) {
				return false, fmt.Sprintf(
					"container %q cannot start: container %q was not %s after its startTimeout of %d seconds",
					r.Containers[i].Def.Name, d.ContainerName, d.Condition, on.Def.StartTimeout), time.Time{}
			}
			again = earlier(again, limit)
		}
	}
	return ready, "", again
}

// condition reports whether b has met the condition, or can never meet it.
func condition(b *Box, name string) (met, impossible bool) {
	ended := b.Phase == Stopped
	switch name {
	case conditionCreated:
		met = b.Phase >= Created && b.RuntimeID != ""
	case acs.ConditionComplete:
		met = ended && b.reached()
	case acs.ConditionSuccess:
		met = ended && b.ExitCode != nil && *b.ExitCode == 0
	case acs.ConditionHealthy:
		met = b.Phase == Running && b.Health == acs.HealthHealthy
	default: // START
		met = b.reached()
	}
	return met, ended && !met
}

// hasLiveDependants reports whether a container that depends on i is running.
func hasLiveDependants(r *Record, i int) bool {
	for j := range r.Containers {
		if j == i || r.Containers[j].Phase != Running {
			continue
		}
		for _, d := range needs(r, j) {
			if d.ContainerName == r.Containers[i].Def.Name {
				return true
			}
		}
	}
	return false
}

// cycle returns a container that depends on itself through others, or "".
func cycle(r *Record) string {
	const visiting, done = 1, 2
	marks := make([]int, len(r.Containers))
	var visit func(i int) bool
	visit = func(i int) bool {
		marks[i] = visiting
		for _, d := range needs(r, i) {
			n := r.box(d.ContainerName)
			if n < 0 || marks[n] == done {
				continue
			}
			if marks[n] == visiting || visit(n) {
				return true
			}
		}
		marks[i] = done
		return false
	}
	for i := range r.Containers {
		if marks[i] == 0 && visit(i) {
			return r.Containers[i].Def.Name
		}
	}
	return ""
}
