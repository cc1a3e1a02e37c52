package expr

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Query is what a SEARCH looks for: {Namespace,DimensionName}, followed by terms.
type Query struct {
	namespace string   // "" means any
	names     []string // the names of all dimensions; nil means any
	term      *term
}

// term is a word or phrase that a metric must have, in any part or in a certain one, or terms joined by AND,
// OR or NOT.
type term struct {
	op    string // "and", "or", "not", or "" for a word
	place string // "MetricName", "Namespace", the name of a dimension, or "" for any part
	text  string
	exact bool
	parts []*term
}

// Named is a metric with the parts that SEARCH compares.
type Named struct {
	Namespace, Name string
	Dimensions      [][2]string // names and values
}

// ParseQuery reads the first argument of SEARCH.
func ParseQuery(text string) (Query, error) {
	var q Query
	text = strings.TrimSpace(text)
	if inside, ok := strings.CutPrefix(text, "{"); ok {
		schema, rest, closed := strings.Cut(inside, "}")
		if !closed {
			return q, errors.New("the schema of a SEARCH has no closing brace")
		}
		fields := strings.Split(schema, ",")
		for i, f := range fields {
			fields[i] = strings.Trim(strings.TrimSpace(f), `"`)
		}
		q.namespace, q.names, text = fields[0], fields[1:], rest
		slices.Sort(q.names)
	}
	p := queryParser{rest: text}
	q.term = p.list("or", 0)
	if p.space(); p.err == nil && p.rest != "" {
		p.err = fmt.Errorf("%.20q is not expected in a SEARCH", p.rest)
	}
	return q, p.err
}

type queryParser struct {
	rest string
	err  error
}

func (p *queryParser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

func (p *queryParser) end() bool {
	p.space()
	return p.err != nil || p.rest == "" || p.rest[0] == ')'
}

func (p *queryParser) word(word string) bool {
	p.space()
	after, ok := strings.CutPrefix(p.rest, word)
	if !ok || after != "" && !strings.ContainsRune(" \t\r\n(\"", rune(after[0])) {
		return false
	}
	p.rest = after
	return true
}

// list reads terms. AND binds more strongly than OR, and is implied between terms without an
// operator.
func (p *queryParser) list(op string, depth int) *term {
	t := &term{op: op}
	for !p.end() {
		if op == "or" {
			t.parts = append(t.parts, p.list("and", depth))
			if !p.word("OR") {
				break
			}
			continue
		}
		t.parts = append(t.parts, p.one(depth))
		if save := p.rest; p.word("OR") {
			p.rest = save
			break
		}
		p.word("AND")
	}
	if len(t.parts) == 0 {
		t.op = "and" // an empty query matches everything
	}
	return t
}

func (p *queryParser) one(depth int) *term {
	if depth > maxDepth {
		p.err = fmt.Errorf("a SEARCH is nested more than %d deep", maxDepth)
		return &term{op: "and"}
	}
	if p.word("NOT") {
		if p.end() && p.err == nil {
			p.err = errors.New("nothing follows NOT in a SEARCH")
			return &term{op: "and"}
		}
		return &term{op: "not", parts: []*term{p.one(depth + 1)}}
	}
	if p.space(); strings.HasPrefix(p.rest, "(") {
		p.rest = p.rest[1:]
		t := p.list("or", depth+1)
		if p.space(); p.err == nil && !strings.HasPrefix(p.rest, ")") {
			p.err = errors.New("a closing parenthesis is missing in a SEARCH")
		} else if p.err == nil {
			p.rest = p.rest[1:]
		}
		return t
	}
	t := &term{}
	t.text, t.exact = p.text()
	if rest, ok := strings.CutPrefix(p.rest, "="); ok && p.err == nil {
		p.rest = rest
		t.place = t.text
		if strings.HasPrefix(p.rest, "(") {
			return p.within(t.place, depth)
		}
		t.text, t.exact = p.text()
	}
	return t
}

// within reads Place=(a OR b).
func (p *queryParser) within(place string, depth int) *term {
	p.rest = p.rest[1:]
	t := p.list("or", depth+1)
	if p.space(); p.err == nil && strings.HasPrefix(p.rest, ")") {
		p.rest = p.rest[1:]
	} else if p.err == nil {
		p.err = errors.New("a closing parenthesis is missing in a SEARCH")
	}
	var set func(*term)
	set = func(t *term) {
		if t.op == "" && t.place == "" {
			t.place = place
		}
		for _, part := range t.parts {
			set(part)
		}
	}
	set(t)
	return t
}

// text reads a word, or a quoted phrase, which must equal a whole part of the metric.
func (p *queryParser) text() (text string, exact bool) {
	if strings.HasPrefix(p.rest, `"`) {
		end := quoted(p.rest)
		if end < 0 {
			p.err = errors.New("a phrase of a SEARCH has no closing quote")
			return "", true
		}
		text = unquote(p.rest[1:end])
		p.rest = p.rest[end+1:]
		return text, true
	}
	end := strings.IndexAny(p.rest, " \t\r\n()=\"")
	if end < 0 {
		end = len(p.rest)
	}
	if end == 0 {
		p.err = fmt.Errorf("%.20q is not expected in a SEARCH", p.rest)
	}
	text = p.rest[:end]
	p.rest = p.rest[end:]
	return text, false
}

// Matches reports whether the query finds a metric.
func (q Query) Matches(m Named) bool {
	if q.namespace != "" && q.namespace != m.Namespace {
		return false
	}
	if q.names != nil {
		names := make([]string, 0, len(m.Dimensions))
		for _, d := range m.Dimensions {
			names = append(names, d[0])
		}
		slices.Sort(names)
		if !slices.Equal(names, q.names) {
			return false
		}
	}
	return q.term.matches(m)
}

func (t *term) matches(m Named) bool {
	switch t.op {
	case "not":
		return !t.parts[0].matches(m)
	case "and", "or":
		for _, part := range t.parts {
			if part.matches(m) == (t.op == "or") {
				return t.op == "or"
			}
		}
		return t.op == "and"
	}
	has := func(place, text string) bool {
		if t.place != "" && !strings.EqualFold(t.place, place) {
			return false
		}
		if t.exact {
			return text == t.text
		}
		return containsWords(text, t.text)
	}
	if has("MetricName", m.Name) || has("Namespace", m.Namespace) {
		return true
	}
	return slices.ContainsFunc(m.Dimensions, func(d [2]string) bool {
		return has(d[0], d[1]) || t.place == "" && has("", d[0])
	})
}

// containsWords reports whether text contains the words of part in the same order and side by side. A word
// ends at a character that is neither a letter nor a digit, and at a change from small to capital letters:
// CPUUtilization has two words.
func containsWords(text, part string) bool {
	words, wanted := split(text), split(part)
	for i := 0; i+len(wanted) <= len(words); i++ {
		if slices.Equal(words[i:i+len(wanted)], wanted) {
			return true
		}
	}
	return false
}

func split(text string) (words []string) {
	start := 0
	flush := func(end int) {
		if end > start {
			words = append(words, strings.ToLower(text[start:end]))
		}
	}
	small := false
	for i := range len(text) {
		c := text[i]
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c >= 0x80
		capital := c >= 'A' && c <= 'Z'
		switch {
		case !letter && !capital:
			flush(i)
			start = i + 1
		case capital && (small || i+1 < len(text) && text[i+1] >= 'a' && text[i+1] <= 'z'):
			flush(i)
			start = i
		}
		small = letter
	}
	flush(len(text))
	return words
}
