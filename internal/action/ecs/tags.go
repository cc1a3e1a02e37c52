package ecs

import (
	"context"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

// tagRules are ecs.md 1.1.5.
var tagRules = tag.Rules{
	Code:      shape.CodeInvalidParameterException,
	Size:      "Tag '{key}' is not valid: keys have 1 to 128 characters, values at most 256.",
	Reserved:  "Tag key '{key}' is not valid: keys that begin with aws: are reserved.",
	Duplicate: "Duplicate tag keys found: '{key}'. Each tag key must be unique.",
	TooMany:   invalid("Too many tags: a resource may have at most %d.", tag.Max),
}

func parseTags(in []shape.Tag) (tag.Set, error) { return tagRules.New(request.Tags(in)) }

// answerTags is never nil: a caller that asked for tags gets an empty list of them, and others get no list.
func answerTags(tags tag.Set) []shape.Tag {
	return request.Answers(tags, func(t tag.Tag) shape.Tag { return shape.Tag{Key: &t.Key, Value: &t.Value} })
}

func (a *api) tagResource(
	ctx context.Context, call *awswire.Call, in *shape.TagResourceInput,
) (*shape.TagResourceOutput, error) {
	return nil, a.retag(ctx, call, in.ResourceArn, request.AddTags(&tagRules, request.Tags(in.Tags)))
}

func (a *api) untagResource(
	ctx context.Context, call *awswire.Call, in *shape.UntagResourceInput,
) (*shape.UntagResourceOutput, error) {
	if i := slices.IndexFunc(in.TagKeys, tag.Reserved); i >= 0 {
		return nil, invalid("Tag key '%s' is not valid: keys that begin with aws: are reserved.", in.TagKeys[i])
	}
	return nil, a.retag(ctx, call, in.ResourceArn, request.RemoveTags(in.TagKeys...))
}

func (a *api) retag(ctx context.Context, call *awswire.Call, ref *string, change request.Change) error {
	_, err := request.Retag(ctx, a.store, func(t *state.Tables) (request.Tagged, error) {
		return tagged(t, call, ref)
	}, change)
	return err
}

func (a *api) listTagsForResource(
	_ context.Context, call *awswire.Call, in *shape.ListTagsForResourceInput,
) (*shape.ListTagsForResourceOutput, error) {
	row, err := tagged(&a.store.View().Tables, call, in.ResourceArn)
	return &shape.ListTagsForResourceOutput{Tags: answerTags(row.Tags)}, err
}

// taggable parses the ARN of something with tags. The short form of a service's, task's or
// instance's ARN is refused (ecs.md 1.1.2).
func taggable(call *awswire.Call, ref *string) (arn.ARN, error) {
	r, err := arn.Parse(request.Value(ref))
	switch {
	case err != nil:
		return r, invalid("%s", err)
	case r.Service != "ecs" || r.Region != call.Region || r.Account != call.Account:
		return r, invalid("'%s' is not a resource of Amazon ECS in region %s of account %s.", request.Value(ref),
			call.Region, call.Account)
	}
	switch r.Type() {
	case ecs.TypeService, ecs.TypeTask, ecs.TypeContainerInstance:
		if !strings.Contains(r.Rest(), "/") {
			return r, invalid("Long arn format must be used for tagging operations: "+
				"arn:aws:ecs:%s:%s:%s/CLUSTER/%s.", r.Region, r.Account, r.Type(), r.Rest())
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

// tagged finds the row with tags that an ARN names.
func tagged(t *state.Tables, call *awswire.Call, ref *string) (row request.Tagged, err error) {
	r, err := taggable(call, ref)
	if err != nil {
		return row, err
	}
	ok := false
	switch key := r.String(); r.Type() {
	case ecs.TypeCluster:
		row, ok = request.FindTagged(&t.Clusters, key, func(v *ecs.Cluster) *tag.Set { return &v.Tags },
			func(tx *state.Tx) state.Writable[ecs.Cluster] { return tx.Clusters })
	case ecs.TypeCapacityProvider:
		row, ok = request.FindTagged(&t.CapacityProviders, key,
			func(v *ecs.CapacityProvider) *tag.Set { return &v.Tags },
			func(tx *state.Tx) state.Writable[ecs.CapacityProvider] { return tx.CapacityProviders })
	case ecs.TypeTaskDefinition:
		row, ok = request.FindTagged(&t.TaskDefinitions, key, func(v *ecs.TaskDefinition) *tag.Set { return &v.Tags },
			func(tx *state.Tx) state.Writable[ecs.TaskDefinition] { return tx.TaskDefinitions })
	case ecs.TypeService:
		row, ok = request.FindTagged(&t.Services, key, func(v *ecs.Service) *tag.Set { return &v.Tags },
			func(tx *state.Tx) state.Writable[ecs.Service] { return tx.Services })
	case ecs.TypeTask:
		row, ok = request.FindTagged(&t.Tasks, key, func(v *ecs.Task) *tag.Set { return &v.Tags },
			func(tx *state.Tx) state.Writable[ecs.Task] { return tx.Tasks })
	case ecs.TypeContainerInstance:
		row, ok = request.FindTagged(&t.ContainerInstances, key,
			func(v *ecs.ContainerInstance) *tag.Set { return &v.Tags },
			func(tx *state.Tx) state.Writable[ecs.ContainerInstance] { return tx.ContainerInstances })
	}
	if !ok {
		return row, notTaggable(r)
	}
	return row, nil
}
