package rollout

import (
	"iter"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
)

// scene is a service with its tasks and its cluster, which tests change. It implements Cluster.
type scene struct {
	Service     ecs.Service
	Progress    ecs.ServiceProgress // without deployments
	Deployments []Deployment
	Tasks       []sceneTask
	Instances   []Place
	Uneven      bool // what Imbalanced returns

	RollbackRequested bool
	Firing            []string
	BakeTime          time.Duration

	HealthyAfter, RetryBase, StableAfter time.Duration
	MostStops                            int

	// These are set by view, for the methods of Cluster.
	at       map[string]int  // tasks by ARN
	draining map[string]bool // container instances
}

// sceneTask is a task with what its cluster reports of it.
type sceneTask struct {
	ecs.Task
	Draining bool
	States   []elb.Health // of its targets
	Rank     int
}

// service returns a service with a desired count and bounds.
func service(desired, minimum, maximum int) ecs.Service {
	return ecs.Service{
		ServiceName: "web", Status: ecs.ServiceActive, SchedulingStrategy: ecs.Replica, DesiredCount: desired,
		DeploymentConfiguration: ecs.DeploymentConfiguration{
			MinimumHealthyPercent: minimum, MaximumPercent: maximum,
		},
	}
}

// daemonService returns a daemon that keeps a task on at least the given percentage of its instances.
func daemonService(minimum int) ecs.Service {
	s := service(0, minimum, 100)
	s.SchedulingStrategy = ecs.Daemon
	return s
}

// within returns the lower and the upper bound of a service's tasks.
func within(s ecs.Service) (lower, upper int) {
	if s.Status == ecs.ServiceDraining {
		return 0, 0
	}
	c := s.DeploymentConfiguration
	return (s.DesiredCount*c.MinimumHealthyPercent + 99) / 100, s.DesiredCount * c.MaximumPercent / 100
}

// breaker returns a circuit breaker that is on.
func breaker(rollback bool) *ecs.CircuitBreaker {
	return &ecs.CircuitBreaker{Enable: true, Rollback: rollback}
}

func withBreaker(s ecs.Service, b *ecs.CircuitBreaker) ecs.Service {
	s.DeploymentConfiguration.DeploymentCircuitBreaker = b
	return s
}

// view returns a view of the scene as it is now. Later changes of the scene are not in it.
func (s *scene) view() View {
	c := s.clone()
	v := View{
		Service: &c.Service, Progress: &c.Progress, Deployments: c.Deployments, Cluster: c, Tasks: c,
		HealthyAfter: c.HealthyAfter, RetryBase: c.RetryBase, StableAfter: c.StableAfter,
		MostStops: c.MostStops, RollbackRequested: c.RollbackRequested, Firing: c.Firing, BakeTime: c.BakeTime,
	}
	return v
}

// rows returns the tasks for which the function which returns true.
func (s *scene) rows(which func(*ecs.Task) bool) []*ecs.Task {
	var list []*ecs.Task
	for k := range s.Tasks {
		if t := &s.Tasks[k].Task; which(t) {
			list = append(list, t)
		}
	}
	return list
}

func (s *scene) Sums() (sums *ecs.TaskSums) {
	for k := range s.Tasks {
		sums = sums.Add(&s.Tasks[k].Task, s.Tasks[k].StartedBy, s.Tasks[k].ContainerInstanceARN)
	}
	return sums
}

func (s *scene) Present() iter.Seq[*ecs.Task] {
	return slices.Values(s.rows(func(t *ecs.Task) bool { return t.LastStatus != ecs.Stopped }))
}

func (s *scene) Uncounted() iter.Seq[*ecs.Task] { return slices.Values(s.rows((*ecs.Task).Uncounted)) }

func (s *scene) Unproven() iter.Seq[*ecs.Task] {
	list := s.rows((*ecs.Task).Unproven)
	slices.SortFunc(list, func(a, b *ecs.Task) int { return a.StartedAt.Compare(b.StartedAt) })
	return slices.Values(list)
}

func (s *scene) clone() *scene {
	c := *s
	c.Deployments, c.Tasks, c.Instances = slices.Clone(s.Deployments), slices.Clone(s.Tasks), slices.Clone(s.Instances)
	c.at, c.draining = make(map[string]int), make(map[string]bool)
	for k := range c.Tasks {
		t := &c.Tasks[k]
		t.States = slices.Clone(t.States)
		c.at[t.TaskARN] = k
		if t.Draining {
			c.draining[t.ContainerInstanceARN] = true
		}
	}
	return &c
}

func (s *scene) next(now time.Time) Plan { return Next(s.view(), now) }

// register gives a task targets in these states.
func (t *sceneTask) register(states ...string) {
	t.Targets, t.States = nil, nil
	for k, state := range states {
		t.Targets = append(t.Targets, ecs.TaskTarget{TargetGroupARN: "tg", ID: t.TaskARN, Port: 32768 + k})
		t.States = append(t.States, elb.Health{State: state, Reason: "Health checks failed"})
	}
}

func (s *scene) TargetHealth(tt ecs.TaskTarget) elb.Health {
	t := &s.Tasks[s.at[tt.ID]]
	return t.States[slices.Index(t.Targets, tt)]
}

func (s *scene) Draining() map[string]bool { return s.draining }

func (s *scene) Places() []Place { return s.Instances }

func (s *scene) Imbalanced() (bool, time.Time) { return s.Uneven, time.Time{} }

func (s *scene) StopRanks(tasks []Candidate) []int {
	ranks := make([]int, len(tasks))
	for i, x := range tasks {
		ranks[i] = s.Tasks[s.at[x.Task.TaskARN]].Rank
	}
	return ranks
}
