package ecs

import (
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/awswire"
)

// defaultPage is the size of a page when the caller names none, but for a few lists (ecs.md 1.1.6).
const defaultPage = 100

// listing is how a caller asks for a list.
type listing struct {
	maxResults *int32
	token      *string
	size       int // of a page when maxResults is absent; 0 is defaultPage
	descending bool
}

// paged sorts a list by its keys and cuts one page out of it. A page begins after a key, not at a place, so that nothing is shown twice or
// left out because something went between two calls. filter is what decided the list: a token of another list is refused.
func paged[T any](call *awswire.Call, l listing, list []T, key func(T) string, filter ...string) ([]T, *string, error) {
	size := l.size
	if size == 0 {
		size = defaultPage
	}
	if l.maxResults != nil {
		if size = int(*l.maxResults); size < 1 || size > 100 {
			return nil, nil, invalid("maxResults must be between 1 and 100, not %d.", size)
		}
	}
	p, err := call.Page(l.token, filter...)
	if err != nil {
		return nil, nil, err
	}
	order := func(a, b string) int {
		if l.descending {
			a, b = b, a
		}
		return strings.Compare(a, b)
	}
	slices.SortFunc(list, func(a, b T) int { return order(key(a), key(b)) })
	if p.After != "" {
		list = slices.DeleteFunc(list, func(x T) bool { return order(key(x), p.After) <= 0 })
	}
	if len(list) <= size {
		return orEmpty(list), nil, nil
	}
	return list[:size], p.Token(key(list[size-1])), nil
}

// itself is the key of a list of keys.
func itself(s string) string { return s }

// batch refuses a list of things that is empty or too long for one call (ecs.md 1.1.7).
func batch(what string, n, most int) error {
	switch {
	case n == 0:
		return invalid("%s cannot be empty.", what)
	case n > most:
		return invalid("%s cannot have more than %d elements.", what, most)
	}
	return nil
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
