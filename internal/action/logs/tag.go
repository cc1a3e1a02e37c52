package logs

import (
	"context"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/logs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/loggroup"
	"github.com/berthhq/berth/internal/tag"
)

var tagRules = tag.Rules{
	Code:    shape.CodeInvalidParameterException,
	TooMany: fault.New(shape.CodeTooManyTagsException, "A resource can have no more than %d tags.", tag.Max),
}

func (a *api) retag(ctx context.Context, call *awswire.Call, name *string, change request.Change) error {
	return a.changeGroup(ctx, call, name, func(g *loggroup.Group) (err error) {
		g.Tags, err = change(g.Tags)
		return err
	})
}

func (a *api) tag(ctx context.Context, call *awswire.Call, name *string, tags map[string]string) error {
	return a.retag(ctx, call, name, request.AddTags(&tagRules, tag.FromMap(tags)))
}

func (a *api) untag(ctx context.Context, call *awswire.Call, name *string, keys []string) error {
	return a.retag(ctx, call, name, request.RemoveTags(keys...))
}

func (a *api) tags(call *awswire.Call, name *string) (map[string]string, error) {
	g, err := group(&a.store.View().Tables, call, name, nil)
	if err != nil {
		return nil, err
	}
	return g.Tags.Map(), nil
}

// tagged is the group that an ARN names; nothing else of this service can have tags here.
func tagged(call *awswire.Call, resource *string) (*string, error) {
	if _, err := arn.Parse(*resource); err != nil || !strings.Contains(*resource, ":log-group:") {
		return nil, invalid("The resource %q is not the ARN of a log group.", *resource)
	}
	if elsewhere(call, *resource) {
		return nil, loggroup.GroupNotFound()
	}
	return new(loggroup.NameOf(*resource)), nil
}

func (a *api) tagLogGroup(
	ctx context.Context, call *awswire.Call, in *shape.TagLogGroupInput,
) (*shape.TagLogGroupOutput, error) {
	return nil, a.tag(ctx, call, in.LogGroupName, in.Tags)
}

func (a *api) untagLogGroup(
	ctx context.Context, call *awswire.Call, in *shape.UntagLogGroupInput,
) (*shape.UntagLogGroupOutput, error) {
	return nil, a.untag(ctx, call, in.LogGroupName, in.Tags)
}

func (a *api) listTagsLogGroup(
	_ context.Context, call *awswire.Call, in *shape.ListTagsLogGroupInput,
) (*shape.ListTagsLogGroupOutput, error) {
	tags, err := a.tags(call, in.LogGroupName)
	return &shape.ListTagsLogGroupOutput{Tags: tags}, err
}

func (a *api) tagResource(
	ctx context.Context, call *awswire.Call, in *shape.TagResourceInput,
) (*shape.TagResourceOutput, error) {
	name, err := tagged(call, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, a.tag(ctx, call, name, in.Tags)
}

func (a *api) untagResource(
	ctx context.Context, call *awswire.Call, in *shape.UntagResourceInput,
) (*shape.UntagResourceOutput, error) {
	name, err := tagged(call, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, a.untag(ctx, call, name, in.TagKeys)
}

func (a *api) listTagsForResource(
	_ context.Context, call *awswire.Call, in *shape.ListTagsForResourceInput,
) (*shape.ListTagsForResourceOutput, error) {
	name, err := tagged(call, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags, err := a.tags(call, name)
	return &shape.ListTagsForResourceOutput{Tags: tags}, err
}
