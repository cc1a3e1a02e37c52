package cql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// model is an expression with its text, and with a function for its result that does not use the parser.
type model struct {
	text string
	is   func(s *Subject) bool
}

// anyOne draws one of several ways to write something.
func anyOne(t *rapid.T, spellings ...string) string {
	return rapid.SampledFrom(spellings).Draw(t, "spelling")
}

// quoted draws a way to write a literal.
func quoted(t *rapid.T, text string) string {
	return anyOne(t, "'"+text+"'", `"`+text+`"`, text)
}

var stacks = []string{"a", "dev", "prod", "t2.small", "us-east-1a"}

// attributeModel draws a simple expression about the attribute stack.
func attributeModel(t *rapid.T) model {
	v, w := rapid.SampledFrom(stacks).Draw(t, "v"), rapid.SampledFrom(stacks).Draw(t, "w")
	has := func(test func(string) bool) func(*Subject) bool {
		return func(s *Subject) bool {
			got, ok := s.Attributes["stack"]
			return ok && test(got)
		}
	}
	list := func(op string) string {
		return op + " [" + quoted(t, v) + anyOne(t, ",", ", ", " , ") + quoted(t, w) + "]"
	}
	m := rapid.SampledFrom([]model{
		{anyOne(t, "==", "equals") + " " + quoted(t, v), has(func(x string) bool { return x == v })},
		{anyOne(t, "!=", "not_equals") + " " + quoted(t, v), has(func(x string) bool { return x != v })},
		{anyOne(t, ">", "greater_than") + " " + quoted(t, v), has(func(x string) bool { return x > v })},
		{anyOne(t, ">=", "greater_than_equal") + " " + quoted(t, v), has(func(x string) bool { return x >= v })},
		{anyOne(t, "<", "less_than") + " " + quoted(t, v), has(func(x string) bool { return x < v })},
		{anyOne(t, "<=", "less_than_equal") + " " + quoted(t, v), has(func(x string) bool { return x <= v })},
		{list("in"), has(func(x string) bool { return x == v || x == w })},
		{list(anyOne(t, "!in", "not_in", "! in")), has(func(x string) bool { return x != v && x != w })},
		{anyOne(t, "=~", "matches") + " " + v[:1] + ".*",
			has(func(x string) bool { return strings.HasPrefix(x, v[:1]) })},
		{anyOne(t, "!~", "not_matches") + " '.*" + v[len(v)-1:] + "'",
			has(func(x string) bool { return !strings.HasSuffix(x, v[len(v)-1:]) })},
		{"exists", has(func(string) bool { return true })},
		{anyOne(t, "!exists", "not_exists"), func(s *Subject) bool { _, ok := s.Attributes["stack"]; return !ok }},
	}).Draw(t, "test")
	return model{"attribute:stack " + m.text, m.is}
}

// otherModel draws a simple expression about another subject.
func otherModel(t *rapid.T) model {
	n := rapid.IntRange(0, 5).Draw(t, "n")
	group := rapid.SampledFrom([]string{"service:a", "family:b"}).Draw(t, "group")
	return rapid.SampledFrom([]model{
		{"runningTasksCount < " + quoted(t, strconv.Itoa(n)), func(s *Subject) bool { return s.RunningTasksCount < n }},
		{fmt.Sprintf("runningTasksCount not_in [%d, 1]", n),
			func(s *Subject) bool { return s.RunningTasksCount != n && s.RunningTasksCount != 1 }},
		{"agentConnected == true", func(s *Subject) bool { return s.AgentConnected }},
		{"agentConnected != 'TRUE'", func(s *Subject) bool { return !s.AgentConnected }},
		{"agentVersion > 1.98.0", func(s *Subject) bool { return s.AgentVersion == "1.98.1" || s.AgentVersion == "2" }},
		{"agentVersion exists", func(s *Subject) bool { return s.AgentVersion != "" }},
		{"task:group == " + group, func(s *Subject) bool { return s.TaskGroups[group] > 0 }},
		{"task:group != " + group, func(s *Subject) bool { return s.TaskGroups[group] == 0 }},
		{"task:group =~ service:.*", func(s *Subject) bool { return s.TaskGroups["service:a"] > 0 }},
	}).Draw(t, "test")
}

// expressionModel draws an expression of some depth. "or" binds the least tightly and needs no parentheses.
func expressionModel(t *rapid.T, depth int) model {
	kind := rapid.IntRange(0, 4).Draw(t, "kind")
	if depth == 0 || kind == 0 {
		if rapid.Bool().Draw(t, "attribute") {
			return attributeModel(t)
		}
		return otherModel(t)
	}
	a := expressionModel(t, depth-1)
	switch kind {
	case 1:
		return model{anyOne(t, "not (", "!(", "NOT(", "! not !(") + a.text + ")",
			func(s *Subject) bool { return !a.is(s) }}
	case 2:
		return model{"(" + a.text + ")", a.is}
	}
	b := expressionModel(t, depth-1)
	if kind == 3 {
		and := anyOne(t, " and ", "\n&& ", " AND ")
		return model{"(" + a.text + ")" + and + "(" + b.text + ")", func(s *Subject) bool { return a.is(s) && b.is(s) }}
	}
	return model{a.text + anyOne(t, " or ", " || ") + b.text, func(s *Subject) bool { return a.is(s) || b.is(s) }}
}

// TestModel: parsing and matching give the result of the model, which does not depend on the text.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := expressionModel(t, 3)
		e, err := Parse(m.text)
		if err != nil {
			if len(m.text) > MaxLength {
				return
			}
			t.Fatalf("%s: %v", m.text, err)
		}
		for range 5 {
			s := subjectGen(t)
			if v := rapid.SampledFrom(append(slices.Clone(stacks), "")).Draw(t, "stack"); v != "" {
				s.Attributes["stack"] = v
			}
			if got := e.Match(s); got != m.is(s) {
				t.Fatalf("%s\nis %v of %+v", m.text, got, s)
			}
		}
	})
}
