package ecs

import (
	"crypto/sha256"
	"fmt"
	"time"
)

// Service statuses (ecs.md 3.1.1).
const (
	ServiceActive   = "ACTIVE"
	ServiceDraining = "DRAINING"
	ServiceInactive = "INACTIVE"
)

// Scheduling strategies.
const (
	Replica = "REPLICA"
	Daemon  = "DAEMON"
)

// Whether a service asks for its tasks to be moved when zones are out of balance (ecs.md 2.8).
const (
	RebalancingEnabled  = "ENABLED"
	RebalancingDisabled = "DISABLED"
)

// Deployment statuses and rollout states (ecs.md 3.1.3).
const (
	DeploymentPrimary  = "PRIMARY"
	DeploymentActive   = "ACTIVE"
	DeploymentInactive = "INACTIVE"

	RolloutInProgress = "IN_PROGRESS"
	RolloutCompleted  = "COMPLETED"
	RolloutFailed     = "FAILED"
)

// Service keeps a number of tasks of a task definition running.
type Service struct {
	ServiceARN              string
	ServiceName             string
	ClusterARN              string
	Status                  string
	TaskDefinition          string // ARN; that of the primary deployment
	DesiredCount            int    // of a DAEMON service how many instances it belongs on, written by control/service
	LaunchType              string
	SchedulingStrategy      string
	DeploymentConfiguration DeploymentConfiguration
	DeploymentController    string                // ECS, the only one so far
	LoadBalancers           []LoadBalancer        `json:",omitempty"`
	NetworkConfiguration    *NetworkConfiguration `json:",omitempty"`
	PlacementConstraints    []PlacementConstraint `json:",omitempty"`
	PlacementStrategy       []PlacementStrategy   `json:",omitempty"`
	// HealthCheckGracePeriodSeconds is nil when never set; verdicts are ignored for that long after a task's start (ecs.md 3.2.5).
	HealthCheckGracePeriodSeconds *int   `json:",omitempty"`
	AvailabilityZoneRebalancing   string // RebalancingEnabled or RebalancingDisabled
	RoleARN                       string `json:",omitempty"`
	EnableECSManagedTags          bool   `json:",omitempty"`
	EnableExecuteCommand          bool   `json:",omitempty"`
	PropagateTags                 string `json:",omitempty"`
	CreatedAt                     time.Time
	CreatedBy                     string    `json:",omitempty"`
	DeletedAt                     time.Time `json:",omitzero"`
	Tags                          []Tag     `json:",omitempty"`

	// Deployments, newest first. Written by actions (a new one) and by control/service (everything else).
	Deployments []Deployment
	// Rebalancing is whether tasks are being moved between availability zones. Written by control/service.
	Rebalancing bool `json:",omitempty"`
	// Unplaced is how many tasks of the last plan found no instance. Written by control/service.
	Unplaced int `json:",omitempty"`
	// SteadyAt is when the service last said it reached a steady state; zero while it is not steady. Written by control/service.
	SteadyAt time.Time `json:",omitzero"`
	// NextEvent numbers the service's events.
	NextEvent int64
	// LastComplaint is what the last message about something that is still so was about, whichever instance it named; it is not repeated
	// (ecs.md 1.7.4).
	LastComplaint   string    `json:",omitempty"`
	LastComplaintAt time.Time `json:",omitzero"`
	// ClientToken and its parameters' hash make CreateService idempotent (ecs.md 1.1.11).
	ClientToken   string `json:",omitempty"`
	ParameterHash string `json:",omitempty"`
}

// DeploymentConfiguration bounds a rolling update. Percentages are of the desired count.
type DeploymentConfiguration struct {
	MinimumHealthyPercent    int
	MaximumPercent           int
	DeploymentCircuitBreaker *CircuitBreaker `json:",omitempty"`
	Strategy                 string          `json:",omitempty"` // ROLLING or ""
}

// CircuitBreaker fails a deployment whose tasks fail (ecs.md 3.5.1).
type CircuitBreaker struct {
	Enable, Rollback       bool
	ThresholdConfiguration *ThresholdConfiguration `json:",omitempty"` // nil: BOUNDED_PERCENT of 50
	ResetOnHealthyTask     *bool                   `json:",omitempty"` // nil: true
}

// ThresholdConfiguration is how many failed tasks fail a deployment: BOUNDED_PERCENT, UNBOUNDED_PERCENT of the desired count, or COUNT.
type ThresholdConfiguration struct {
	Type  string
	Value int
}

// Deployment is one task definition and network setting that a service has, had or is getting. Counts of running and pending tasks
// are computed when it is described.
type Deployment struct {
	ID                   string // ecs-svc/<digits>
	Status               string
	TaskDefinition       string
	LaunchType           string
	LoadBalancers        []LoadBalancer        `json:",omitempty"`
	NetworkConfiguration *NetworkConfiguration `json:",omitempty"`
	DesiredCount         int
	FailedTasks          int
	RolloutState         string
	RolloutStateReason   string
	CreatedAt            time.Time
	UpdatedAt            time.Time
	CompletedAt          time.Time `json:",omitzero"` // when control/service last called it COMPLETED
	// Attempts counts rounds of starts that failed one after another, the last of them at LastFailure. No task of the
	// deployment is started before RetryAt (ecs.md 3.4). Written by control/service.
	Attempts    int       `json:",omitempty"`
	LastFailure time.Time `json:",omitzero"`
	RetryAt     time.Time `json:",omitzero"`
}

// LoadBalancer binds a container port to a target group.
type LoadBalancer struct {
	TargetGroupARN string
	ContainerName  string
	ContainerPort  int
}

// NetworkConfiguration places awsvpc tasks.
type NetworkConfiguration struct {
	AwsvpcConfiguration *AwsvpcConfiguration `json:",omitempty"`
}

// AwsvpcConfiguration names the subnets and security groups of a task's network interface.
type AwsvpcConfiguration struct {
	Subnets        []string
	SecurityGroups []string `json:",omitempty"`
	AssignPublicIP string   `json:",omitempty"`
}

// Primary returns the primary deployment, nil if there is none.
func (s *Service) Primary() *Deployment {
	for i := range s.Deployments {
		if s.Deployments[i].Status == DeploymentPrimary {
			return &s.Deployments[i]
		}
	}
	return nil
}

// Event is one line of a service's story (ecs.md 1.7.4).
type Event struct {
	ServiceARN string
	Sequence   int64
	ID         string
	CreatedAt  time.Time
	Message    string
}

const (
	// KeptEvents is how many events of a service are kept and shown (ecs.md 1.7.4).
	KeptEvents = 100
	// RepeatAfter is when a message about something that is still so is told again (ecs.md 1.7.4).
	RepeatAfter = 6 * time.Hour
)

// Tell makes the service's next event. The caller keeps both: the event, and the service, whose count has grown; and forgets the event that
// Forgets names.
func (s *Service) Tell(message string, now time.Time) *Event {
	s.NextEvent++
	e := &Event{ServiceARN: s.ServiceARN, Sequence: s.NextEvent, CreatedAt: now, Message: message}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s", e.Key(), now))
	e.ID = fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
	return e
}

// Forgets is the key of the event that this one pushes out of the service's story.
func (e *Event) Forgets() string {
	return (&Event{ServiceARN: e.ServiceARN, Sequence: e.Sequence - KeptEvents}).Key()
}

// AccountSetting is a setting of a principal, or of the whole account when PrincipalARN is "" (ecs.md 1.1.14).
type AccountSetting struct {
	Region, Account string
	PrincipalARN    string
	Name, Value     string
}

// Token remembers the answer to a call that carried a client token (ecs.md 1.1.11).
type Token struct {
	ClusterARN    string
	Action        string
	ClientToken   string
	ParameterHash string
	ARNs          []string
	ExpiresAt     time.Time
}
