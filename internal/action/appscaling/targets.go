package appscaling

import (
	"context"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/appscaling"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/role"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

func (a *api) registerScalableTarget(
	ctx context.Context, call *awswire.Call, in *shape.RegisterScalableTargetInput,
) (*shape.RegisterScalableTargetOutput, error) {
	r, err := parseResource(in.ServiceNamespace, in.ResourceId, in.ScalableDimension)
	if err != nil {
		return nil, err
	}
	if err := checkRole(in.RoleARN); err != nil {
		return nil, err
	}
	tags, err := tagRules(nil).New(tag.FromMap(in.Tags))
	if err != nil {
		return nil, err
	}
	// The id has 36 hexadecimal digits, as on AWS.
	made := &appscaling.Target{ID: newid.Hex(call.Random, 18), Region: call.Region, Account: call.Account,
		ResourceID: r.id, CreatedAt: call.Now, Tags: tags}
	var put appscaling.Target
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		if err := scalable(&tx.Tables, call, r); err != nil {
			return err
		}
		put = *made
		old, exists := tx.ScalableTargets.Get(made.Key())
		switch {
		case exists && len(tags) > 0:
			return invalid("Tags are only for a new scalable target, and this one exists; TagResource tags it.")
		case exists:
			put = *old
		case in.MinCapacity == nil || in.MaxCapacity == nil:
			return invalid("A new scalable target needs both MinCapacity and MaxCapacity.")
		case full(&tx.Tables.ScalableTargets, appscaling.Prefix(call.Region, call.Account), appscaling.MaxTargets):
			return limit("There are %d scalable targets, and no more are allowed.", appscaling.MaxTargets)
		}
		if err := change(&put, in); err != nil {
			return err
		}
		launch.LinkRole(tx, call.Account, role.ServiceAppScaling, call.Now)
		tx.ScalableTargets.Put(new(put))
		return nil
	})
	return &shape.RegisterScalableTargetOutput{ScalableTargetARN: new(put.ARN())}, err
}

// checkRole refuses a text that is not the ARN of a role. AWS always scales services with its service-linked
// role and returns that one, whichever role the call names.
func checkRole(roleARN *string) error {
	if roleARN == nil {
		return nil
	}
	if a, err := arn.Parse(*roleARN); err != nil || a.Service != "iam" || a.Type() != "role" {
		return invalid("The value %q for parameter RoleARN is not the ARN of a role.", *roleARN)
	}
	return nil
}

// scalable refuses a resource that is not a service, or is one without a desired count of its own (ecs.md
// 6.1).
func scalable(t *state.Tables, call *awswire.Call, r resource) error {
	s, ok := t.Services.Get(ecs.ARN(call.Region, call.Account, ecs.TypeService, r.cluster+"/"+r.service))
	switch {
	case !ok || s.Status == ecs.ServiceInactive:
		return invalid("ECS service doesn't exist: %s", r.id)
	case s.SchedulingStrategy == ecs.Daemon:
		return invalid("The service %s is a DAEMON service, which has no desired count to scale.", r.id)
	}
	return nil
}

// change writes the values of a call. Values that the call leaves out do not change.
func change(t *appscaling.Target, in *shape.RegisterScalableTargetInput) error {
	t.Bounds.Min = int(or(in.MinCapacity, int32(t.Bounds.Min)))
	t.Bounds.Max = int(or(in.MaxCapacity, int32(t.Bounds.Max)))
	if s := in.SuspendedState; s != nil {
		t.Suspended.In = or(s.DynamicScalingInSuspended, t.Suspended.In)
		t.Suspended.Out = or(s.DynamicScalingOutSuspended, t.Suspended.Out)
		t.Suspended.Scheduled = or(s.ScheduledScalingSuspended, t.Suspended.Scheduled)
	}
	return checkBounds(in.MinCapacity, in.MaxCapacity, t.Bounds.Min, t.Bounds.Max)
}

// or returns the value of a call if it is given, and otherwise the present one.
func or[T any](given *T, there T) T {
	if given != nil {
		return *given
	}
	return there
}

// checkBounds refuses bounds that are not possible for a service. low and high are the bounds after the call;
// the lowest possible is 0.
func checkBounds(askedLow, askedHigh *int32, low, high int) error {
	switch {
	case request.Value(askedLow) < 0:
		return invalid("MinCapacity must be greater than or equal to 0, and is %d.", *askedLow)
	case request.Value(askedHigh) < 0:
		return invalid("MaxCapacity must be greater than or equal to 0, and is %d.", *askedHigh)
	case low > high:
		return invalid("Maximum capacity cannot be less than minimum capacity: they would be %d and %d.", high, low)
	}
	return nil
}

func (a *api) deregisterScalableTarget(
	ctx context.Context, call *awswire.Call, in *shape.DeregisterScalableTargetInput,
) (*shape.DeregisterScalableTargetOutput, error) {
	r, err := parseResource(in.ServiceNamespace, in.ResourceId, in.ScalableDimension)
	if err != nil {
		return nil, err
	}
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		target, ok := tx.ScalableTargets.Get(appscaling.Key(call.Region, call.Account, r.id))
		if !ok {
			return notFound("No scalable target found for %s", r)
		}
		tx.DeregisterScalableTarget(target, call.Now)
		return nil
	})
}

// maxNamed is the maximum number of resources or names in the request of a list.
const maxNamed = 50

func (a *api) describeScalableTargets(
	_ context.Context, call *awswire.Call, in *shape.DescribeScalableTargetsInput,
) (*shape.DescribeScalableTargetsOutput, error) {
	if n := len(in.ResourceIds); n > maxNamed {
		return nil, invalid("ResourceIds has %d members; %d are allowed.", n, maxNamed)
	}
	w, err := parseList(in.ServiceNamespace, in.ResourceIds, in.ScalableDimension)
	if err != nil {
		return nil, err
	}
	found, next, err := request.Cut(call, pagesOf(50).Ask(in.MaxResults, in.NextToken),
		rows(call, w, &a.store.View().ScalableTargets), (*appscaling.Target).Key, w.bound(in.ServiceNamespace)...)
	return &shape.DescribeScalableTargetsOutput{
		ScalableTargets: request.Answers(found, answerTarget), NextToken: next}, err
}

func answerTarget(t *appscaling.Target) shape.ScalableTarget {
	linked, _ := role.NewLinked(t.Account, role.ServiceAppScaling, "", t.CreatedAt)
	return shape.ScalableTarget{
		ResourceId: &t.ResourceID, ScalableTargetARN: new(t.ARN()), RoleARN: new(linked.ARN()),
		ScalableDimension: appscaling.Dimension, ServiceNamespace: appscaling.Namespace, CreationTime: &t.CreatedAt,
		MinCapacity: new(int32(t.Bounds.Min)), MaxCapacity: new(int32(t.Bounds.Max)),
		SuspendedState: &shape.SuspendedState{
			DynamicScalingInSuspended: &t.Suspended.In, DynamicScalingOutSuspended: &t.Suspended.Out,
			ScheduledScalingSuspended: &t.Suspended.Scheduled,
		},
	}
}
