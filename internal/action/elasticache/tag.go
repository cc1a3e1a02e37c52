package elasticache

import (
	"context"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elasticache"
	"github.com/berthhq/berth/internal/cache"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

var tagRules = tag.Rules{
	Code:    shape.CodeInvalidParameterValue,
	TooMany: fault.New(shape.CodeTagQuotaPerResourceExceeded, "A resource can have no more than %d tags.", tag.Max),
}

func parseTags(in []shape.Tag) (tag.Set, error) { return tagRules.New(request.Tags(in)) }

func answerTags(tags tag.Set) []shape.Tag { return request.AnswerTags[shape.Tag](tags.Sorted()) }

// tagged finds the row with tags that an ARN names.
func tagged(t *state.Tables, call *awswire.Call, resource string) (row request.Tagged, err error) {
	if a, err := arn.Parse(resource); err != nil || a.Service != "elasticache" || a.Region != call.Region {
		return row, fault.New(shape.CodeInvalidARN, "%s is not the ARN of a resource of ElastiCache in %s.", resource,
			call.Region)
	}
	if row, ok := request.FindTagged(&t.CacheClusters, resource, func(c *cache.Cluster) *tag.Set { return &c.Tags },
		func(tx *state.Tx) state.Writable[cache.Cluster] { return tx.CacheClusters }); ok {
		return row, nil
	}
	if row, ok := request.FindTagged(&t.CacheReplicationGroups, resource,
		func(g *cache.ReplicationGroup) *tag.Set { return &g.Tags },
		func(tx *state.Tx) state.Writable[cache.ReplicationGroup] { return tx.CacheReplicationGroups }); ok {
		return row, nil
	}
	if row, ok := request.FindTagged(&t.CacheSubnetGroups, resource,
		func(g *cache.SubnetGroup) *tag.Set { return &g.Tags },
		func(tx *state.Tx) state.Writable[cache.SubnetGroup] { return tx.CacheSubnetGroups }); ok {
		return row, nil
	}
	return row, fault.New(shape.CodeCacheClusterNotFound, "%s is either not present or not available.",
		resource).WithStatus(404)
}

func (a *api) retag(
	ctx context.Context, call *awswire.Call, resource string, change request.Change,
) ([]shape.Tag, error) {
	tags, err := request.Retag(ctx, a.store, func(t *state.Tables) (request.Tagged, error) {
		return tagged(t, call, resource)
	}, change)
	return answerTags(tags), err
}

func (a *api) addTags(
	ctx context.Context, call *awswire.Call, in *shape.AddTagsToResourceInput,
) (*shape.AddTagsToResourceOutput, error) {
	list, err := a.retag(ctx, call, *in.ResourceName, request.AddTags(&tagRules, request.Tags(in.Tags)))
	return &shape.AddTagsToResourceOutput{TagList: list}, err
}

func (a *api) removeTags(
	ctx context.Context, call *awswire.Call, in *shape.RemoveTagsFromResourceInput,
) (*shape.RemoveTagsFromResourceOutput, error) {
	list, err := a.retag(ctx, call, *in.ResourceName, request.RemoveTags(in.TagKeys...))
	return &shape.RemoveTagsFromResourceOutput{TagList: list}, err
}

func (a *api) listTags(
	_ context.Context, call *awswire.Call, in *shape.ListTagsForResourceInput,
) (*shape.ListTagsForResourceOutput, error) {
	row, err := tagged(&a.store.View().Tables, call, *in.ResourceName)
	return &shape.ListTagsForResourceOutput{TagList: answerTags(row.Tags)}, err
}
