package ecs

import (
	"context"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/awswire/reshape"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
)

// parseTags is ecs.md 1.1.5.
func parseTags(in []shape.Tag) ([]ecs.Tag, error) {
	tags, err := parsed[[]ecs.Tag](in)
	if err != nil {
		return nil, err
	}
	if len(tags) > 50 {
		return nil, invalid("Too many tags: a resource may have at most 50.")
	}
	seen := make(map[string]bool, len(tags))
	for _, t := range tags {
		switch {
		case t.Key == "" || len([]rune(t.Key)) > 128 || len([]rune(t.Value)) > 256:
			return nil, invalid("Tag '%s' is not valid: keys have 1 to 128 characters, values at most 256.", t.Key)
		case reserved(t.Key):
			return nil, invalid("Tag key '%s' is not valid: keys that begin with aws: are reserved.", t.Key)
		case seen[t.Key]:
			return nil, invalid("Duplicate tag keys found: '%s'. Each tag key must be unique.", t.Key)
		}
		seen[t.Key] = true
	}
	return tags, nil
}

// reserved reports whether only ECS itself may set the tag.
func reserved(key string) bool { return strings.HasPrefix(strings.ToLower(key), "aws:") }

func answerTags(tags []ecs.Tag) []shape.Tag {
	if len(tags) == 0 {
		return []shape.Tag{}
	}
	return reshape.Out[[]shape.Tag](tags)
}

func (a *api) tagResource(ctx context.Context, call *awswire.Call, in *shape.TagResourceInput) (*shape.TagResourceOutput, error) {
	tags, err := parseTags(in.Tags)
	if err != nil {
		return nil, err
	}
	err = a.retag(ctx, call, in.ResourceArn, func(old []ecs.Tag) ([]ecs.Tag, error) {
		out := slices.DeleteFunc(slices.Clone(old), func(o ecs.Tag) bool {
			return slices.ContainsFunc(tags, func(t ecs.Tag) bool { return t.Key == o.Key })
		})
		if out = append(out, tags...); len(out) > 50 {
			return nil, invalid("Too many tags: a resource may have at most 50.")
		}
		return out, nil
	})
	return &shape.TagResourceOutput{}, err
}

func (a *api) untagResource(ctx context.Context, call *awswire.Call, in *shape.UntagResourceInput) (*shape.UntagResourceOutput, error) {
	if i := slices.IndexFunc(in.TagKeys, reserved); i >= 0 {
		return nil, invalid("Tag key '%s' is not valid: keys that begin with aws: are reserved.", in.TagKeys[i])
	}
	err := a.retag(ctx, call, in.ResourceArn, func(old []ecs.Tag) ([]ecs.Tag, error) {
		return slices.DeleteFunc(slices.Clone(old), func(o ecs.Tag) bool { return slices.Contains(in.TagKeys, o.Key) }), nil
	})
	return &shape.UntagResourceOutput{}, err
}

func (a *api) listTagsForResource(_ context.Context, call *awswire.Call, in *shape.ListTagsForResourceInput) (*shape.ListTagsForResourceOutput, error) {
	ref, err := taggable(call, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	snap := a.store.View()
	tags, ok := tagsOf(&snap.Tables, ref)
	if !ok {
		return nil, notTaggable(ref)
	}
	return &shape.ListTagsForResourceOutput{Tags: answerTags(tags)}, nil
}

// taggable parses the ARN of something with tags. The short form of a service's, task's or instance's ARN is refused (ecs.md 1.1.2).
func taggable(call *awswire.Call, ref *string) (arn.ARN, error) {
	r, err := arn.Parse(deref(ref))
	switch {
	case err != nil:
		return r, invalid("%s", err)
	case r.Service != "ecs" || r.Region != call.Region || r.Account != call.Account:
		return r, invalid("'%s' is not a resource of Amazon ECS in region %s of account %s.", deref(ref), call.Region, call.Account)
	}
	switch r.Type() {
	case ecs.TypeService, ecs.TypeTask, ecs.TypeContainerInstance:
		if !strings.Contains(r.Rest(), "/") {
			return r, invalid("Long arn format must be used for tagging operations: arn:aws:ecs:%s:%s:%s/CLUSTER/%s.", r.Region, r.Account, r.Type(), r.Rest())
		}
	}
	return r, nil
}

func notTaggable(r arn.ARN) error {
	if r.Type() == ecs.TypeCluster {
		return fault.New("ClusterNotFoundException", "Cluster not found.")
	}
	return fault.New("InvalidParameterException", "The specified resource '%s' was not found.", r)
}

func tagsOf(t *state.Tables, r arn.ARN) ([]ecs.Tag, bool) {
	key := r.String()
	switch r.Type() {
	case ecs.TypeCluster:
		if v, ok := t.Clusters.Get(key); ok {
			return v.Tags, true
		}
	case ecs.TypeTaskDefinition:
		if v, ok := t.TaskDefinitions.Get(key); ok {
			return v.Tags, true
		}
	case ecs.TypeService:
		if v, ok := t.Services.Get(key); ok {
			return v.Tags, true
		}
	case ecs.TypeTask:
		if v, ok := t.Tasks.Get(key); ok {
			return v.Tags, true
		}
	case ecs.TypeContainerInstance:
		if v, ok := t.ContainerInstances.Get(key); ok {
			return v.Tags, true
		}
	}
	return nil, false
}

func (a *api) retag(ctx context.Context, call *awswire.Call, ref *string, change func([]ecs.Tag) ([]ecs.Tag, error)) error {
	r, err := taggable(call, ref)
	if err != nil {
		return err
	}
	return a.store.Update(ctx, func(tx *state.Tx) error {
		old, ok := tagsOf(&tx.Tables, r)
		if !ok {
			return notTaggable(r)
		}
		tags, err := change(old)
		if err != nil {
			return err
		}
		putTags(tx, r, tags)
		return nil
	})
}

func putTags(tx *state.Tx, r arn.ARN, tags []ecs.Tag) {
	key := r.String()
	switch r.Type() {
	case ecs.TypeCluster:
		putTagged(&tx.Clusters, key, func(v *ecs.Cluster) { v.Tags = tags })
	case ecs.TypeTaskDefinition:
		putTagged(&tx.TaskDefinitions, key, func(v *ecs.TaskDefinition) { v.Tags = tags })
	case ecs.TypeService:
		putTagged(&tx.Services, key, func(v *ecs.Service) { v.Tags = tags })
	case ecs.TypeTask:
		putTagged(&tx.Tasks, key, func(v *ecs.Task) { v.Tags = tags })
	case ecs.TypeContainerInstance:
		putTagged(&tx.ContainerInstances, key, func(v *ecs.ContainerInstance) { v.Tags = tags })
	}
}

func putTagged[T any](t *state.Table[T], key string, set func(*T)) {
	if old, ok := t.Get(key); ok {
		v := *old
		set(&v)
		t.Put(&v)
	}
}
