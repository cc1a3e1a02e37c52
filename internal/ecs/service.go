package ecs

import (
	"time"

	"github.com/berthhq/berth/internal/tag"
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

// Service is what users ask of a service: how many tasks, where, and within which bounds. A change
// of it takes effect at once. What tasks are made from is asked for with a [ServiceRevision], and a
// change of that is a [ServiceDeployment]; how far the service has come is its [ServiceProgress]
// (decision 0361).
//
// Actions write it; control/service writes one thing, that a deleted service is INACTIVE.
type Service struct {
	ServiceARN   string
	ServiceName  string
	ClusterARN   string
	Status       string
	DesiredCount int // of a REPLICA service; see ServiceProgress.DesiredCount for both
	LaunchType   string
	// CapacityProviderStrategy divides the tasks over capacity providers. A service with one has no launch type, and
	// one without has one (ecs.md 1.6.4).
	CapacityProviderStrategy []StrategyItem `json:",omitempty"`
	SchedulingStrategy       string
	DeploymentConfiguration  DeploymentConfiguration
	DeploymentController     string                // ECS, the only one so far
	PlacementConstraints     []PlacementConstraint `json:",omitempty"`
	PlacementStrategy        []PlacementStrategy   `json:",omitempty"`
	// HealthCheckGracePeriodSeconds is nil when never set; verdicts are ignored for that long after
	// a task's start (ecs.md 3.2.5).
	HealthCheckGracePeriodSeconds *int   `json:",omitempty"`
	AvailabilityZoneRebalancing   string // RebalancingEnabled or RebalancingDisabled
	RoleARN                       string `json:",omitempty"`
	EnableECSManagedTags          bool   `json:",omitempty"`
	EnableExecuteCommand          bool   `json:",omitempty"`
	PropagateTags                 string `json:",omitempty"`
	CreatedAt                     time.Time
	CreatedBy                     string    `json:",omitempty"`
	DeletedAt                     time.Time `json:",omitzero"`
	Tags                          tag.Set   `json:",omitempty"`
	// ClientToken and its parameters' hash make CreateService idempotent (ecs.md 1.1.11).
	ClientToken   string `json:",omitempty"`
	ParameterHash string `json:",omitempty"`
}

// DeploymentConfiguration bounds a rolling update. Percentages are of the desired count.
type DeploymentConfiguration struct {
	MinimumHealthyPercent    int
	MaximumPercent           int
	DeploymentCircuitBreaker *CircuitBreaker   `json:",omitempty"`
	Alarms                   *DeploymentAlarms `json:",omitempty"`
	Strategy                 string            `json:",omitempty"` // ROLLING or ""
}

// DeploymentAlarms are alarms of CloudWatch that make a deployment fail (ecs.md 3.5.3).
type DeploymentAlarms struct {
	AlarmNames       []string
	Enable, Rollback bool
}

// Watched returns the alarms that watch deployments: none if they are not enabled.
func (c *DeploymentConfiguration) Watched() DeploymentAlarms {
	if c.Alarms == nil || !c.Alarms.Enable {
		return DeploymentAlarms{}
	}
	return *c.Alarms
}

// Breaker returns the circuit breaker, which is not enabled if there is none.
func (c *DeploymentConfiguration) Breaker() CircuitBreaker {
	if c.DeploymentCircuitBreaker == nil {
		return CircuitBreaker{}
	}
	return *c.DeploymentCircuitBreaker
}

// CircuitBreaker fails a deployment whose tasks fail (ecs.md 3.5.1).
type CircuitBreaker struct {
	Enable, Rollback       bool
	ThresholdConfiguration *ThresholdConfiguration `json:",omitempty"` // nil: BOUNDED_PERCENT of 50
	ResetOnHealthyTask     *bool                   `json:",omitempty"` // nil: true
}

// Kinds of thresholds of a circuit breaker.
const (
	ThresholdBoundedPercent   = "BOUNDED_PERCENT"
	ThresholdUnboundedPercent = "UNBOUNDED_PERCENT"
	ThresholdCount            = "COUNT"
)

// Threshold is the number of failed tasks that fails a deployment of so many tasks (ecs.md 3.5.1).
func (b CircuitBreaker) Threshold(desired int) int {
	c := ThresholdConfiguration{ThresholdBoundedPercent, 50}
	if b.ThresholdConfiguration != nil {
		c = *b.ThresholdConfiguration
	}
	share := (desired*c.Value + 99) / 100
	switch c.Type {
	case ThresholdCount:
		return max(1, c.Value)
	case ThresholdUnboundedPercent:
		return max(1, share)
	}
	return min(max(share, 3), 200)
}

// KeepsFailures reports whether a healthy task does not make failed ones forgotten.
func (b CircuitBreaker) KeepsFailures() bool {
	return b.ResetOnHealthyTask != nil && !*b.ResetOnHealthyTask
}

// ThresholdConfiguration is how many failed tasks fail a deployment: BOUNDED_PERCENT,
// UNBOUNDED_PERCENT of the desired count, or COUNT.
type ThresholdConfiguration struct {
	Type  string
	Value int
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

// AccountSetting is a setting of a principal, or of the whole account when PrincipalARN is "" (ecs.md 1.1.14).
type AccountSetting struct {
	Region, Account string
	PrincipalARN    string
	Name, Value     string
}

// Token is how versions up to November 2026 remembered a call with a client token; the tasks that it
// made have the token now.
type Token struct {
	ClusterARN    string
	Action        string
	ClientToken   string
	ParameterHash string
	ARNs          []string
	ExpiresAt     time.Time
}
