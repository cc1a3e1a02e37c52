package ecs

import (
	"context"
	"errors"
	"hash/fnv"
	"io"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/sched"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) runTask(ctx context.Context, call *awswire.Call, in *shape.RunTaskInput) (*shape.RunTaskOutput, error) {
	count := 1
	if in.Count != nil {
		count = int(*in.Count)
	}
	if count < 1 || count > 10 {
		return nil, invalid("count must be between 1 and 10, not %d.", count)
	}
	w, err := parseTaskRun(call, in)
	if err != nil {
		return nil, err
	}
	ids := newIDs(call.Random, count)
	w.spec.Seed = seed(ids[0].Task)
	out := &shape.RunTaskOutput{}
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		c, err := clusterForUse(tx, call, in.Cluster)
		if err != nil {
			return err
		}
		made, err := ranBefore(&tx.Tables, c, &w.spec, call.Now)
		if err != nil {
			return err
		}
		if len(made) > 0 {
			out.Tasks = request.Answers(made, func(t *ecs.Task) shape.Task { return answerReplayed(&tx.Tables, t) })
			return nil
		}
		spec, err := w.resolve(&tx.Tables, call, c)
		if err != nil {
			return err
		}
		return place(tx, call, spec, ids, out)
	})
	return out, err
}

// seed makes the random strategy differ from call to call.
func seed(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

func (a *api) startTask(
	ctx context.Context, call *awswire.Call, in *shape.StartTaskInput,
) (*shape.StartTaskOutput, error) {
	if err := batch("Container instances", len(in.ContainerInstances), 10); err != nil {
		return nil, err
	}
	w, err := parseTaskRun(call, asRunTask(in))
	if err != nil {
		return nil, err
	}
	w.chosen = true
	ids := newIDs(call.Random, len(in.ContainerInstances))
	out := &shape.RunTaskOutput{}
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		c, err := clusterForUse(tx, call, in.Cluster)
		if err != nil {
			return err
		}
		spec, err := w.resolve(&tx.Tables, call, c)
		if err != nil {
			return err
		}
		return start(tx, call, spec, in.ContainerInstances, ids, out)
	})
	return &shape.StartTaskOutput{Tasks: out.Tasks, Failures: out.Failures}, err
}

// asRunTask is what a StartTask has in common with a RunTask: all but that the caller has chosen the instances.
func asRunTask(in *shape.StartTaskInput) *shape.RunTaskInput {
	return &shape.RunTaskInput{
		TaskDefinition:       in.TaskDefinition,
		EnableECSManagedTags: in.EnableECSManagedTags, EnableExecuteCommand: in.EnableExecuteCommand,
		Group: in.Group, NetworkConfiguration: in.NetworkConfiguration, Overrides: in.Overrides,
		PropagateTags: in.PropagateTags, StartedBy: in.StartedBy, Tags: in.Tags,
	}
}

// place asks the scheduler where the tasks go.
func place(tx *state.Tx, call *awswire.Call, spec *launch.Spec, ids []launch.IDs, out *shape.RunTaskOutput) error {
	for _, part := range spec.Parts(nil, len(ids)) {
		mine, rest := ids[:part.Count], ids[part.Count:]
		if err := placePart(tx, call, &part.Spec, mine, out); err != nil {
			return err
		}
		ids = rest
	}
	return nil
}

// placePart places the tasks of one capacity provider, or of none. Those that find no room wait if the capacity
// provider gets more instances (ecs.md 4.11).
func placePart(tx *state.Tx, call *awswire.Call, spec *launch.Spec, ids []launch.IDs, out *shape.RunTaskOutput) error {
	req, err := placement(&tx.Tables, call, spec, len(ids))
	if err != nil {
		return err
	}
	world := launch.World(&tx.Tables, spec.Cluster.ClusterARN)
	active := func(i *sched.Instance) bool { return i.Status == ecs.InstanceActive }
	if spec.Provider == "" && !slices.ContainsFunc(world.Instances, active) {
		return invalid("No Container Instances were found in your cluster.") // ecs.md 1.6.2
	}
	plan := sched.Plan(world, []sched.Request{req})
	var waiting []launch.IDs
	if spec.Waits(&tx.Tables) {
		waiting, plan.Failures = ids[len(plan.Placements):], nil
	}
	for i, f := range plan.Failures {
		plan.Failures[i].Detail = launch.Explain(plan.Refusals[f.Request], f.InstanceARN)
	}
	if err := carryOut(tx, call, spec, plan, ids, out); err != nil {
		return err
	}
	return wait(tx, call, spec, waiting, out)
}

// wait makes tasks that wait for their capacity provider.
func wait(tx *state.Tx, call *awswire.Call, spec *launch.Spec, ids []launch.IDs, out *shape.RunTaskOutput) error {
	if len(ids) > launch.ProvisioningRoom(&tx.Tables, spec.Cluster.ClusterARN) { // ecs.md 1.5.1
		return client("The tasks provisioning capacity limit was exceeded: at most %d tasks of a cluster can wait for "+
			"capacity.", ecs.MaxProvisioning)
	}
	for _, id := range ids {
		task, err := spec.WaitingTask(id, call.Now)
		if err != nil {
			return err
		}
		tx.Tasks.Put(task)
		out.Tasks = append(out.Tasks, answerTask(&tx.Tables, task, true))
	}
	return nil
}

// start puts a task on each of the named instances that has room for it.
func start(
	tx *state.Tx, call *awswire.Call, spec *launch.Spec, refs []string, ids []launch.IDs, out *shape.RunTaskOutput,
) error {
	req, err := placement(&tx.Tables, call, spec, 1)
	if err != nil {
		return err
	}
	var world sched.World
	if req.HostNetwork { // the tasks use ports that other instances of the same machine may have in use
		world = launch.World(&tx.Tables, spec.Cluster.ClusterARN)
	}
	var keys []string
	for _, ref := range refs {
		ci, key, ok := instanceIn(&tx.Tables, spec.Cluster, ref)
		known := slices.ContainsFunc(world.Instances, func(i *sched.Instance) bool { return i.ARN == key })
		if ok && !known {
			world.Instances = append(world.Instances, new(launch.Instance(&tx.Tables, ci)))
		}
		keys = append(keys, key)
	}
	return carryOut(tx, call, spec, sched.Start(world, req, keys), ids, out)
}

// carryOut makes the tasks of a plan; what the plan could not place are failures (ecs.md 1.6), and
// so is a task for which there is no network interface, as its subnet has no free address.
func carryOut(
	tx *state.Tx, call *awswire.Call, spec *launch.Spec, plan sched.Result, ids []launch.IDs, out *shape.RunTaskOutput,
) error {
	for i, p := range plan.Placements {
		ci, _ := tx.ContainerInstances.Get(p.InstanceARN)
		task, err := spec.Task(tx, ci, ids[i], call.Now)
		if full, ok := errors.AsType[*fault.Error](err); ok {
			plan.Failures = append(plan.Failures,
				sched.Failure{InstanceARN: p.InstanceARN, Reason: sched.ReasonENI, Detail: full.Message})
			continue
		}
		if err != nil {
			return err
		}
		tx.Tasks.Put(task)
		out.Tasks = append(out.Tasks, answerTask(&tx.Tables, task, true))
	}
	for _, f := range plan.Failures {
		out.Failures = append(out.Failures, failure(f))
	}
	return nil
}

func failure(f sched.Failure) shape.Failure {
	out := shape.Failure{Reason: &f.Reason, Detail: &f.Detail}
	if f.InstanceARN != "" {
		out.Arn = &f.InstanceARN
	}
	return out
}

// newIDs makes the ids of n tasks, before the transaction. They are in the order of the tasks'
// ARNs, so that a repeated call answers with the tasks in the order of the first answer.
func newIDs(random io.Reader, n int) []launch.IDs {
	ids := make([]launch.IDs, n)
	for i := range ids {
		ids[i] = launch.NewIDs(random)
	}
	slices.SortFunc(ids, func(a, b launch.IDs) int { return strings.Compare(a.Task, b.Task) })
	return ids
}
