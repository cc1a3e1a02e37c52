package ec2

import (
	"path"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/fleet"
)

// lister knows how one kind of thing is asked for: by ids, by filters, in pages.
type lister[T any] struct {
	id      func(T) string
	missing func(ids []string) error                       // the fault about ids that nothing has; nil: they are passed over
	tags    func(T) map[string]string                      // nil: such things have no tags
	fields  func(T) map[string][]string                    // values that filters can ask for, by their names
	sample  T                                              // fields(sample) tells which filters there are
	also    map[string]func(thing T, values []string) bool // filters that are more than equality
}

// query is what callers ask for.
type query struct {
	ids     []string
	filters []shape.Filter
	max     *int32
	token   *string
}

// find returns the page of all that the query asks for, in the order of the ids.
func (l lister[T]) find(call *awswire.Call, all []T, q query) ([]T, *string, error) {
	if err := l.checkFilters(q.filters); err != nil {
		return nil, nil, err
	}
	limit := 1000
	if q.max != nil {
		if *q.max < 5 || *q.max > 1000 {
			return nil, nil, invalid("Value ( %d ) for parameter maxResults is invalid. Expecting a value between 5 and 1000.", *q.max)
		}
		limit = int(*q.max)
	}
	page, err := call.Page(q.token, q.bound()...)
	if err != nil {
		return nil, nil, err
	}
	found, err := l.pick(all, q.ids)
	if err != nil {
		return nil, nil, err
	}
	found = slices.DeleteFunc(found, func(v T) bool { return !l.passes(v, q.filters) })
	slices.SortFunc(found, func(a, b T) int { return strings.Compare(l.id(a), l.id(b)) })
	things, next := awswire.Cut(page, limit, slices.Values(found), l.id)
	return things, next, nil
}

func (q query) bound() []string {
	bound := slices.Clone(q.ids)
	for _, f := range q.filters {
		bound = append(append(bound, "\x00"+str(f.Name)), f.Values...)
	}
	return bound
}

// pick takes what the ids name, each once; no ids take everything.
func (l lister[T]) pick(all []T, ids []string) ([]T, error) {
	if len(ids) == 0 {
		return slices.Clone(all), nil
	}
	var found []T
	var missing []string
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		i := slices.IndexFunc(all, func(v T) bool { return l.id(v) == id })
		if i < 0 {
			missing = append(missing, id)
			continue
		}
		found = append(found, all[i])
	}
	if len(missing) > 0 && l.missing != nil {
		return nil, l.missing(missing)
	}
	return found, nil
}

func (l lister[T]) checkFilters(filters []shape.Filter) error {
	fields := l.fields(l.sample)
	for _, f := range filters {
		name := str(f.Name)
		_, known := fields[name]
		_, also := l.also[name]
		tag := l.tags != nil && (name == "tag-key" || strings.HasPrefix(name, "tag:"))
		if !known && !also && !tag {
			return invalid("The filter '%s' is invalid", name)
		}
	}
	return nil
}

func (l lister[T]) passes(v T, filters []shape.Filter) bool {
	fields := l.fields(v)
	for _, f := range filters {
		name := str(f.Name)
		if also, ok := l.also[name]; ok {
			if !also(v, f.Values) {
				return false
			}
			continue
		}
		have, ok := fields[name]
		if !ok {
			have = tagValues(name, l.tags(v))
		}
		if !matchesAny(f.Values, have) {
			return false
		}
	}
	return true
}

// tagValues are what the filters "tag-key" and "tag:<key>" look at.
func tagValues(filter string, tags map[string]string) []string {
	if filter == "tag-key" {
		var keys []string
		for k := range tags {
			keys = append(keys, k)
		}
		return keys
	}
	if v, ok := tags[strings.TrimPrefix(filter, "tag:")]; ok {
		return []string{v}
	}
	return nil
}

func matchesAny(patterns, have []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		return slices.ContainsFunc(have, func(h string) bool { return matches(p, h) })
	})
}

// matches compares a value with a filter's, in which * stands for any text, ? for any character, and a backslash takes either's meaning away.
func matches(pattern, have string) bool {
	if !strings.ContainsAny(pattern, `*?\`) {
		return pattern == have
	}
	// path.Match stops a star at a slash and knows brackets; filters do neither.
	hide := strings.NewReplacer("/", "\x01")
	ok, err := path.Match(strings.ReplaceAll(hide.Replace(pattern), "[", `\[`), hide.Replace(have))
	return err == nil && ok
}

// one is a filter value that is there, or none.
func one(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func boolean(b bool) []string {
	if b {
		return []string{"true"}
	}
	return []string{"false"}
}

// answerTags gives tags in the order of their keys.
func answerTags(tags map[string]string) []shape.Tag {
	var out []shape.Tag
	for _, t := range fleet.SortedTags(tags) {
		out = append(out, shape.Tag{Key: &t.Key, Value: &t.Value})
	}
	return out
}
