package sched

import (
	"strings"
	"time"

	"github.com/berthhq/berth/internal/sched/cql"
)

// States of a container instance that matter here (ecs.md 1.3.1). Only StatusActive takes tasks.
const (
	StatusActive   = "ACTIVE"
	StatusInactive = "INACTIVE"
)

// zoneAttribute is the built-in attribute that holds a container instance's availability zone.
const zoneAttribute = "ecs.availability-zone"

// maxPorts is how many ports of an instance can be reserved, including those of the agent and of
// SSH (ecs.md 1.3.5).
const maxPorts = 100

// World is what tasks can be placed on: the container instances of one cluster, in any order. Worlds may share
// instances. No function of this package changes them.
type World struct {
	Instances []*Instance
}

// Instance is a container instance and what is in use on it.
//
// A task whose desired status is STOPPED counts as gone already (ecs.md 1.3.7): callers leave it
// out of Free, the ports and TaskGroups.
type Instance struct {
	ARN            string // unique in a world
	EC2InstanceID  string
	Zone           string // availability zone
	Status         string // only StatusActive takes tasks
	Provider       string // capacity provider; "" if it belongs to none
	AgentConnected bool
	AgentVersion   string
	RegisteredAt   time.Time
	Attributes     map[string]string // built-in, custom and capabilities; valueless ones map to ""

	Registered Resources
	Free       Resources
	PortsTCP   Ports // in use or reserved
	PortsUDP   Ports
	// Machine is set if other instances are on the same machine, and shared with them; nil for a
	// machine of its own.
	Machine *Machine

	RunningTasksCount int
	TaskGroups        map[string]int // number of tasks per group ("service:web", "family:job"); spreads count these
}

// Machine is a machine that several instances are on. Each of them publishes ports on its own
// address, but tasks in network mode host use the machine's own network.
type Machine struct {
	HostTCP Ports // of tasks in mode host
	HostUDP Ports
}

// Resources are amounts that a task needs or an instance has.
type Resources struct {
	CPU    int // CPU units, 1024 to the core
	Memory int // MiB
	GPU    int // devices
	ENI    int // network interfaces for awsvpc tasks
}

// Ports maps host ports in use to the task group that uses them, or to "" if the user is not a task
// or not known.
type Ports map[uint16]string

func (r Resources) minus(o Resources) Resources {
	return Resources{r.CPU - o.CPU, r.Memory - o.Memory, r.GPU - o.GPU, r.ENI - o.ENI}
}

func (r Resources) plus(o Resources) Resources {
	return Resources{r.CPU + o.CPU, r.Memory + o.Memory, r.GPU + o.GPU, r.ENI + o.ENI}
}

// attribute returns the value that a spread or a constraint sees under a name. The zone is known
// even if the instance did not send it as an attribute.
func (i *Instance) attribute(name string) (string, bool) {
	if v, ok := i.Attributes[name]; ok {
		return v, true
	}
	if name == zoneAttribute && i.Zone != "" {
		return i.Zone, true
	}
	return "", false
}

// Subject returns the instance as the cluster query language sees it. Both memberOf and the filter
// of ListContainerInstances use it.
func (i *Instance) Subject() *cql.Subject {
	s := &cql.Subject{
		AgentConnected:    i.AgentConnected,
		AgentVersion:      i.AgentVersion,
		EC2InstanceID:     i.EC2InstanceID,
		RegisteredAt:      i.RegisteredAt,
		RunningTasksCount: i.RunningTasksCount,
		Attributes:        i.Attributes,
		TaskGroups:        i.TaskGroups,
	}
	if _, ok := i.Attributes[zoneAttribute]; !ok && i.Zone != "" {
		s.Attributes = map[string]string{zoneAttribute: i.Zone}
		for k, v := range i.Attributes {
			s.Attributes[k] = v
		}
	}
	return s
}

// shortID returns the last part of an ARN, which is how events name instances.
func shortID(arn string) string {
	return arn[strings.LastIndexByte(arn, '/')+1:]
}
