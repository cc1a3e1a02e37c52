package dispatch

import (
	"cmp"
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/awswire/reshape"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/provider"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

// identityDocument is a machine's instance identity document from EC2's metadata service.
type identityDocument struct {
	InstanceID       string `json:"instanceId"`
	InstanceType     string `json:"instanceType"`
	ImageID          string `json:"imageId"`
	AvailabilityZone string `json:"availabilityZone"`
	PrivateIP        string `json:"privateIp"`
	Architecture     string `json:"architecture"`
}

// registerContainerInstance registers a machine as a container instance, or registers an existing
// one again (ecs-agent.md 3.1).
func (d *Dispatcher) registerContainerInstance(
	ctx context.Context, call *awswire.Call, in *shape.RegisterContainerInstanceInput,
) (*shape.RegisterContainerInstanceOutput, error) {
	document, err := readDocument(request.Value(in.InstanceIdentityDocument))
	if err != nil {
		return nil, err
	}
	offered, err := resources(in.TotalResources)
	if err != nil {
		return nil, err
	}
	id := newid.Hex(call.Random, 16)
	var out shape.ContainerInstance
	err = d.store.Update(ctx, func(tx *state.Tx) error {
		c, err := cluster(&tx.Tables, call, in.Cluster)
		if err != nil {
			return err
		}
		ci, err := registered(tx, call, c, in)
		if err != nil {
			return err
		}
		if ci == nil {
			ci = &ecs.ContainerInstance{
				ContainerInstanceARN: ecs.ARN(call.Region, call.Account, ecs.TypeContainerInstance,
					c.ClusterName+"/"+id),
				ClusterARN: c.ClusterARN, Status: ecs.InstanceActive, RegisteredAt: call.Now,
				ClientToken: request.Value(in.ClientToken),
			}
			retire(tx, document.InstanceID, call)
		}
		n := *ci
		n.Registered = offered
		n.Attributes = attributes(&tx.Tables, call, ci, document, in.Attributes)
		n.EC2InstanceID, n.Address = cmp.Or(document.InstanceID, ci.EC2InstanceID),
			cmp.Or(address(document.PrivateIP), ci.Address)
		n.CapacityProviderName = provider.Of(&tx.Tables, n.ClusterARN, n.EC2InstanceID)
		if n.Tags == nil {
			n.Tags = reshape.Out[tag.Set](in.Tags)
		}
		if v := in.VersionInfo; v != nil {
			n.AgentVersion, n.AgentHash = request.Value(v.AgentVersion), request.Value(v.AgentHash)
			n.DockerVersion = cmp.Or(request.Value(v.DockerVersion), n.DockerVersion)
		}
		n.Version++
		tx.ContainerInstances.Put(&n)
		out = answer(&n)
		return nil
	})
	return &shape.RegisterContainerInstanceOutput{ContainerInstance: &out}, err
}

// registered returns the instance that registers again, found by its ARN, or by the token of a call
// whose answer was lost. It is nil for a new one.
func registered(
	tx *state.Tx, call *awswire.Call, c *ecs.Cluster, in *shape.RegisterContainerInstanceInput,
) (*ecs.ContainerInstance, error) {
	if key := request.Value(in.ContainerInstanceArn); key != "" {
		ci, ok := tx.ContainerInstances.Get(key)
		switch {
		case !ok || ci.ClusterARN != c.ClusterARN:
			return nil, fault.New("ClientException",
				"The container instance %s is not registered with cluster %s. Remove the agent's data "+
					"directory to register the machine as a new one.", key, c.ClusterName)
		case !ci.Present():
			return nil, fault.New("ClientException", "The container instance %s is %s. Remove the agent's "+
				"data directory to register the machine as a new one.", key, ci.Status)
		}
		return ci, nil
	}
	token := state.TokenEntry(c.ClusterARN, request.Value(in.ClientToken))
	if token == "" {
		return nil, nil
	}
	for ci := range tx.ContainerInstances.By(state.ContainerInstancesByClientToken, token) {
		if ci.Present() {
			return ci, nil
		}
	}
	return nil, nil
}

// retire deregisters earlier container instances of the same machine: an agent that registers a new
// one has forgotten them, so nothing runs their tasks any more.
func retire(tx *state.Tx, ec2InstanceID string, call *awswire.Call) {
	if ec2InstanceID == "" {
		return
	}
	for ci := range tx.ContainerInstances.By(state.ContainerInstancesByEC2Instance, ec2InstanceID) {
		a, err := arn.Parse(ci.ContainerInstanceARN)
		if err != nil || !ci.Present() || a.Region != call.Region || a.Account != call.Account {
			continue
		}
		n := *ci
		n.Status, n.AgentConnected, n.DeregisteredAt = ecs.InstanceInactive, false, call.Now
		n.StatusReason = "The agent on " + ec2InstanceID + " registered it as a new container instance."
		n.Version++
		tx.ContainerInstances.Put(&n)
	}
}

func readDocument(text string) (identityDocument, error) {
	var d identityDocument
	if text == "" {
		return d, nil
	}
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return d, invalid("instanceIdentityDocument is not the JSON text of an instance identity document.")
	}
	return d, nil
}

// address returns text if it is an address, else "".
func address(text string) string {
	if _, err := netip.ParseAddr(text); err != nil {
		return ""
	}
	return text
}

// resources returns the resources that an agent offers (ecs.md 1.3.3).
func resources(in []shape.Resource) (ecs.Resources, error) {
	var r ecs.Resources
	var err error
	for _, res := range in {
		switch request.Value(res.Name) {
		case "CPU":
			r.CPU = number(res)
		case "MEMORY":
			r.Memory = number(res)
		case "PORTS":
			r.PortsTCP, err = ports(res)
		case "PORTS_UDP":
			r.PortsUDP, err = ports(res)
		case "GPU":
			r.GPUIDs, r.GPUs = res.StringSetValue, len(res.StringSetValue)
		}
		if err != nil {
			return r, err
		}
	}
	if r.CPU <= 0 || r.Memory <= 0 {
		return r, invalid("totalResources must offer CPU and MEMORY as positive integers.")
	}
	return r, nil
}

func number(r shape.Resource) int {
	return int(cmp.Or(int64(request.Value(r.IntegerValue)), request.Value(r.LongValue)))
}

func ports(r shape.Resource) ([]int, error) {
	var out []int
	for _, text := range r.StringSetValue {
		p, err := strconv.Atoi(text)
		if err != nil || p < 1 || p > 65535 {
			return nil, invalid("%s holds %q, which is not a port.", request.Value(r.Name), text)
		}
		out = append(out, p)
	}
	slices.Sort(out)
	return out, nil
}

// attributes returns the attributes that the agent sends, those of the machine that the control
// plane knows, and custom ones that were added later, since the agent sends its own only once.
func attributes(
	t *state.Tables, call *awswire.Call, ci *ecs.ContainerInstance, doc identityDocument, said []shape.Attribute,
) []ecs.Attribute {
	values := map[string]string{}
	for _, a := range ci.Attributes {
		if !builtIn(a.Name) {
			values[a.Name] = a.Value
		}
	}
	for name, value := range machine(t, call, doc) {
		if value != "" {
			values[name] = value
		}
	}
	for _, a := range said {
		// an agent expects to get back what it sent (ecs-agent.md 3.1)
		values[request.Value(a.Name)] = request.Value(a.Value)
	}
	if values[ecs.AttributeZone] == "" {
		values[ecs.AttributeZone] = call.Region + "a"
	}
	out := make([]ecs.Attribute, 0, len(values))
	for name, value := range values {
		out = append(out, ecs.Attribute{Name: name, Value: value})
	}
	slices.SortFunc(out, func(a, b ecs.Attribute) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func builtIn(name string) bool {
	return strings.HasPrefix(name, "ecs.") || strings.HasPrefix(name, "com.amazonaws.ecs.")
}

// machine returns what is known about the EC2 instance (ecs.md 1.3.8).
func machine(t *state.Tables, call *awswire.Call, doc identityDocument) map[string]string {
	out := map[string]string{
		ecs.AttributeZone: doc.AvailabilityZone, ecs.AttributeInstanceType: doc.InstanceType,
		ecs.AttributeAMI: doc.ImageID,
		ecs.AttributeCPU: doc.Architecture,
	}
	if i, ok := t.Instances.Get(fleet.InstanceARN(call.Region, call.Account, doc.InstanceID)); ok {
		out[ecs.AttributeSubnet] = i.SubnetID
		if subnet, ok := fleet.FindSubnet(call.Region, call.Account, i.SubnetID); ok {
			out[ecs.AttributeVPC] = subnet.VPC
		}
	}
	return out
}

// answer returns what an agent needs to know about its registration.
func answer(ci *ecs.ContainerInstance) shape.ContainerInstance {
	out := shape.ContainerInstance{
		ContainerInstanceArn: &ci.ContainerInstanceARN, Status: &ci.Status, AgentConnected: &ci.AgentConnected,
		Version: &ci.Version, RegisteredAt: new(ci.RegisteredAt.Truncate(time.Millisecond)),
		RegisteredResources: offer(ci.Registered), RemainingResources: offer(ci.Registered),
		RunningTasksCount: new(int32(0)), PendingTasksCount: new(int32(0)),
	}
	if ci.EC2InstanceID != "" {
		out.Ec2InstanceId = &ci.EC2InstanceID
	}
	for _, a := range ci.Attributes {
		sa := shape.Attribute{Name: new(a.Name)}
		if a.Value != "" {
			sa.Value = new(a.Value)
		}
		out.Attributes = append(out.Attributes, sa)
	}
	for _, t := range ci.Tags {
		out.Tags = append(out.Tags, shape.Tag{Key: new(t.Key), Value: new(t.Value)})
	}
	return out
}

func offer(r ecs.Resources) []shape.Resource {
	integer := func(name string, n int) shape.Resource {
		return shape.Resource{Name: new(name), Type: new("INTEGER"), IntegerValue: new(int32(n))}
	}
	set := func(name string, ports []int) shape.Resource {
		values := []string{}
		for _, p := range ports {
			values = append(values, strconv.Itoa(p))
		}
		return shape.Resource{Name: new(name), Type: new("STRINGSET"), StringSetValue: values}
	}
	return []shape.Resource{integer("CPU", r.CPU), integer("MEMORY", r.Memory), set("PORTS", r.PortsTCP),
		set("PORTS_UDP", r.PortsUDP)}
}
