package ecs

import (
	"slices"
	"strconv"
	"time"

	"github.com/berthhq/berth/internal/tag"
)

// Task definition statuses (ecs.md 1.4.2).
const (
	TaskDefinitionActive           = "ACTIVE"
	TaskDefinitionInactive         = "INACTIVE"
	TaskDefinitionDeleteInProgress = "DELETE_IN_PROGRESS"
)

// Network modes (ecs.md 1.4.7).
const (
	NetworkBridge = "bridge"
	NetworkHost   = "host"
	NetworkAwsvpc = "awsvpc"
	NetworkNone   = "none"
)

// TaskDefinition is one registered revision of a family. It never changes but for its status.
type TaskDefinition struct {
	TaskDefinitionARN    string
	Family               string
	Revision             int
	Status               string
	ContainerDefinitions []ContainerDefinition
	TaskRoleARN          string `json:",omitempty"`
	ExecutionRoleARN     string `json:",omitempty"`
	NetworkMode          string // never empty; bridge unless said otherwise
	// CPU units of the whole task, as digits; "" = not limited as a whole
	CPU                     string                `json:",omitempty"`
	Memory                  string                `json:",omitempty"` // MiB of the whole task, as digits
	Volumes                 []Volume              `json:",omitempty"`
	PlacementConstraints    []PlacementConstraint `json:",omitempty"`
	RequiresCompatibilities []string              `json:",omitempty"`
	Compatibilities         []string              // computed at registration
	RequiresAttributes      []Attribute           // computed at registration
	PIDMode                 string                `json:",omitempty"`
	IPCMode                 string                `json:",omitempty"`
	RuntimePlatform         *RuntimePlatform      `json:",omitempty"`
	EnableFaultInjection    bool                  `json:",omitempty"`
	Tags                    tag.Set               `json:",omitempty"`
	// Zeros are the members that the registration set to false, 0, "" or nothing in so many words;
	// AWS answers them as they were given.
	Zeros             []string `json:",omitempty"`
	RegisteredAt      time.Time
	RegisteredBy      string    `json:",omitempty"`
	DeregisteredAt    time.Time `json:",omitzero"`
	DeleteRequestedAt time.Time `json:",omitzero"`
}

// Family counts the revisions of one family; numbers are never used twice (ecs.md 1.4.1).
type Family struct {
	Region, Account, Name string
	LastRevision          int
}

// RuntimePlatform is the operating system and processor a task needs.
type RuntimePlatform struct {
	CPUArchitecture       string `json:",omitempty"`
	OperatingSystemFamily string `json:",omitempty"`
}

// Volume is a data volume of a task. With neither part set Docker chooses the path.
type Volume struct {
	Name                      string
	Host                      *HostVolume                `json:",omitempty"`
	DockerVolumeConfiguration *DockerVolumeConfiguration `json:",omitempty"`
}

// HostVolume is a path on the container instance; "" means Docker chooses one that lives as long as the task.
type HostVolume struct {
	SourcePath string `json:",omitempty"`
}

// DockerVolumeConfiguration is a volume of a Docker volume driver. Scope is task or shared.
type DockerVolumeConfiguration struct {
	Scope         string
	Autoprovision bool              `json:",omitempty"`
	Driver        string            `json:",omitempty"`
	DriverOpts    map[string]string `json:",omitempty"`
	Labels        map[string]string `json:",omitempty"`
}

// PlacementConstraint limits the instances a task may run on.
type PlacementConstraint struct {
	Type       string // memberOf or distinctInstance
	Expression string `json:",omitempty"`
}

// PlacementStrategy orders the instances a task may run on.
type PlacementStrategy struct {
	Type  string // spread, binpack or random
	Field string `json:",omitempty"`
}

// Name is family:revision.
func (d *TaskDefinition) Name() string { return d.Family + ":" + strconv.Itoa(d.Revision) }

// Container returns the definition of the named container, or nil.
func (d *TaskDefinition) Container(name string) *ContainerDefinition {
	i := slices.IndexFunc(d.ContainerDefinitions, func(c ContainerDefinition) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &d.ContainerDefinitions[i]
}

// HasHealthCheck reports whether an essential container has a health check, which is what makes a task's health known.
func (d *TaskDefinition) HasHealthCheck() bool {
	return slices.ContainsFunc(d.ContainerDefinitions,
		func(c ContainerDefinition) bool { return c.Essential && c.HealthCheck != nil })
}
