package ec2

import (
	"path"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/tag"
)

// lister lists one kind of thing, by ids and filters, in pages.
type lister[T any] struct {
	id func(T) string
	// missing returns the fault for ids that nothing has; nil: such ids are skipped
	missing func(ids []string) error
	tags    func(T) tag.Set                                // nil: there are no tags
	fields  func(T) map[string][]string                    // values for filters, by the names of the filters
	sample  T                                              // the keys of fields(sample) are the filters
	also    map[string]func(thing T, values []string) bool // filters that do not just compare values
}

// pages are those of most lists, templatePages those of launch templates and of their versions.
var pages, templatePages = pagesFrom(5), pagesFrom(1)

func pagesFrom(least int32) request.Pages {
	return request.Pages{Default: 1000, Least: least, Most: 1000, Refuse: func(size, least, most int32) error {
		return invalid("Value ( %d ) for parameter maxResults is invalid. Expecting a value between %d and %d.",
			size, least, most)
	}}
}

// query is what a caller asks a lister for.
type query struct {
	ids     []string
	filters []shape.Filter
	asked   request.Asked
}

// find returns the page of all that the query asks for, in the order of the ids.
func (l lister[T]) find(call *awswire.Call, all []T, q query) ([]T, *string, error) {
	if err := l.checkFilters(q.filters); err != nil {
		return nil, nil, err
	}
	found, err := l.pick(all, q.ids)
	if err != nil {
		return nil, nil, err
	}
	found = slices.DeleteFunc(found, func(v T) bool { return !l.passes(v, q.filters) })
	return request.Page(call, q.asked, found, l.id, q.bound()...)
}

func (q query) bound() []string {
	bound := slices.Clone(q.ids)
	for _, f := range q.filters {
		bound = append(append(bound, "\x00"+request.Value(f.Name)), f.Values...)
	}
	return bound
}

// pick returns the things with the ids, each once, or all things if there are no ids.
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
		name := request.Value(f.Name)
		_, known := fields[name]
		_, also := l.also[name]
		if _, about := tag.Set(nil).Filtered(name); !known && !also && (!about || l.tags == nil) {
			return invalid("The filter '%s' is invalid", name)
		}
	}
	return nil
}

func (l lister[T]) passes(v T, filters []shape.Filter) bool {
	fields := l.fields(v)
	for _, f := range filters {
		name := request.Value(f.Name)
		if also, ok := l.also[name]; ok {
			if !also(v, f.Values) {
				return false
			}
			continue
		}
		have, ok := fields[name]
		if !ok {
			have, _ = l.tags(v).Filtered(name)
		}
		if !matchesAny(f.Values, have) {
			return false
		}
	}
	return true
}

func matchesAny(patterns, have []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		return slices.ContainsFunc(have, func(h string) bool { return matches(p, h) })
	})
}

// matches compares a value with a filter's, in which * stands for any text, ? for any character,
// and a backslash takes either's meaning away.
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
