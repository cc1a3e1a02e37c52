package service

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/rollout"
	"github.com/berthhq/berth/internal/state"
)

// namedTasks is how many tasks one event names before it says how many there are beside.
const namedTasks = 10

// step carries out one plan inside a transaction.
type step struct {
	tx  *state.Tx
	now time.Time
	ids []launch.IDs // for the tasks to start
	svc ecs.Service  // the copy that is written at the end
}

func (s *step) carryOut(p rollout.Plan) {
	s.mark(p.Mark)
	if d := s.svc.Primary(); d != nil && s.svc.SchedulingStrategy == ecs.Daemon {
		s.svc.DesiredCount = d.DesiredCount // nobody else says how many instances a daemon belongs on (ecs.md 3.3)
	}
	s.note(p.Healthy, func(t *ecs.Task) { t.WasHealthy = true })
	s.note(p.Counted, func(t *ecs.Task) { t.Counted = true })
	for _, e := range p.Event { // they say why tasks stop and start
		s.tell(e.Message)
	}
	s.stop(p.Stop)
	s.start(p.Start, complaint{text: p.Complaint, plain: p.Detail})
	s.svc.SteadyAt, s.svc.Rebalancing = p.SteadyAt, p.Rebalancing
	s.finishDeletion()
	// A step that changed nothing must not wake itself by writing.
	if old, ok := s.tx.Services.Get(s.svc.ServiceARN); !ok || !reflect.DeepEqual(*old, s.svc) {
		s.tx.Services.Put(&s.svc)
	}
}

// note writes down on tasks what the brain has taken in of them.
func (s *step) note(tasks []string, what func(*ecs.Task)) {
	for _, key := range tasks {
		if t, ok := s.tx.Tasks.Get(key); ok {
			c := *t
			what(&c)
			s.tx.Tasks.Put(&c)
		}
	}
}

// mark takes over what the brain says of deployments. One that becomes INACTIVE leaves the list, one that becomes primary again (a
// rollback) gives the service its task definition back.
func (s *step) mark(marks []rollout.Deployment) {
	s.svc.Deployments = slices.Clone(s.svc.Deployments)
	for _, m := range marks {
		for i := range s.svc.Deployments {
			d := &s.svc.Deployments[i]
			if d.ID != m.ID {
				continue
			}
			if m.Status == ecs.DeploymentPrimary && d.Status != ecs.DeploymentPrimary {
				s.svc.TaskDefinition, s.svc.LoadBalancers, s.svc.NetworkConfiguration = d.TaskDefinition, d.LoadBalancers, d.NetworkConfiguration
			}
			d.Status, d.DesiredCount, d.RolloutState, d.RolloutStateReason = m.Status, m.Desired, m.RolloutState, m.StateReason
			d.FailedTasks, d.Attempts, d.LastFailure, d.RetryAt = m.FailedTasks, m.Attempts, m.LastFailure, m.RetryAt
			d.CompletedAt, d.UpdatedAt = m.CompletedAt, s.now
		}
	}
	s.svc.Deployments = slices.DeleteFunc(s.svc.Deployments, func(d ecs.Deployment) bool { return d.Status == ecs.DeploymentInactive })
	slices.SortStableFunc(s.svc.Deployments, func(a, b ecs.Deployment) int {
		if (a.Status == ecs.DeploymentPrimary) != (b.Status == ecs.DeploymentPrimary) {
			if a.Status == ecs.DeploymentPrimary {
				return -1
			}
			return 1
		}
		return b.CreatedAt.Compare(a.CreatedAt)
	})
}

func (s *step) stop(stops []rollout.Stop) {
	var running []string
	pending, draining := 0, make(map[string]int) // by deployment
	for _, x := range stops {
		t, ok := s.tx.Tasks.Get(x.TaskID)
		if !ok || t.DesiredStatus == ecs.Stopped {
			continue
		}
		n := t.Stop(ecs.ServiceSchedulerInitiated, x.Reason, s.now)
		n.Counted = true // the plan that stops a task has taken its end into account
		s.tx.Tasks.Put(n)
		if n.LastStatus == ecs.Deactivating {
			draining[t.StartedBy]++
		}
		if t.LastStatus.Before(ecs.Running) {
			pending++
		} else {
			running = append(running, t.TaskARN)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(draining)) {
		s.tell(fmt.Sprintf("(service %s, taskSet %s) has begun draining connections on %d tasks.", s.svc.ServiceName, id, draining[id]))
	}
	if len(running) > 0 {
		s.tell(fmt.Sprintf("(service %s) has stopped %d running tasks: %s.", s.svc.ServiceName, len(running), names(running)))
	}
	if pending > 0 {
		s.tell(fmt.Sprintf("(service %s) stopped %d pending tasks.", s.svc.ServiceName, pending))
	}
}

func names(tasks []string) string {
	var b strings.Builder
	for i, t := range tasks[:min(len(tasks), namedTasks)] {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString("(task " + arn.LastID(t) + ")")
	}
	if more := len(tasks) - namedTasks; more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	return b.String()
}

// tell adds an event to the service's story and forgets the oldest.
func (s *step) tell(message string) {
	e := s.svc.Tell(message, s.now)
	s.tx.ServiceEvents.Put(e)
	s.tx.ServiceEvents.Delete(e.Forgets())
}

// finishDeletion ends a deleted service once its last task has stopped (ecs.md 3.1.1).
func (s *step) finishDeletion() {
	if s.svc.Status != ecs.ServiceDraining {
		return
	}
	for t := range s.tx.Tasks.By(state.ByService, s.svc.ServiceARN) {
		if t.LastStatus != ecs.Stopped {
			return
		}
	}
	s.svc.Status, s.svc.Deployments, s.svc.Unplaced, s.svc.DeletedAt = ecs.ServiceInactive, nil, 0, s.now
}
