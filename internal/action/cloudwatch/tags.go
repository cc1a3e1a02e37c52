package cloudwatch

import (
	"context"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

var tagRules = tag.Rules{
	Code:    shape.CodeInvalidParameterValueException,
	Wrong:   scaling.WrongPace,
	TooMany: fault.New(shape.CodeInvalidParameterValueException, "A resource can have no more than %d tags.", tag.Max),
}

// tagged returns a function that finds the alarm with an ARN. Only alarms have tags.
func tagged(call *awswire.Call, resource *string) func(*state.Tables) (request.Tagged, error) {
	return func(tables *state.Tables) (request.Tagged, error) {
		if a, err := arn.Parse(*resource); err != nil || !strings.HasPrefix(a.Resource, "alarm:") {
			return request.Tagged{}, invalid("The value %q for parameter ResourceARN is invalid: it is not the ARN "+
				"of an alarm.", *resource)
		}
		found, ok := request.FindTagged(&tables.Alarms, *resource, func(a *alarm.Alarm) *tag.Set { return &a.Tags },
			func(tx *state.Tx) state.Writable[alarm.Alarm] { return tx.Alarms })
		if !ok || !strings.HasPrefix(*resource, alarm.Prefix(call.Region, call.Account)) {
			return request.Tagged{}, fault.New(shape.CodeResourceNotFoundException, "There is no alarm %s.", *resource)
		}
		return found, nil
	}
}

func (a *api) tagResource(
	ctx context.Context, call *awswire.Call, in *shape.TagResourceInput,
) (*shape.TagResourceOutput, error) {
	_, err := request.Retag(ctx, a.store, tagged(call, in.ResourceARN),
		request.AddTags(&tagRules, request.Tags(in.Tags)))
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
	return &shape.ListTagsForResourceOutput{Tags: request.AnswerTags[shape.Tag](found.Tags)}, err
}
