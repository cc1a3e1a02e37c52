package ecr

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecr"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/repository"
	"github.com/berthhq/berth/internal/state"
)

const maxTags = 50

func parseTags(in []shape.Tag) (map[string]string, error) {
	tags := make(map[string]string, len(in))
	for _, t := range in {
		if *t.Key == "" || utf8.RuneCountInString(*t.Key) > 128 || utf8.RuneCountInString(*t.Value) > 256 || strings.HasPrefix(strings.ToLower(*t.Key), "aws:") {
			return nil, fault.New(shape.CodeInvalidTagParameterException,
				"The tag %q is not valid: keys have 1 to 128 characters and do not begin with aws:, values have up to 256.", *t.Key)
		}
		tags[*t.Key] = *t.Value
	}
	if len(tags) > maxTags {
		return nil, tooMany()
	}
	return tags, nil
}

func tooMany() error {
	return fault.New(shape.CodeTooManyTagsException, "A repository can have no more than %d tags.", maxTags)
}

// byARN finds a repository by its ARN.
func byARN(tables *state.Tables, call *awswire.Call, resource string) (*repository.Repository, error) {
	if r, ok := tables.Repositories.Get(resource); ok && r.Region == call.Region {
		return r, nil
	}
	_, name, ok := strings.Cut(resource, ":repository/")
	if !ok {
		return nil, invalid("Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN'")
	}
	return nil, repository.NotFound(name, call.Account)
}

func (a *api) changeTags(ctx context.Context, call *awswire.Call, resource string, fn func(map[string]string)) error {
	return a.store.Update(ctx, func(tx *state.Tx) error {
		old, err := byARN(&tx.Tables, call, resource)
		if err != nil {
			return err
		}
		r := old.Clone()
		if r.Tags == nil {
			r.Tags = make(map[string]string)
		}
		if fn(r.Tags); len(r.Tags) > maxTags {
			return tooMany()
		}
		tx.Repositories.Put(r)
		return nil
	})
}

func (a *api) tagResource(ctx context.Context, call *awswire.Call, in *shape.TagResourceInput) (*shape.TagResourceOutput, error) {
	tags, err := parseTags(in.Tags)
	if err != nil {
		return nil, err
	}
	return nil, a.changeTags(ctx, call, *in.ResourceArn, func(all map[string]string) { maps.Copy(all, tags) })
}

func (a *api) untagResource(ctx context.Context, call *awswire.Call, in *shape.UntagResourceInput) (*shape.UntagResourceOutput, error) {
	return nil, a.changeTags(ctx, call, *in.ResourceArn, func(all map[string]string) {
		for _, k := range in.TagKeys {
			delete(all, k)
		}
	})
}

func (a *api) listTagsForResource(_ context.Context, call *awswire.Call, in *shape.ListTagsForResourceInput) (*shape.ListTagsForResourceOutput, error) {
	r, err := byARN(&a.store.View().Tables, call, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	out := &shape.ListTagsForResourceOutput{Tags: []shape.Tag{}}
	for _, k := range slices.Sorted(maps.Keys(r.Tags)) {
		out.Tags = append(out.Tags, shape.Tag{Key: &k, Value: new(r.Tags[k])})
	}
	return out, nil
}
