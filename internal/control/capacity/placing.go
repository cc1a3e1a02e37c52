package capacity

import (
	"fmt"
	"iter"
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

// Step implements control.Planner. Tasks that are alike are placed together.
func (p *placing) Step(tx *state.Tx, clusterARN string, m control.Moment) (time.Duration, error) {
	var again time.Duration
	for _, tasks := range groups(tx.Tasks.By(state.TasksProvisioning, clusterARN)) {
		placed, why := p.place(tx, tasks)
		for _, task := range tasks[placed:] {
			if wait := task.CreatedAt.Add(ecs.ProvisioningTimeout).Sub(m.Now); wait > 0 {
				if again == 0 || wait < again {
					again = wait
				}
				continue
			}
			text := "TaskFailedToStart: " + reason(&tx.Tables, task, why)
			tx.Tasks.Put(task.Stop(ecs.TaskFailedToStart, text, m.Now))
		}
	}
	return again, nil
}

// alike is equal for tasks with the same requirements, which therefore fit on the same instances.
type alike struct{ service, definition, group, provider, own string }

// groups divides tasks into groups that are alike. The groups are in the order of their oldest tasks.
func groups(waiting iter.Seq[*ecs.Task]) (all [][]*ecs.Task) {
	at := make(map[alike]int)
	for t := range waiting {
		key := alike{t.ServiceARN, t.TaskDefinitionARN, t.Group, t.CapacityProviderName,
			fmt.Sprint(t.Waiting.Constraints, t.Waiting.Strategies)}
		if t.ServiceARN == "" {
			key.own = t.TaskARN // its overrides and its placement are its own
		}
		k, ok := at[key]
		if !ok {
			k = len(all)
			at[key], all = k, append(all, nil)
		}
		all[k] = append(all[k], t)
	}
	return all
}

// place puts tasks, which are alike, on instances with room for them, the first ones first. It returns how many it has
// placed, and why the next one cannot be placed.
func (p *placing) place(tx *state.Tx, tasks []*ecs.Task) (placed int, why sched.Failure) {
	spec, ok := launch.OfWaiting(&tx.Tables, tasks[0])
	if !ok {
		return 0, sched.Failure{Reason: "its task definition or its cluster does not exist any more"}
	}
	req, err := spec.Request(len(tasks))
	if err != nil {
		return 0, sched.Failure{Reason: err.Error()}
	}
	plan := sched.Plan(p.world(&tx.Tables, tasks[0].ClusterARN), []sched.Request{req})
	for _, x := range plan.Placements {
		ci, _ := tx.ContainerInstances.Get(x.InstanceARN)
		n, err := spec.Place(tx, tasks[placed], ci)
		if err != nil { // such as a full subnet
			return placed, sched.Failure{Reason: err.Error()}
		}
		tx.Tasks.Put(n)
		placed++
	}
	if len(plan.Failures) > 0 {
		why = plan.Failures[0]
	}
	return placed, why
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
