package rollout

import (
	"fmt"
	"slices"
	"time"
)

// sim carries out plans for a service in a cluster without limits and moves tasks along. It is the world that properties
// and stories are told in.
type sim struct {
	View
	now    time.Time
	ids    int
	events []string

	// delay is how long a task of a deployment takes to become RUNNING and then to get its verdict, per deployment id.
	delay map[string]time.Duration
	// broken deployments never become healthy.
	broken map[string]failing
	// capacity is how many tasks, stopping ones not counted, find an instance; 0 = no limit.
	capacity int
	// frozen is how many of the first tasks keep the verdict they have.
	frozen int
}

// failing is how a broken deployment's tasks fail.
type failing int

const (
	works       failing = iota
	neverStarts         // STOPPED without having run
	failsChecks         // RUNNING, but checks fail
	exitsSoon           // RUNNING, and STOPPED by itself before any check passes
)

var epoch = time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC)

func newSim(sv Service) *sim {
	if sv.Name == "" {
		sv.Name = "web"
	}
	if sv.Strategy == "" {
		sv.Strategy = Replica
	}
	s := &sim{now: epoch, delay: map[string]time.Duration{}, broken: map[string]failing{}}
	s.View = View{Service: sv, HealthyAfter: 40 * time.Second, RetryBase: 10 * time.Second, StableAfter: 40 * time.Second}
	return s
}

// deploy makes a new primary deployment, as UpdateService does.
func (s *sim) deploy(id string, change ...func(*Deployment)) {
	for k := range s.Deployments {
		if s.Deployments[k].Status == Primary {
			s.Deployments[k].Status = Active
		}
	}
	d := Deployment{ID: id, Revision: "rev-" + id, Status: Primary, RolloutState: InProgress, CreatedAt: s.now, Desired: s.Service.Desired}
	for _, c := range change {
		c(&d)
	}
	s.Deployments = append(s.Deployments, d)
}

func withTargets(d *Deployment) { d.Targets = 1 }
func withChecks(d *Deployment)  { d.ContainerChecks = true }

// step asks for a plan and carries it out.
func (s *sim) step() Plan {
	p := Next(s.View, s.now)
	s.apply(p)
	return p
}

func (s *sim) apply(p Plan) {
	for _, m := range p.Mark {
		for k := range s.Deployments {
			if s.Deployments[k].ID == m.ID {
				s.Deployments[k] = m
			}
		}
	}
	for _, id := range p.Healthy {
		s.task(id).WasHealthy = true
	}
	for _, id := range p.Counted {
		s.task(id).Counted = true
	}
	for _, x := range p.Stop {
		t := s.task(x.TaskID)
		t.Desired, t.StopCode, t.EndedAt, t.Counted = "STOPPED", "ServiceSchedulerInitiated", s.now, true
	}
	s.Service.Unplaced = 0
	for _, x := range p.Start {
		for k := range x.Count {
			s.place(x, k)
		}
	}
	s.Service.SteadyAt, s.Service.Rebalancing = p.SteadyAt, p.Rebalancing
	for _, e := range p.Event {
		s.events = append(s.events, e.Message)
	}
	s.Deployments = slices.DeleteFunc(s.Deployments, func(d Deployment) bool { return d.Status == Inactive })
	s.Tasks = slices.DeleteFunc(s.Tasks, func(t Task) bool { return t.Status == "STOPPED" && t.Counted })
}

func (s *sim) place(x Start, k int) {
	if s.capacity > 0 && s.live() >= s.capacity {
		s.Service.Unplaced++
		return
	}
	s.ids++
	t := Task{ID: fmt.Sprintf("t%02d", s.ids), DeploymentID: x.DeploymentID, Status: "PENDING", Desired: "RUNNING", Health: "UNKNOWN",
		CreatedAt: s.now, InstanceID: fmt.Sprintf("i%d", s.ids)}
	if x.InstanceIDs != nil {
		t.InstanceID = x.InstanceIDs[k]
	}
	s.Tasks = append(s.Tasks, t)
}

func (s *sim) task(id string) *Task {
	return &s.Tasks[slices.IndexFunc(s.Tasks, func(t Task) bool { return t.ID == id })]
}

func (s *sim) deployment(id string) *Deployment {
	if k := slices.IndexFunc(s.Deployments, func(d Deployment) bool { return d.ID == id }); k >= 0 {
		return &s.Deployments[k]
	}
	return &Deployment{ID: id, Status: Inactive}
}

// live counts tasks as the upper bound does.
func (s *sim) live() int {
	n := 0
	for k := range s.Tasks {
		if alive(&s.Tasks[k]) {
			n++
		}
	}
	return n
}

// healthy counts tasks as the lower bound does.
func (s *sim) healthy() int {
	n := 0
	for k := range s.Tasks {
		t := &s.Tasks[k]
		if h, _ := HealthOf(&s.View, s.deployment(t.DeploymentID), t, s.now); alive(t) && h == Healthy {
			n++
		}
	}
	return n
}

// pass lets time go by and tasks move along: PENDING ones start, stopping ones stop, checks give their verdict.
func (s *sim) pass(d time.Duration) {
	s.now = s.now.Add(d)
	for k := range s.Tasks {
		s.move(&s.Tasks[k])
	}
}

func (s *sim) move(t *Task) {
	switch {
	case t.Status == "STOPPED":
	case t.Desired == "STOPPED":
		t.Status = "STOPPED"
	case s.now.Sub(t.CreatedAt) < s.delay[t.DeploymentID]:
	case t.Status != "RUNNING" && s.broken[t.DeploymentID] == neverStarts:
		s.exit(t, "TaskFailedToStart")
	case t.Status == "RUNNING" && s.broken[t.DeploymentID] == exitsSoon && s.now.Sub(t.StartedAt) < s.StableAfter:
		s.exit(t, "EssentialContainerExited")
	case t.Status != "RUNNING":
		t.Status, t.StartedAt = "RUNNING", s.now
	default:
		s.judge(t)
	}
}

// exit ends a task for good.
func (s *sim) exit(t *Task, code string) {
	t.Status, t.Desired, t.StopCode, t.EndedAt = "STOPPED", "STOPPED", code, s.now
	t.StopReason = "Essential container in task exited (web: exit code 3)"
}

func (s *sim) judge(t *Task) {
	if t.ID <= fmt.Sprintf("t%02d", s.frozen) {
		return
	}
	state, health := "healthy", "HEALTHY"
	if s.broken[t.DeploymentID] == failsChecks {
		state, health = "unhealthy", "UNHEALTHY"
	}
	d := s.deployment(t.DeploymentID)
	if d.ContainerChecks {
		t.Health = health
	}
	t.Targets = nil
	for range d.Targets {
		t.Targets = append(t.Targets, Target{GroupARN: "tg", Port: 32768, State: state, Reason: "Health checks failed"})
	}
}

// run steps until the service is steady or the steps are used up, and reports whether it is.
func (s *sim) run(steps int, each func(before View, p Plan)) bool {
	for range steps {
		before := s.View
		before.Tasks = slices.Clone(s.Tasks)
		before.Deployments = slices.Clone(s.Deployments)
		p := s.step()
		if each != nil {
			each(before, p)
		}
		if !p.SteadyAt.IsZero() {
			return true
		}
		s.pass(20 * time.Second)
	}
	return false
}
