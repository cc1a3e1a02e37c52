package service

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/rollout"
	"github.com/berthhq/berth/internal/state"
)

// namedTasks is how many tasks an event names; it gives the number of the others.
const namedTasks = 10

// step carries out one plan in a transaction.
type step struct {
	tx       *state.Tx
	now      time.Time
	random   io.Reader // for the ids of tasks
	svc      *ecs.Service
	worlds   *worlds
	progress ecs.ServiceProgress // a copy, which is written at the end
}

func (s *step) carryOut(p rollout.Plan) {
	s.mark(p.Update)
	s.note(p.Healthy, func(t *ecs.Task) { t.WasHealthy = true })
	s.note(p.Ended, func(t *ecs.Task) { t.EndCounted = true })
	for _, e := range p.Event { // these come before the events of stop and start, since they give the reason
		s.addEvent(e.Message)
	}
	s.stop(p.Stop)
	s.start(p.Start, complaint{text: p.Complaint, plain: p.Detail})
	s.progress.SteadyAt, s.progress.Rebalancing = p.SteadyAt, p.Rebalancing
	s.finishDeletion()
	s.tx.ServiceProgress.Put(&s.progress)
}

// note applies a change to copies of tasks and writes them.
func (s *step) note(tasks []string, what func(*ecs.Task)) {
	for _, key := range tasks {
		if t, ok := s.tx.Tasks.Get(key); ok {
			c := *t
			what(&c)
			s.tx.Tasks.Put(&c)
		}
	}
}

// mark stores the deployments that the plan changed, and updates the latest service deployment.
func (s *step) mark(marks []ecs.Deployment) {
	all := slices.Clone(s.progress.Deployments)
	for _, m := range marks {
		for i := range all {
			if all[i].ID == m.ID {
				all[i] = m
			}
		}
	}
	s.progress.Deployments = all
	s.follow(func(d *ecs.ServiceDeployment) bool { return d.Follow(&s.progress, s.now) })
	s.progress.SetDeployments(all)
}

// follow changes the latest service deployment. When that ends, its task counts are stored with it.
func (s *step) follow(change func(*ecs.ServiceDeployment) bool) {
	latest := s.tx.LatestDeployment(s.svc.ServiceARN)
	if latest == nil {
		return
	}
	d := *latest
	if !change(&d) {
		return
	}
	if d.Ended() {
		d.Count(s.summary)
	}
	s.tx.ServiceDeployments.Put(&d)
}

func (s *step) summary(revisionARN string) ecs.ServiceRevisionSummary {
	return s.tx.RevisionSummary(&s.progress, revisionARN)
}

func (s *step) stop(stops []rollout.Stop) {
	var running []string
	pending, draining := 0, make(map[string]int) // by deployment
	for _, x := range stops {
		t, ok := s.tx.Tasks.Get(x.TaskARN)
		if !ok || t.DesiredStatus == ecs.Stopped {
			continue
		}
		n := t.Stop(ecs.ServiceSchedulerInitiated, x.Reason, s.now)
		n.EndCounted = true // a plan that stops a task has already counted its end
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
		s.addEvent(fmt.Sprintf("(service %s, taskSet %s) has begun draining connections on %d tasks.",
			s.svc.ServiceName, id, draining[id]))
	}
	if len(running) > 0 {
		s.addEvent(fmt.Sprintf("(service %s) has stopped %d running tasks: %s.", s.svc.ServiceName,
			len(running), names(running)))
	}
	if pending > 0 {
		s.addEvent(fmt.Sprintf("(service %s) stopped %d pending tasks.", s.svc.ServiceName, pending))
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

func (s *step) addEvent(message string) { s.tx.AddServiceEvent(s.svc.ServiceARN, message, s.now) }

// finishDeletion ends a deleted service once its last task has stopped (ecs.md 3.1.1).
func (s *step) finishDeletion() {
	if s.svc.Status != ecs.ServiceDraining {
		return
	}
	present := func(c ecs.TaskCount) bool { return c.LastStatus != ecs.Stopped }
	if s.tx.TasksOfService(s.svc.ServiceARN).Count(present) > 0 {
		return
	}
	ended := *s.svc
	ended.Status, ended.DeletedAt = ecs.ServiceInactive, s.now
	s.tx.Services.Put(&ended)
	s.progress.Unplaced = 0
	s.follow(func(d *ecs.ServiceDeployment) bool {
		if d.Ended() {
			return false
		}
		d.Stop(&s.progress, "The service was deleted.", s.now)
		return true
	})
}
