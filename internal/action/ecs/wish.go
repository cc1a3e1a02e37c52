package ecs

import (
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/awswire/reshape"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/sched"
	"github.com/berthhq/berth/internal/state"
)

// wish is what a RunTask or StartTask asks for, checked as far as that goes without the state.
type wish struct {
	definition  *string
	spec        launch.Spec // still without its cluster and task definition
	propagate   bool        // the task definition's tags
	managedTags bool
}

func parseWish(in *shape.RunTaskInput) (*wish, error) {
	w := &wish{definition: in.TaskDefinition, propagate: in.PropagateTags == "TASK_DEFINITION", managedTags: deref(in.EnableECSManagedTags)}
	w.spec.Group, w.spec.StartedBy, w.spec.EnableExecuteCommand = deref(in.Group), deref(in.StartedBy), deref(in.EnableExecuteCommand)
	if in.PropagateTags == "SERVICE" {
		return nil, invalid("propagateTags must be TASK_DEFINITION or NONE here, not %s.", in.PropagateTags) // ecs.md 1.1.5
	}
	if err := checkOrigin(w.spec.Group, w.spec.StartedBy); err != nil {
		return nil, err
	}
	var err error
	if w.spec.LaunchType, err = parseLaunchType(in.LaunchType); err != nil {
		return nil, err
	}
	if w.spec.Overrides, err = parseOverrides(in.Overrides); err != nil {
		return nil, err
	}
	w.spec.OverrideZeros = reshape.Zeros(deref(in.Overrides))
	if w.spec.NetworkConfiguration, err = parseNetwork(in.NetworkConfiguration); err != nil {
		return nil, err
	}
	if w.spec.Constraints, w.spec.Strategies, err = parsePlacement(in.PlacementConstraints, in.PlacementStrategy); err != nil {
		return nil, err
	}
	w.spec.Tags, err = parseTags(in.Tags)
	return w, err
}

// checkOrigin is ecs.md 1.6.5.
func checkOrigin(group, startedBy string) error {
	if len(group) > 255 || len(startedBy) > 128 {
		return invalid("group may have at most 255 characters and startedBy at most 128.")
	}
	for _, s := range []string{group, startedBy} {
		if strings.HasPrefix(s, "service:") || strings.HasPrefix(s, "ecs-svc/") {
			return invalid("group and startedBy must not begin with service: or ecs-svc/, which name services' own tasks.")
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
func (w *wish) resolve(t *state.Tables, call *awswire.Call, c *ecs.Cluster) (*launch.Spec, error) {
	d, err := usableTaskDefinition(t, call, w.definition)
	if err != nil {
		return nil, err
	}
	spec := w.spec
	spec.Cluster, spec.Definition = c, d
	if spec.Overrides, err = d.Override(w.spec.Overrides); err != nil {
		return nil, err
	}
	if spec.Group == "" {
		spec.Group = "family:" + d.Family // ecs.md 1.6.5
	}
	if w.propagate {
		spec.Tags = mergeTags(d.Tags, spec.Tags)
	}
	if w.managedTags {
		spec.Tags = mergeTags(spec.Tags, []ecs.Tag{{Key: "aws:ecs:clusterName", Value: c.ClusterName}})
	}
	return &spec, nil
}

// request returns what the scheduler has to know of n tasks. The roles are checked after everything that the caller wrote into the call.
func request(t *state.Tables, call *awswire.Call, spec *launch.Spec, n int) (sched.Request, error) {
	req, err := spec.Request(n)
	if err != nil {
		return req, err
	}
	if r := launch.MissingRole(t, call.Account, spec.Definition, spec.Overrides); r != "" {
		return req, fault.New(shape.CodeClientException, "ECS was unable to assume the role '%s' that was provided for this task. "+
			"Please verify that the role being passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role. "+
			"(There is no such role: create it with iam create-role.)", r)
	}
	return req, nil
}

// mergeTags is base with those of over added; the latter win.
func mergeTags(base, over []ecs.Tag) []ecs.Tag {
	out := slices.DeleteFunc(slices.Clone(base), func(b ecs.Tag) bool {
		return slices.ContainsFunc(over, func(o ecs.Tag) bool { return o.Key == b.Key })
	})
	return append(out, over...)
}
