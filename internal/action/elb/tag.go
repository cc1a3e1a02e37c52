package elb

import (
	"context"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elbv2"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
)

// parseTags reads the tags of a new resource.
func parseTags(in []shape.Tag) ([]elb.Tag, error) { return addTags(nil, in) }

// addTags returns old with tags added or changed.
func addTags(old []elb.Tag, in []shape.Tag) ([]elb.Tag, error) {
	out := slices.Clone(old)
	seen := map[string]bool{}
	for _, t := range in {
		key, value := str(t.Key), str(t.Value)
		switch {
		case key == "" || utf8.RuneCountInString(key) > 128:
			return nil, invalid("The tag key '%s' must have 1 to 128 characters", key)
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return nil, invalid("The tag key '%s' must not begin with 'aws:'", key)
		case utf8.RuneCountInString(value) > 256:
			return nil, invalid("The value of tag '%s' must have at most 256 characters", key)
		case strings.ContainsFunc(key+value, notTaggedWith):
			return nil, invalid("The tag '%s' with the value '%s' may hold letters, digits, spaces and the characters _.:/=+-@ only", key, value)
		case seen[key]:
			return nil, fault.New(shape.CodeDuplicateTagKeys, "Tag keys must be unique; '%s' is not", key)
		}
		seen[key] = true
		if i := slices.IndexFunc(out, func(o elb.Tag) bool { return o.Key == key }); i >= 0 {
			out[i].Value = value
		} else {
			out = append(out, elb.Tag{Key: key, Value: value})
		}
	}
	if len(out) > elb.MaxTags {
		return nil, fault.New(shape.CodeTooManyTags, "A resource can have at most '%d' tags", elb.MaxTags)
	}
	return out, nil
}

func notTaggedWith(r rune) bool {
	return !unicode.In(r, unicode.L, unicode.N, unicode.Z) && !strings.ContainsRune("_.:/=+-@", r)
}

// retag changes the tags of the resource with the ARN, whatever kind it is; change returns nil to only look.
func retag(tx *state.Tx, call *awswire.Call, key string, change func([]elb.Tag) ([]elb.Tag, error)) (err error) {
	switch {
	case strings.Contains(key, ":loadbalancer/"):
		lb, err := loadBalancer(&tx.Tables, call, &key)
		if err != nil {
			return err
		}
		c := *lb
		c.Tags, err = change(c.Tags)
		tx.LoadBalancers.Put(&c)
		return err
	case strings.Contains(key, ":targetgroup/"):
		g, err := targetGroup(&tx.Tables, call, &key)
		if err != nil {
			return err
		}
		c := *g
		c.Tags, err = change(c.Tags)
		tx.TargetGroups.Put(&c)
		return err
	case strings.Contains(key, ":listener/"):
		l, err := listener(&tx.Tables, call, &key)
		if err != nil {
			return err
		}
		c := *l
		c.Tags, err = change(c.Tags)
		tx.Listeners.Put(&c)
		return err
	case strings.Contains(key, ":listener-rule/"):
		r, err := rule(&tx.Tables, call, &key)
		if err != nil {
			return err
		}
		c := *r
		c.Tags, err = change(c.Tags)
		tx.Rules.Put(&c)
		return err
	}
	return notTaggable(key)
}

func notTaggable(key string) error {
	return invalid("'%s' is not the ARN of a load balancer, target group, listener or rule", key)
}

// tagsOf returns the tags of the resource with the ARN.
func tagsOf(t *state.Tables, call *awswire.Call, key string) ([]elb.Tag, error) {
	switch {
	case strings.Contains(key, ":loadbalancer/"):
		lb, err := loadBalancer(t, call, &key)
		if err != nil {
			return nil, err
		}
		return lb.Tags, nil
	case strings.Contains(key, ":targetgroup/"):
		g, err := targetGroup(t, call, &key)
		if err != nil {
			return nil, err
		}
		return g.Tags, nil
	case strings.Contains(key, ":listener/"):
		l, err := listener(t, call, &key)
		if err != nil {
			return nil, err
		}
		return l.Tags, nil
	case strings.Contains(key, ":listener-rule/"):
		r, err := rule(t, call, &key)
		if err != nil {
			return nil, err
		}
		return r.Tags, nil
	}
	return nil, notTaggable(key)
}

func (a *api) addTags(ctx context.Context, call *awswire.Call, in *shape.AddTagsInput) (*shape.AddTagsOutput, error) {
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		for _, key := range in.ResourceArns {
			err := retag(tx, call, key, func(old []elb.Tag) ([]elb.Tag, error) { return addTags(old, in.Tags) })
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (a *api) removeTags(ctx context.Context, call *awswire.Call, in *shape.RemoveTagsInput) (*shape.RemoveTagsOutput, error) {
	return nil, a.store.Update(ctx, func(tx *state.Tx) error {
		for _, key := range in.ResourceArns {
			err := retag(tx, call, key, func(old []elb.Tag) ([]elb.Tag, error) {
				return slices.DeleteFunc(slices.Clone(old), func(t elb.Tag) bool { return slices.Contains(in.TagKeys, t.Key) }), nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (a *api) describeTags(_ context.Context, call *awswire.Call, in *shape.DescribeTagsInput) (*shape.DescribeTagsOutput, error) {
	if len(in.ResourceArns) > 20 {
		return nil, invalid("Cannot have more than 20 resources described")
	}
	t := &a.store.View().Tables
	out := &shape.DescribeTagsOutput{}
	for _, key := range in.ResourceArns {
		tags, err := tagsOf(t, call, key)
		if err != nil {
			return nil, err
		}
		out.TagDescriptions = append(out.TagDescriptions, shape.TagDescription{ResourceArn: &key, Tags: answers(tags, func(t elb.Tag) shape.Tag {
			return shape.Tag{Key: &t.Key, Value: &t.Value}
		})})
	}
	return out, nil
}
