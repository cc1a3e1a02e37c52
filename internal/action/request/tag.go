package request

import (
	"context"
	"reflect"

	"github.com/berthhq/berth/internal/awswire/reshape"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

// Tags returns the tags of a request; S is the service's shape of a tag, with a Key and a Value.
func Tags[S any](in []S) []tag.Tag { return reshape.Out[[]tag.Tag](in) }

// AnswerTags returns tags as a service writes them, with empty values too; nil when there are none.
// S is the service's shape of a tag, with a Key and a Value.
func AnswerTags[S any](tags tag.Set) []S {
	var out []S
	for _, t := range tags {
		var s S
		v := reflect.ValueOf(&s).Elem()
		v.FieldByName("Key").Set(reflect.ValueOf(&t.Key))
		v.FieldByName("Value").Set(reflect.ValueOf(&t.Value))
		out = append(out, s)
	}
	return out
}

// Tagged is a row that has tags.
type Tagged struct {
	Tags tag.Set
	put  func(*state.Tx, tag.Set)
}

// FindTagged finds a row with tags by its key. tags returns the field with the row's tags; in
// returns the same table in a transaction.
func FindTagged[T any](
	table *state.Table[T], key string, tags func(*T) *tag.Set, in func(*state.Tx) state.Writable[T],
) (Tagged, bool) {
	row, ok := table.Get(key)
	if !ok {
		return Tagged{}, false
	}
	return TaggedRow(row, tags, in), true
}

// TaggedRow is FindTagged for a row that the caller has already found.
func TaggedRow[T any](row *T, tags func(*T) *tag.Set, in func(*state.Tx) state.Writable[T]) Tagged {
	return Tagged{Tags: *tags(row), put: func(tx *state.Tx, set tag.Set) {
		changed := *row
		*tags(&changed) = set
		in(tx).Put(&changed)
	}}
}

// Change returns the new tags of a resource, given its old ones.
type Change func(tag.Set) (tag.Set, error)

// AddTags returns the change that adds or replaces tags by a service's rules.
func AddTags(rules *tag.Rules, tags []tag.Tag) Change {
	return func(s tag.Set) (tag.Set, error) { return rules.Add(s, tags) }
}

// RemoveTags returns the change that removes the tags with the keys.
func RemoveTags(keys ...string) Change {
	return func(s tag.Set) (tag.Set, error) { return s.Without(keys...), nil }
}

// Retag changes the tags of a resource in one transaction and returns the new ones. find finds its
// row.
func Retag(
	ctx context.Context, store *state.Store, find func(*state.Tables) (Tagged, error), change Change,
) (tags tag.Set, err error) {
	err = store.Update(ctx, func(tx *state.Tx) error {
		tags, err = RetagIn(tx, find, change)
		return err
	})
	return tags, err
}

// RetagIn changes the tags of a resource in the caller's transaction and returns the new ones.
func RetagIn(tx *state.Tx, find func(*state.Tables) (Tagged, error), change Change) (tag.Set, error) {
	row, err := find(&tx.Tables)
	if err != nil {
		return nil, err
	}
	tags, err := change(row.Tags)
	if err != nil {
		return nil, err
	}
	row.put(tx, tags)
	return tags, nil
}
