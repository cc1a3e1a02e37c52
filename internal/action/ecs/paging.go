package ecs

import (
	"slices"

	"github.com/berthhq/berth/internal/awswire"
)

// paged cuts one page out of a sorted list. size is the default and the greatest page; scope is what the list was filtered by, so that
// a token of another list is refused (ecs.md 1.1.6).
func paged(call *awswire.Call, all []string, maxResults *int32, token *string, size int, scope string) ([]string, *string, error) {
	n := size
	if maxResults != nil {
		if *maxResults < 1 || *maxResults > 100 {
			return nil, nil, invalid("maxResults must be between 1 and 100, not %d.", *maxResults)
		}
		n = int(*maxResults)
	}
	p, err := call.Page(token, scope)
	if err != nil {
		return nil, nil, err
	}
	page, next := awswire.Cut(p, n, slices.Values(all), func(s string) string { return s })
	return orEmpty(page), next, nil
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
