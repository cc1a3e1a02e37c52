package service

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/rollout"
	"github.com/berthhq/berth/internal/sched"
)

// complaint describes why a service cannot start its tasks: text in the words of an AWS event, and plain in our words
// if they add something. Two complaints with the same cause are about the same problem. If cause is "", the text is the
// cause.
type complaint struct{ text, plain, cause string }

// StartsPerStep is the maximum number of tasks that one step of a service starts. A step writes its tasks in one
// transaction, and none of them runs before that. The write causes another step of the service, which starts more.
const StartsPerStep = 250

// StopsPerStep is the maximum number of tasks that one step of a service stops, for the same reason.
const StopsPerStep = 250

// start makes the tasks of the plan for which the scheduler finds an instance. trouble is the plan's complaint. If
// tasks cannot be placed, the complaint about these replaces it.
func (s *step) start(starts []rollout.Start, trouble complaint) {
	var started []string
	s.progress.Unplaced = 0
	left := StartsPerStep
	for _, x := range starts {
		x = first(x, left)
		left -= x.Count
		i := slices.IndexFunc(s.progress.Deployments, func(d ecs.Deployment) bool { return d.ID == x.DeploymentID })
		if i < 0 || x.Count == 0 {
			continue
		}
		d := &s.progress.Deployments[i]
		spec, ok := launch.OfService(&s.tx.Tables, s.svc, d)
		if !ok {
			trouble = s.unable(fmt.Errorf("the task definition %s does not exist any more", d.Revision.TaskDefinition))
			continue
		}
		placed, why := s.place(&spec, x)
		started = append(started, placed...)
		s.progress.Unplaced += x.Count - len(placed)
		if why.text != "" {
			trouble = why
		}
	}
	if len(started) > 0 {
		s.addEvent(fmt.Sprintf("(service %s) has started %d tasks: %s.",
			s.svc.ServiceName, len(started), names(started)))
	}
	s.complain(trouble)
}

// first returns x with at most n tasks.
func first(x rollout.Start, n int) rollout.Start {
	if x.Count <= n {
		return x
	}
	x.Count, x.InstanceARNs = n, x.InstanceARNs[:min(n, len(x.InstanceARNs))]
	return x
}

// repeats reports whether it is time to repeat a complaint.
func repeats(p *ecs.ServiceProgress, text string, now time.Time) bool {
	return text != "" && now.Sub(p.LastComplaintAt) >= ecs.RepeatAfter
}

// complain adds an event for a complaint when it is new, and every 6 hours while it lasts (ecs.md 1.7.4).
func (s *step) complain(c complaint) {
	cause := cmp.Or(c.cause, c.text)
	switch {
	case c.text == "":
		s.progress.LastComplaint = ""
		return
	case cause == s.progress.LastComplaint && !repeats(&s.progress, c.text, s.now):
		return
	}
	s.progress.LastComplaint, s.progress.LastComplaintAt = cause, s.now
	s.addEvent(c.text)
	if c.plain != "" {
		s.addEvent(fmt.Sprintf("(service %s) %s.", s.svc.ServiceName, c.plain))
	}
}

func (s *step) unable(err error) complaint {
	reason := err.Error()
	if f, ok := errors.AsType[*fault.Error](err); ok {
		reason = f.Message
	}
	return complaint{
		text: fmt.Sprintf("(service %s) was unable to place a task. Reason: %s", s.svc.ServiceName, reason),
	}
}

// place makes up to x.Count tasks. why is the complaint if some of them could not be placed.
func (s *step) place(spec *launch.Spec, x rollout.Start) (placed []string, why complaint) {
	for _, part := range spec.Parts(s.divided(spec), x.Count) {
		some, trouble := s.placePart(&part.Spec, part.Count, x.InstanceARNs)
		placed = append(placed, some...)
		if trouble.text != "" {
			why = trouble
		}
	}
	return placed, why
}

// divided returns the numbers of the deployment's tasks by capacity provider.
func (s *step) divided(spec *launch.Spec) map[string]int {
	sums := s.tx.TasksOfService(s.svc.ServiceARN)
	if len(spec.Strategy) == 0 || sums == nil {
		return nil
	}
	have := make(map[string]int)
	for _, c := range sums.Counts {
		if c.Label == spec.StartedBy && c.Live() {
			have[c.Provider] += c.Tasks
		}
	}
	return have
}

// placePart makes up to n tasks of one capacity provider, or without one. If managed scaling launches instances for the
// capacity provider, tasks for which no instance has room wait (ecs.md 4.11).
func (s *step) placePart(spec *launch.Spec, n int, instances []string) (placed []string, why complaint) {
	req, err := spec.Request(n)
	if err != nil {
		return nil, s.unable(err)
	}
	world := s.worlds.of(&s.tx.Tables, s.svc.ClusterARN)
	var plan sched.Result
	if s.svc.SchedulingStrategy == ecs.Daemon {
		plan = sched.Start(world, req, instances)
	} else {
		plan = sched.Plan(world, []sched.Request{req})
	}
	for _, p := range plan.Placements {
		ci, ok := s.tx.ContainerInstances.Get(p.InstanceARN)
		if !ok {
			continue
		}
		t, err := spec.Task(s.tx, ci, launch.NewIDs(s.random), s.now)
		if err != nil { // such as a full subnet, which does not affect tasks in other zones
			why = s.unable(err)
			continue
		}
		s.tx.Tasks.Put(t)
		placed = append(placed, t.TaskARN)
	}
	switch {
	case len(plan.Failures) == 0:
	case spec.Waits(&s.tx.Tables):
		waiting, full := s.wait(spec, len(plan.Failures))
		placed = append(placed, waiting...)
		if full.text != "" {
			why = full
		}
	default:
		why = s.unplaced(plan)
	}
	return placed, why
}

// wait makes up to n tasks that wait for their capacity provider. why is set if the limit of waiting tasks is reached.
func (s *step) wait(spec *launch.Spec, n int) (waiting []string, why complaint) {
	room := launch.ProvisioningRoom(&s.tx.Tables, s.svc.ClusterARN)
	if n > room {
		why.text = fmt.Sprintf("(service %s) was unable to place tasks in your cluster because the tasks provisioning "+
			"capacity limit was exceeded.", s.svc.ServiceName) // ecs.md 1.7.4
	}
	for range min(n, room) {
		t, err := spec.WaitingTask(launch.NewIDs(s.random), s.now)
		if err != nil {
			return waiting, s.unable(err)
		}
		s.tx.Tasks.Put(t)
		waiting = append(waiting, t.TaskARN)
	}
	return waiting, why
}

// unplaced returns the complaint about tasks that could not be placed: AWS's text with the closest matching instance,
// and ours with all instances. The cause does not name the closest instance, which changes often.
func (s *step) unplaced(plan sched.Result) complaint {
	f := plan.Failures[0]
	c := complaint{text: f.Event(s.svc.ServiceName), cause: sched.Failure{Reason: f.Reason}.Event(s.svc.ServiceName)}
	switch {
	case f.Reason == sched.ReasonNoInstances, f.Reason == sched.ReasonEmptyProvider: // the detail adds nothing
	case len(plan.Refusals) > 0:
		c.plain = "placement in detail: " + launch.Explain(plan.Refusals[f.Request], f.InstanceARN)
	default: // a daemon service: each of its tasks is for a given instance
		c.plain = "placement in detail: " + launch.ExplainFailures(plan.Failures)
	}
	return c
}
