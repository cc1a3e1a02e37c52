package autoscaling

import (
	"context"
	"slices"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/autoscaling"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

var tagRules = tag.Rules{
	Code:     "ValidationError",
	Size:     "A tag's key must have 1 to 128 characters and its value 256 at most: \"{key}\"",
	Reserved: "The tag key \"{key}\" is not valid: keys that begin with aws: are reserved",
	Wrong:    scaling.WrongPace,
	TooMany:  fault.New(shape.CodeLimitExceeded, "A group can have %d tags at most.", tag.Max),
}

const resourceType = "auto-scaling-group"

// parseTags reads the tags of a new group called name. Groups list their tags in the order of the keys.
func parseTags(name string, in []shape.Tag) (tag.Set, error) {
	var tags []tag.Tag
	for _, t := range in {
		if id := request.Value(t.ResourceId); id != "" && id != name {
			return nil, invalid("The tag %s is for the resource %s and not for %s", request.Value(t.Key), id, name)
		}
		parsed, err := parseTag(t)
		if err != nil {
			return nil, err
		}
		tags = append(tags, parsed)
	}
	set, err := tagRules.New(tags)
	return set.Sorted(), err
}

func parseTag(t shape.Tag) (tag.Tag, error) {
	if typ := request.Value(t.ResourceType); typ != "" && typ != resourceType {
		return tag.Tag{}, invalid("The resource type %q is not valid: use %s", typ, resourceType)
	}
	return tag.Tag{Key: request.Value(t.Key), Value: request.Value(t.Value),
		Propagate: request.Value(t.PropagateAtLaunch)}, nil
}

// retag changes the tags of the group that each tag names.
func (a *api) retag(
	ctx context.Context, call *awswire.Call, in []shape.Tag, change func(tag.Set, tag.Tag) (tag.Set, error),
) error {
	return a.store.Update(ctx, func(tx *state.Tx) error {
		for _, t := range in {
			old, err := liveGroup(&tx.Tables, call, t.ResourceId)
			if err != nil {
				return err
			}
			parsed, err := parseTag(t)
			if err != nil {
				return err
			}
			g := *old
			if g.Tags, err = change(g.Tags, parsed); err != nil {
				return err
			}
			tx.AutoScalingGroups.Put(&g)
		}
		return nil
	})
}

func (a *api) createOrUpdateTags(
	ctx context.Context, call *awswire.Call, in *shape.CreateOrUpdateTagsInput,
) (*shape.CreateOrUpdateTagsOutput, error) {
	return nil, a.retag(ctx, call, in.Tags, func(s tag.Set, t tag.Tag) (tag.Set, error) {
		s, err := tagRules.Add(s, []tag.Tag{t})
		return s.Sorted(), err
	})
}

func (a *api) deleteTags(
	ctx context.Context, call *awswire.Call, in *shape.DeleteTagsInput,
) (*shape.DeleteTagsOutput, error) {
	return nil, a.retag(ctx, call, in.Tags, func(s tag.Set, t tag.Tag) (tag.Set, error) {
		return s.Without(t.Key), nil
	})
}

func answerTag(g *fleet.AutoScalingGroup, t tag.Tag) shape.TagDescription {
	return shape.TagDescription{Key: &t.Key, Value: &t.Value, PropagateAtLaunch: &t.Propagate,
		ResourceId: &g.Name, ResourceType: new(resourceType)}
}

func (a *api) describeTags(
	_ context.Context, call *awswire.Call, in *shape.DescribeTagsInput,
) (*shape.DescribeTagsOutput, error) {
	var bound []string
	for _, f := range in.Filters {
		if !slices.Contains([]string{"auto-scaling-group", "key", "value", "propagate-at-launch"},
			request.Value(f.Name)) {
			return nil, invalid("Filter type %s is not correct. Allowed Filter types are: "+
				"auto-scaling-group key value propagate-at-launch", request.Value(f.Name))
		}
		bound = append(append(bound, request.Value(f.Name)), f.Values...)
	}
	var all []shape.TagDescription
	for g := range a.store.View().AutoScalingGroups.Prefix(fleet.KeyPrefix(call.Region, call.Account)) {
		for _, t := range g.Tags {
			if d := answerTag(g, t); describedTagPasses(in.Filters, d) {
				all = append(all, d)
			}
		}
	}
	key := func(d shape.TagDescription) string { return *d.ResourceId + "\x00" + *d.Key }
	tags, next, err := request.Page(call, pages.Ask(in.MaxRecords, in.NextToken), all, key, bound...)
	return &shape.DescribeTagsOutput{Tags: tags, NextToken: next}, err
}

func describedTagPasses(filters []shape.Filter, d shape.TagDescription) bool {
	for _, f := range filters {
		have := map[string]string{"auto-scaling-group": *d.ResourceId, "key": *d.Key, "value": *d.Value,
			"propagate-at-launch": "false"}
		if *d.PropagateAtLaunch {
			have["propagate-at-launch"] = "true"
		}
		if !slices.Contains(f.Values, have[request.Value(f.Name)]) {
			return false
		}
	}
	return true
}
