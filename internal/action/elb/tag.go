package elb

import (
	"context"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elbv2"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

var tagRules = tag.Rules{
	Code:     "ValidationError",
	Size:     "The tag key '{key}' must have 1 to 128 characters and its value at most 256",
	Reserved: "The tag key '{key}' must not begin with 'aws:'",
	Characters: "The tag '{key}' with the value '{value}' may hold letters, digits, spaces and the characters " +
		"_.:/=+-@ only",
	Duplicate: "Tag keys must be unique; '{key}' is not", DuplicateCode: shape.CodeDuplicateTagKeys,
	TooMany: fault.New(shape.CodeTooManyTags, "A resource can have at most '%d' tags", tag.Max),
}

func parseTags(in []shape.Tag) (tag.Set, error) { return tagRules.New(request.Tags(in)) }

// tagged finds the row with tags that an ARN names.
func tagged(t *state.Tables, call *awswire.Call, key string) (row request.Tagged, err error) {
	switch {
	case strings.Contains(key, ":loadbalancer/"):
		lb, err := loadBalancer(t, call, &key)
		if err != nil {
			return row, err
		}
		return request.TaggedRow(lb, func(v *elb.LoadBalancer) *tag.Set { return &v.Tags },
			func(tx *state.Tx) state.Writable[elb.LoadBalancer] { return tx.LoadBalancers }), nil
	case strings.Contains(key, ":targetgroup/"):
		g, err := targetGroup(t, call, &key)
		if err != nil {
			return row, err
		}
		return request.TaggedRow(g, func(v *elb.TargetGroup) *tag.Set { return &v.Tags },
			func(tx *state.Tx) state.Writable[elb.TargetGroup] { return tx.TargetGroups }), nil
	case strings.Contains(key, ":listener/"):
		l, err := listener(t, call, &key)
		if err != nil {
			return row, err
		}
		return request.TaggedRow(l, func(v *elb.Listener) *tag.Set { return &v.Tags },
			func(tx *state.Tx) state.Writable[elb.Listener] { return tx.Listeners }), nil
	case strings.Contains(key, ":listener-rule/"):
		r, err := rule(t, call, &key)
		if err != nil {
			return row, err
		}
		return request.TaggedRow(r, func(v *elb.Rule) *tag.Set { return &v.Tags },
			func(tx *state.Tx) state.Writable[elb.Rule] { return tx.Rules }), nil
	}
	return row, invalid("'%s' is not the ARN of a load balancer, target group, listener or rule", key)
}

// retag changes the tags of all resources, or of none.
func (a *api) retag(ctx context.Context, call *awswire.Call, resources []string, change request.Change) error {
	return a.store.Update(ctx, func(tx *state.Tx) error {
		for _, key := range resources {
			find := func(t *state.Tables) (request.Tagged, error) { return tagged(t, call, key) }
			if _, err := request.RetagIn(tx, find, change); err != nil {
				return err
			}
		}
		return nil
	})
}

func (a *api) addTags(ctx context.Context, call *awswire.Call, in *shape.AddTagsInput) (*shape.AddTagsOutput, error) {
	return nil, a.retag(ctx, call, in.ResourceArns, request.AddTags(&tagRules, request.Tags(in.Tags)))
}

func (a *api) removeTags(
	ctx context.Context, call *awswire.Call, in *shape.RemoveTagsInput,
) (*shape.RemoveTagsOutput, error) {
	return nil, a.retag(ctx, call, in.ResourceArns, request.RemoveTags(in.TagKeys...))
}

func (a *api) describeTags(
	_ context.Context, call *awswire.Call, in *shape.DescribeTagsInput,
) (*shape.DescribeTagsOutput, error) {
	if len(in.ResourceArns) > 20 {
		return nil, invalid("Cannot have more than 20 resources described")
	}
	t := &a.store.View().Tables
	out := &shape.DescribeTagsOutput{}
	for _, key := range in.ResourceArns {
		row, err := tagged(t, call, key)
		if err != nil {
			return nil, err
		}
		out.TagDescriptions = append(out.TagDescriptions,
			shape.TagDescription{ResourceArn: &key, Tags: request.AnswerTags[shape.Tag](row.Tags)})
	}
	return out, nil
}
