package sim

import (
	"hash/fnv"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/blueprint"
	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/dispatch"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/state"
)

// agents simulates the agents of all instances. They register, start and stop the tasks that the control plane wants,
// and write their observations as dispatch does for real agents. It is a control.Planner.
type agents struct {
	o        Options
	clusters map[string]string    // ARN by name
	attrs    []ecs.Attribute      // what every agent can do
	pulled   map[image]time.Time  // when an instance has an image
	placed   map[string]time.Time // when an agent got a task
	stops    map[string]time.Time // when a task that is being stopped ends
	healthy  map[string]time.Time // when the health check of a running task passes
	killed   map[string]string    // tasks that have ended by themselves, and why
	mute     map[string]bool      // instances, by id, whose agent never registers
	// nextIsMute makes the agent of the next new instance never register.
	nextIsMute bool
	dead       map[string]bool // container instances whose agent has died
	port       map[string]int  // the last dynamic port of a container instance
}

type image struct{ instance, name string }

// agentKey names an instance that is to register, or a task.
type agentKey struct {
	task bool
	arn  string
}

func newAgents(s *blueprint.Stack, o Options) *agents {
	a := &agents{o: o, clusters: map[string]string{}, pulled: map[image]time.Time{}, placed: map[string]time.Time{},
		stops: map[string]time.Time{}, healthy: map[string]time.Time{}, killed: map[string]string{},
		mute: map[string]bool{}, dead: map[string]bool{}, port: map[string]int{}}
	for _, c := range s.Clusters {
		a.clusters[c.ClusterName] = c.ClusterARN
	}
	can := map[string]bool{}
	for _, d := range s.TaskDefinitions {
		for _, r := range d.RequiresAttributes {
			if !can[r.Name] {
				can[r.Name] = true
				a.attrs = append(a.attrs, r)
			}
		}
	}
	return a
}

// Keys implements control.Planner.
func (a *agents) Keys(ch state.Change, _ *state.Snapshot) []agentKey {
	switch ch := ch.(type) {
	case state.Changed[fleet.Instance]:
		if ch.Old == nil || ch.New == nil || ch.Old.State != ch.New.State {
			return []agentKey{{false, ch.Key}}
		}
	case state.Changed[ecs.Task]:
		return []agentKey{{true, ch.Key}}
	}
	return nil
}

// All implements control.Planner.
func (a *agents) All(s *state.Snapshot) (keys []agentKey) {
	for i := range s.Instances.All() {
		keys = append(keys, agentKey{false, i.ARN()})
	}
	for t := range s.Tasks.All() {
		keys = append(keys, agentKey{true, t.TaskARN})
	}
	return keys
}

// Step implements control.Planner.
func (a *agents) Step(tx *state.Tx, key agentKey, m control.Moment) (time.Duration, error) {
	if key.task {
		t, ok := tx.Tasks.Get(key.arn)
		if !ok || t.LastStatus == ecs.Stopped {
			delete(a.placed, key.arn)
			delete(a.stops, key.arn)
			delete(a.healthy, key.arn)
			delete(a.killed, key.arn)
			return 0, nil
		}
		if t.ContainerInstanceARN == "" || a.dead[t.ContainerInstanceARN] { // it waits in PROVISIONING
			return 0, nil
		}
		return a.serve(tx, t, m.Now), nil
	}
	i, ok := tx.Instances.Get(key.arn)
	if ok && a.nextIsMute && i.State == fleet.Pending {
		a.mute[i.ID], a.nextIsMute = true, false
	}
	if !ok || i.State != fleet.Running || i.Desired != fleet.Running || a.mute[i.ID] {
		return 0, nil
	}
	for ci := range tx.ContainerInstances.By(state.ContainerInstancesByEC2Instance, i.ID) {
		if ci.Present() {
			return 0, nil
		}
	}
	if wait := i.TransitionAt.Add(spread(a.o.Boot, i.ID)).Sub(m.Now); wait > 0 {
		return wait, nil
	}
	a.register(tx, i, m)
	return 0, nil
}

// spread returns a duration that is up to a fifth longer or shorter, because machines do not start equally fast. The
// result is always the same for an id.
func spread(d time.Duration, id string) time.Duration {
	h := fnv.New32a()
	h.Write([]byte(id))
	return d + time.Duration((float64(h.Sum32()%1000)/1000-0.5)*0.4*float64(d)).Truncate(time.Millisecond)
}

// register writes the row of a new container instance, as RegisterContainerInstance does.
func (a *agents) register(tx *state.Tx, i *fleet.Instance, m control.Moment) {
	cluster, ok := a.clusters[blueprint.ClusterOf(i.Launch)]
	t, known := fleet.FindInstanceType(i.Launch.InstanceType)
	if !ok || !known {
		return
	}
	c, _ := tx.Clusters.Get(cluster)
	ci := &ecs.ContainerInstance{
		ContainerInstanceARN: ecs.ARN(i.Region, i.Account, ecs.TypeContainerInstance,
			c.ClusterName+"/"+newid.Hex(m.Random, 16)),
		ClusterARN: cluster, EC2InstanceID: i.ID, Status: ecs.InstanceActive, RegisteredAt: m.Now,
		Address: i.Address.String(), AgentVersion: "simulated", AgentHash: acs.BerthAgent, Version: 1,
		Registered: ecs.Resources{CPU: t.CPU(), Memory: t.MemoryMiB - reservedMemory},
		Attributes: append(slices.Clone(a.attrs), ecs.Attribute{Name: ecs.AttributeZone, Value: i.Zone},
			ecs.Attribute{Name: ecs.AttributeInstanceType, Value: t.Name},
			ecs.Attribute{Name: ecs.AttributeAMI, Value: i.Launch.ImageID},
			ecs.Attribute{Name: ecs.AttributeOSType, Value: "linux"},
			ecs.Attribute{Name: ecs.AttributeCPU, Value: t.Architecture},
			ecs.Attribute{Name: ecs.AttributeSubnet, Value: i.SubnetID}),
	}
	if subnet, ok := fleet.FindSubnet(i.Region, i.Account, i.SubnetID); ok {
		ci.Attributes = append(ci.Attributes, ecs.Attribute{Name: ecs.AttributeVPC, Value: subnet.VPC})
	}
	slices.SortFunc(ci.Attributes, func(a, b ecs.Attribute) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	dispatch.SetConnected(tx, ci, true, m.Now, nil)
}

// reservedMemory is the memory of an instance that the operating system and the agent use, in MiB.
const reservedMemory = 64

// serve moves a task to its next state if it is time, and returns the time until there is more to do.
func (a *agents) serve(tx *state.Tx, t *ecs.Task, now time.Time) time.Duration {
	def, _ := tx.TaskDefinitions.Get(t.TaskDefinitionARN)
	if why, ok := a.killed[t.TaskARN]; ok && t.LastStatus != ecs.Stopped {
		tx.Tasks.Put(dispatch.Observe(t, def, a.ended(t, why, 137, now), now))
		return 0
	}
	switch dispatch.Wants(t) {
	case acs.DesiredRunning:
		at := a.startAt(t, now)
		if wait := at.Sub(now); wait > 0 {
			return wait
		}
		tx.Tasks.Put(dispatch.Observe(t, def, a.running(t, def), now))
		return time.Millisecond // to report its health
	case acs.DesiredStopped:
		at, ok := a.stops[t.TaskARN]
		if !ok {
			at = now.Add(a.o.Stop)
			a.stops[t.TaskARN] = at
		}
		if wait := at.Sub(now); wait > 0 {
			return wait
		}
		tx.Tasks.Put(dispatch.Observe(t, def, a.ended(t, "", 0, now), now))
		return 0
	}
	return a.health(tx, t, def, now)
}

// startAt returns the time at which the containers of a task run: Options.Ready after the instance has its images. An
// instance pulls each image once.
func (a *agents) startAt(t *ecs.Task, now time.Time) time.Time {
	placed, ok := a.placed[t.TaskARN]
	if !ok {
		placed = now
		a.placed[t.TaskARN] = now
	}
	ready := placed
	for _, c := range t.Containers {
		key := image{t.ContainerInstanceARN, c.Image}
		at, ok := a.pulled[key]
		if !ok {
			at = placed.Add(spread(a.o.Image, t.TaskARN))
			a.pulled[key] = at
		}
		if at.After(ready) {
			ready = at
		}
	}
	return ready.Add(spread(a.o.Ready, t.TaskARN))
}

// firstPort is the first dynamic host port.
const firstPort = 32768

func (a *agents) running(t *ecs.Task, def *ecs.TaskDefinition) dispatch.Report {
	r := dispatch.Report{Status: ecs.Running}
	for _, at := range t.Attachments {
		r.Attached = append(r.Attached, at.ID)
	}
	for _, c := range t.Containers {
		cr := dispatch.ContainerReport{Name: c.Name, Status: ecs.Running, RuntimeID: c.ContainerARN}
		if d := def.Container(c.Name); d != nil && def.NetworkMode == ecs.NetworkBridge {
			for _, p := range d.PortMappings {
				port := p.HostPort
				if port == 0 {
					n := a.port[t.ContainerInstanceARN]
					port = firstPort + n%(61000-firstPort)
					a.port[t.ContainerInstanceARN] = n + 1
				}
				cr.Bindings = append(cr.Bindings, ecs.NetworkBinding{BindIP: "0.0.0.0", ContainerPort: p.ContainerPort,
					HostPort: port, Protocol: p.Protocol})
			}
		}
		r.Containers = append(r.Containers, cr)
	}
	return r
}

func (a *agents) ended(t *ecs.Task, why string, code int, now time.Time) dispatch.Report {
	r := dispatch.Report{Status: ecs.Stopped, ExecutionStoppedAt: now}
	for _, c := range t.Containers {
		r.Containers = append(r.Containers, dispatch.ContainerReport{Name: c.Name, Status: ecs.Stopped,
			ExitCode: new(code), Reason: why})
	}
	return r
}

// health reports the containers of a task with a health check as healthy after the first check.
func (a *agents) health(tx *state.Tx, t *ecs.Task, def *ecs.TaskDefinition, now time.Time) time.Duration {
	if def == nil || !def.HasHealthCheck() || t.HealthStatus == ecs.Healthy || t.DesiredStatus != ecs.Running ||
		t.LastStatus.Before(ecs.Activating) {
		return 0
	}
	status, first := map[string]string{}, 0
	for _, c := range def.ContainerDefinitions {
		if h := c.HealthCheck; h != nil {
			status[c.Name] = ecs.Healthy
			first = max(first, h.Interval)
		}
	}
	at, ok := a.healthy[t.TaskARN]
	if !ok {
		at = now.Add(time.Duration(first) * time.Second)
		a.healthy[t.TaskARN] = at
	}
	if wait := at.Sub(now); wait > 0 {
		return wait
	}
	tx.Tasks.Put(dispatch.ObserveHealth(t, def, status))
	return 0
}
