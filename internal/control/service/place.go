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

// complaint is what keeps a service from its goal: in the words of an AWS event, and in plain words where those say more. cause is text
// without what may change from one look to the next while the trouble is the same, "" where that is nothing.
type complaint struct{ text, plain, cause string }

// start places the tasks that the brain wants and makes those that found a place. What keeps a service from its goal, from the brain or
// because a task has no place, is told when it is new and again every 6 hours.
func (s *step) start(starts []rollout.Start, trouble complaint) {
	var started []string
	s.svc.Unplaced = 0
	for _, x := range starts {
		i := slices.IndexFunc(s.svc.Deployments, func(d ecs.Deployment) bool { return d.ID == x.DeploymentID })
		if i < 0 {
			continue
		}
		spec, ok := launch.OfService(&s.tx.Tables, &s.svc, &s.svc.Deployments[i])
		if !ok {
			trouble = s.unable(fmt.Errorf("the task definition %s does not exist any more", x.Revision))
			continue
		}
		minted := len(s.ids) // what there are no names for is started by the next step and is not without a place
		placed, why := s.place(&spec, x)
		started = append(started, placed...)
		s.svc.Unplaced += min(x.Count, minted) - len(placed)
		if why.text != "" {
			trouble = why
		}
	}
	if len(started) > 0 {
		s.tell(fmt.Sprintf("(service %s) has started %d tasks: %s.", s.svc.ServiceName, len(started), names(started)))
	}
	s.complain(trouble)
}

// repeats reports whether trouble that was told of has lasted for so long that it is told again.
func repeats(svc *ecs.Service, text string, now time.Time) bool {
	return text != "" && now.Sub(svc.LastComplaintAt) >= ecs.RepeatAfter
}

// complain tells of trouble once, and again every 6 hours as long as it lasts (ecs.md 1.7.4).
func (s *step) complain(c complaint) {
	cause := cmp.Or(c.cause, c.text)
	switch {
	case c.text == "":
		s.svc.LastComplaint = ""
		return
	case cause == s.svc.LastComplaint && !repeats(&s.svc, c.text, s.now):
		return
	}
	s.svc.LastComplaint, s.svc.LastComplaintAt = cause, s.now
	s.tell(c.text)
	if c.plain != "" {
		s.tell(fmt.Sprintf("(service %s) %s.", s.svc.ServiceName, c.plain))
	}
}

func (s *step) unable(err error) complaint {
	reason := err.Error()
	if f, ok := errors.AsType[*fault.Error](err); ok {
		reason = f.Message
	}
	return complaint{text: fmt.Sprintf("(service %s) was unable to place a task. Reason: %s", s.svc.ServiceName, reason)}
}

// place makes up to x.Count tasks; why tells of those without a place.
func (s *step) place(spec *launch.Spec, x rollout.Start) (placed []string, why complaint) {
	n := min(x.Count, len(s.ids))
	req, err := spec.Request(n)
	if err != nil {
		return nil, s.unable(err)
	}
	world := launch.World(&s.tx.Tables, s.svc.ClusterARN)
	var plan sched.Result
	if s.svc.SchedulingStrategy == ecs.Daemon {
		plan = sched.Start(world, req, x.InstanceIDs[:n])
	} else {
		plan = sched.Plan(world, []sched.Request{req})
	}
	for _, p := range plan.Placements {
		ci, ok := s.tx.ContainerInstances.Get(p.InstanceARN)
		if !ok {
			continue
		}
		t, err := spec.Task(&s.tx.Tables, ci, s.ids[0], s.now)
		if err != nil { // a full subnet, say, which the tasks in other zones have nothing to do with
			why = s.unable(err)
			continue
		}
		s.ids = s.ids[1:]
		s.tx.Tasks.Put(t)
		placed = append(placed, t.TaskARN)
	}
	if len(plan.Failures) > 0 {
		why = s.unplaced(plan)
	}
	return placed, why
}

// unplaced words why tasks have no place: AWS's sentence names the closest instance, the plain words have them all. Which one is the closest
// changes with every task that comes or goes in the cluster, and is no news.
func (s *step) unplaced(plan sched.Result) complaint {
	f := plan.Failures[0]
	c := complaint{text: f.Event(s.svc.ServiceName), cause: sched.Failure{Reason: f.Reason}.Event(s.svc.ServiceName)}
	switch {
	case f.Reason == sched.ReasonNoInstances: // says all there is to say
	case len(plan.Refusals) > 0:
		c.plain = "placement in detail: " + launch.Explain(plan.Refusals[f.Request], f.InstanceARN)
	default: // of a daemon, whose tasks have their instances
		c.plain = "placement in detail: " + launch.ExplainFailures(plan.Failures)
	}
	return c
}
