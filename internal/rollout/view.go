package rollout

import "time"

// Scheduling strategies of a service.
const (
	Replica = "REPLICA"
	Daemon  = "DAEMON"
)

// States of a deployment; see ecs.md 3.1.3.
const (
	Primary  = "PRIMARY"
	Active   = "ACTIVE"
	Inactive = "INACTIVE"

	InProgress = "IN_PROGRESS"
	Completed  = "COMPLETED"
	Failed     = "FAILED"
)

// View is all that the next step of one service depends on.
type View struct {
	Service     Service
	Deployments []Deployment // at most one with status Primary; INACTIVE ones may be left out
	Tasks       []Task       // all that have not stopped, and the stopped ones that are not Counted
	Instances   []Instance   // Daemon only: the container instances of the cluster

	HealthyAfter time.Duration // RUNNING for so long is healthy when nothing else tells; AWS: 40 s (ecs.md 3.2.3)
	RetryBase    time.Duration // first delay after a failed round, doubled for each further one; 0 = no delay (ecs.md 3.4)
	// StableAfter is how long a task must have been RUNNING for its end not to be an early one. Tasks that end early count as
	// failures and delay the next ones, and no task that nothing checks is healthy sooner where failures are looked for.
	// 0 is AWS's rule: only tasks that never were RUNNING count (ecs.md 3.4, 3.5.2).
	StableAfter time.Duration
}

// Service is the part of a service's specification and state that matters here.
type Service struct {
	Name     string
	Strategy string // Replica or Daemon
	Deleting bool   // status DRAINING: every task goes, protected ones too
	Desired  int    // Replica only

	MinimumHealthyPercent int // 0-100
	MaximumPercent        int // at least 100; Daemon: 100
	GracePeriod           time.Duration
	Breaker               Breaker

	// Unplaced is how many tasks of the last plan found no instance. While there are some, room is made by stopping
	// as far as the minimum allows, although the maximum would allow starting first.
	Unplaced int
	// Imbalanced is whether moving a task would even out the zones now (sched.Rebalance); false for services that do not
	// ask for rebalancing.
	Imbalanced bool
	// Rebalancing is what the last plan said.
	Rebalancing bool
	// SteadyAt is when the steady state was last told in an event; zero when the service was not steady.
	SteadyAt time.Time
}

// Breaker is the deployment circuit breaker (ecs.md 3.5.1).
type Breaker struct {
	Enable   bool
	Rollback bool
	Type     string // BoundedPercent (also ""), UnboundedPercent or Count
	Value    int    // of Type; 0 = 50 for the percentages
	Keep     bool   // resetOnHealthyTask is false: failures are not forgotten when a task becomes healthy
}

// Kinds of thresholds of a [Breaker].
const (
	BoundedPercent   = "BOUNDED_PERCENT"
	UnboundedPercent = "UNBOUNDED_PERCENT"
	Count            = "COUNT"
)

// Deployment is one version of a service on its way in or out.
type Deployment struct {
	ID           string // "ecs-svc/N"
	Revision     string // what its tasks are made from; not interpreted
	Status       string
	Desired      int // tasks it should have now; of older deployments what is left of them
	RolloutState string
	StateReason  string
	CreatedAt    time.Time
	CompletedAt  time.Time // when it last was completed

	FailedTasks int       // as DescribeServices tells and the circuit breaker counts
	Attempts    int       // rounds of launches that failed one after another
	LastFailure time.Time // when Attempts last grew
	RetryAt     time.Time // no task is started before

	Targets         int  // target groups that its tasks are registered in
	ContainerChecks bool // an essential container has a health check
}

// Task is a task of the service.
type Task struct {
	ID           string
	DeploymentID string
	Status       string // last status, PROVISIONING to STOPPED
	Desired      string // RUNNING or STOPPED
	Health       string // of container checks: HEALTHY, UNHEALTHY or UNKNOWN
	Targets      []Target
	CreatedAt    time.Time
	StartedAt    time.Time // when it became RUNNING; zero if it never did
	EndedAt      time.Time // when its first essential container or the task itself began to end; zero while it runs
	StopCode     string    // as in the ECS API, once stopping or stopped
	StopReason   string    // likewise, with the exit codes of its containers
	WasHealthy   bool      // named in Plan.Healthy before

	InstanceID     string // "" while not placed
	Draining       bool   // its container instance is DRAINING
	ProtectedUntil time.Time
	StopRank       int  // preference for scaling in: smaller goes first (the position in sched.ScaleIn's answer)
	Counted        bool // named in Plan.Counted before
}

// Target is a task's registration in a target group.
type Target struct {
	GroupARN string
	Port     int
	State    string // initial, healthy, unhealthy, unused, draining, unavailable, or "" when not registered yet
	Reason   string // of the state, for people
}

// Instance is a container instance as a daemon service sees it.
type Instance struct {
	ID         string
	Eligible   bool // ACTIVE and meets the constraints (sched.Eligible)
	Draining   bool
	OtherTasks int // tasks on it that are of no daemon service; daemons leave last
}
