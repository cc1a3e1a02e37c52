package sim

import "time"

// Report is what happened in a simulation.
type Report struct {
	Start    time.Time
	Minutes  int
	Seed     uint64
	Services []ServiceReport
	Groups   []GroupReport
	Clusters []ClusterReport
	// Decisions are those of controllers, policies and alarms, the oldest first. Omitted is the number of those that
	// are left out.
	Decisions []Decision
	Omitted   int
	// Unmeasured says which policies compare metrics that had no values: nothing measures them in a simulation, as
	// network traffic and what programs push.
	Unmeasured []string
}

// ServiceReport is the report on one service.
type ServiceReport struct {
	Cluster, Service string
	Unit             string // of the load: requests/s or clients; "" without a load
	PeakLoad         float64
	MinTasks         int
	MaxTasks         int
	MeanTasks        float64
	TaskHours        float64
	Requests         float64
	Late             float64 // requests that waited for CPU for longer than a tick of 20 seconds
	Refused          float64 // requests that no task could take, or that were given up after waiting
	Moved            float64 // clients whose task ended, and that connected to another
	OutOfMemory      int     // tasks that were ended because they used more memory than they may
	Points           []ServicePoint

	taskMinutes int
	sums        sums
}

// ServicePoint is one point of a service's curve. It covers the time since the point before, up to Minute, which counts
// from the start. Load is an average; Late and Refused are sums; CPU and Memory are averages in per cent of the
// reservations; the numbers of tasks are those at Minute.
type ServicePoint struct {
	Minute, Desired, Running, Pending int
	Load, CPU, Memory, Late, Refused  float64
}

// GroupReport is the report on one Auto Scaling group.
type GroupReport struct {
	Group, Type   string
	MinInstances  int
	MaxInstances  int
	InstanceHours float64
	Reserved      []Reservation
	Points        []GroupPoint
}

// Reservation says how much a number of reserved instances would be used. Reserved hours are paid whether they are used
// or not.
type Reservation struct {
	Instances     int
	Hours         float64 // of the reserved instances
	Used          float64 // per cent of these hours
	OnDemandHours float64 // of the other instances
}

// GroupPoint has the numbers of a group at Minute.
type GroupPoint struct{ Minute, Desired, Instances, InService int }

// ClusterReport is the report on one cluster.
type ClusterReport struct {
	Cluster string
	Points  []ClusterPoint
}

// ClusterPoint has the numbers of a cluster at Minute, in per cent of what its instances have registered.
type ClusterPoint struct {
	Minute, Instances                int
	CPU, CPUReserved, MemoryReserved float64
}

// Decision is something that was decided, or that went wrong.
type Decision struct {
	At      time.Time
	Kind    string // service, group, policy, alarm or fault
	Subject string
	Text    string
	Reason  string
	Refused bool // it could not be carried out
}
