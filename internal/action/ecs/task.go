package ecs

import (
	"context"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/awswire/reshape"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) stopTask(
	ctx context.Context, call *awswire.Call, in *shape.StopTaskInput,
) (*shape.StopTaskOutput, error) {
	if request.Value(in.Task) == "" {
		return nil, invalid("Task identifier must not be empty.")
	}
	reason := request.Value(in.Reason)
	if len(reason) > 1024 {
		return nil, invalid("reason may have at most 1024 characters.")
	}
	if reason == "" {
		reason = "Task stopped by user"
	}
	var out shape.Task
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		c, err := cluster(&tx.Tables, call, in.Cluster)
		if err != nil {
			return err
		}
		task, _, ok := taskIn(&tx.Tables, c, *in.Task)
		if !ok {
			return invalid("The referenced task was not found.")
		}
		n := task.Stop(ecs.UserInitiated, reason, call.Now)
		if n != task {
			n.Tags = nil // ecs.md 1.5.5
			tx.Tasks.Put(n)
		}
		out = answerTask(&tx.Tables, n, true)
		return nil
	})
	return &shape.StopTaskOutput{Task: &out}, err
}

func (a *api) describeTasks(
	_ context.Context, call *awswire.Call, in *shape.DescribeTasksInput,
) (*shape.DescribeTasksOutput, error) {
	if err := batch("Tasks", len(in.Tasks), 100); err != nil {
		return nil, err
	}
	snap := a.store.View()
	c, err := cluster(&snap.Tables, call, in.Cluster)
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeTasksOutput{}
	for _, ref := range in.Tasks {
		if task, key, ok := taskIn(&snap.Tables, c, ref); ok {
			out.Tasks = append(out.Tasks, answerTask(&snap.Tables, task, slices.Contains(in.Include, "TAGS")))
		} else {
			out.Failures = append(out.Failures, missing(key))
		}
	}
	return out, nil
}

// answerTask gives a task as the API has it.
func answerTask(tables *state.Tables, t *ecs.Task, tags bool) shape.Task {
	out := reshape.Out[shape.Task](t)
	var attributes []shape.Attribute
	if ci, ok := tables.ContainerInstances.Get(t.ContainerInstanceARN); ok {
		if cpu, ok := ci.Attribute(ecs.AttributeCPU); ok {
			attributes = append(attributes, shape.Attribute{Name: new(ecs.AttributeCPU), Value: &cpu})
		}
	}
	shown := t.Tags
	if !tags {
		shown = nil
	}
	// A task is also answered in short, without these lists, so the protocols do not write them when they are empty.
	out.Attachments, out.Attributes, out.Tags = request.Listed(out.Attachments), request.Listed(attributes),
		answerTags(shown)
	out.EnableExecuteCommand = &t.EnableExecuteCommand
	if out.Overrides == nil {
		out.Overrides = &shape.TaskOverride{}
	}
	reshape.Restore(out.Overrides, t.OverrideZeros)
	out.Overrides.ContainerOverrides = answerOverrides(t, out.Overrides.ContainerOverrides)
	return out
}

// answerOverrides has an entry for each container, as AWS's answer has.
func answerOverrides(t *ecs.Task, given []shape.ContainerOverride) []shape.ContainerOverride {
	var out []shape.ContainerOverride
	for _, c := range t.Containers {
		i := slices.IndexFunc(given, func(o shape.ContainerOverride) bool { return request.Value(o.Name) == c.Name })
		if i >= 0 {
			out = append(out, given[i])
		} else {
			out = append(out, shape.ContainerOverride{Name: &c.Name})
		}
	}
	return out
}

func (a *api) listTasks(
	_ context.Context, call *awswire.Call, in *shape.ListTasksInput,
) (*shape.ListTasksOutput, error) {
	if in.StartedBy != nil && (in.Family != nil || in.ServiceName != nil || in.ContainerInstance != nil ||
		in.DesiredStatus != "" || in.LaunchType != "") {
		return nil, invalid("startedBy must be the only filter when it is given.") // ecs.md 1.1.9
	}
	snap := a.store.View()
	c, err := cluster(&snap.Tables, call, in.Cluster)
	if err != nil {
		return nil, err
	}
	f, err := taskFilter(&snap.Tables, c, in)
	if err != nil {
		return nil, err
	}
	var arns []string
	for t := range snap.Tasks.By(state.TasksByCluster, c.ClusterARN) {
		if f(t) {
			arns = append(arns, t.TaskARN)
		}
	}
	page, next, err := request.Page(call, pages.Ask(in.MaxResults, in.NextToken), arns, request.Itself,
		c.ClusterARN, request.Value(in.Family), request.Value(in.ServiceName), request.Value(in.ContainerInstance),
		in.DesiredStatus,
		in.LaunchType, request.Value(in.StartedBy))
	return &shape.ListTasksOutput{TaskArns: page, NextToken: next}, err
}

func taskFilter(t *state.Tables, c *ecs.Cluster, in *shape.ListTasksInput) (func(*ecs.Task) bool, error) {
	desired := ecs.TaskStatus(in.DesiredStatus)
	if desired == "" {
		desired = ecs.Running
	}
	instance, service := "", ""
	if in.ContainerInstance != nil {
		_, key, ok := instanceIn(t, c, *in.ContainerInstance)
		if instance = key; !ok {
			return nil, invalid("The container instance '%s' was not found in the cluster.", *in.ContainerInstance)
		}
	}
	if in.ServiceName != nil {
		_, key, ok := serviceIn(t, c, *in.ServiceName)
		if service = key; !ok {
			return nil, serviceNotFound()
		}
	}
	return func(task *ecs.Task) bool {
		return task.DesiredStatus == desired &&
			(instance == "" || task.ContainerInstanceARN == instance) &&
			(service == "" || task.ServiceARN == service) &&
			(in.Family == nil || familyOf(task.TaskDefinitionARN) == *in.Family) &&
			(in.LaunchType == "" || task.LaunchType == in.LaunchType) &&
			(in.StartedBy == nil || task.StartedBy == *in.StartedBy)
	}, nil
}

func familyOf(definitionARN string) string {
	family, _, _ := strings.Cut(arn.LastID(definitionARN), ":")
	return family
}
