package fleet

import (
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/tag"
)

// AutoScalingGroup keeps a number of equal instances running across zones (ecs.md 5.1). Actions write what the user
// asks for (Min, Max, Desired, …). control/fleet writes them when a policy or a scheduled action changes them, and
// stores what later steps need (CooldownStart, LaunchFailures, …). It deletes a group that is being deleted when the
// last instance is gone.
type AutoScalingGroup struct {
	Name, ID        string // ID is the UUID in the ARN
	Region, Account string
	CreatedAt       time.Time
	Min, Max        int
	Desired         int
	Zones           []string
	Subnets         []string `json:",omitempty"` // ids, from VPCZoneIdentifier; if set, Zones is derived from it
	Launch          LaunchSource
	HealthCheckType string // EC2 or ELB (or both, comma separated), as the caller wrote it
	GracePeriod     int    // seconds after InService in which failed checks do not count
	Cooldown        int    // seconds
	Warmup          *int   `json:",omitempty"` // seconds; nil is not set
	Policies        []string
	NewProtected    bool     `json:",omitempty"` // new instances are protected from scale-in
	TargetGroups    []string `json:",omitempty"` // ARNs
	PlacementGroup  string   `json:",omitempty"`
	ServiceRole     string   `json:",omitempty"`
	MaxLifetime     int      `json:",omitempty"` // seconds; 0 means no limit
	Context         string   `json:",omitempty"`
	DesiredType     string   `json:",omitempty"`
	CapacityRebal   bool     `json:",omitempty"`
	Suspended       []SuspendedProcess
	Metrics         []string `json:",omitempty"`
	Tags            tag.Set  `json:",omitempty"`
	Status          string   `json:",omitempty"` // "" or DeleteInProgress
	// sentences about the last changes of Desired; the causes of the next activities begin with them
	Note             string    `json:",omitempty"`
	CooldownStart    time.Time `json:",omitzero"`  // end of the last launch or termination
	LaunchFailures   int       `json:",omitempty"` // failed launches since the last successful one
	NextLaunch       time.Time `json:",omitzero"`  // after failed launches: no launch before this time
	BlockedByProtect bool      `json:",omitempty"` // an activity has reported that protection blocks a scale-in
	ScaledInAt       time.Time `json:",omitzero"`  // when a policy last made the group smaller
	BlockedByMax     int       `json:",omitempty"` // an activity has reported that this maximum is reached; 0: none has
}

// ClearProgress sets the fields to zero that controllers write while they run the group, except for Desired and Status.
func (g *AutoScalingGroup) ClearProgress() {
	g.Note, g.CooldownStart, g.LaunchFailures, g.NextLaunch = "", time.Time{}, 0, time.Time{}
	g.BlockedByProtect, g.BlockedByMax, g.ScaledInAt = false, 0, time.Time{}
}

// DeleteInProgress is the status of a group that is being deleted.
const DeleteInProgress = "Delete in progress"

// SuspendedProcess is a process of the group that a caller has suspended, and the reason.
type SuspendedProcess struct{ Name, Reason string }

// Processes of a group that can be suspended.
const (
	ProcessLaunch           = "Launch"
	ProcessTerminate        = "Terminate"
	ProcessAddToLB          = "AddToLoadBalancer"
	ProcessAlarm            = "AlarmNotification"
	ProcessRebalance        = "AZRebalance"
	ProcessHealthCheck      = "HealthCheck"
	ProcessRefresh          = "InstanceRefresh"
	ProcessReplaceUnhealthy = "ReplaceUnhealthy"
	ProcessScheduled        = "ScheduledActions"
)

// ProcessNames returns the processes in the order in which DescribeScalingProcessTypes lists them.
func ProcessNames() []string {
	return []string{ProcessAddToLB, ProcessAlarm, ProcessRebalance, ProcessHealthCheck, ProcessRefresh, ProcessLaunch,
		ProcessReplaceUnhealthy, ProcessScheduled, ProcessTerminate}
}

// Key returns the group's key in the store.
func (g *AutoScalingGroup) Key() string { return Key(g.Region, g.Account, g.Name) }

// ARN returns the group's ARN.
func (g *AutoScalingGroup) ARN() string {
	return arn.New("autoscaling", g.Region, g.Account,
		"autoScalingGroup:"+g.ID+":autoScalingGroupName/"+g.Name).String()
}

// GroupKeyFromARN returns the store key of the group with an ARN, as capacity providers store it.
func GroupKeyFromARN(s string) (string, bool) {
	a, err := arn.Parse(s)
	if err != nil || a.Service != "autoscaling" {
		return "", false
	}
	_, name, ok := strings.Cut(a.Resource, ":autoScalingGroupName/")
	if !ok || !strings.HasPrefix(a.Resource, "autoScalingGroup:") {
		return "", false
	}
	return Key(a.Region, a.Account, name), true
}

// Clone returns a copy that may be changed.
func (g *AutoScalingGroup) Clone() *AutoScalingGroup {
	c := *g
	c.Zones, c.Subnets, c.Policies = slices.Clone(g.Zones), slices.Clone(g.Subnets), slices.Clone(g.Policies)
	c.Suspended, c.Metrics = slices.Clone(g.Suspended), slices.Clone(g.Metrics)
	c.TargetGroups = slices.Clone(g.TargetGroups)
	return &c
}

// AddNote appends a sentence to Note. If Note becomes too long, it removes the oldest sentences.
func (g *AutoScalingGroup) AddNote(sentence string) {
	const most = 2000
	if g.Note != "" {
		sentence = g.Note + "  " + sentence
	}
	if len(sentence) > most {
		if cut := strings.Index(sentence[len(sentence)-most:], "At "); cut >= 0 {
			sentence = sentence[len(sentence)-most+cut:]
		}
	}
	g.Note = sentence
}

// IsSuspended reports whether a process is stopped.
func (g *AutoScalingGroup) IsSuspended(process string) bool {
	return slices.ContainsFunc(g.Suspended, func(p SuspendedProcess) bool { return p.Name == process })
}

// Slots returns the subnets in which the group may launch instances, one for each of its zones.
func (g *AutoScalingGroup) Slots() []Subnet {
	var slots []Subnet
	for _, s := range Subnets(g.Region, g.Account) {
		if slices.Contains(g.Subnets, s.ID) || len(g.Subnets) == 0 && slices.Contains(g.Zones, s.Zone.Name) {
			slots = append(slots, s)
		}
	}
	return slots
}

// Lifecycle is an instance's state within its group.
type Lifecycle string

// The states of a group's instance (ecs.md 5.3), without those of warm pools, which Berth does not have.
const (
	LifecyclePending            Lifecycle = "Pending"
	LifecyclePendingWait        Lifecycle = "Pending:Wait"
	LifecyclePendingProceed     Lifecycle = "Pending:Proceed"
	LifecycleInService          Lifecycle = "InService"
	LifecycleEnteringStandby    Lifecycle = "EnteringStandby" // load balancers drain it
	LifecycleStandby            Lifecycle = "Standby"
	LifecycleTerminating        Lifecycle = "Terminating"
	LifecycleTerminatingWait    Lifecycle = "Terminating:Wait"
	LifecycleTerminatingProceed Lifecycle = "Terminating:Proceed"
	LifecycleTerminated         Lifecycle = "Terminated" // no longer counted or described
)

// Launching reports whether the instance is being launched: it is not in service yet.
func (l Lifecycle) Launching() bool {
	return l == LifecyclePending || l == LifecyclePendingWait || l == LifecyclePendingProceed
}

// Leaving reports whether the group is terminating the instance.
func (l Lifecycle) Leaving() bool {
	return l == LifecycleTerminating || l == LifecycleTerminatingWait || l == LifecycleTerminatingProceed
}

// Resting reports whether the instance is in standby or on its way there. It runs, but its group does not count, check
// or replace it.
func (l Lifecycle) Resting() bool { return l == LifecycleEnteringStandby || l == LifecycleStandby }

// Values of Membership.Health.
const (
	Healthy   = "Healthy"
	Unhealthy = "Unhealthy"
)

// Membership is an instance's place in its group. The zero value means that it is in none.
type Membership struct {
	Group  string // name
	Source LaunchSource
	// when the configuration or template version was made; termination policies use it
	SourceAt    time.Time
	Lifecycle   Lifecycle
	InServiceAt time.Time `json:",omitzero"`
	Health      string
	// why unhealthy: the end of the sentence "an instance was taken out of service in response to
	// …"
	HealthCause string `json:",omitempty"`
	Protected   bool   `json:",omitempty"`
	// keys of the load balancer targets that the group registered and that still exist
	Targets []string `json:",omitempty"`
	// launched in addition to Desired to balance the zones; not counted before it is in service
	Rebalancing bool `json:",omitempty"`
	// what it waits for in Pending:Wait and Terminating:Wait
	Actions []LifecycleAction `json:",omitempty"`
	// Returning is true from the end of standby until it is in service. Lifecycle hooks do not hold it, as on AWS.
	Returning bool `json:",omitempty"`
	// key of the activity that launched it, or that last moved it into or out of standby
	LaunchedBy   string `json:",omitempty"`
	TerminatedBy string `json:",omitempty"` // key of the activity that terminates it
}

// Member reports whether the instance belongs to a group and has not ended.
func (m Membership) Member() bool { return m.Group != "" && m.Lifecycle != LifecycleTerminated }

// Counts reports whether the instance counts towards Desired.
func (m Membership) Counts() bool {
	return m.Lifecycle == LifecycleInService || m.Lifecycle.Launching() && !m.Rebalancing
}
