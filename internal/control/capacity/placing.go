package capacity

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/provider"
	"github.com/berthhq/berth/internal/sched"
	"github.com/berthhq/berth/internal/state"
)

// placing places the tasks that wait in PROVISIONING (ecs.md 1.5.1, 4.11). It is a control.Planner whose keys are the
// ARNs of clusters, so that the tasks of a cluster are placed one after another, the oldest first.
type placing struct {
	mu     sync.Mutex
	worlds launch.Worlds
}

// Keys implements control.Planner. It returns a cluster when one of its tasks begins to wait, when one of its instances
// may have more room, or when a task leaves an instance. It leaves out clusters where no task waits.
func (p *placing) Keys(c state.Change, s *state.Snapshot) []string {
	var clusterARN string
	switch c := c.(type) {
	case state.Changed[ecs.Task]:
		if t := c.New; t != nil && t.Provisioning() && (c.Old == nil || !c.Old.Provisioning()) ||
			c.Old != nil && c.Old.Live() && (t == nil || !t.Live()) {
			clusterARN = c.Last().ClusterARN
		}
	case state.Changed[ecs.ContainerInstance]:
		if i := c.New; i != nil && i.Status == ecs.InstanceActive && i.AgentConnected && offersMore(c.Old, i) {
			clusterARN = i.ClusterARN
		}
	}
	if clusterARN == "" || !waits(&s.Tables, clusterARN) {
		return nil
	}
	return []string{clusterARN}
}

// offersMore reports whether a change of a container instance may give room to tasks that did not fit before.
func offersMore(old, now *ecs.ContainerInstance) bool {
	return old == nil || old.Status != now.Status || old.AgentConnected != now.AgentConnected ||
		old.CapacityProviderName != now.CapacityProviderName || !slices.Equal(old.Attributes, now.Attributes) ||
		old.Registered.CPU != now.Registered.CPU || old.Registered.Memory != now.Registered.Memory
}

func waits(t *state.Tables, clusterARN string) bool {
	for range t.Tasks.By(state.TasksProvisioning, clusterARN) {
		return true
	}
	return false
}

// All implements control.Planner.
func (p *placing) All(s *state.Snapshot) (keys []string) {
	for c := range s.Clusters.All() {
		if waits(&s.Tables, c.ClusterARN) {
			keys = append(keys, c.ClusterARN)
		}
	}
	return keys
}

// Step implements control.Planner. Tasks that are alike are placed together, and all of them in one plan.
func (p *placing) Step(tx *state.Tx, clusterARN string, m control.Moment) (time.Duration, error) {
	all := groups(&tx.Tables, clusterARN)
	p.plan(&tx.Tables, clusterARN, all)
	var short, failed []*group
	for _, g := range all {
		switch isShort := g.short(); {
		case !g.place(tx):
			failed = append(failed, g)
		case isShort:
			short = append(short, g)
		}
	}
	if len(failed) > 0 && len(short) > 0 {
		p.share(tx, clusterARN, short, failed)
	}
	var again time.Duration
	for _, g := range all {
		if wait := g.expire(tx, m.Now); wait > 0 && (again == 0 || wait < again) {
			again = wait
		}
	}
	return again, nil
}

// share gives the room of groups that failed to those that are short of it, in a second plan. Groups in the subnets of
// those that failed come last, since they may fail for the same reason. There is no third plan, so that the cost does
// not grow with the number of groups that fail: if a group of the second plan fails too, its room stays free until
// another step finds the group placed or stopped, or more room.
func (p *placing) share(tx *state.Tx, clusterARN string, short, failed []*group) {
	full := make(map[string]bool)
	for _, g := range failed {
		for _, id := range g.subnets() {
			full[id] = true
		}
	}
	last := func(g *group) int {
		if slices.ContainsFunc(g.subnets(), func(id string) bool { return full[id] }) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(short, func(a, b *group) int { return last(a) - last(b) })
	p.plan(&tx.Tables, clusterARN, short)
	for _, g := range short {
		g.place(tx)
	}
}

// alike is equal for tasks with the same requirements, which therefore fit on the same instances.
type alike struct{ service, definition, group, provider, own string }

// group has tasks that are alike, and the plan for them.
type group struct {
	tasks []*ecs.Task // those that are not placed yet, in the order in which they are placed
	spec  launch.Spec
	on    []string      // the ARNs of the container instances for the first tasks
	why   sched.Failure // why the next task has none
}

// short reports whether the plan has no container instance for some of the tasks.
func (g *group) short() bool { return len(g.on) < len(g.tasks) }

// subnets returns the ids of the subnets in which the tasks get addresses.
func (g *group) subnets() []string {
	if n := g.spec.NetworkConfiguration; n != nil && n.AwsvpcConfiguration != nil {
		return n.AwsvpcConfiguration.Subnets
	}
	return nil
}

// groups divides the tasks of a cluster that wait into groups. The groups are in the order of their oldest tasks.
func groups(t *state.Tables, clusterARN string) (all []*group) {
	of := make(map[alike]*group)
	for task := range t.Tasks.By(state.TasksProvisioning, clusterARN) {
		key := alike{task.ServiceARN, task.TaskDefinitionARN, task.Group, task.CapacityProviderName,
			fmt.Sprint(task.Waiting.Constraints, task.Waiting.Strategies)}
		if task.ServiceARN == "" {
			key.own = task.TaskARN // its overrides and its placement are its own
		}
		g := of[key]
		if g == nil {
			g = &group{}
			of[key], all = g, append(all, g)
		}
		g.tasks = append(g.tasks, task)
	}
	return all
}

// plan chooses container instances for the tasks, the first ones of each group first. It replaces an earlier plan.
func (p *placing) plan(t *state.Tables, clusterARN string, all []*group) {
	var requests []sched.Request
	var of []*group // the group of each request
	for _, g := range all {
		g.on, g.why = nil, sched.Failure{}
		spec, ok := launch.OfWaiting(t, g.tasks[0])
		if !ok {
			g.why = sched.Failure{Reason: "its task definition or its cluster does not exist any more"}
			continue
		}
		request, err := spec.Request(len(g.tasks))
		if err != nil {
			g.why = sched.Failure{Reason: err.Error()}
			continue
		}
		g.spec = spec
		requests, of = append(requests, request), append(of, g)
	}
	plan := sched.Plan(p.world(t, clusterARN), requests)
	for _, x := range plan.Placements {
		of[x.Request].on = append(of[x.Request].on, x.InstanceARN)
	}
	for _, why := range plan.Failures {
		of[why.Request].why = why
	}
}

// place writes the tasks of the group as the plan has them, and removes them from the group. It returns false if one of
// them cannot be placed; why is then the reason.
func (g *group) place(tx *state.Tx) bool {
	for _, instanceARN := range g.on {
		ci, _ := tx.ContainerInstances.Get(instanceARN)
		n, err := g.spec.Place(tx, g.tasks[0], ci)
		if err != nil { // such as a full subnet
			g.why = sched.Failure{Reason: err.Error()}
			return false
		}
		tx.Tasks.Put(n)
		g.tasks = g.tasks[1:]
	}
	return true
}

// expire stops the tasks that have waited too long. It returns how long the oldest of the others may still wait, or 0
// if there is none.
func (g *group) expire(tx *state.Tx, now time.Time) (wait time.Duration) {
	for _, task := range g.tasks {
		left := task.CreatedAt.Add(ecs.ProvisioningTimeout).Sub(now)
		switch {
		case left <= 0:
			text := "TaskFailedToStart: " + reason(&tx.Tables, task, g.why)
			tx.Tasks.Put(task.Stop(ecs.TaskFailedToStart, text, now))
		case wait == 0 || left < wait:
			wait = left
		}
	}
	return wait
}

func (p *placing) world(t *state.Tables, clusterARN string) sched.World {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.worlds.Of(t, clusterARN)
}

// reason returns AWS's words for why a task found no room (ecs.md 1.6.1).
func reason(t *state.Tables, task *ecs.Task, why sched.Failure) string {
	if why.Reason != sched.ReasonEmptyProvider {
		return why.Reason
	}
	if c, ok := t.Clusters.Get(task.ClusterARN); ok {
		if p, ok := provider.Named(t, c, task.CapacityProviderName); ok {
			if g, ok := provider.Group(t, p); ok {
				for range t.Instances.By(state.InstancesByAutoScalingGroup, g.Key()) {
					return "NO ACTIVE INSTANCES"
				}
			}
		}
	}
	return "EMPTY CAPACITY PROVIDER"
}
