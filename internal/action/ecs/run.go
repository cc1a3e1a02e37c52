package ecs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash/fnv"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/awswire/reshape"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/sched"
	"github.com/berthhq/berth/internal/state"
)

// maxOverrides bounds the JSON of a call's overrides (ecs.md 1.4.23).
const maxOverrides = 8192

func (a *api) runTask(ctx context.Context, call *awswire.Call, in *shape.RunTaskInput) (*shape.RunTaskOutput, error) {
	count := 1
	if in.Count != nil {
		count = int(*in.Count)
	}
	if count < 1 || count > 10 {
		return nil, invalid("count must be between 1 and 10, not %d.", count)
	}
	w, err := parseWish(wishInput{in.TaskDefinition, in.Overrides, in.Group, in.StartedBy, in.NetworkConfiguration, in.PropagateTags, in.Tags, in.EnableECSManagedTags, in.EnableExecuteCommand})
	if err != nil {
		return nil, err
	}
	switch in.LaunchType {
	case "", "EC2", "EXTERNAL":
		w.spec.LaunchType = in.LaunchType
	default:
		return nil, invalid("The launch type %s is not available: tasks run on container instances. Use EC2.", in.LaunchType)
	}
	if w.spec.LaunchType == "" {
		w.spec.LaunchType = "EC2"
	}
	if w.spec.Constraints, err = reshape.In[[]ecs.PlacementConstraint](in.PlacementConstraints); err != nil {
		return nil, invalid("%s", err)
	}
	if w.spec.Strategies, err = reshape.In[[]ecs.PlacementStrategy](in.PlacementStrategy); err != nil {
		return nil, invalid("%s", err)
	}
	if len(w.spec.Constraints) > ecs.MaxPlacementConstraints || len(w.spec.Strategies) > 5 {
		return nil, invalid("At most %d placement constraints and 5 placement strategies are allowed.", ecs.MaxPlacementConstraints)
	}
	ids := launch.MintIDs(count)
	w.spec.Seed = seed(ids[0].Task)
	out := &shape.RunTaskOutput{Tasks: []shape.Task{}, Failures: []shape.Failure{}}
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		return w.idempotent(tx, call, "RunTask", in.Cluster, in.ClientToken, hashOf(in), out, func() error {
			return w.place(tx, call, ids, out)
		})
	})
	return out, err
}

func (a *api) startTask(ctx context.Context, call *awswire.Call, in *shape.StartTaskInput) (*shape.StartTaskOutput, error) {
	if len(in.ContainerInstances) == 0 || len(in.ContainerInstances) > 10 {
		return nil, invalid("Between 1 and 10 container instances must be given.")
	}
	w, err := parseWish(wishInput{in.TaskDefinition, in.Overrides, in.Group, in.StartedBy, in.NetworkConfiguration, in.PropagateTags, in.Tags, in.EnableECSManagedTags, in.EnableExecuteCommand})
	if err != nil {
		return nil, err
	}
	w.spec.LaunchType = "EC2"
	ids := launch.MintIDs(len(in.ContainerInstances))
	out := &shape.RunTaskOutput{Tasks: []shape.Task{}, Failures: []shape.Failure{}}
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		if err := w.resolve(tx, call, in.Cluster); err != nil {
			return err
		}
		return w.start(tx, call, in.ContainerInstances, ids, out)
	})
	return &shape.StartTaskOutput{Tasks: out.Tasks, Failures: out.Failures}, err
}

func seed(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

func hashOf(in any) string {
	doc, _ := json.Marshal(in)
	sum := sha256.Sum256(doc)
	return hex.EncodeToString(sum[:])
}

// wish is what a RunTask or StartTask asks for.
type wish struct {
	spec        launch.Spec
	definition  *string
	group       string
	propagate   bool
	managedTags bool
}

type wishInput struct {
	definition    *string
	overrides     *shape.TaskOverride
	group         *string
	startedBy     *string
	network       *shape.NetworkConfiguration
	propagateTags string
	tags          []shape.Tag
	managed, exec *bool
}

func parseWish(in wishInput) (*wish, error) {
	if doc, err := json.Marshal(in.overrides); err != nil || in.overrides != nil && len(doc) > 2*maxOverrides {
		return nil, invalid("The overrides are longer than %d characters.", maxOverrides)
	}
	w := &wish{definition: in.definition, group: deref(in.group), managedTags: deref(in.managed)}
	var err error
	if in.overrides != nil {
		if w.spec.Overrides, err = reshape.In[ecs.Overrides](in.overrides); err != nil {
			return nil, invalid("%s", err)
		}
	}
	if in.network != nil {
		n, err := reshape.In[ecs.NetworkConfiguration](in.network)
		if err != nil {
			return nil, invalid("%s", err)
		}
		w.spec.NetworkConfiguration = &n
	}
	if w.spec.Tags, err = parseTags(in.tags); err != nil {
		return nil, err
	}
	switch in.propagateTags {
	case "", "NONE":
	case "TASK_DEFINITION":
		w.propagate = true
	default:
		return nil, invalid("propagateTags must be TASK_DEFINITION or NONE here, not %s.", in.propagateTags) // ecs.md 1.1.5
	}
	if len(w.group) > 255 || len(deref(in.startedBy)) > 128 {
		return nil, invalid("group may have at most 255 characters and startedBy at most 128.")
	}
	if slices.ContainsFunc([]string{"service:", "ecs-svc/"}, func(p string) bool { return hasPrefix(w.group, p) || hasPrefix(deref(in.startedBy), p) }) {
		return nil, invalid("group and startedBy must not begin with service: or ecs-svc/, which name services' own tasks.")
	}
	w.spec.StartedBy, w.spec.EnableExecuteCommand = deref(in.startedBy), deref(in.exec)
	return w, nil
}

func hasPrefix(s, p string) bool { return len(s) >= len(p) && s[:len(p)] == p }

// resolve finds the cluster and the task definition.
func (w *wish) resolve(tx *state.Tx, call *awswire.Call, clusterRef *string) error {
	c, err := clusterForUse(tx, call, clusterRef)
	if err != nil {
		return err
	}
	d, err := usableTaskDefinition(&tx.Tables, call, w.definition)
	if err != nil {
		return err
	}
	if err := checkOverrides(d, w.spec.Overrides); err != nil {
		return err
	}
	w.spec.Cluster, w.spec.Definition = c, d
	if w.spec.Group = w.group; w.spec.Group == "" {
		w.spec.Group = "family:" + d.Family // ecs.md 1.6.5
	}
	if w.propagate {
		w.spec.Tags = mergeTags(d.Tags, w.spec.Tags)
	}
	if w.managedTags {
		w.spec.Tags = mergeTags(w.spec.Tags, []ecs.Tag{{Key: "aws:ecs:clusterName", Value: c.ClusterName}})
	}
	return nil
}

// checkOverrides is ecs.md 1.4.23.
func checkOverrides(d *ecs.TaskDefinition, o ecs.Overrides) error {
	for _, c := range o.ContainerOverrides {
		if d.Container(c.Name) == nil {
			return invalid("Override for container named %s is not a container in the TaskDefinition.", c.Name)
		}
		if len(c.EnvironmentFiles) > 0 {
			return invalid("environmentFiles are not available yet: pass the values with environment.")
		}
	}
	if _, ok := ecs.ParseTaskCPU(o.CPU); o.CPU != "" && !ok {
		return invalid("Invalid 'cpu' override '%s'. Use CPU units such as '512'.", o.CPU)
	}
	if _, ok := ecs.ParseTaskMemory(o.Memory); o.Memory != "" && !ok {
		return invalid("Invalid 'memory' override '%s'. Use MiB such as '512'.", o.Memory)
	}
	return nil
}

func mergeTags(base, over []ecs.Tag) []ecs.Tag {
	out := slices.DeleteFunc(slices.Clone(base), func(b ecs.Tag) bool {
		return slices.ContainsFunc(over, func(o ecs.Tag) bool { return o.Key == b.Key })
	})
	return append(out, over...)
}

// place asks the scheduler where the tasks go.
func (w *wish) place(tx *state.Tx, call *awswire.Call, ids []launch.IDs, out *shape.RunTaskOutput) error {
	req, err := w.spec.Request(len(ids))
	if err != nil {
		return err
	}
	world := launch.World(&tx.Tables, w.spec.Cluster.ClusterARN)
	if !slices.ContainsFunc(world.Instances, func(i sched.Instance) bool { return i.Status == ecs.InstanceActive }) {
		return invalid("No Container Instances were found in your cluster.") // ecs.md 1.6.2
	}
	return w.carryOut(tx, call, sched.Plan(world, []sched.Request{req}), ids, out)
}

func failure(f sched.Failure) shape.Failure {
	out := shape.Failure{Reason: &f.Reason, Detail: &f.Detail}
	if f.InstanceARN != "" {
		out.Arn = &f.InstanceARN
	}
	return out
}

// start puts a task on each of the named instances that has room for it.
func (w *wish) start(tx *state.Tx, call *awswire.Call, refs []string, ids []launch.IDs, out *shape.RunTaskOutput) error {
	req, err := w.spec.Request(1)
	if err != nil {
		return err
	}
	var world sched.World
	var keys []string
	for _, ref := range refs {
		key := inCluster(w.spec.Cluster, ecs.TypeContainerInstance, ref)
		keys = append(keys, key)
		if ci, ok := tx.ContainerInstances.Get(key); ok && ci.ClusterARN == w.spec.Cluster.ClusterARN {
			world.Instances = append(world.Instances, launch.Instance(&tx.Tables, ci))
		}
	}
	return w.carryOut(tx, call, sched.Start(world, req, keys), ids, out)
}

// carryOut makes the tasks of a plan; what the plan could not place are failures (ecs.md 1.6).
func (w *wish) carryOut(tx *state.Tx, call *awswire.Call, plan sched.Result, ids []launch.IDs, out *shape.RunTaskOutput) error {
	for i, p := range plan.Placements {
		ci, _ := tx.ContainerInstances.Get(p.InstanceARN)
		task, err := w.spec.Task(&tx.Tables, ci, ids[i], call.Now)
		if err != nil {
			return err
		}
		tx.Tasks.Put(task)
		out.Tasks = append(out.Tasks, answerTask(task, true))
	}
	for _, f := range plan.Failures {
		out.Failures = append(out.Failures, failure(f))
	}
	return nil
}

// idempotent runs do once per client token, and answers repetitions with what became of the first call (ecs.md 1.1.11).
func (w *wish) idempotent(tx *state.Tx, call *awswire.Call, action string, clusterRef, clientToken *string, hash string, out *shape.RunTaskOutput, do func() error) error {
	if err := w.resolve(tx, call, clusterRef); err != nil {
		return err
	}
	if deref(clientToken) == "" {
		return do()
	}
	if len(*clientToken) > 64 {
		return invalid("clientToken may have at most 64 characters.")
	}
	token := &ecs.Token{ClusterARN: w.spec.Cluster.ClusterARN, Action: action, ClientToken: *clientToken, ParameterHash: hash, ExpiresAt: call.Now.Add(24 * time.Hour)}
	if old, ok := tx.Tokens.Get(token.Key()); ok && old.ExpiresAt.After(call.Now) {
		if old.ParameterHash != hash {
			return fault.New("ConflictException", "The clientToken %s was used before with other parameters.", *clientToken).WithDetail("resourceIds", old.ARNs)
		}
		for _, key := range old.ARNs {
			if task, ok := tx.Tasks.Get(key); ok {
				out.Tasks = append(out.Tasks, answerTask(task, true))
			}
		}
		return nil
	}
	if err := do(); err != nil {
		return err
	}
	for _, t := range out.Tasks {
		token.ARNs = append(token.ARNs, *t.TaskArn)
	}
	tx.Tokens.Put(token)
	return nil
}
