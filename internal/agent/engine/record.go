package engine

import (
	"net/netip"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/acs"
)

// Phase is how far a container has come. It only grows, but for a restart by
// its restart policy, which takes it back to Created.
type Phase int

// The phases.
const (
	Waiting Phase = iota
	Pulled
	Created
	Running
	Stopped
)

// Statuses the protocol knows (ecs-agent.md 3.3).
const (
	StatusPending = "PENDING"
	StatusRunning = "RUNNING"
	StatusStopped = "STOPPED"
)

// Record is a task: what was asked for and what was reached.
type Record struct {
	// Task is as it was sent, without its containers and without credentials.
	Task       acs.Task
	Containers []Box

	// RoleCredentialsID and ExecutionCredentialsID are where the task's
	// credentials are kept, in memory.
	RoleCredentialsID      string
	ExecutionCredentialsID string

	Desired string // acs.DesiredRunning or acs.DesiredStopped; moves once
	Status  string // what the task has reached; only moves forward
	Ran     bool   // every container has run, which is told even if the task has stopped since
	Reason  string // why it failed as a whole
	// Hold is why the task does not go on for now, "" if it does.
	Hold string

	Admitted bool // its resources are reserved
	Prepared bool // its networks, volumes and limits are there

	ReceivedAt         time.Time
	PullStartedAt      time.Time
	PullStoppedAt      time.Time
	ExecutionStoppedAt time.Time
	StoppedAt          time.Time

	// Told is what the control plane has confirmed to know.
	ToldStatus string
	ToldHold   string
}

// Box is one container of a task.
type Box struct {
	Def acs.Container
	// Pause marks the container that holds the namespaces of the task; it is ours and
	// nobody is told of it.
	Pause bool

	Phase     Phase
	Name      string // at the engine
	RuntimeID string
	// EndpointID is the container's secret part of its metadata addresses.
	EndpointID string

	Image     string // the id of what it is created from
	PullTries int    // how often its image went away before it was created
	ImageID   string
	Digest    string
	Hosts     []string // lines of the control plane in /etc/hosts as the container was created
	Ports     []Binding
	Addresses []netip.Addr

	CreatedAt  time.Time
	StartedAt  time.Time // of the present run
	FirstStart time.Time // zero: it never ran
	FinishedAt time.Time
	ExitCode   *int
	Reason     string

	Health      string // acs.Health…, "" without a health check
	HealthSince time.Time
	Restarts    int
	PortTries   int

	ToldPhase Phase
}

// Binding is a published port or, with Count above 1, that many in a row.
type Binding struct {
	HostIP        netip.Addr
	ContainerPort int
	HostPort      int
	Count         int
	Protocol      string
	Range         bool // was asked for as a range
}

// NewRecord is a task as it was just received.
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

// needsPause reports whether containers of the task share a namespace of its own,
// which a container of ours then holds.
func needsPause(t acs.Task) bool {
	return t.DesiredStatus == acs.DesiredRunning && (t.NetworkMode == networkAwsvpc || t.PIDMode == modeTask || t.IPCMode == modeTask)
}

// box returns the index of the named container, or -1.
func (r *Record) box(name string) int {
	return slices.IndexFunc(r.Containers, func(b Box) bool { return b.Def.Name == name })
}

// wanted reports whether the task should run: nobody stopped it, it did not fail
// and no essential container has ended.
func (r *Record) wanted() bool {
	if r.Desired != acs.DesiredRunning || r.Reason != "" {
		return false
	}
	return !slices.ContainsFunc(r.Containers, func(b Box) bool { return b.Def.Essential && b.Phase == Stopped })
}

// clone copies what a reader may keep.
func (r *Record) clone() Record {
	c := *r
	c.Containers = slices.Clone(r.Containers)
	return c
}

// reached reports whether the container has run, or still does.
func (b *Box) reached() bool { return b.Phase == Running || !b.FirstStart.IsZero() }
