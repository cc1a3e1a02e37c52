package launch

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"net/netip"
	"strconv"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// IDs are the names of a task to be: its own, and those of its credentials, which nobody may guess because who knows one gets the credentials.
// They are minted before the transaction.
type IDs struct{ Task, Credentials, Execution string }

// MintIDs makes n sets of names.
func MintIDs(n int) []IDs {
	out := make([]IDs, n)
	for i := range out {
		out[i] = IDs{Task: hexID(), Credentials: uuid(random()), Execution: uuid(random())}
	}
	return out
}

func random() []byte {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	return b
}

func hexID() string { return hex.EncodeToString(random()) }

func uuid(b []byte) string {
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// derived is a name that follows from the task's and is not secret: a container's, an interface's.
func derived(taskID, what string) []byte {
	sum := sha256.Sum256([]byte(taskID + "/" + what))
	return sum[:16]
}

// Task makes the task that a placement on ci calls for. In awsvpc mode it takes a free address of the zone's subnet; there may be none,
// which is a *fault.Error. The tables are those of a transaction: the region's network may get its place.
func (s *Spec) Task(t *state.Tables, ci *ecs.ContainerInstance, ids IDs, now time.Time) (*ecs.Task, error) {
	a, err := arn.Parse(s.Cluster.ClusterARN)
	if err != nil {
		return nil, err
	}
	d := s.Definition
	task := &ecs.Task{
		TaskARN:    ecs.ARN(a.Region, a.Account, ecs.TypeTask, s.Cluster.ClusterName+"/"+ids.Task),
		ClusterARN: s.Cluster.ClusterARN, TaskDefinitionARN: d.TaskDefinitionARN, ContainerInstanceARN: ci.ContainerInstanceARN,
		Group: s.Group, StartedBy: s.StartedBy, ServiceARN: s.ServiceARN, LaunchType: s.LaunchType,
		CPU: cmp.Or(s.Overrides.CPU, d.CPU), Memory: cmp.Or(s.Overrides.Memory, d.Memory), AvailabilityZone: ci.Zone(),
		Overrides: s.Overrides, OverrideZeros: s.OverrideZeros, Need: d.Need(s.Overrides),
		LastStatus: ecs.Pending, DesiredStatus: ecs.Running, HealthStatus: ecs.UnknownHealth,
		LoadBalancers: s.LoadBalancers, EnableExecuteCommand: s.EnableExecuteCommand, Tags: s.Tags,
		CreatedAt: now, Version: 1,
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
	if d.NetworkMode == ecs.NetworkAwsvpc {
		at, err := s.attach(t, a, ci.Zone(), ids.Task)
		if err != nil {
			return nil, err
		}
		task.Attachments = []ecs.Attachment{at}
	}
	s.containers(a, task, ids.Task)
	return task, nil
}

func (s *Spec) containers(a arn.ARN, task *ecs.Task, id string) {
	for _, c := range s.Definition.ContainerDefinitions {
		c = s.Overrides.Apply(c)
		oc := ecs.Container{
			ContainerARN: ecs.ARN(a.Region, a.Account, ecs.TypeContainer, s.Cluster.ClusterName+"/"+id+"/"+uuid(derived(id, "container/"+c.Name))),
			TaskARN:      task.TaskARN, Name: c.Name, Image: c.Image, LastStatus: ecs.Pending, HealthStatus: ecs.UnknownHealth,
			CPU: strconv.Itoa(c.CPU),
		}
		if c.Memory > 0 {
			oc.Memory = strconv.Itoa(c.Memory)
		}
		if c.MemoryReservation > 0 {
			oc.MemoryReservation = strconv.Itoa(c.MemoryReservation)
		}
		for _, at := range task.Attachments {
			oc.NetworkInterfaces = append(oc.NetworkInterfaces, ecs.NetworkInterface{AttachmentID: at.ID, PrivateIPv4Address: at.Detail("privateIPv4Address")})
		}
		task.Containers = append(task.Containers, oc)
	}
}

// attach gives the task a network interface with an address of the named subnet that lies in the instance's zone.
func (s *Spec) attach(t *state.Tables, a arn.ARN, zone, id string) (ecs.Attachment, error) {
	subnets, err := s.subnets()
	if err != nil {
		return ecs.Attachment{}, err
	}
	for _, n := range subnets {
		if n.Zone.Name != zone {
			continue
		}
		network, isNew, err := Network(t, a.Region, a.Account, nil)
		if err != nil {
			return ecs.Attachment{}, err
		}
		if isNew {
			t.Networks.Put(network)
		}
		ip, ok := freeAddress(t, a, network.Part(n), id)
		if !ok {
			return ecs.Attachment{}, invalid("The subnet %s has no free address left.", n.ID)
		}
		mac := derived(id, "mac")
		return ecs.Attachment{
			ID: uuid(derived(id, "attachment")), Type: "ElasticNetworkInterface", Status: "ATTACHED",
			Details: []ecs.KeyValuePair{
				{Name: "subnetId", Value: n.ID}, {Name: "networkInterfaceId", Value: fmt.Sprintf("eni-0%x", derived(id, "eni")[:8])},
				{Name: "macAddress", Value: fmt.Sprintf("02:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4])},
				{Name: "privateDnsName", Value: fleet.PrivateDNSName(ip, a.Region)}, {Name: "privateIPv4Address", Value: ip.String()},
			},
		}, nil
	}
	return ecs.Attachment{}, invalid("None of the given subnets lies in the availability zone %s of the container instance.", zone)
}

// freeAddress picks an address that no task of the subnet still has. The search starts at a place given by the task's name, so that an address
// rests for a while before it is used again: a load balancer may still be draining it. The first four and the last are the network's own.
func freeAddress(t *state.Tables, a arn.ARN, subnet netip.Prefix, id string) (netip.Addr, bool) {
	taken := make(map[string]bool)
	for task := range t.Tasks.Prefix(ecs.ARN(a.Region, a.Account, ecs.TypeTask, "")) {
		if task.LastStatus != ecs.Stopped && len(task.Attachments) > 0 {
			taken[task.Address()] = true
		}
	}
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
		if !taken[ip.String()] {
			return ip, true
		}
	}
	return netip.Addr{}, false
}
