package rollout

import (
	"iter"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
)

// View is everything that the next step of one service depends on.
type View struct {
	Service  *ecs.Service
	Progress *ecs.ServiceProgress // its deployments are those of Deployments
	// Deployments are those of the progress, at most one of them PRIMARY.
	Deployments []Deployment
	// RollbackRequested is whether a user asked to roll back the deployment that is in progress.
	RollbackRequested bool
	// Firing names the alarms of the service that are in the state ALARM, if they watch the deployment in progress.
	// BakeTime is how long they go on watching it after all its tasks have become healthy; 0 if none does (ecs.md
	// 3.5.3).
	Firing   []string
	BakeTime time.Duration
	Tasks    Tasks
	Cluster  Cluster

	// HealthyAfter is how long a task without any check must be RUNNING to be healthy. AWS: 40 s
	// (ecs.md 3.2.3).
	HealthyAfter time.Duration
	// RetryBase is the first delay after a failed round; it doubles with each further one. 0 means
	// no delay (ecs.md 3.4).
	RetryBase time.Duration
	// StableAfter is how long a task must have been RUNNING for its end not to count as early.
	// Tasks that end early count as failures and delay the next ones. Where failures are counted, a
	// task without checks is not healthy before that time. 0 selects AWS's rule: only a task that
	// never was RUNNING counts as failed (ecs.md 3.4, 3.5.2).
	StableAfter time.Duration
	// MostStops is the most tasks that the plan stops; 0 means no limit. Tasks beyond it count as
	// what they are, and the next plan stops more.
	MostStops int
}

// Deployment is a deployment with what its task definition says about it.
type Deployment struct {
	ecs.Deployment
	// ContainerChecks says whether an essential container has a health check.
	ContainerChecks bool
	// CannotLaunch says why none of its tasks can be launched on any instance, in the words of a
	// service event; "" if they can.
	CannotLaunch string
}

// targets returns how many target groups each of its tasks is registered in.
func (d *Deployment) targets() int { return len(d.Revision.LoadBalancers) }

// Tasks gives access to the tasks of a service. If numbers suffice, a plan does not look at each
// task.
type Tasks interface {
	// Sums returns the numbers of tasks by the id of their deployment.
	Sums() *ecs.TaskSums
	// Present yields those that have not stopped.
	Present() iter.Seq[*ecs.Task]
	// Uncounted yields those that have stopped or are to stop, and are not EndCounted.
	Uncounted() iter.Seq[*ecs.Task]
	// Unproven yields those that are RUNNING, should be, and were never healthy, in the order in
	// which they started.
	Unproven() iter.Seq[*ecs.Task]
}

// Cluster answers questions about what is outside the rows of the service. A plan asks only what it
// needs, since some answers are expensive.
type Cluster interface {
	// TargetHealth returns what the load balancer knows about a task; its state is "" when the task
	// is not registered.
	TargetHealth(t ecs.TaskTarget) elb.Health
	// Draining returns the container instances that are DRAINING and have tasks of the service.
	Draining() map[string]bool
	// Places returns the container instances, for a DAEMON service.
	Places() []Place
	// Imbalanced reports whether moving a task would even out the availability zones; it is false
	// for services that do not ask for that. again is when the answer may change with time alone;
	// zero if it cannot.
	Imbalanced() (is bool, again time.Time)
	// StopRanks returns a rank for each task; those with the smallest rank are stopped first
	// (ecs.md 2.7).
	StopRanks(tasks []Candidate) []int
}

// Place is a container instance as a daemon service sees it.
type Place struct {
	ContainerInstanceARN string
	Eligible             bool // ACTIVE and meets the constraints (sched.Eligible)
	Draining             bool
	// OtherTasks is the number of tasks on it that are not of a daemon service; daemons are stopped after them. It is
	// 0 unless the instance is draining.
	OtherTasks int
}

// Candidate is a task that may be stopped.
type Candidate struct {
	Task      *ecs.Task
	Age       int // of its deployment: the newer, the higher; the primary one has the highest
	Health    Health
	Protected bool
}

// gracePeriod returns how long after a task's start failing checks are ignored (ecs.md 3.2.5).
func (v *View) gracePeriod() time.Duration {
	if g := v.Service.HealthCheckGracePeriodSeconds; g != nil {
		return time.Duration(*g) * time.Second
	}
	return 0
}

// deleting reports whether the service is being deleted: every task is stopped, protected ones too.
func (v *View) deleting() bool { return v.Service.Status == ecs.ServiceDraining }

// breaker returns the service's circuit breaker; it may be off.
func (v *View) breaker() ecs.CircuitBreaker { return v.Service.DeploymentConfiguration.Breaker() }
