package fleet

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/arn"
)

// InstanceState is an EC2 instance's life cycle state.
type InstanceState string

// The states of EC2. They move forward only, but for stopped, from which an instance may be started again.
const (
	Pending      InstanceState = "pending"
	Running      InstanceState = "running"
	ShuttingDown InstanceState = "shutting-down"
	Terminated   InstanceState = "terminated"
	Stopping     InstanceState = "stopping"
	Stopped      InstanceState = "stopped"
)

// Code is the number the EC2 API gives beside the state's name.
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
	PhaseUnknown    Phase = ""           // nothing heard yet
	PhaseUp         Phase = "up"         // the agent process runs
	PhaseRestarting Phase = "restarting" // it died; it is started again after a pause
	PhaseFailed     Phase = "failed"     // it died for good: the instance is impaired and a group replaces it
)

// MachineStatus is observed: control/fleet alone writes it, from the driver's reports.
type MachineStatus struct {
	Phase    Phase
	Reason   string `json:",omitempty"` // one sentence, set unless the phase is up
	Restarts int    `json:",omitempty"`
	Since    time.Time
}

// StateReason is why an instance left the running state, in EC2's form.
type StateReason struct{ Code, Message string }

// UserInitiated is the reason EC2 gives when a caller or a group ended the instance.
func UserInitiated() StateReason {
	return StateReason{"Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown"}
}

// LaunchFailure is the reason of an instance that never ran.
func LaunchFailure(why string) StateReason {
	return StateReason{"Server.InternalError", "Server.InternalError: Internal error on launch: " + why}
}

// Instance is an EC2 instance. On a local machine it is an agent process with an address, a root directory and a share of the
// machine. The caller writes Desired, control/fleet everything below State; both only ever move an instance towards its end, start apart.
type Instance struct {
	ID              string
	Region, Account string
	ReservationID   string
	ClientToken     string     `json:",omitempty"`
	LaunchIndex     int        `json:",omitempty"`
	Launch          LaunchData // as resolved at launch: later changes of the template do not reach it
	Zone, SubnetID  string
	Address         netip.Addr // 127.B.1.N of the server's block B, its private address, unique on the machine
	Tags            map[string]string
	LaunchedAt      time.Time
	DisableAPIStop  bool          `json:",omitempty"`
	Reboot          bool          `json:",omitempty"` // a caller asked for one; control/fleet takes it back when it is done
	DisableAPITerm  bool          `json:",omitempty"`
	Desired         InstanceState // Running, Stopped or Terminated

	State            InstanceState
	Reason           StateReason `json:",omitzero"`
	TransitionReason string      `json:",omitempty"`
	TransitionAt     time.Time   `json:",omitzero"`
	Machine          MachineStatus

	Scaling Membership `json:",omitzero"`
}

// ARN names the instance; it is its key in the store.
func (i *Instance) ARN() string { return InstanceARN(i.Region, i.Account, i.ID) }

// InstanceARN is the ARN of an instance with the given id.
func InstanceARN(region, account, id string) string {
	return arn.New("ec2", region, account, "instance/"+id).String()
}

// InstancePrefix is the prefix of the keys of all instances of a region.
func InstancePrefix(region, account string) string { return InstanceARN(region, account, "") }

// GroupKey is the key of the group that the instance counts for, or "" when it is in none. The store indexes instances by it.
func (i *Instance) GroupKey() string {
	if i.Scaling.Group == "" || i.Scaling.Lifecycle == LifecycleTerminated {
		return ""
	}
	return Key(i.Region, i.Account, i.Scaling.Group)
}

// Clone returns a copy that may be changed.
func (i *Instance) Clone() *Instance {
	c := *i
	c.Tags, c.Scaling.Targets = maps.Clone(i.Tags), slices.Clone(i.Scaling.Targets)
	return &c
}

// Described is the state that callers are told: what they asked for shows at once, before the controller has begun with it.
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

// Live reports whether the instance is, or may be again, a machine: anything but on its way out.
func (i *Instance) Live() bool { return i.State != ShuttingDown && i.State != Terminated }

// Impaired is EC2's own verdict, the status checks: the instance runs, but its agent is down for good.
func (i *Instance) Impaired() bool { return i.State == Running && i.Machine.Phase == PhaseFailed }

// DNSName is the private DNS name EC2 gives to the instance's address.
func (i *Instance) DNSName() string {
	if !i.Address.IsValid() {
		return ""
	}
	return PrivateDNSName(i.Address, i.Region)
}

// PrivateDNSName is the name that a region's resolver has for an IPv4 address. The oldest region has a domain of its own.
func PrivateDNSName(ip netip.Addr, region string) string {
	domain := region + ".compute.internal"
	if region == "us-east-1" {
		domain = "ec2.internal"
	}
	return "ip-" + strings.ReplaceAll(ip.String(), ".", "-") + "." + domain
}

// SortedTags returns the tags in the order of their keys.
func SortedTags(tags map[string]string) []Tag {
	sorted := make([]Tag, 0, len(tags))
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		sorted = append(sorted, Tag{k, tags[k]})
	}
	return sorted
}

// Tag is a key and a value.
type Tag struct{ Key, Value string }
