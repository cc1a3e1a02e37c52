// Package querywire reads shapes from the parameters of AWS's Query protocols (Name=v, List.member.1.Key=v, EC2's
// List.1.Key=v).
//
// Upper and lower case matter in names. A parameter that belongs to no member of the shape is a problem, and so is one
// that is given twice. Decoding never panics, and its recursion is limited by the shapes and by maxDepth. It is safe
// for concurrent use.
package querywire

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/berthhq/berth/internal/awswire/schema"
)

// maxDepth is how many parts a parameter's name may have; the deepest shapes need about twenty.
const maxDepth = 40

// maxIndex is the highest number a list's item may have.
const maxIndex = 100_000

// node has the parameters whose names begin with the same parts: the value of the one that has no more parts, and a
// node for each part that follows in others.
type node struct {
	value    string
	hasValue bool
	parts    map[string]*node
}

// parse returns the tree of all parameters, except those that envelope returns true for.
func parse(form url.Values) (*node, []schema.Problem) {
	root := &node{}
	var problems []schema.Problem
	for _, name := range slices.Sorted(maps.Keys(form)) {
		if envelope(name) {
			continue
		}
		at := root
		parts := strings.Split(name, ".")
		if len(parts) > maxDepth || slices.Contains(parts, "") {
			problems = append(problems, schema.Problem{Kind: schema.Unknown, Path: schema.Path{}.Member(name)})
			continue
		}
		for _, part := range parts {
			at = at.part(part)
		}
		if len(form[name]) > 1 {
			problems = append(problems, schema.Problem{Kind: schema.Malformed, Path: schema.Path{}.Member(
				name), Have: "the parameter '" + name + "' is given more than once"})
		}
		at.value, at.hasValue = form[name][0], true
	}
	return root, problems
}

// envelope reports whether a parameter is no member of the operation's input: it names the operation or is part of the
// signature.
func envelope(name string) bool {
	switch name {
	case "Action", "Version", "AWSAccessKeyId", "Signature", "SignatureMethod", "SignatureVersion",
		"Timestamp", "SecurityToken":
		return true
	}
	return strings.HasPrefix(name, "X-Amz-")
}

// part returns the node of the next part of a name, and makes it if there is none.
func (n *node) part(name string) *node {
	if n.parts == nil {
		n.parts = map[string]*node{}
	}
	if n.parts[name] == nil {
		n.parts[name] = &node{}
	}
	return n.parts[name]
}

type numbered struct {
	at   int
	node *node
}

// items returns the nodes of the parts that are numbers, in their order. bad is a part that is no number, or "".
func (n *node) items() (items []numbered, bad string) {
	for name, part := range n.parts {
		at, err := strconv.Atoi(name)
		if err != nil || at < 1 || at > maxIndex || strconv.Itoa(at) != name {
			if bad == "" || name < bad {
				bad = name
			}
			continue
		}
		items = append(items, numbered{at, part})
	}
	slices.SortFunc(items, func(a, b numbered) int { return cmp.Compare(a.at, b.at) })
	return items, bad
}
