package filter

import (
	"encoding/json"
	"strconv"
	"strings"
)

// path selects members of a message: $.user.name, $.list[0].id, $.list[*], $['odd name'].
type path []selector

// selector selects a member of an object by name, or an element of an array by index; -1 means all elements.
type selector struct {
	name  string
	index int
	array bool
}

func wordByte(c byte) bool {
	return c == '_' || c == '-' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= 0x80
}

func (p *parser) path() (path, error) {
	if !p.take("$") {
		return nil, p.unexpected("$.member")
	}
	var out path
	for {
		switch {
		case strings.HasPrefix(p.rest, "."):
			n := 1
			for n < len(p.rest) && wordByte(p.rest[n]) {
				n++
			}
			if n == 1 {
				return nil, p.unexpected("a member's name after the dot")
			}
			out = append(out, selector{name: p.rest[1:n]})
			p.rest = p.rest[n:]
		case strings.HasPrefix(p.rest, "["):
			s, err := p.bracket()
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		case len(out) == 0:
			return nil, p.unexpected("$.member")
		default:
			return out, nil
		}
	}
}

func (p *parser) bracket() (selector, error) {
	inside, rest, ok := strings.Cut(p.rest[1:], "]")
	if !ok {
		return selector{}, p.unexpected("]")
	}
	p.rest = rest
	if inside == "*" {
		return selector{array: true, index: -1}, nil
	}
	for _, quote := range []string{`'`, `"`} {
		if name, ok := strings.CutPrefix(inside, quote); ok && strings.HasSuffix(name, quote) {
			return selector{name: strings.TrimSuffix(name, quote)}, nil
		}
	}
	n, err := strconv.Atoi(inside)
	if err != nil || n < 0 {
		return selector{}, invalid("Invalid filter pattern: [%s] is neither [index], [*] nor ['name']", inside)
	}
	return selector{array: true, index: n}, nil
}

// some reports whether the path leads to a value for which test returns true.
func (at path) some(v any, test func(any) bool) bool {
	if len(at) == 0 {
		return test(v)
	}
	s, rest := at[0], at[1:]
	if !s.array {
		object, _ := v.(map[string]any)
		member, ok := object[s.name]
		return ok && rest.some(member, test)
	}
	list, _ := v.([]any)
	for i, e := range list {
		if (s.index < 0 || s.index == i) && rest.some(e, test) {
			return true
		}
	}
	return false
}

// text compares texts. Numbers and booleans are compared as they are written.
func (at path) text(op string, like Pattern) condition {
	return func(m any) bool {
		return at.some(m, func(v any) bool {
			var s string
			switch v := v.(type) {
			case string:
				s = v
			case json.Number:
				s = v.String()
			case bool:
				s = strconv.FormatBool(v)
			default:
				return false
			}
			return like(s) == (op == "=")
		})
	}
}

// number compares numbers. A text that is a number counts as one.
func (at path) number(op string, want float64) condition {
	return func(m any) bool {
		return at.some(m, func(v any) bool {
			var text string
			switch v := v.(type) {
			case json.Number:
				text = v.String()
			case string:
				text = v
			}
			got, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return op == "!=" && text != ""
			}
			switch op {
			case "=":
				return got == want
			case "!=":
				return got != want
			case "<":
				return got < want
			case "<=":
				return got <= want
			case ">":
				return got > want
			}
			return got >= want
		})
	}
}
