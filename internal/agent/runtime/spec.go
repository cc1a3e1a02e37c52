package runtime

import (
	"net/netip"
	"time"
)

// Spec is a container to create.
//
// Config and HostConfig are JSON documents of Docker's Config and HostConfig.
// They are decoded over what Command to LogDriver say, so a key in them wins;
// Labels, Network, Ports, CgroupParent, the modes and Log are the agent's and win over the
// documents.
type Spec struct {
	Name       string
	Image      string
	Command    []string // nil: the image's
	EntryPoint []string // nil: the image's
	Env        []string // "NAME=value"

	CPUShares   int64
	CPULimit    float64 // vCPU, 0 for none
	MemoryBytes int64   // hard limit, 0 for none

	Mounts      []Mount
	VolumesFrom []string // names of containers, with ":ro" behind for read only

	Config     string
	HostConfig string

	Labels       map[string]string
	Network      Attachment
	Ports        []Port
	CgroupParent string
	PIDMode      string     // "host", "container:ID"; "" leaves it to HostConfig
	IPCMode      string     // "host", "none", "shareable", "container:ID"; "" as above
	Log          *LogDriver // nil leaves it to HostConfig
}

// LogDriver is the engine's log driver and its options.
type LogDriver struct {
	Type    string
	Options map[string]string
}

// Mount is a directory of the machine or a named volume (Source without a
// leading slash) inside the container.
type Mount struct {
	Source   string
	Target   string
	ReadOnly bool
}

// Network modes of an Attachment that name no network.
const (
	NetworkHost = "host"
	NetworkNone = "none"
)

// Attachment is how a container is connected: to a network of that name, as
// NetworkHost, NetworkNone, or by sharing the namespace of another container. All
// empty leaves it to HostConfig.
type Attachment struct {
	Network string
	// Container is the id of the container whose network namespace is shared.
	Container string
	Aliases   []string
	Links     []string // "container:alias"
	Address   netip.Addr
}

// Port is a published port.
type Port struct {
	HostIP        netip.Addr // not valid: all addresses
	HostPort      int
	ContainerPort int
	Protocol      string // tcp or udp
}

// NetworkSpec is a bridge network. Options are the engine's driver options.
type NetworkSpec struct {
	Name    string
	Subnet  netip.Prefix // not valid: the engine's choice
	Gateway netip.Addr   // not valid: the engine's choice
	Avoid   netip.Prefix // addresses that the engine must not choose
	Labels  map[string]string
	Options map[string]string
}

// Network is a network that is there.
type Network struct {
	ID      string
	Name    string
	Subnet  netip.Prefix
	Gateway netip.Addr
	Bridge  string // name of the bridge interface on the machine
	Labels  map[string]string
}

// VolumeSpec is a named volume; an empty Driver is the local one.
type VolumeSpec struct {
	Name    string
	Driver  string
	Options map[string]string
	Labels  map[string]string
}

// State is what a container is doing.
type State string

// The states.
const (
	Created State = "created"
	Running State = "running"
	Exited  State = "exited"
)

// Health of a container with a health check.
const (
	HealthNone      = ""
	HealthStarting  = "starting"
	HealthHealthy   = "healthy"
	HealthUnhealthy = "unhealthy"
)

// Container is a container as the engine sees it.
type Container struct {
	ID      string
	Name    string
	Image   string // the name it was created from
	ImageID string
	Labels  map[string]string
	State   State
	// ExitCode and OOMKilled mean something once it Exited; StartError is why it
	// could not start.
	ExitCode   int
	OOMKilled  bool
	StartError string

	CreatedAt  time.Time
	StartedAt  time.Time // zero: never started
	FinishedAt time.Time // zero: never ended

	Health    string
	Ports     []Port
	Addresses []Address
	TTY       bool
	LogDriver string
}

// Address is a container's place in one network.
type Address struct {
	Network string
	IPv4    netip.Addr
	Gateway netip.Addr
	MAC     string
	Prefix  int
}

// EventKind is what happened to a container.
type EventKind string

// The kinds.
const (
	EventStarted EventKind = "start"
	EventDied    EventKind = "die"
	EventHealth  EventKind = "health"
	EventRemoved EventKind = "destroy"
)

// Event is something that happened to a container. Health is set with EventHealth.
type Event struct {
	Kind        EventKind
	ContainerID string
	Health      string
	At          time.Time
}

// LogEntry is a piece of what a container wrote: a line with its line feed, or a
// part of a long line without.
type LogEntry struct {
	At     time.Time
	Stderr bool
	Text   []byte
}

// Sample is what a container has used up to At. All but MemoryBytes are counters.
type Sample struct {
	At             time.Time
	CPU            time.Duration // of all cores together
	MemoryBytes    int64         // without page cache
	HasNetwork     bool
	Rx, Tx         Traffic
	ReadBytes      int64
	WriteBytes     int64
	HasBlockDevice bool
}

// Traffic counts one direction.
type Traffic struct{ Bytes, Packets, Dropped, Errors int64 }
