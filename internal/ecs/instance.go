package ecs

import (
	"slices"
	"time"

	"github.com/berthhq/berth/internal/tag"
)

// Container instance statuses (ecs.md 1.3.1).
const (
	InstanceRegistering   = "REGISTERING"
	InstanceActive        = "ACTIVE"
	InstanceDraining      = "DRAINING"
	InstanceDeregistering = "DEREGISTERING"
	InstanceInactive      = "INACTIVE"
)

// ContainerInstance is a machine with an agent. Remaining resources and task counts are computed
// from the tasks when asked for.
type ContainerInstance struct {
	ContainerInstanceARN string
	ClusterARN           string
	EC2InstanceID        string
	Status               string
	StatusReason         string `json:",omitempty"`
	// AgentConnected follows the ACS session; it stops placement and nothing else (ecs.md 1.3.2). Written by dispatch.
	AgentConnected   bool
	AgentConnectedAt time.Time `json:",omitzero"` // when AgentConnected last changed
	AgentVersion     string    `json:",omitempty"`
	AgentHash        string    `json:",omitempty"`
	DockerVersion    string    `json:",omitempty"`
	// Registered is what the agent offered; its port lists are those taken from the start (ecs.md 1.3.4).
	Registered   Resources
	Attributes   []Attribute
	Tags         tag.Set `json:",omitempty"`
	RegisteredAt time.Time
	Version      int64
	// CapacityProviderName is the capacity provider of the cluster whose Auto Scaling group has the instance; "" if
	// none has. Written by dispatch at the registration and by control/instance.
	CapacityProviderName string `json:",omitempty"`
	// Address is where ports published on this instance answer: 127.0.1.N of a local instance, the
	// agent's address otherwise.
	Address string
	// RuntimeStatus is what the agent last said of its container runtime: OK, IMPAIRED,
	// INSUFFICIENT_DATA or INITIALIZING.
	RuntimeStatus        string    `json:",omitempty"`
	RuntimeReason        string    `json:",omitempty"` // why it is IMPAIRED, from Berth's own agent
	RuntimeStatusSince   time.Time `json:",omitzero"`
	RuntimeStatusUpdated time.Time `json:",omitzero"`
	// ClientToken is that of the registration, which makes a repeated one find its first answer.
	ClientToken string `json:",omitempty"`
	// Sequence is the last number given to a message of the ACS session; it only grows. Written by dispatch.
	Sequence       int64
	DeregisteredAt time.Time `json:",omitzero"`
}

// Attribute is a name with an optional value on a container instance, or one that a task definition requires.
type Attribute struct {
	Name  string
	Value string `json:",omitempty"`
}

// Well-known attributes (ecs.md 1.3.8).
const (
	AttributeZone         = "ecs.availability-zone"
	AttributeInstanceType = "ecs.instance-type"
	AttributeAMI          = "ecs.ami-id"
	AttributeVPC          = "ecs.vpc-id"
	AttributeSubnet       = "ecs.subnet-id"
	AttributeOSType       = "ecs.os-type"
	AttributeCPU          = "ecs.cpu-architecture"
	// AttributeExternal is what an agent outside EC2 registers; tasks of launch type EXTERNAL run there and only there.
	AttributeExternal = "ecs.capability.external"
)

// Attribute returns the value of the named attribute and whether the instance has it.
func (i *ContainerInstance) Attribute(name string) (string, bool) {
	n := slices.IndexFunc(i.Attributes, func(a Attribute) bool { return a.Name == name })
	if n < 0 {
		return "", false
	}
	return i.Attributes[n].Value, true
}

// Zone is the instance's availability zone, "" if it has none.
func (i *ContainerInstance) Zone() string {
	z, _ := i.Attribute(AttributeZone)
	return z
}

// Present reports whether the instance counts to its cluster (ecs.md 1.2.3).
func (i *ContainerInstance) Present() bool {
	return i.Status == InstanceActive || i.Status == InstanceDraining
}
