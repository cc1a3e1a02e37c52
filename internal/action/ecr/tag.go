package ecr

import (
	"context"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecr"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/repository"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

var tagRules = tag.Rules{
	Code:    shape.CodeInvalidTagParameterException,
	TooMany: fault.New(shape.CodeTooManyTagsException, "A repository can have no more than %d tags.", tag.Max),
}

// byARN finds a repository by its ARN.
func byARN(tables *state.Tables, call *awswire.Call, resource string) (*repository.Repository, error) {
	if r, ok := tables.Repositories.Get(resource); ok && r.Region == call.Region {
		return r, nil
	}
	_, name, ok := strings.Cut(resource, ":repository/")
	if !ok {
		return nil, repository.Unsatisfied("resourceArn", "Invalid ARN")
	}
	return nil, repository.NotFound(name, call.Account)
}

func (a *api) retag(ctx context.Context, call *awswire.Call, resource string, change request.Change) error {
	_, err := request.Retag(ctx, a.store, func(t *state.Tables) (request.Tagged, error) {
		r, err := byARN(t, call, resource)
		if err != nil {
			return request.Tagged{}, err
		}
		return request.TaggedRow(r, func(r *repository.Repository) *tag.Set { return &r.Tags },
			func(tx *state.Tx) state.Writable[repository.Repository] { return tx.Repositories }), nil
	}, change)
	return err
}

func (a *api) tagResource(
	ctx context.Context, call *awswire.Call, in *shape.TagResourceInput,
) (*shape.TagResourceOutput, error) {
	return nil, a.retag(ctx, call, *in.ResourceArn, request.AddTags(&tagRules, request.Tags(in.Tags)))
}

func (a *api) untagResource(
	ctx context.Context, call *awswire.Call, in *shape.UntagResourceInput,
) (*shape.UntagResourceOutput, error) {
	return nil, a.retag(ctx, call, *in.ResourceArn, request.RemoveTags(in.TagKeys...))
}

func (a *api) listTagsForResource(
	_ context.Context, call *awswire.Call, in *shape.ListTagsForResourceInput,
) (*shape.ListTagsForResourceOutput, error) {
	r, err := byARN(&a.store.View().Tables, call, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &shape.ListTagsForResourceOutput{Tags: request.AnswerTags[shape.Tag](r.Tags.Sorted())}, nil
}
