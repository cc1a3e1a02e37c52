package launch

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"hash/fnv"
	"io"
	"net/netip"
	"strconv"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/state"
)

// IDs are the ids of a new task and of its credentials. Those of credentials must not be guessable:
// anybody who knows one can get the credentials.
type IDs struct{ Task, Credentials, Execution string }

// NewIDs makes ids of random bytes, which must be fit for secrets. Reading random must not fail.
func NewIDs(random io.Reader) IDs {
	return IDs{Task: newid.Hex(random, 16), Credentials: newid.UUID(random), Execution: newid.UUID(random)}
}

// derived returns an id that follows from the task's and is not secret: of a container, of an
// interface.
func derived(taskID, what string) []byte {
	sum := sha256.Sum256([]byte(taskID + "/" + what))
	return sum[:16]
}

// Task returns the task for a placement on ci. In awsvpc mode it takes a free address of the zone's
// subnet; if there is none, the error is a *fault.Error. It writes to the transaction if the
// region's network has no address range yet.
func (s *Spec) Task(tx *state.Tx, ci *ecs.ContainerInstance, ids IDs, now time.Time) (*ecs.Task, error) {
	a, err := arn.Parse(s.Cluster.ClusterARN)
	if err != nil {
		return nil, err
	}
	task := s.unplaced(a, ids, now)
	return task, s.put(tx, a, task, ci)
}

// unplaced returns the task without what depends on its container instance.
func (s *Spec) unplaced(a arn.ARN, ids IDs, now time.Time) *ecs.Task {
	d := s.Definition
	task := &ecs.Task{
		TaskARN:    ecs.ARN(a.Region, a.Account, ecs.TypeTask, s.Cluster.ClusterName+"/"+ids.Task),
		ClusterARN: s.Cluster.ClusterARN, TaskDefinitionARN: d.TaskDefinitionARN,
		Group: s.Group, StartedBy: s.StartedBy,
		ServiceARN: s.ServiceARN, ClientToken: s.ClientToken, ParameterHash: s.ParameterHash,
		LaunchType: s.LaunchType, CapacityProviderName: s.Provider, CPU: cmp.Or(s.Overrides.CPU, d.CPU),
		Memory: cmp.Or(s.Overrides.Memory, d.Memory), Overrides: s.Overrides,
		OverrideZeros: s.OverrideZeros, Need: d.Need(s.Overrides), LastStatus: ecs.Pending,
		DesiredStatus: ecs.Running, HealthStatus: ecs.UnknownHealth, LoadBalancers: s.LoadBalancers,
		EnableExecuteCommand: s.EnableExecuteCommand, Tags: s.Tags, CreatedAt: now, Version: 1,
	}
	if task.CPU == "" {
		task.CPU = strconv.Itoa(task.Need.CPU)
	}
	if task.Memory == "" {
		task.Memory = strconv.Itoa(task.Need.Memory)
	}
	if cmp.Or(s.Overrides.TaskRoleARN, d.TaskRoleARN) != "" {
		task.CredentialsID = ids.Credentials
	}
	if cmp.Or(s.Overrides.ExecutionRoleARN, d.ExecutionRoleARN) != "" {
		task.ExecutionCredentialsID = ids.Execution
	}
	s.containers(a, task, ids.Task)
	return task
}

// put gives a task its container instance and, in awsvpc mode, an address there.
func (s *Spec) put(tx *state.Tx, a arn.ARN, task *ecs.Task, ci *ecs.ContainerInstance) error {
	task.ContainerInstanceARN, task.AvailabilityZone = ci.ContainerInstanceARN, ci.Zone()
	if s.Definition.NetworkMode != ecs.NetworkAwsvpc {
		return nil
	}
	at, err := s.attach(tx, a, ci.Zone(), arn.LastID(task.TaskARN))
	if err != nil {
		return err
	}
	task.Attachments = []ecs.Attachment{at}
	for i := range task.Containers {
		task.Containers[i].NetworkInterfaces = []ecs.NetworkInterface{{
			AttachmentID: at.ID, PrivateIPv4Address: at.Detail("privateIPv4Address"),
		}}
	}
	return nil
}

func (s *Spec) containers(a arn.ARN, task *ecs.Task, id string) {
	for _, c := range s.Definition.ContainerDefinitions {
		c = s.Overrides.Apply(c)
		oc := ecs.Container{
			ContainerARN: ecs.ARN(a.Region, a.Account, ecs.TypeContainer,
				s.Cluster.ClusterName+"/"+id+"/"+newid.UUIDOf(derived(id, "container/"+c.Name))),
			TaskARN: task.TaskARN, Name: c.Name, Image: c.Image, LastStatus: ecs.Pending,
			HealthStatus: ecs.UnknownHealth,
			CPU:          strconv.Itoa(c.CPU),
		}
		if c.Memory > 0 {
			oc.Memory = strconv.Itoa(c.Memory)
		}
		if c.MemoryReservation > 0 {
			oc.MemoryReservation = strconv.Itoa(c.MemoryReservation)
		}
		task.Containers = append(task.Containers, oc)
	}
}

// attach gives the task a network interface with an address of the first given subnet in the
// instance's zone.
func (s *Spec) attach(tx *state.Tx, a arn.ARN, zone, id string) (ecs.Attachment, error) {
	subnets, err := s.subnets()
	if err != nil {
		return ecs.Attachment{}, err
	}
	for _, n := range subnets {
		if n.Zone.Name != zone {
			continue
		}
		network, isNew, err := Network(&tx.Tables, a.Region, a.Account, nil)
		if err != nil {
			return ecs.Attachment{}, err
		}
		if isNew {
			tx.Networks.Put(network)
		}
		ip, ok := freeAddress(&tx.Tables, a, network.Part(n), id)
		if !ok {
			return ecs.Attachment{}, invalid("The subnet %s has no free address left.", n.ID)
		}
		mac := derived(id, "mac")
		return ecs.Attachment{
			ID: newid.UUIDOf(derived(id, "attachment")), Type: "ElasticNetworkInterface", Status: "ATTACHED",
			Details: []ecs.KeyValuePair{
				{Name: "subnetId", Value: n.ID},
				{Name: "networkInterfaceId", Value: fmt.Sprintf("eni-0%x", derived(id, "eni")[:8])},
				{Name: "macAddress", Value: fmt.Sprintf("02:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
					mac[2], mac[3], mac[4])},
				{Name: "privateDnsName", Value: fleet.PrivateDNSName(ip, a.Region)},
				{Name: "privateIPv4Address", Value: ip.String()},
			},
		}, nil
	}
	return ecs.Attachment{},
		invalid("None of the given subnets lies in the availability zone %s of the container instance.", zone)
}

// freeAddress returns an address that no task of the subnet has. The search starts at a place
// derived from the task's id, so that an address is not reused at once: a load balancer may still
// be draining it. The first four addresses and the last are reserved.
func freeAddress(t *state.Tables, a arn.ARN, subnet netip.Prefix, id string) (netip.Addr, bool) {
	base := subnet.Masked().Addr().As4()
	size := uint32(1) << (32 - subnet.Bits())
	first := uint32(base[0])<<24 | uint32(base[1])<<16 | uint32(base[2])<<8 | uint32(base[3])
	const reserved = 4
	usable := size - reserved - 1
	h := fnv.New32a()
	h.Write([]byte(id))
	for i := range usable {
		v := first + reserved + (h.Sum32()%usable+i)%usable
		ip := netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
		if !t.AddressTaken(a.Region, a.Account, ip.String()) {
			return ip, true
		}
	}
	return netip.Addr{}, false
}
