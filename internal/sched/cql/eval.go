package cql

import (
	"regexp"
	"slices"
)

// operator is the operator of a simple expression, whichever way it was spelled.
type operator int

const (
	opEqual operator = iota
	opNotEqual
	opGreater
	opGreaterEqual
	opLess
	opLessEqual
	opIn
	opNotIn
	opMatches
	opNotMatches
	opExists
	opNotExists
)

const operatorNames = "==, !=, >, >=, <, <=, in, not_in, =~, !~, exists or not_exists"

func operatorNamed(text string) (operator, bool) {
	switch text {
	case "==", "equals":
		return opEqual, true
	case "!=", "not_equals":
		return opNotEqual, true
	case ">", "greater_than":
		return opGreater, true
	case ">=", "greater_than_equal":
		return opGreaterEqual, true
	case "<", "less_than":
		return opLess, true
	case "<=", "less_than_equal":
		return opLessEqual, true
	case "in":
		return opIn, true
	case "!in", "not_in":
		return opNotIn, true
	case "=~", "matches":
		return opMatches, true
	case "!~", "not_matches":
		return opNotMatches, true
	case "exists":
		return opExists, true
	case "!exists", "not_exists":
		return opNotExists, true
	}
	return 0, false
}

// node is a part of an expression that is true or false of an instance.
type node interface{ match(*Subject) bool }

type (
	anyOf    []node
	allOf    []node
	negation struct{ of node }
	presence struct {
		subject
		want bool
	}
	comparison struct {
		subject
		op  operator
		arg value
	}
	membership struct {
		subject
		list   []value
		negate bool
	}
	matching struct {
		subject
		re     *regexp.Regexp
		negate bool
	}
)

func (l anyOf) match(s *Subject) bool {
	return slices.ContainsFunc(l, func(n node) bool { return n.match(s) })
}

func (l allOf) match(s *Subject) bool {
	return !slices.ContainsFunc(l, func(n node) bool { return !n.match(s) })
}

func (n negation) match(s *Subject) bool { return !n.of.match(s) }

func (n presence) match(s *Subject) bool { return (len(n.get(s, n.name)) > 0) == n.want }

func (n comparison) match(s *Subject) bool {
	if n.op == opNotEqual {
		return n.test(s, true, func(v value) bool { return n.kind.equal(v, n.arg) })
	}
	return n.test(s, false, func(v value) bool { return n.compare(v) })
}

func (n comparison) compare(v value) bool {
	switch n.op {
	case opGreater:
		return n.kind.compare(v, n.arg) > 0
	case opGreaterEqual:
		return n.kind.compare(v, n.arg) >= 0
	case opLess:
		return n.kind.compare(v, n.arg) < 0
	case opLessEqual:
		return n.kind.compare(v, n.arg) <= 0
	}
	return n.kind.equal(v, n.arg)
}

func (n membership) match(s *Subject) bool {
	return n.test(s, n.negate, func(v value) bool {
		return slices.ContainsFunc(n.list, func(w value) bool { return n.kind.equal(v, w) })
	})
}

func (n matching) match(s *Subject) bool {
	return n.test(s, n.negate, func(v value) bool { return n.re.MatchString(v.text) })
}

// test reports whether any value of the subject is wanted or, if negate, whether none is. An
// instance without the attribute never matches: "attribute:stack != prod" selects instances that
// have the attribute stack (ecs.md 2.6). Task groups are different: an instance without tasks has
// none of them, so task:group != X selects it.
func (s subject) test(of *Subject, negate bool, wanted func(value) bool) bool {
	values := s.get(of, s.name)
	if len(values) == 0 {
		return negate && s.many
	}
	return slices.ContainsFunc(values, wanted) != negate
}
