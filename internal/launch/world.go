// Package launch goes from a wish for tasks to tasks in a transaction: it shows the state of a cluster to the scheduler in the
// scheduler's own terms, and makes the task that a placement calls for, with its containers, its address and its credentials' names.
//
// It decides nothing: where a task goes is sched's business, how many there are that of its callers (RunTask, StartTask and the
// service controller). Functions that take *state.Tables read only; callers put the tasks they get into their own transaction.
package launch

import (
	"net/netip"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/sched"
	"github.com/berthhq/berth/internal/state"
)

// unlimited stands for a resource that a machine has no bound of: network interfaces are bridge ports here, not cards of an EC2 instance.
const unlimited = 1 << 20

// World shows a cluster's instances to the scheduler, with what their tasks leave free.
func World(t *state.Tables, clusterARN string) sched.World {
	var w sched.World
	local := &sched.Machine{HostTCP: make(sched.Ports), HostUDP: make(sched.Ports)}
	for ci := range t.ContainerInstances.By(state.ByCluster, clusterARN) {
		if !ci.Present() {
			continue
		}
		in := Instance(t, ci)
		if onThisMachine(ci) {
			in.Machine = local
			holdHost(t, ci, local)
		}
		w.Instances = append(w.Instances, in)
	}
	return w
}

// onThisMachine reports whether the instance is one of those that the local machine is divided into:
// they have a loopback address each. Whoever comes from 127.0.0.1 may come through a proxy.
func onThisMachine(ci *ecs.ContainerInstance) bool {
	address, err := netip.ParseAddr(ci.Address)
	return err == nil && address.IsLoopback() && address != netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// holdHost takes the ports of the instance's tasks in network mode host.
func holdHost(t *state.Tables, ci *ecs.ContainerInstance, m *sched.Machine) {
	for task := range t.Tasks.By(state.ByInstance, ci.ContainerInstanceARN) {
		if !task.Live() || len(task.Need.PortsTCP)+len(task.Need.PortsUDP) == 0 {
			continue
		}
		if def, ok := t.TaskDefinitions.Get(task.TaskDefinitionARN); ok && def.NetworkMode == ecs.NetworkHost {
			hold(m.HostTCP, m.HostUDP, task.Need, task.Group)
		}
	}
}

// Instance shows one instance to the scheduler.
func Instance(t *state.Tables, ci *ecs.ContainerInstance) sched.Instance {
	in := sched.Instance{
		ARN: ci.ContainerInstanceARN, EC2InstanceID: ci.EC2InstanceID, Zone: ci.Zone(), Status: ci.Status,
		AgentConnected: ci.AgentConnected, AgentVersion: ci.AgentVersion, RegisteredAt: ci.RegisteredAt,
		Attributes: make(map[string]string, len(ci.Attributes)),
		Registered: amounts(ci.Registered),
		PortsTCP:   make(sched.Ports), PortsUDP: make(sched.Ports), TaskGroups: make(map[string]int),
	}
	if in.Registered.ENI == 0 {
		in.Registered.ENI = unlimited
	}
	in.Free = in.Registered
	for _, a := range ci.Attributes {
		in.Attributes[a.Name] = a.Value
	}
	hold(in.PortsTCP, in.PortsUDP, ci.Registered, "")
	for task := range t.Tasks.By(state.ByInstance, ci.ContainerInstanceARN) {
		if task.LastStatus == ecs.Running && task.DesiredStatus == ecs.Running {
			in.RunningTasksCount++
		}
		if !task.Live() {
			continue // its resources are free already (ecs.md 1.3.7)
		}
		in.TaskGroups[task.Group]++
		n := amounts(task.Need)
		in.Free.CPU -= n.CPU
		in.Free.Memory -= n.Memory
		in.Free.GPU -= n.GPU
		in.Free.ENI -= n.ENI
		hold(in.PortsTCP, in.PortsUDP, task.Need, task.Group)
	}
	return in
}

func amounts(r ecs.Resources) sched.Resources {
	return sched.Resources{CPU: r.CPU, Memory: r.Memory, GPU: r.GPUs, ENI: r.ENIs}
}

func hold(tcp, udp sched.Ports, r ecs.Resources, group string) {
	for _, p := range r.PortsTCP {
		tcp[uint16(p)] = group
	}
	for _, p := range r.PortsUDP {
		udp[uint16(p)] = group
	}
}

// Remaining is what the instance's live tasks leave of its registered resources, its port lists being those in use (ecs.md 1.3.5).
func Remaining(t *state.Tables, ci *ecs.ContainerInstance) ecs.Resources {
	r := ci.Registered
	for task := range t.Tasks.By(state.ByInstance, ci.ContainerInstanceARN) {
		if task.Live() {
			r = r.Sub(task.Need)
		}
	}
	return r
}
