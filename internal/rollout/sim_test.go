package rollout

import (
	"fmt"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/ecs"
)

// sim carries out plans for a service and changes its tasks over time, in a cluster without limits.
// Properties and transcripts use it.
type sim struct {
	scene
	now    time.Time
	ids    int
	events []string

	// delay is how long a task of a deployment takes to become RUNNING, and then the same time until its
	// verdict, by deployment id.
	delay map[string]time.Duration
	// broken deployments never become healthy.
	broken map[string]failing
	// capacity is the number of tasks, without stopping ones, that find an instance; 0 is no limit.
	capacity int
	// frozen is the number of tasks, from the first on, whose verdict does not change.
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

func newSim(sv ecs.Service) *sim {
	// Allowing rebalancing changes nothing unless the scene is uneven.
	sv.AvailabilityZoneRebalancing = ecs.RebalancingEnabled
	s := &sim{now: epoch, delay: map[string]time.Duration{}, broken: map[string]failing{}}
	s.scene = scene{Service: sv, HealthyAfter: 40 * time.Second, RetryBase: 10 * time.Second,
		StableAfter: 40 * time.Second}
	return s
}

// deploy makes a new primary deployment, as UpdateService does.
func (s *sim) deploy(id string, change ...func(*Deployment)) {
	for k := range s.Deployments {
		if s.Deployments[k].Status == ecs.DeploymentPrimary {
			s.Deployments[k].Status = ecs.DeploymentActive
		}
	}
	d := Deployment{Deployment: ecs.Deployment{ID: id, Status: ecs.DeploymentPrimary,
		RolloutState: ecs.RolloutInProgress, CreatedAt: s.now, DesiredCount: s.Service.DesiredCount}}
	for _, c := range change {
		c(&d)
	}
	s.Deployments = append(s.Deployments, d)
}

func withTargets(d *Deployment) { balanced(d, 1) }

// balanced puts a deployment's tasks behind n target groups.
func balanced(d *Deployment, n int) { d.Revision.LoadBalancers = make([]ecs.LoadBalancer, n) }

func withChecks(d *Deployment) { d.ContainerChecks = true }

// step makes a plan and carries it out.
func (s *sim) step() Plan {
	p := s.next(s.now)
	s.apply(p)
	return p
}

func (s *sim) apply(p Plan) {
	for _, m := range p.Update {
		for k := range s.Deployments {
			if s.Deployments[k].ID == m.ID {
				s.Deployments[k].Deployment = m
			}
		}
	}
	for _, id := range p.Healthy {
		s.task(id).WasHealthy = true
	}
	for _, id := range p.Ended {
		s.task(id).EndCounted = true
	}
	for _, x := range p.Stop {
		t := s.task(x.TaskARN)
		t.DesiredStatus, t.StopCode, t.StoppingAt = ecs.Stopped, ecs.ServiceSchedulerInitiated, s.now
		t.EndCounted = true
	}
	s.Progress.Unplaced = 0
	for _, x := range p.Start {
		for k := range x.Count {
			s.place(x, k)
		}
	}
	s.Progress.SteadyAt, s.Progress.Rebalancing = p.SteadyAt, p.Rebalancing
	for _, e := range p.Event {
		s.events = append(s.events, e.Message)
	}
	s.Deployments = slices.DeleteFunc(s.Deployments, func(d Deployment) bool {
		return d.Status == ecs.DeploymentInactive
	})
	s.Tasks = slices.DeleteFunc(s.Tasks, func(t sceneTask) bool { return t.LastStatus == ecs.Stopped && t.EndCounted })
}

func (s *sim) place(x Start, k int) {
	if s.capacity > 0 && s.live() >= s.capacity {
		s.Progress.Unplaced++
		return
	}
	s.ids++
	t := sceneTask{Task: ecs.Task{TaskARN: fmt.Sprintf("t%02d", s.ids), StartedBy: x.DeploymentID,
		LastStatus: ecs.Pending, DesiredStatus: ecs.Running, HealthStatus: "UNKNOWN",
		CreatedAt: s.now, ContainerInstanceARN: fmt.Sprintf("i%d", s.ids)}}
	if x.InstanceARNs != nil {
		t.ContainerInstanceARN = x.InstanceARNs[k]
	}
	s.Tasks = append(s.Tasks, t)
}

func (s *sim) task(arn string) *sceneTask {
	return &s.Tasks[slices.IndexFunc(s.Tasks, func(t sceneTask) bool { return t.TaskARN == arn })]
}

func (s *sim) deployment(id string) *Deployment {
	if k := slices.IndexFunc(s.Deployments, func(d Deployment) bool { return d.ID == id }); k >= 0 {
		return &s.Deployments[k]
	}
	return &Deployment{Deployment: ecs.Deployment{ID: id, Status: ecs.DeploymentInactive}}
}

// live counts the tasks that the upper bound counts.
func (s *sim) live() int {
	n := 0
	for k := range s.Tasks {
		if s.Tasks[k].alive() {
			n++
		}
	}
	return n
}

func (t *sceneTask) alive() bool { return alive(t.DesiredStatus, t.LastStatus) }

// healthy counts the tasks that the lower bound counts.
func (s *sim) healthy() int {
	v, n := s.view(), 0
	for _, t := range s.Tasks {
		if h, _ := v.healthOf(s.deployment(t.StartedBy), &t.Task, s.now); t.alive() && h == Healthy {
			n++
		}
	}
	return n
}

// pass advances the time and the tasks: PENDING ones start, stopping ones stop, and checks get verdicts.
func (s *sim) pass(d time.Duration) {
	s.now = s.now.Add(d)
	for k := range s.Tasks {
		s.move(&s.Tasks[k])
	}
}

func (s *sim) move(t *sceneTask) {
	switch {
	case t.LastStatus == ecs.Stopped:
	case t.DesiredStatus == ecs.Stopped:
		t.LastStatus = ecs.Stopped
	case s.now.Sub(t.CreatedAt) < s.delay[t.StartedBy]:
	case t.LastStatus != ecs.Running && s.broken[t.StartedBy] == neverStarts:
		s.exit(t, ecs.TaskFailedToStart)
	case t.LastStatus == ecs.Running && s.broken[t.StartedBy] == exitsSoon && s.now.Sub(t.StartedAt) < s.StableAfter:
		s.exit(t, ecs.EssentialContainerExited)
	case t.LastStatus != ecs.Running:
		t.LastStatus, t.StartedAt = ecs.Running, s.now
	default:
		s.judge(t)
	}
}

// exit stops a task.
func (s *sim) exit(t *sceneTask, code string) {
	t.LastStatus, t.DesiredStatus, t.StopCode, t.StoppingAt = ecs.Stopped, ecs.Stopped, code, s.now
	t.StoppedReason = "Essential container in task exited (web: exit code 3)"
}

func (s *sim) judge(t *sceneTask) {
	if t.TaskARN <= fmt.Sprintf("t%02d", s.frozen) {
		return
	}
	state, health := "healthy", "HEALTHY"
	if s.broken[t.StartedBy] == failsChecks {
		state, health = "unhealthy", "UNHEALTHY"
	}
	d := s.deployment(t.StartedBy)
	if d.ContainerChecks {
		t.HealthStatus = health
	}
	t.register(slices.Repeat([]string{state}, d.targets())...)
}

// run makes up to the given number of steps, and reports whether the service is steady.
func (s *sim) run(steps int, each func(p Plan)) bool {
	for range steps {
		p := s.step()
		if each != nil {
			each(p)
		}
		if !p.SteadyAt.IsZero() {
			return true
		}
		s.pass(20 * time.Second)
	}
	return false
}
