// Package launch makes tasks in a transaction. It shows the state of a cluster to the scheduler in
// the scheduler's terms, and makes the task for a placement, with its containers, its address and
// the ids of its credentials.
//
// It decides nothing: sched decides where a task runs, and the callers (RunTask, StartTask and the
// service controller) how many there are. Functions that take *state.Tables only read; callers
// write the tasks that they get in their own transaction.
package launch

import (
	"cmp"
	"maps"
	"net/netip"
	"strings"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/sched"
	"github.com/berthhq/berth/internal/state"
)

// unlimited stands for a resource without a limit: a network interface here is a port of a bridge,
// and not a card of an EC2 instance.
const unlimited = 1 << 20

// Worlds makes the scheduler's view of clusters. It keeps the view of each container instance, and
// makes it again only when the instance's row or its tasks have changed. The zero value is ready to
// use. A Worlds must not be used concurrently.
type Worlds struct {
	shown map[string][]*shown // by cluster ARN, in the order of the instances' ARNs
	tasks []tasksOn           // of the last call; kept for its memory
}

// tasksOn are the sums of the tasks on an instance.
type tasksOn struct {
	arn  string
	sums *ecs.TaskSums
}

// shown is the view of one instance, and the rows and sums that it was made from. Those are replaced
// when they change, so equal pointers mean equal contents. What World has returned points to the
// view, so it does not change either.
type shown struct {
	row      *ecs.ContainerInstance
	tasks    *ecs.TaskSums
	instance sched.Instance
	local    bool          // onThisMachine
	host     sched.Machine // the ports of its tasks in network mode host
}

// World returns a cluster's instances as the scheduler sees them, with the resources their tasks
// leave free. The caller must not change them.
func World(t *state.Tables, clusterARN string) sched.World { return new(Worlds).Of(t, clusterARN) }

// Of returns what [World] returns, and reuses what has not changed since the last call for the cluster.
func (w *Worlds) Of(t *state.Tables, clusterARN string) sched.World {
	before := w.shown[clusterARN]
	after := make([]*shown, 0, len(before))
	prefix := instancesOf(clusterARN)
	onInstances := w.tasksOn(t, prefix)
	for ci := range t.ContainerInstances.By(state.ContainerInstancesByCluster, clusterARN) {
		if !ci.Present() {
			continue
		}
		for len(before) > 0 && before[0].row != ci && before[0].row.ContainerInstanceARN < ci.ContainerInstanceARN {
			before = before[1:]
		}
		for len(onInstances) > 0 && onInstances[0].arn < ci.ContainerInstanceARN {
			onInstances = onInstances[1:]
		}
		var tasks *ecs.TaskSums
		switch {
		case !strings.HasPrefix(ci.ContainerInstanceARN, prefix): // an ARN of the short form
			tasks = t.TasksOnInstance(ci.ContainerInstanceARN)
		case len(onInstances) > 0 && onInstances[0].arn == ci.ContainerInstanceARN:
			tasks = onInstances[0].sums
		}
		if len(before) > 0 && before[0].row == ci && before[0].tasks == tasks {
			after = append(after, before[0])
			continue
		}
		after = append(after, show(t, ci, tasks))
	}
	share(after)
	if w.shown == nil {
		w.shown = make(map[string][]*shown)
	}
	if w.shown[clusterARN] = after; len(after) == 0 {
		delete(w.shown, clusterARN)
	}
	return world(after)
}

// instancesOf returns how the ARNs of a cluster's container instances begin.
func instancesOf(clusterARN string) string {
	return strings.Replace(clusterARN, ":"+ecs.TypeCluster+"/", ":"+ecs.TypeContainerInstance+"/", 1) + "/"
}

// tasksOn returns the sums of the tasks on each instance whose ARN begins with prefix, in the order of ARNs.
// It walks the sums beside the instances, because a look-up for each of them is much slower.
func (w *Worlds) tasksOn(t *state.Tables, prefix string) []tasksOn {
	w.tasks = w.tasks[:0]
	for on, sums := range t.TasksOnInstances(prefix) {
		w.tasks = append(w.tasks, tasksOn{on, sums})
	}
	return w.tasks
}

// world joins views of instances.
func world(all []*shown) sched.World {
	w := sched.World{Instances: make([]*sched.Instance, len(all))}
	for k, s := range all {
		w.Instances[k] = &s.instance
	}
	return w
}

// show makes the view of an instance. tasks may be nil.
func show(t *state.Tables, ci *ecs.ContainerInstance, tasks *ecs.TaskSums) *shown {
	s := &shown{row: ci, tasks: tasks, instance: Instance(t, ci), local: onThisMachine(ci)}
	if tasks == nil {
		return s
	}
	for _, task := range tasks.Ports {
		if def, ok := t.TaskDefinitions.Get(task.TaskDefinitionARN); ok && def.NetworkMode == ecs.NetworkHost {
			hold(&s.host.HostTCP, &s.host.HostUDP, task.Need, task.Group)
		}
	}
	return s
}

// share gives the instances on this machine the ports in use there. It replaces the views of those that have others,
// which is rare: only tasks in network mode host use ports of the machine.
func share(all []*shown) {
	now := sched.Machine{HostTCP: sched.Ports{}, HostUDP: sched.Ports{}}
	var known *sched.Machine // one that an instance has
	for _, s := range all {
		if s.local {
			maps.Copy(now.HostTCP, s.host.HostTCP)
			maps.Copy(now.HostUDP, s.host.HostUDP)
			known = cmp.Or(known, s.instance.Machine)
		}
	}
	if known == nil || !maps.Equal(known.HostTCP, now.HostTCP) || !maps.Equal(known.HostUDP, now.HostUDP) {
		known = &now
	}
	for k, s := range all {
		if s.local && s.instance.Machine != known {
			c := *s
			c.instance.Machine = known
			all[k] = &c
		}
	}
}

// onThisMachine reports whether the instance is one of those that this machine is divided into:
// each has a loopback address. 127.0.0.1 does not count: such an instance may be behind a proxy.
func onThisMachine(ci *ecs.ContainerInstance) bool {
	address, err := netip.ParseAddr(ci.Address)
	return err == nil && address.IsLoopback() && address != netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// Instance returns one instance as the scheduler sees it.
func Instance(t *state.Tables, ci *ecs.ContainerInstance) sched.Instance {
	in := sched.Instance{
		ARN: ci.ContainerInstanceARN, EC2InstanceID: ci.EC2InstanceID, Zone: ci.Zone(), Status: ci.Status,
		Provider:       ci.CapacityProviderName,
		AgentConnected: ci.AgentConnected, AgentVersion: ci.AgentVersion, RegisteredAt: ci.RegisteredAt,
		Attributes: t.AttributesOf(ci.ContainerInstanceARN),
		Registered: amounts(ci.Registered),
	}
	if in.Registered.ENI == 0 {
		in.Registered.ENI = unlimited
	}
	in.Free = in.Registered
	hold(&in.PortsTCP, &in.PortsUDP, ci.Registered, "")
	sums := t.TasksOnInstance(ci.ContainerInstanceARN)
	if sums == nil {
		return in
	}
	in.TaskGroups = make(map[string]int)
	for _, c := range sums.Counts {
		if !c.Live() {
			continue // its resources count as free already (ecs.md 1.3.7)
		}
		in.TaskGroups[c.Label] += c.Tasks
		if c.LastStatus == ecs.Running {
			in.RunningTasksCount += c.Tasks
		}
	}
	used := amounts(sums.Used)
	in.Free.CPU -= used.CPU
	in.Free.Memory -= used.Memory
	in.Free.GPU -= used.GPU
	in.Free.ENI -= used.ENI
	for _, task := range sums.Ports {
		hold(&in.PortsTCP, &in.PortsUDP, task.Need, task.Group)
	}
	return in
}

func amounts(r ecs.Resources) sched.Resources {
	return sched.Resources{CPU: r.CPU, Memory: r.Memory, GPU: r.GPUs, ENI: r.ENIs}
}

func hold(tcp, udp *sched.Ports, r ecs.Resources, group string) {
	holdEach(tcp, r.PortsTCP, group)
	holdEach(udp, r.PortsUDP, group)
}

// holdEach marks ports as used. It makes the map if there are any.
func holdEach(held *sched.Ports, ports []int, group string) {
	if *held == nil && len(ports) > 0 {
		*held = make(sched.Ports, len(ports))
	}
	for _, p := range ports {
		(*held)[uint16(p)] = group
	}
}

// Remaining returns what the instance's live tasks leave of its registered resources. The port
// lists in it are the ports in use (ecs.md 1.3.5).
func Remaining(t *state.Tables, ci *ecs.ContainerInstance) ecs.Resources {
	return t.TasksOnInstance(ci.ContainerInstanceARN).Remaining(ci.Registered)
}
