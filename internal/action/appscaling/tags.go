package appscaling

import (
	"context"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/appscaling"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

// tagRules returns the rules for the tags of a target. resource is nil for a target that is being registered.
func tagRules(resource *string) *tag.Rules {
	many := fault.New(shape.CodeTooManyTagsException, "A scalable target can have no more than %d tags.", tag.Max)
	if resource == nil {
		many = invalid("%s", many.Message) // RegisterScalableTarget does not have TooManyTagsException
	} else {
		many = many.WithDetail("ResourceName", *resource)
	}
	return &tag.Rules{Code: shape.CodeValidationException, Wrong: scaling.WrongPace, TooMany: many}
}

// tagged returns a function that finds the target with an ARN. Policies and scheduled actions have no tags.
func tagged(call *awswire.Call, resource *string) func(*state.Tables) (request.Tagged, error) {
	return func(t *state.Tables) (request.Tagged, error) {
		if a, err := arn.Parse(*resource); err != nil || a.Service != shape.SigningName ||
			a.Type() != "scalable-target" {
			return request.Tagged{}, invalid("The value %q for parameter ResourceARN is not the ARN of a scalable "+
				"target; nothing else has tags.", *resource)
		}
		for target := range t.ScalableTargets.By(state.ScalableTargetsByARN, *resource) {
			if target.Region == call.Region && target.Account == call.Account {
				return request.TaggedRow(target, func(t *appscaling.Target) *tag.Set { return &t.Tags },
					func(tx *state.Tx) state.Writable[appscaling.Target] { return tx.ScalableTargets }), nil
			}
		}
		return request.Tagged{}, fault.New(shape.CodeResourceNotFoundException,
			"There is no scalable target %s.", *resource).WithDetail("ResourceName", *resource)
	}
}

func (a *api) tagResource(
	ctx context.Context, call *awswire.Call, in *shape.TagResourceInput,
) (*shape.TagResourceOutput, error) {
	_, err := request.Retag(ctx, a.store, tagged(call, in.ResourceARN),
		request.AddTags(tagRules(in.ResourceARN), tag.FromMap(in.Tags)))
	return nil, err
}

func (a *api) untagResource(
	ctx context.Context, call *awswire.Call, in *shape.UntagResourceInput,
) (*shape.UntagResourceOutput, error) {
	_, err := request.Retag(ctx, a.store, tagged(call, in.ResourceARN), request.RemoveTags(in.TagKeys...))
	return nil, err
}

func (a *api) listTagsForResource(
	_ context.Context, call *awswire.Call, in *shape.ListTagsForResourceInput,
) (*shape.ListTagsForResourceOutput, error) {
	found, err := tagged(call, in.ResourceARN)(&a.store.View().Tables)
	return &shape.ListTagsForResourceOutput{Tags: found.Tags.Map()}, err
}
