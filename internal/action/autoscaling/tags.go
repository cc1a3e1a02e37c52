package autoscaling

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/autoscaling"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// maxTags is how many tags a group can have.
const maxTags = 50

// parseTags reads tags that are for the group called name.
func parseTags(name string, in []shape.Tag) ([]fleet.GroupTag, error) {
	var tags []fleet.GroupTag
	for _, t := range in {
		if id := str(t.ResourceId); id != "" && id != name {
			return nil, invalid("The tag %s is for the resource %s and not for %s", str(t.Key), id, name)
		}
		tag, err := parseTag(t)
		if err != nil {
			return nil, err
		}
		tags = putTag(tags, tag)
	}
	return tags, checkTags(tags)
}

func parseTag(t shape.Tag) (fleet.GroupTag, error) {
	key := str(t.Key)
	if key == "" || utf8.RuneCountInString(key) > 128 || utf8.RuneCountInString(str(t.Value)) > 256 {
		return fleet.GroupTag{}, invalid("A tag's key must have 1 to 128 characters and its value 256 at most: %q", key)
	}
	if strings.HasPrefix(strings.ToLower(key), "aws:") {
		return fleet.GroupTag{}, invalid("The tag key %q is not valid: keys that begin with aws: are reserved", key)
	}
	if typ := str(t.ResourceType); typ != "" && typ != resourceType {
		return fleet.GroupTag{}, invalid("The resource type %q is not valid: use %s", typ, resourceType)
	}
	return fleet.GroupTag{Key: key, Value: str(t.Value), Propagate: value(t.PropagateAtLaunch)}, nil
}

const resourceType = "auto-scaling-group"

// putTag adds a tag or replaces the one with its key, in the order of the keys.
func putTag(tags []fleet.GroupTag, tag fleet.GroupTag) []fleet.GroupTag {
	tags = slices.DeleteFunc(tags, func(t fleet.GroupTag) bool { return t.Key == tag.Key })
	i, _ := slices.BinarySearchFunc(tags, tag.Key, func(t fleet.GroupTag, key string) int { return strings.Compare(t.Key, key) })
	return slices.Insert(tags, i, tag)
}

func checkTags(tags []fleet.GroupTag) error {
	if len(tags) > maxTags {
		return fault.New(shape.CodeLimitExceeded, "A group can have %d tags at most.", maxTags)
	}
	return nil
}

// changeTags applies fn to the tags of the group that each tag names.
func (a *api) changeTags(ctx context.Context, call *awswire.Call, in []shape.Tag, fn func([]fleet.GroupTag, fleet.GroupTag) []fleet.GroupTag) error {
	return a.store.Update(ctx, func(tx *state.Tx) error {
		for _, t := range in {
			g, err := liveGroup(&tx.Tables, call, t.ResourceId)
			if err != nil {
				return err
			}
			tag, err := parseTag(t)
			if err != nil {
				return err
			}
			g = g.Clone()
			g.Tags = fn(g.Tags, tag)
			if err := checkTags(g.Tags); err != nil {
				return err
			}
			tx.AutoScalingGroups.Put(g)
		}
		return nil
	})
}

func (a *api) createOrUpdateTags(ctx context.Context, call *awswire.Call, in *shape.CreateOrUpdateTagsInput) (*shape.CreateOrUpdateTagsOutput, error) {
	return nil, a.changeTags(ctx, call, in.Tags, putTag)
}

func (a *api) deleteTags(ctx context.Context, call *awswire.Call, in *shape.DeleteTagsInput) (*shape.DeleteTagsOutput, error) {
	return nil, a.changeTags(ctx, call, in.Tags, func(tags []fleet.GroupTag, tag fleet.GroupTag) []fleet.GroupTag {
		return slices.DeleteFunc(tags, func(t fleet.GroupTag) bool { return t.Key == tag.Key })
	})
}

func answerTag(g *fleet.AutoScalingGroup, t fleet.GroupTag) shape.TagDescription {
	return shape.TagDescription{Key: &t.Key, Value: &t.Value, PropagateAtLaunch: &t.Propagate, ResourceId: &g.Name, ResourceType: new(resourceType)}
}

func (a *api) describeTags(_ context.Context, call *awswire.Call, in *shape.DescribeTagsInput) (*shape.DescribeTagsOutput, error) {
	limit, err := maxRecords(in.MaxRecords)
	if err != nil {
		return nil, err
	}
	var bound []string
	for _, f := range in.Filters {
		if !slices.Contains([]string{"auto-scaling-group", "key", "value", "propagate-at-launch"}, str(f.Name)) {
			return nil, invalid("Filter type %s is not correct. Allowed Filter types are: auto-scaling-group key value propagate-at-launch", str(f.Name))
		}
		bound = append(append(bound, str(f.Name)), f.Values...)
	}
	page, err := call.Page(in.NextToken, bound...)
	if err != nil {
		return nil, err
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
	slices.SortFunc(all, func(a, b shape.TagDescription) int { return strings.Compare(key(a), key(b)) })
	tags, next := awswire.Cut(page, limit, slices.Values(all), key)
	return &shape.DescribeTagsOutput{Tags: tags, NextToken: next}, nil
}

func describedTagPasses(filters []shape.Filter, d shape.TagDescription) bool {
	for _, f := range filters {
		have := map[string]string{"auto-scaling-group": *d.ResourceId, "key": *d.Key, "value": *d.Value, "propagate-at-launch": "false"}
		if *d.PropagateAtLaunch {
			have["propagate-at-launch"] = "true"
		}
		if !slices.Contains(f.Values, have[str(f.Name)]) {
			return false
		}
	}
	return true
}
