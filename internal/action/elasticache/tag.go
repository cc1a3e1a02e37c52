package elasticache

import (
	"context"
	"maps"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elasticache"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
)

// tagged finds the tags of whatever an ARN names, and how to write changed ones.
func tagged(tx *state.Tables, call *awswire.Call, resource string) (tags map[string]string, put func(*state.Tx, map[string]string), err error) {
	if a, err := arn.Parse(resource); err != nil || a.Service != "elasticache" || a.Region != call.Region {
		return nil, nil, fault.New(shape.CodeInvalidARN, "%s is not the ARN of a resource of ElastiCache in %s.", resource, call.Region)
	}
	if c, ok := tx.CacheClusters.Get(resource); ok {
		return c.Tags, func(tx *state.Tx, t map[string]string) { n := *c; n.Tags = t; tx.CacheClusters.Put(&n) }, nil
	}
	if g, ok := tx.CacheReplicationGroups.Get(resource); ok {
		return g.Tags, func(tx *state.Tx, t map[string]string) { n := *g; n.Tags = t; tx.CacheReplicationGroups.Put(&n) }, nil
	}
	if g, ok := tx.CacheSubnetGroups.Get(resource); ok {
		return g.Tags, func(tx *state.Tx, t map[string]string) { n := *g; n.Tags = t; tx.CacheSubnetGroups.Put(&n) }, nil
	}
	return nil, nil, fault.New(shape.CodeCacheClusterNotFound, "%s is either not present or not available.", resource).WithStatus(404)
}

func (a *api) changeTags(ctx context.Context, call *awswire.Call, resource string, change func(map[string]string)) ([]shape.Tag, error) {
	var out []shape.Tag
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		old, put, err := tagged(&tx.Tables, call, resource)
		if err != nil {
			return err
		}
		tags := maps.Clone(old)
		if tags == nil {
			tags = make(map[string]string)
		}
		if change(tags); len(tags) > 50 {
			return fault.New(shape.CodeTagQuotaPerResourceExceeded, "A resource can have no more than 50 tags.")
		}
		put(tx, tags)
		out = answerTags(tags)
		return nil
	})
	return out, err
}

func (a *api) addTags(ctx context.Context, call *awswire.Call, in *shape.AddTagsToResourceInput) (*shape.AddTagsToResourceOutput, error) {
	tags, err := parseTags(in.Tags)
	if err != nil {
		return nil, err
	}
	list, err := a.changeTags(ctx, call, *in.ResourceName, func(all map[string]string) { maps.Copy(all, tags) })
	return &shape.AddTagsToResourceOutput{TagList: list}, err
}

func (a *api) removeTags(ctx context.Context, call *awswire.Call, in *shape.RemoveTagsFromResourceInput) (*shape.RemoveTagsFromResourceOutput, error) {
	list, err := a.changeTags(ctx, call, *in.ResourceName, func(all map[string]string) {
		for _, k := range in.TagKeys {
			delete(all, k)
		}
	})
	return &shape.RemoveTagsFromResourceOutput{TagList: list}, err
}

func (a *api) listTags(_ context.Context, call *awswire.Call, in *shape.ListTagsForResourceInput) (*shape.ListTagsForResourceOutput, error) {
	tags, _, err := tagged(&a.store.View().Tables, call, *in.ResourceName)
	return &shape.ListTagsForResourceOutput{TagList: answerTags(tags)}, err
}
