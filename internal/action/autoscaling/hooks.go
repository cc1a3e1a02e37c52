package autoscaling

import (
	"context"
	"regexp"
	"slices"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/autoscaling"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) hooks() []awswire.Operation {
	return []awswire.Operation{
		awswire.Op("PutLifecycleHook", a.putHook),
		awswire.Op("DeleteLifecycleHook", a.deleteHook),
		awswire.Op("DescribeLifecycleHooks", a.describeHooks),
		awswire.Op("DescribeLifecycleHookTypes", a.describeHookTypes),
		awswire.Op("CompleteLifecycleAction", a.completeAction),
		awswire.Op("RecordLifecycleActionHeartbeat", a.recordHeartbeat),
	}
}

var hookName = regexp.MustCompile(`^[A-Za-z0-9\-_/]{1,255}$`)

// maxMetadata is how many characters the metadata of a hook has at most.
const maxMetadata = 4000

// parseHook reads a hook. What in leaves out is as in old, which is nil for a new hook.
func parseHook(call *awswire.Call, group string, in *shape.LifecycleHookSpecification, old *fleet.Hook) (
	*fleet.Hook, error,
) {
	h := &fleet.Hook{Region: call.Region, Account: call.Account, Group: group,
		Name: request.Value(in.LifecycleHookName), Heartbeat: fleet.DefaultHeartbeat, Default: fleet.Abandon}
	if old != nil {
		h = new(*old)
	}
	if in.LifecycleTransition != nil {
		h.Transition = fleet.Transition(*in.LifecycleTransition)
	}
	if in.HeartbeatTimeout != nil {
		h.Heartbeat = int(*in.HeartbeatTimeout)
	}
	if in.DefaultResult != nil {
		h.Default = fleet.HookResult(*in.DefaultResult)
	}
	if in.RoleARN != nil {
		h.Role = *in.RoleARN
	}
	if in.NotificationMetadata != nil {
		h.Metadata = *in.NotificationMetadata
	}
	return h, checkHook(h, request.Value(in.NotificationTargetARN))
}

func checkHook(h *fleet.Hook, target string) error {
	switch {
	case !hookName.MatchString(h.Name):
		return invalid("The lifecycle hook name %q is not valid: it has 1 to 255 of the characters A-Z, a-z, 0-9, "+
			"hyphen, underscore and slash.", h.Name)
	case h.Transition == "":
		return invalid("The lifecycle hook %s is new and must have a LifecycleTransition.", h.Name)
	case !slices.Contains(fleet.Transitions(), h.Transition):
		return invalid("The lifecycle transition %q is not valid. Valid ones are %s and %s.", h.Transition,
			fleet.WhenLaunching, fleet.WhenTerminating)
	case h.Heartbeat < fleet.MinHeartbeat || h.Heartbeat > fleet.MaxHeartbeat:
		return invalid("HeartbeatTimeout must be between %d and %d seconds: %d", fleet.MinHeartbeat,
			fleet.MaxHeartbeat, h.Heartbeat)
	case !validResult(h.Default):
		return invalid("DefaultResult must be CONTINUE or ABANDON: %q", h.Default)
	case len(h.Metadata) > maxMetadata:
		return invalid("NotificationMetadata has at most %d characters.", maxMetadata)
	case target != "":
		return invalid("The notification target %q is refused: Berth does not support notifications of lifecycle "+
			"hooks yet. Without a target the hook works: DescribeAutoScalingInstances shows which instances wait.",
			target)
	}
	return nil
}

func validResult(r fleet.HookResult) bool { return r == fleet.Continue || r == fleet.Abandon }

func (a *api) putHook(
	ctx context.Context, call *awswire.Call, in *shape.PutLifecycleHookInput,
) (*shape.PutLifecycleHookOutput, error) {
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		g, err := liveGroup(&tx.Tables, call, in.AutoScalingGroupName)
		if err != nil {
			return err
		}
		return putHook(tx, call, g.Name, &shape.LifecycleHookSpecification{
			LifecycleHookName: in.LifecycleHookName, LifecycleTransition: in.LifecycleTransition,
			DefaultResult: in.DefaultResult, HeartbeatTimeout: in.HeartbeatTimeout, RoleARN: in.RoleARN,
			NotificationMetadata: in.NotificationMetadata, NotificationTargetARN: in.NotificationTargetARN,
		})
	})
}

// putHook makes a hook of a group, or changes the one with its name.
func putHook(tx *state.Tx, call *awswire.Call, group string, in *shape.LifecycleHookSpecification) error {
	old, exists := tx.LifecycleHooks.Get(
		fleet.PartKey(call.Region, call.Account, group, request.Value(in.LifecycleHookName)))
	h, err := parseHook(call, group, in, old)
	if err != nil {
		return err
	}
	if !exists && ofUsers(&tx.Tables, call, group) >= fleet.MaxHooks {
		return fault.New(shape.CodeLimitExceeded, "A group can have %d lifecycle hooks at most.", fleet.MaxHooks)
	}
	tx.LifecycleHooks.Put(h)
	return nil
}

// ofUsers returns how many hooks a group has, without the one of managed draining, which capacity providers make.
func ofUsers(t *state.Tables, call *awswire.Call, group string) (n int) {
	for h := range t.LifecycleHooks.Prefix(fleet.PartPrefix(call.Region, call.Account, group)) {
		if h.Name != fleet.DrainingHook {
			n++
		}
	}
	return n
}

func (a *api) deleteHook(
	ctx context.Context, call *awswire.Call, in *shape.DeleteLifecycleHookInput,
) (*shape.DeleteLifecycleHookOutput, error) {
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		g, err := group(&tx.Tables, call, in.AutoScalingGroupName)
		if err != nil {
			return err
		}
		key := fleet.PartKey(g.Region, g.Account, g.Name, *in.LifecycleHookName)
		h, ok := tx.LifecycleHooks.Get(key)
		if !ok {
			return invalid("No lifecycle hook found with name %q in AutoScalingGroup %s.", *in.LifecycleHookName,
				g.Name)
		}
		tx.DeleteHook(h)
		return nil
	})
}

func (a *api) describeHooks(
	_ context.Context, call *awswire.Call, in *shape.DescribeLifecycleHooksInput,
) (*shape.DescribeLifecycleHooksOutput, error) {
	view := a.store.View()
	g, err := group(&view.Tables, call, in.AutoScalingGroupName)
	if err != nil {
		return nil, err
	}
	found := slices.Collect(named(view.HooksOf(g), in.LifecycleHookNames, func(h *fleet.Hook) string { return h.Name }))
	return &shape.DescribeLifecycleHooksOutput{LifecycleHooks: request.Answers(found, answerHook)}, nil
}

func answerHook(h *fleet.Hook) shape.LifecycleHook {
	return shape.LifecycleHook{
		AutoScalingGroupName: &h.Group, LifecycleHookName: &h.Name, LifecycleTransition: new(string(h.Transition)),
		DefaultResult: new(string(h.Default)), HeartbeatTimeout: new(int32(h.Heartbeat)),
		GlobalTimeout: new(int32(h.GlobalTimeout())), RoleARN: request.Optional(h.Role),
		NotificationMetadata: request.Optional(h.Metadata),
	}
}

func (a *api) describeHookTypes(
	context.Context, *awswire.Call, *shape.DescribeLifecycleHookTypesInput,
) (*shape.DescribeLifecycleHookTypesOutput, error) {
	out := &shape.DescribeLifecycleHookTypesOutput{}
	for _, t := range fleet.Transitions() {
		out.LifecycleHookTypes = append(out.LifecycleHookTypes, string(t))
	}
	return out, nil
}

// changeAction changes the member that waits for a hook, which the caller names by its id or by the token of the
// action.
func (a *api) changeAction(ctx context.Context, call *awswire.Call, groupName, hook, id, token *string,
	change func(*fleet.Instance) (*fleet.Instance, bool),
) error {
	if id == nil && token == nil {
		return invalid("Either the parameter InstanceId or the parameter LifecycleActionToken is required.")
	}
	return a.store.Update(ctx, func(tx *state.Tx) error {
		g, err := group(&tx.Tables, call, groupName)
		if err != nil {
			return err
		}
		if _, ok := tx.LifecycleHooks.Get(fleet.PartKey(g.Region, g.Account, g.Name, *hook)); !ok {
			return invalid("No lifecycle hook found with name %q in AutoScalingGroup %s.", *hook, g.Name)
		}
		for m := range tx.Instances.By(state.InstancesByAutoScalingGroup, g.Key()) {
			if id != nil && m.ID != *id || token != nil && !m.Scaling.HasToken(*token) {
				continue
			}
			if c, ok := change(m); ok {
				tx.Instances.Put(c)
				return nil
			}
		}
		if id != nil {
			return invalid("No active Lifecycle Action found with instance ID %s", *id)
		}
		return invalid("No active Lifecycle Action found with token %s", *token)
	})
}

func (a *api) completeAction(
	ctx context.Context, call *awswire.Call, in *shape.CompleteLifecycleActionInput,
) (*shape.CompleteLifecycleActionOutput, error) {
	result := fleet.HookResult(*in.LifecycleActionResult)
	if !validResult(result) {
		return nil, invalid("LifecycleActionResult must be CONTINUE or ABANDON: %q", result)
	}
	return nil, a.changeAction(ctx, call, in.AutoScalingGroupName, in.LifecycleHookName, in.InstanceId,
		in.LifecycleActionToken, func(m *fleet.Instance) (*fleet.Instance, bool) {
			return m.Complete(*in.LifecycleHookName, result)
		})
}

func (a *api) recordHeartbeat(
	ctx context.Context, call *awswire.Call, in *shape.RecordLifecycleActionHeartbeatInput,
) (*shape.RecordLifecycleActionHeartbeatOutput, error) {
	return nil, a.changeAction(ctx, call, in.AutoScalingGroupName, in.LifecycleHookName, in.InstanceId,
		in.LifecycleActionToken, func(m *fleet.Instance) (*fleet.Instance, bool) {
			return m.Heartbeat(*in.LifecycleHookName, call.Now)
		})
}
