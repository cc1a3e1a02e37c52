package ecs

import (
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/awswire/reshape"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/sched"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

// taskRun is what a RunTask or StartTask asks for, checked as far as that goes without the state.
type taskRun struct {
	definition  *string
	spec        launch.Spec // still without its cluster and task definition
	propagate   bool        // the task definition's tags
	managedTags bool
	chosen      bool // the caller has chosen a launch type or the instances, so that no strategy applies
}

func parseTaskRun(call *awswire.Call, in *shape.RunTaskInput) (*taskRun, error) {
	run := &taskRun{definition: in.TaskDefinition, propagate: in.PropagateTags == "TASK_DEFINITION",
		managedTags: request.Value(in.EnableECSManagedTags)}
	run.spec.Group, run.spec.StartedBy = request.Value(in.Group), request.Value(in.StartedBy)
	run.spec.EnableExecuteCommand = request.Value(in.EnableExecuteCommand)
	if in.PropagateTags == "SERVICE" {
		// ecs.md 1.1.5
		return nil, invalid("propagateTags must be TASK_DEFINITION or NONE here, not %s.", in.PropagateTags)
	}
	if err := checkOrigin(run.spec.Group, run.spec.StartedBy); err != nil {
		return nil, err
	}
	var err error
	if run.spec.LaunchType, err = parseLaunchType(in.LaunchType); err != nil {
		return nil, err
	}
	run.chosen = in.LaunchType != ""
	if run.spec.Strategy, err = tasksByStrategy(call, in.LaunchType, in.CapacityProviderStrategy); err != nil {
		return nil, err
	}
	if run.spec.Overrides, err = parseOverrides(in.Overrides); err != nil {
		return nil, err
	}
	run.spec.OverrideZeros = reshape.Zeros(request.Value(in.Overrides))
	if run.spec.NetworkConfiguration, err = parseNetwork(in.NetworkConfiguration); err != nil {
		return nil, err
	}
	if run.spec.Constraints, run.spec.Strategies, err = parsePlacement(in.PlacementConstraints,
		in.PlacementStrategy); err != nil {
		return nil, err
	}
	if err := checkToken(in.ClientToken, 64); err != nil {
		return nil, err
	}
	run.spec.ClientToken, run.spec.ParameterHash = request.Token(in.ClientToken, in)
	run.spec.Tags, err = parseTags(in.Tags)
	return run, err
}

// checkOrigin is ecs.md 1.6.5.
func checkOrigin(group, startedBy string) error {
	if len(group) > 255 || len(startedBy) > 128 {
		return invalid("group may have at most 255 characters and startedBy at most 128.")
	}
	for _, s := range []string{group, startedBy} {
		if strings.HasPrefix(s, "service:") || strings.HasPrefix(s, "ecs-svc/") {
			return invalid("group and startedBy must not begin with service: or ecs-svc/, which name " +
				"services' own tasks.")
		}
	}
	return nil
}

func parseOverrides(in *shape.TaskOverride) (ecs.Overrides, error) {
	if in == nil {
		return ecs.Overrides{}, nil
	}
	return parsed[ecs.Overrides](in)
}

// resolve gives the whole specification, once the cluster is known.
func (run *taskRun) resolve(t *state.Tables, call *awswire.Call, c *ecs.Cluster) (*launch.Spec, error) {
	d, err := usableTaskDefinition(t, call, run.definition)
	if err != nil {
		return nil, err
	}
	spec := run.spec
	spec.Cluster, spec.Definition = c, d
	if spec.Overrides, err = d.Override(run.spec.Overrides); err != nil {
		return nil, err
	}
	if !run.chosen {
		if spec.Strategy, err = strategyFor(t, c, "", run.spec.Strategy); err != nil {
			return nil, err
		}
	}
	if spec.Group == "" {
		spec.Group = "family:" + d.Family // ecs.md 1.6.5
	}
	if run.propagate {
		spec.Tags = d.Tags.With(spec.Tags...)
	}
	if run.managedTags {
		spec.Tags = spec.Tags.With(tag.Tag{Key: "aws:ecs:clusterName", Value: c.ClusterName})
	}
	return &spec, nil
}

// placement returns what the scheduler has to know of n tasks. The roles are checked after everything
// that the caller wrote into the call.
func placement(t *state.Tables, call *awswire.Call, spec *launch.Spec, n int) (sched.Request, error) {
	req, err := spec.Request(n)
	if err != nil {
		return req, err
	}
	if r := launch.MissingRole(t, call.Account, spec.Definition, spec.Overrides); r != "" {
		return req, fault.New(shape.CodeClientException, "%s (There is no such role: create it with iam create-role.)",
			launch.CannotAssume(r))
	}
	return req, nil
}
