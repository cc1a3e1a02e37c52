package ecs

import (
	"context"
	"slices"
	"strconv"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/awswire/reshape"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/sched/cql"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) describeContainerInstances(
	_ context.Context, call *awswire.Call, in *shape.DescribeContainerInstancesInput,
) (*shape.DescribeContainerInstancesOutput, error) {
	if err := batch("Container instances", len(in.ContainerInstances), 100); err != nil {
		return nil, err
	}
	snap := a.store.View()
	c, err := cluster(&snap.Tables, call, in.Cluster)
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeContainerInstancesOutput{}
	for _, ref := range in.ContainerInstances {
		if i, key, ok := instanceIn(&snap.Tables, c, ref); ok {
			out.ContainerInstances = append(out.ContainerInstances, answerInstance(&snap.Tables, i, in.Include))
		} else {
			out.Failures = append(out.Failures, missing(key))
		}
	}
	return out, nil
}

func answerInstance(t *state.Tables, i *ecs.ContainerInstance, include []string) shape.ContainerInstance {
	plain := *i
	plain.Attributes, plain.Tags = nil, nil
	out := reshape.Out[shape.ContainerInstance](&plain)
	out.AgentConnected = &i.AgentConnected
	out.RegisteredResources, out.RemainingResources = answerResources(i.Registered),
		answerResources(launch.Remaining(t, i))
	out.VersionInfo = &shape.VersionInfo{
		AgentVersion: &i.AgentVersion, AgentHash: &i.AgentHash, DockerVersion: &i.DockerVersion,
	}
	for _, at := range i.Attributes {
		out.Attributes = append(out.Attributes, answerAttribute(at))
	}
	running, pending := t.TasksOnInstance(i.ContainerInstanceARN).RunningAndPending(nil)
	out.RunningTasksCount, out.PendingTasksCount = new(int32(running)), new(int32(pending))
	if slices.Contains(include, "TAGS") {
		out.Tags = answerTags(i.Tags)
	}
	if slices.Contains(include, "CONTAINER_INSTANCE_HEALTH") && i.RuntimeStatus != "" {
		out.HealthStatus = &shape.ContainerInstanceHealthStatus{OverallStatus: i.RuntimeStatus,
			Details: []shape.InstanceHealthCheckResult{
				{Type: "CONTAINER_RUNTIME", Status: i.RuntimeStatus,
					LastStatusChange: request.Optional(i.RuntimeStatusSince),
					LastUpdated:      request.Optional(i.RuntimeStatusUpdated)},
			}}
	}
	return out
}

func answerAttribute(a ecs.Attribute) shape.Attribute {
	out := shape.Attribute{Name: &a.Name}
	if a.Value != "" {
		out.Value = &a.Value
	}
	return out
}

// answerResources is ecs.md 1.3.3.
func answerResources(r ecs.Resources) []shape.Resource {
	out := []shape.Resource{integerResource("CPU", r.CPU), integerResource("MEMORY", r.Memory),
		portResource("PORTS", r.PortsTCP), portResource("PORTS_UDP", r.PortsUDP)}
	if len(r.GPUIDs) > 0 {
		out = append(out, shape.Resource{Name: new("GPU"), Type: new("STRINGSET"), StringSetValue: r.GPUIDs,
			DoubleValue: new(0.0), IntegerValue: new(int32(0)), LongValue: new(int64(0))})
	}
	return out
}

func integerResource(name string, n int) shape.Resource {
	return shape.Resource{Name: &name, Type: new("INTEGER"), IntegerValue: new(int32(n)),
		DoubleValue: new(0.0), LongValue: new(int64(0))}
}

func portResource(name string, ports []int) shape.Resource {
	values := []string{}
	for _, p := range ports {
		values = append(values, strconv.Itoa(p))
	}
	return shape.Resource{Name: &name, Type: new("STRINGSET"), StringSetValue: values, DoubleValue: new(0.0),
		IntegerValue: new(int32(0)), LongValue: new(int64(0))}
}

func (a *api) listContainerInstances(
	_ context.Context, call *awswire.Call, in *shape.ListContainerInstancesInput,
) (*shape.ListContainerInstancesOutput, error) {
	snap := a.store.View()
	c, err := cluster(&snap.Tables, call, in.Cluster)
	if err != nil {
		return nil, err
	}
	var filter *cql.Expr
	if request.Value(in.Filter) != "" {
		if filter, err = cql.Parse(*in.Filter); err != nil {
			return nil, invalid("Invalid filter: %s.", err)
		}
	}
	var arns []string
	for i := range snap.ContainerInstances.By(state.ContainerInstancesByCluster, c.ClusterARN) {
		if i.Status == ecs.InstanceInactive && in.Status == "" || in.Status != "" && i.Status != in.Status {
			continue
		}
		if filter != nil {
			if si := launch.Instance(&snap.Tables, i); !filter.Match(si.Subject()) {
				continue
			}
		}
		arns = append(arns, i.ContainerInstanceARN)
	}
	page, next, err := request.Page(call, pages.Ask(in.MaxResults, in.NextToken), arns, request.Itself,
		c.ClusterARN, in.Status, request.Value(in.Filter))
	return &shape.ListContainerInstancesOutput{ContainerInstanceArns: page, NextToken: next}, err
}

// updateContainerInstancesState is ecs.md 1.3.1 and 1.3.12: what draining means for tasks is the controllers' business.
func (a *api) updateContainerInstancesState(
	ctx context.Context, call *awswire.Call, in *shape.UpdateContainerInstancesStateInput,
) (*shape.UpdateContainerInstancesStateOutput, error) {
	if err := batch("Container instances", len(in.ContainerInstances), 10); err != nil {
		return nil, err
	}
	if in.Status != ecs.InstanceActive && in.Status != ecs.InstanceDraining {
		return nil, invalid("Container instance status can only be set to ACTIVE or DRAINING, not %s.", in.Status)
	}
	out := &shape.UpdateContainerInstancesStateOutput{}
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		c, err := cluster(&tx.Tables, call, in.Cluster)
		if err != nil {
			return err
		}
		for _, ref := range in.ContainerInstances {
			i, key, ok := instanceIn(&tx.Tables, c, ref)
			switch {
			case !ok:
				out.Failures = append(out.Failures, missing(key))
				continue
			case !i.Present():
				return invalid("Container instance %s is %s: only an ACTIVE or DRAINING one can be changed.",
					key, i.Status)
			}
			n := *i
			if n.Status != in.Status {
				n.Status = in.Status
				n.Version++
				tx.ContainerInstances.Put(&n)
			}
			out.ContainerInstances = append(out.ContainerInstances, answerInstance(&tx.Tables, &n, nil))
		}
		return nil
	})
	return out, err
}

// deregisterContainerInstance is ecs.md 1.3.10: what becomes of tasks that still run is the controllers' business.
func (a *api) deregisterContainerInstance(
	ctx context.Context, call *awswire.Call, in *shape.DeregisterContainerInstanceInput,
) (*shape.DeregisterContainerInstanceOutput, error) {
	if request.Value(in.ContainerInstance) == "" {
		return nil, invalid("Container instance must not be empty.")
	}
	var out shape.ContainerInstance
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		c, err := cluster(&tx.Tables, call, in.Cluster)
		if err != nil {
			return err
		}
		i, _, ok := instanceIn(&tx.Tables, c, *in.ContainerInstance)
		if !ok || i.Status == ecs.InstanceInactive {
			return invalid("Referenced container instance %s not found.", arn.LastID(*in.ContainerInstance))
		}
		for task := range tx.Tasks.By(state.TasksByInstance, i.ContainerInstanceARN) {
			if task.LastStatus != ecs.Stopped && !request.Value(in.Force) {
				return invalid("Found running tasks on the instance. Use force to deregister it all the same.")
			}
		}
		n := *i
		n.Status, n.AgentConnected, n.DeregisteredAt = ecs.InstanceInactive, false, call.Now
		n.Version++
		tx.ContainerInstances.Put(&n)
		out = answerInstance(&tx.Tables, &n, nil)
		return nil
	})
	return &shape.DeregisterContainerInstanceOutput{ContainerInstance: &out}, err
}
