package autoscaling

import (
	"iter"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
)

// checkName holds a name to AWS's rule: 1 to 255 characters, no colon, nothing that does not print.
func checkName(what, name string) error {
	if name == "" || len(name) > 255 {
		return invalid("1 validation error detected: the %s must have between 1 and 255 characters", what)
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == ':' || r == 0x7f }) {
		return invalid("1 validation error detected: the %s %q must not contain a colon or a "+
			"control character", what, name)
	}
	return nil
}

// named yields the items that have one of the given names, or all items if no names are given.
func named[T any](all iter.Seq[T], names []string, name func(T) string) iter.Seq[T] {
	return request.Where(all, func(v T) bool { return len(names) == 0 || slices.Contains(names, name(v)) })
}

func count[T any](all iter.Seq[T]) (n int) {
	for range all {
		n++
	}
	return n
}
