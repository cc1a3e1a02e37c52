package fleet

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/tag"
)

// InstanceState is the state of an EC2 instance in its life cycle.
type InstanceState string

// The states of EC2. An instance only moves forward, except that a stopped one may be started
// again.
const (
	Pending      InstanceState = "pending"
	Running      InstanceState = "running"
	ShuttingDown InstanceState = "shutting-down"
	Terminated   InstanceState = "terminated"
	Stopping     InstanceState = "stopping"
	Stopped      InstanceState = "stopped"
)

// Code returns the number that the EC2 API gives with the state's name.
func (s InstanceState) Code() int32 {
	switch s {
	case Running:
		return 16
	case ShuttingDown:
		return 32
	case Terminated:
		return 48
	case Stopping:
		return 64
	case Stopped:
		return 80
	}
	return 0
}

// Next returns the states that may follow s.
func (s InstanceState) Next() []InstanceState {
	switch s {
	case Pending:
		return []InstanceState{Running, ShuttingDown, Terminated}
	case Running:
		return []InstanceState{ShuttingDown, Stopping}
	case Stopping:
		return []InstanceState{Stopped, ShuttingDown}
	case Stopped:
		return []InstanceState{Pending, ShuttingDown}
	case ShuttingDown:
		return []InstanceState{Terminated}
	}
	return nil
}

// Phase is what the machine driver last reported about an instance.
type Phase string

// Phases of a machine.
const (
	PhaseUnknown    Phase = ""           // nothing was reported yet
	PhaseUp         Phase = "up"         // the agent process runs
	PhaseRestarting Phase = "restarting" // it has ended and will be started again after a pause
	PhaseFailed     Phase = "failed"     // it stays ended: the instance is impaired, and its group replaces it
)

// MachineStatus is the last report of the driver. Only control/fleet writes it.
type MachineStatus struct {
	Phase    Phase
	Reason   string `json:",omitempty"` // one sentence, set unless the phase is up
	Restarts int    `json:",omitempty"`
	Since    time.Time
	// Cluster is the name of the cluster that the agent's settings tell it to join; "" while the agent is up, or if
	// the settings cannot be read.
	Cluster string `json:",omitempty"`
}

// StateReason is the reason why an instance left the running state, in EC2's form.
type StateReason struct{ Code, Message string }

// UserInitiated returns the reason that EC2 gives when a caller or a group ended the instance.
func UserInitiated() StateReason {
	return StateReason{"Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown"}
}

// LaunchFailure returns the reason of an instance that never ran.
func LaunchFailure(why string) StateReason {
	return StateReason{"Server.InternalError", "Server.InternalError: Internal error on launch: " + why}
}

// Instance is an EC2 instance. On a local machine it is an agent process with an address, a root directory and a share
// of the machine. Actions write Desired; control/fleet writes State and the fields that depend on it. Both only move
// forward, except when a stopped instance is started.
type Instance struct {
	ID              string
	Region, Account string
	ReservationID   string
	// ClientToken and its parameters' hash make RunInstances idempotent.
	ClientToken    string     `json:",omitempty"`
	ParameterHash  string     `json:",omitempty"`
	LaunchIndex    int        `json:",omitempty"`
	Launch         LaunchData // as resolved at launch: later changes of the template do not affect it
	Zone, SubnetID string
	Address        netip.Addr // its private address, 127.B.1.N for a server with block B; unique on the machine
	Tags           tag.Set
	LaunchedAt     time.Time
	DisableAPIStop bool `json:",omitempty"`
	// a caller asked for a reboot; control/fleet sets it to false when the instance has rebooted
	Reboot         bool          `json:",omitempty"`
	DisableAPITerm bool          `json:",omitempty"`
	Desired        InstanceState // Running, Stopped or Terminated

	State            InstanceState
	Reason           StateReason `json:",omitzero"`
	TransitionReason string      `json:",omitempty"`
	TransitionAt     time.Time   `json:",omitzero"`
	Machine          MachineStatus

	Scaling Membership `json:",omitzero"`
}

// ARN returns the instance's ARN, which is also its key in the store.
func (i *Instance) ARN() string { return InstanceARN(i.Region, i.Account, i.ID) }

// InstanceARN returns the ARN of the instance with an id.
func InstanceARN(region, account, id string) string {
	return arn.New("ec2", region, account, "instance/"+id).String()
}

// InstancePrefix returns the common prefix of the keys of all instances of a region.
func InstancePrefix(region, account string) string { return InstanceARN(region, account, "") }

// GroupKey returns the key of the group of which the instance is a member; "" if there is none. The store indexes
// instances by it.
func (i *Instance) GroupKey() string {
	if i.Scaling.Group == "" || i.Scaling.Lifecycle == LifecycleTerminated {
		return ""
	}
	return Key(i.Region, i.Account, i.Scaling.Group)
}

// Clone returns a copy that may be changed.
func (i *Instance) Clone() *Instance {
	c := *i
	c.Scaling.Targets, c.Scaling.Actions = slices.Clone(i.Scaling.Targets), slices.Clone(i.Scaling.Actions)
	return &c
}

// Described returns the state that the API returns. It changes as soon as a caller has asked for another state, before
// the controller acts.
func (i *Instance) Described() InstanceState {
	switch {
	case i.Desired == Terminated && i.State != Terminated:
		return ShuttingDown
	case i.Desired == Stopped && i.State == Running:
		return Stopping
	case i.Desired == Running && i.State == Stopped:
		return Pending
	}
	return i.State
}

// Live reports whether the instance is neither terminated nor being terminated. It may be stopped.
func (i *Instance) Live() bool { return i.State != ShuttingDown && i.State != Terminated }

// Impaired reports whether EC2's status checks fail: the instance is running, and its agent has failed and will not be
// started again.
func (i *Instance) Impaired() bool { return i.State == Running && i.Machine.Phase == PhaseFailed }

// DNSName returns the private DNS name that EC2 gives to the instance's address.
func (i *Instance) DNSName() string {
	if !i.Address.IsValid() {
		return ""
	}
	return PrivateDNSName(i.Address, i.Region)
}

// PrivateDNSName returns the name for an IPv4 address in a region's resolver.
func PrivateDNSName(ip netip.Addr, region string) string {
	return "ip-" + strings.ReplaceAll(ip.String(), ".", "-") + "." + PrivateDomain(region)
}

// PrivateDomain returns the domain of the private DNS names of a region. The oldest region has one of its own.
func PrivateDomain(region string) string {
	if region == "us-east-1" {
		return "ec2.internal"
	}
	return region + ".compute.internal"
}
