package request

import (
	"cmp"
	"iter"
	"slices"

	"github.com/berthhq/berth/internal/awswire"
)

// Pages are the rules of a service, or of one of its lists, for the sizes of pages.
type Pages struct {
	Default, Least, Most int32
	// Refuse returns the error for a size that is not between Least and Most.
	Refuse func(size, least, most int32) error
}

// Asked is a page as a request asks for it.
type Asked struct {
	Pages
	Size  *int32  // nil is the default
	Token *string // nil is the first page
	// Descending lists from the last key to the first.
	Descending bool
}

// Ask returns the page that a request asks for; size and token are those of its members.
func (p Pages) Ask(size *int32, token *string) Asked {
	return Asked{Pages: p, Size: size, Token: token}
}

// Check returns an error if the rules do not allow the size.
func (a Asked) Check() error {
	if n := a.size(); n < a.Least || n > a.Most {
		return a.Refuse(n, a.Least, a.Most)
	}
	return nil
}

// Limit returns how many items the page has at most. It is valid only if Check returns nil.
func (a Asked) Limit() int { return int(a.size()) }

func (a Asked) size() int32 {
	if a.Size == nil {
		return a.Default
	}
	return *a.Size
}

// Page sorts a list by its keys and does what Cut does. It reorders the list.
func Page[T any](
	call *awswire.Call, asked Asked, list []T, key func(T) string, bound ...string,
) ([]T, *string, error) {
	slices.SortFunc(list, func(a, b T) int {
		if asked.Descending {
			a, b = b, a
		}
		return cmp.Compare(key(a), key(b))
	})
	return Cut(call, asked, slices.Values(list), key, bound...)
}

// Cut returns the page that was asked for of a list that is in the order of its keys, which are
// unique, and the token of the next page, nil after the last. A page begins after a key, not at an
// index, so no item is shown twice or left out when another is deleted between two calls. bound is
// everything that decided what is in the list: a token of another list is refused. Cut reads at most
// one item after the page, and none if the size or the token is wrong.
func Cut[T any](
	call *awswire.Call, asked Asked, list iter.Seq[T], key func(T) string, bound ...string,
) ([]T, *string, error) {
	if err := asked.Check(); err != nil {
		return nil, nil, err
	}
	page, err := call.Page(asked.Token, bound...)
	if err != nil {
		return nil, nil, err
	}
	page.Descending = asked.Descending
	items, next := awswire.Cut(page, asked.Limit(), list, key)
	return items, next, nil
}

// Itself returns s; it is the key function of a list of keys.
func Itself(s string) string { return s }

// Where yields the items of a list for which keep returns true, in the order of the list.
func Where[T any](list iter.Seq[T], keep func(T) bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		for item := range list {
			if keep(item) && !yield(item) {
				return
			}
		}
	}
}

// Listed returns an empty list for nil. It is for a list that AWS leaves out of some answers; the protocols write those
// that all answers have.
func Listed[S any](list []S) []S {
	if list == nil {
		return make([]S, 0)
	}
	return list
}

// Answers returns the shapes of items. It never returns nil, so that an answer has an empty list.
func Answers[T, S any](items []T, answer func(T) S) []S {
	out := make([]S, len(items))
	for i, item := range items {
		out[i] = answer(item)
	}
	return out
}
