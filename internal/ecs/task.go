package ecs

import (
	"fmt"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/tag"
)

// TaskStatus is a step of a task's life (ecs.md 1.5.1). LastStatus only moves forward;
// DesiredStatus is RUNNING or STOPPED and moves once.
type TaskStatus string

// The steps, in order.
const (
	Provisioning   TaskStatus = "PROVISIONING"
	Pending        TaskStatus = "PENDING"
	Activating     TaskStatus = "ACTIVATING"
	Running        TaskStatus = "RUNNING"
	Deactivating   TaskStatus = "DEACTIVATING"
	Stopping       TaskStatus = "STOPPING"
	Deprovisioning TaskStatus = "DEPROVISIONING"
	Stopped        TaskStatus = "STOPPED"
)

var taskOrder = []TaskStatus{
	Provisioning, Pending, Activating, Running, Deactivating, Stopping, Deprovisioning, Stopped,
}

// Before reports whether s comes earlier in a task's life than o.
func (s TaskStatus) Before(o TaskStatus) bool {
	return slices.Index(taskOrder, s) < slices.Index(taskOrder, o)
}

// Health of a container or task (ecs.md 1.4.15).
const (
	Healthy       = "HEALTHY"
	Unhealthy     = "UNHEALTHY"
	UnknownHealth = "UNKNOWN"
)

// Stop codes (ecs.md 1.5.3).
const (
	TaskFailedToStart         = "TaskFailedToStart"
	EssentialContainerExited  = "EssentialContainerExited"
	UserInitiated             = "UserInitiated"
	ServiceSchedulerInitiated = "ServiceSchedulerInitiated"
	TerminationNotice         = "TerminationNotice"
)

// Task is a running, coming or past instance of a task definition on one container instance. It is
// never run again, only replaced.
type Task struct {
	TaskARN              string
	ClusterARN           string
	TaskDefinitionARN    string
	ContainerInstanceARN string // "" while it waits for capacity
	Group                string // "family:F" or "service:S"
	StartedBy            string `json:",omitempty"` // of a service task: the deployment's id
	ServiceARN           string `json:",omitempty"` // "" for standalone tasks
	// ClientToken and its parameters' hash make RunTask idempotent (ecs.md 1.1.11).
	ClientToken   string `json:",omitempty"`
	ParameterHash string `json:",omitempty"`
	LaunchType    string
	// CapacityProviderName is the provider on whose instances the task runs; "" for any instance.
	CapacityProviderName string `json:",omitempty"`
	// Waiting is how to place the task when its capacity provider has room for it; nil once it is placed.
	Waiting          *Placement `json:",omitempty"`
	CPU              string     `json:",omitempty"`
	Memory           string     `json:",omitempty"`
	AvailabilityZone string
	Overrides        Overrides
	// members of the overrides that were given as false, 0, "" or nothing in so many words
	OverrideZeros []string  `json:",omitempty"`
	Need          Resources // what it takes of its instance until it begins to stop (ecs.md 1.3.7)

	LastStatus    TaskStatus
	DesiredStatus TaskStatus
	HealthStatus  string
	Containers    []Container
	Attachments   []Attachment `json:",omitempty"`

	// LoadBalancers are those the task must be registered with before it counts as RUNNING; fixed at creation.
	LoadBalancers []LoadBalancer `json:",omitempty"`
	// Targets are the task's present registrations. Written by control/target, which also moves ACTIVATING to RUNNING
	// and DEACTIVATING to STOPPING.
	Targets []TaskTarget `json:",omitempty"`

	Connectivity   string    `json:",omitempty"` // CONNECTED or DISCONNECTED
	ConnectivityAt time.Time `json:",omitzero"`

	CreatedAt          time.Time
	PullStartedAt      time.Time `json:",omitzero"`
	PullStoppedAt      time.Time `json:",omitzero"`
	StartedAt          time.Time `json:",omitzero"`
	StoppingAt         time.Time `json:",omitzero"`
	ExecutionStoppedAt time.Time `json:",omitzero"`
	StoppedAt          time.Time `json:",omitzero"`

	// WasHealthy says that the task was healthy at some time. EndCounted says that the service has
	// counted the task's end, as a failure or not. control/service writes both.
	WasHealthy bool `json:",omitempty"`
	EndCounted bool `json:"Counted,omitempty"`

	StopCode      string `json:",omitempty"`
	StoppedReason string `json:",omitempty"`

	EnableExecuteCommand bool      `json:",omitempty"`
	ProtectedUntil       time.Time `json:",omitzero"` // scale-in protection (ecs.md 3.10)
	// CredentialsID and ExecutionCredentialsID name the task's role credentials at the agent and
	// stay for its life (ecs-agent.md 8).
	CredentialsID          string  `json:",omitempty"`
	ExecutionCredentialsID string  `json:",omitempty"`
	Tags                   tag.Set `json:",omitempty"`
	Version                int64
}

// Placement is what, besides the task definition, decides on which instance a task runs.
type Placement struct {
	Constraints          []PlacementConstraint `json:",omitempty"`
	Strategies           []PlacementStrategy   `json:",omitempty"`
	DefaultSpread        bool                  `json:",omitempty"` // see launch.Spec
	NetworkConfiguration *NetworkConfiguration `json:",omitempty"`
}

// ProvisioningTimeout is how long a task waits for capacity before it is stopped. AWS publishes no figure; it was
// observed to be between 10 and 15 minutes (ecs.md 11).
const ProvisioningTimeout = 15 * time.Minute

// Container is one container of a task, as observed.
type Container struct {
	ContainerARN      string
	TaskARN           string
	Name              string
	Image             string
	ImageDigest       string     `json:",omitempty"`
	RuntimeID         string     `json:",omitempty"`
	LastStatus        TaskStatus // PENDING, RUNNING or STOPPED
	ExitCode          *int       `json:",omitempty"`
	Reason            string     `json:",omitempty"`
	HealthStatus      string
	NetworkBindings   []NetworkBinding   `json:",omitempty"`
	NetworkInterfaces []NetworkInterface `json:",omitempty"`
	CPU               string             `json:",omitempty"`
	Memory            string             `json:",omitempty"`
	MemoryReservation string             `json:",omitempty"`
}

// NetworkBinding is a published port.
type NetworkBinding struct {
	BindIP             string
	ContainerPort      int    `json:",omitempty"`
	HostPort           int    `json:",omitempty"`
	ContainerPortRange string `json:",omitempty"`
	HostPortRange      string `json:",omitempty"`
	Protocol           string
}

// NetworkInterface is a container's own address in awsvpc mode.
type NetworkInterface struct{ AttachmentID, PrivateIPv4Address string }

// Attachment is something bound to a task: in awsvpc mode its ElasticNetworkInterface with
// subnetId, macAddress, privateIPv4Address.
type Attachment struct {
	ID      string
	Type    string
	Status  string
	Details []KeyValuePair
}

// Detail returns a detail of the attachment, "" if it has none of that name.
func (a Attachment) Detail(name string) string {
	for _, d := range a.Details {
		if d.Name == name {
			return d.Value
		}
	}
	return ""
}

// TaskTarget is one registration of a task in a target group.
type TaskTarget struct {
	TargetGroupARN string
	ID             string // instance id or address
	Port           int
	Draining       bool `json:",omitempty"` // deregistered, connections may still end
}

// Address is the task's own address in awsvpc mode, "" otherwise.
func (t *Task) Address() string {
	for _, a := range t.Attachments {
		if a.Type == "ElasticNetworkInterface" {
			return a.Detail("privateIPv4Address")
		}
	}
	return ""
}

// EndedAt is when the task's first essential container stopped, or, if that is not known, when the
// task was asked to stop; zero while it runs.
func (t *Task) EndedAt() time.Time {
	at := t.ExecutionStoppedAt
	if at.IsZero() || at.Before(t.StartedAt) || at.After(t.StoppingAt) { // an agent's clock may be wrong
		at = t.StoppingAt
	}
	return at
}

// ExitCodes tells with what the containers of a task ended, if they ran: " (app: exit code 3)".
func (t *Task) ExitCodes() string {
	var said string
	for _, c := range t.Containers {
		if c.ExitCode != nil {
			said += fmt.Sprintf(" (%s: exit code %d)", c.Name, *c.ExitCode)
		}
	}
	return said
}

// Live reports whether the task still takes resources in the scheduler's books: it is wanted and
// has not stopped (ecs.md 1.3.7).
func (t *Task) Live() bool { return t.DesiredStatus == Running && t.LastStatus != Stopped }

// Provisioning reports whether the task waits for an instance of its capacity provider (ecs.md 1.5.1, 4.11).
func (t *Task) Provisioning() bool {
	return t.Waiting != nil
}

// Moving reports whether the task's registrations with load balancers have to follow it: its
// containers run and it is not registered yet, or it is to stop or has stopped and is registered still.
func (t *Task) Moving() bool {
	switch {
	case t.LastStatus == Activating && t.DesiredStatus == Running, t.LastStatus == Deactivating:
		return true
	}
	return len(t.Targets) > 0 && (t.DesiredStatus == Stopped || !t.LastStatus.Before(Deactivating))
}

// Uncounted reports whether the task has stopped, or is to stop, and its service has not taken that
// into account.
func (t *Task) Uncounted() bool {
	return !t.EndCounted && (t.DesiredStatus == Stopped || t.LastStatus == Stopped)
}

// Unproven reports whether the task runs, and is to, and its service never saw it healthy.
func (t *Task) Unproven() bool {
	return t.LastStatus == Running && t.DesiredStatus == Running && !t.WasHealthy
}

// MayStop reports whether the agent may now be sent the stop of the task. This is the stop gate: a task
// that serves a load balancer is taken out of it first (ecs.md 3.2.6).
func (t *Task) MayStop() bool {
	return t.DesiredStatus == Stopped && !t.LastStatus.Before(Stopping)
}

// Stop returns t as a task that is to stop. A task with targets goes to DEACTIVATING and
// waits at the stop gate, any other to STOPPING; one that waits for capacity is STOPPED at once. A
// task that is already to stop comes back as it is: the first reason stands.
func (t *Task) Stop(code, reason string, now time.Time) *Task {
	if t.DesiredStatus == Stopped {
		return t
	}
	c := *t
	c.DesiredStatus, c.StopCode, c.StoppedReason, c.StoppingAt = Stopped, code, reason, now
	if t.Waiting != nil {
		c.Waiting = nil
		return c.Ended(code, reason, now) // no agent knows it
	}
	next := Stopping
	if len(c.Targets) > 0 {
		next = Deactivating
	}
	if c.LastStatus.Before(next) {
		c.LastStatus = next
	}
	c.Version++
	return &c
}

// Ended returns t as it is once nothing of it is left on any instance.
func (t *Task) Ended(code, reason string, now time.Time) *Task {
	if t.LastStatus == Stopped {
		return t
	}
	c := *t.Stop(code, reason, now)
	c.LastStatus, c.StoppedAt = Stopped, now
	c.Containers = slices.Clone(c.Containers)
	for i := range c.Containers {
		c.Containers[i].LastStatus = Stopped
	}
	c.Version++
	return &c
}

// TaskHealth is the health of a task by its essential containers (ecs.md 1.4.15).
func TaskHealth(d *TaskDefinition, containers []Container) string {
	health := Healthy
	for _, c := range containers {
		cd := d.Container(c.Name)
		if cd == nil || !cd.Essential {
			continue
		}
		switch c.HealthStatus {
		case Unhealthy:
			return Unhealthy
		case Healthy:
		default:
			health = UnknownHealth
		}
	}
	return health
}
