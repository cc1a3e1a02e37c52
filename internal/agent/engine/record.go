package engine

import (
	"net/netip"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/acs"
)

// Phase is the progress of a container. It only grows, except for a restart by the restart policy, which
// returns it to Created.
type Phase int

// The phases.
const (
	Waiting Phase = iota
	Pulled
	Created
	Running
	Stopped
)

// Statuses of the protocol (ecs-agent.md 3.3).
const (
	StatusPending = "PENDING"
	StatusRunning = "RUNNING"
	StatusStopped = "STOPPED"
)

// Record is a task: what was assigned, and what has been done.
type Record struct {
	// Task is the assignment, without its containers and credentials.
	Task       acs.Task
	Containers []Box

	// RoleCredentialsID and ExecutionCredentialsID identify the task's credentials, which are kept in memory.
	RoleCredentialsID      string
	ExecutionCredentialsID string

	Desired string // acs.DesiredRunning or acs.DesiredStopped; changes once
	Status  string // what the task has reached; only moves forward
	Ran     bool   // every container has run; reported even if the task has stopped since
	Reason  string // why it failed as a whole
	// Hold is why the task has to wait, or "".
	Hold string

	Admitted bool // its resources are reserved
	Prepared bool // its networks, volumes and limits exist

	ReceivedAt         time.Time
	PullStartedAt      time.Time
	PullStoppedAt      time.Time
	ExecutionStoppedAt time.Time
	StoppedAt          time.Time

	// What the control plane has confirmed. Checkpoints have the names of earlier versions.
	ConfirmedStatus string `json:"ToldStatus"`
	ConfirmedHold   string `json:"ToldHold"`
	ConfirmedPull   bool   `json:"ToldPull"` // that the pull has begun
}

// Box is one container of a task.
type Box struct {
	Def acs.Container
	// Pause marks the container that holds the namespaces of the task. It is the agent's own and never
	// reported.
	Pause bool

	Phase     Phase
	Name      string // in the runtime
	RuntimeID string
	// EndpointID is the secret part of the container's metadata URLs.
	EndpointID string

	Image     string // the id of the image from which it is created
	PullTries int    // how often its image was removed before it was created
	ImageID   string
	Digest    string
	Hosts     []string // lines of the control plane in /etc/hosts when the container was created
	Ports     []Binding
	Addresses []netip.Addr

	CreatedAt  time.Time
	StartedAt  time.Time // of the current run
	FirstStart time.Time // zero if it has never run
	FinishedAt time.Time
	ExitCode   *int
	Reason     string

	Health      string // acs.Health…, "" without a health check
	HealthSince time.Time
	Restarts    int
	PortTries   int

	ConfirmedPhase Phase `json:"ToldPhase"` // what the control plane has confirmed
}

// Binding is a published port or, if Count is above 1, that many in a row.
type Binding struct {
	HostIP        netip.Addr
	ContainerPort int
	HostPort      int
	Count         int
	Protocol      string
	Range         bool // the task definition has a range
}

// NewRecord returns the record of a task that was just received.
func NewRecord(t acs.Task, now time.Time, newID func() string) Record {
	r := Record{Desired: t.DesiredStatus, Status: StatusPending, ReceivedAt: now}
	if t.RoleCredentials != nil {
		r.RoleCredentialsID = t.RoleCredentials.ID
	}
	if t.ExecutionRoleCredentials != nil {
		r.ExecutionCredentialsID = t.ExecutionRoleCredentials.ID
	}
	if needsPause(t) {
		r.Containers = append(r.Containers, Box{
			Def:   acs.Container{Name: pauseName, Image: PauseImage, Essential: true},
			Pause: true, Name: containerName(t, pauseName), EndpointID: newID(),
		})
	}
	for _, c := range t.Containers {
		r.Containers = append(r.Containers, Box{Def: c, Name: containerName(t, c.Name), EndpointID: newID()})
	}
	t.Containers, t.RoleCredentials, t.ExecutionRoleCredentials = nil, nil, nil
	r.Task = t
	return r
}

// needsPause reports whether the task's containers share a namespace, which the pause container then holds.
func needsPause(t acs.Task) bool {
	return t.DesiredStatus == acs.DesiredRunning &&
		(t.NetworkMode == networkAwsvpc || t.PIDMode == modeTask || t.IPCMode == modeTask)
}

// box returns the index of the named container, or -1.
func (r *Record) box(name string) int {
	return slices.IndexFunc(r.Containers, func(b Box) bool { return b.Def.Name == name })
}

// wanted reports whether the task should run: it was not stopped, has not failed, and no essential container
// has ended.
func (r *Record) wanted() bool {
	if r.Desired != acs.DesiredRunning || r.Reason != "" {
		return false
	}
	return !slices.ContainsFunc(r.Containers, func(b Box) bool { return b.Def.Essential && b.Phase == Stopped })
}

// clone returns a copy that the caller may keep.
func (r *Record) clone() Record {
	c := *r
	c.Containers = slices.Clone(r.Containers)
	return c
}

// reached reports whether the container is running or has run.
func (b *Box) reached() bool { return b.Phase == Running || !b.FirstStart.IsZero() }
