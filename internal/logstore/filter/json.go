package filter

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// condition reports whether a decoded message matches.
type condition func(message any) bool

func parseJSON(text string) (Pattern, error) {
	body, ok := strings.CutSuffix(strings.TrimPrefix(text, "{"), "}")
	if !ok {
		return nil, invalid("Invalid filter pattern: the { is not closed")
	}
	p := parser{rest: body}
	c, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.space(); p.rest != "" {
		return nil, p.unexpected("&&, || or }")
	}
	return func(message string) bool {
		if !strings.HasPrefix(strings.TrimLeftFunc(message, unicode.IsSpace), "{") && !strings.HasPrefix(message, "[") {
			return false
		}
		d := json.NewDecoder(bytes.NewReader([]byte(message)))
		d.UseNumber()
		var v any
		return d.Decode(&v) == nil && c(v)
	}, nil
}

// parser parses a condition at the start of rest. depth bounds the recursion.
type parser struct {
	rest  string
	depth int
}

func (p *parser) space() { p.rest = strings.TrimLeftFunc(p.rest, unicode.IsSpace) }

func (p *parser) take(token string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *parser) unexpected(want string) error {
	return invalid("Invalid filter pattern: expected %s at '%s'", want, p.rest)
}

func (p *parser) or() (condition, error) {
	left, err := p.and()
	for err == nil && p.take("||") {
		a := left
		var b condition
		if b, err = p.and(); err == nil {
			left = func(m any) bool { return a(m) || b(m) }
		}
	}
	return left, err
}

func (p *parser) and() (condition, error) {
	left, err := p.one()
	for err == nil && p.take("&&") {
		a := left
		var b condition
		if b, err = p.one(); err == nil {
			left = func(m any) bool { return a(m) && b(m) }
		}
	}
	return left, err
}

func (p *parser) one() (condition, error) {
	if !p.take("(") {
		return p.comparison()
	}
	if p.depth++; p.depth > 50 {
		return nil, invalid("Invalid filter pattern: too many parentheses")
	}
	c, err := p.or()
	if err == nil && !p.take(")") {
		err = p.unexpected(")")
	}
	return c, err
}

func (p *parser) comparison() (condition, error) {
	path, err := p.path()
	if err != nil {
		return nil, err
	}
	switch {
	case p.word("NOT"):
		if !p.word("EXISTS") {
			return nil, p.unexpected("EXISTS")
		}
		return func(m any) bool { return !path.some(m, anything) }, nil
	case p.word("EXISTS"):
		return func(m any) bool { return path.some(m, anything) }, nil
	case p.word("IS"):
		return p.is(path)
	}
	for _, op := range []string{"!=", "<=", ">=", "=", "<", ">"} {
		if p.take(op) {
			return p.operand(path, op)
		}
	}
	return nil, p.unexpected("a comparison")
}

func anything(any) bool { return true }

// word parses a keyword in upper or lower case.
func (p *parser) word(w string) bool {
	p.space()
	if len(p.rest) < len(w) || !strings.EqualFold(p.rest[:len(w)], w) ||
		len(p.rest) > len(w) && wordByte(p.rest[len(w)]) {
		return false
	}
	p.rest = p.rest[len(w):]
	return true
}

func (p *parser) is(at path) (condition, error) {
	for word, want := range map[string]any{"NULL": nil, "TRUE": true, "FALSE": false} {
		if p.word(word) {
			return func(m any) bool { return at.some(m, func(v any) bool { return v == want }) }, nil
		}
	}
	return nil, p.unexpected("NULL, TRUE or FALSE")
}

// operand parses the value that a member is compared with.
func (p *parser) operand(at path, op string) (condition, error) {
	if p.space(); strings.HasPrefix(p.rest, "%") {
		re, rest, err := parseRegexp(p.rest)
		if err != nil || op != "=" && op != "!=" {
			return nil, invalid("Invalid filter pattern: bad regular expression at '%s'", p.rest)
		}
		p.rest = rest
		return at.text(op, re), nil
	}
	if strings.HasPrefix(p.rest, `"`) {
		text, rest, err := quoted(p.rest)
		if err != nil {
			return nil, err
		}
		p.rest = rest
		if op != "=" && op != "!=" {
			return nil, invalid("Invalid filter pattern: %s compares numbers, and \"%s\" is not a number", op, text)
		}
		return at.text(op, wildcard(text)), nil
	}
	end := strings.IndexFunc(p.rest, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("&|)", r) })
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	number, err := strconv.ParseFloat(word, 64)
	switch {
	case err == nil:
		p.rest = p.rest[end:]
		return at.number(op, number), nil
	case word == "" || op != "=" && op != "!=":
		return nil, p.unexpected("a number")
	}
	p.rest = p.rest[end:]
	return at.text(op, wildcard(word)), nil
}

// wildcard matches a whole text; * matches any number of characters.
func wildcard(text string) Pattern {
	if !strings.Contains(text, "*") {
		return func(m string) bool { return m == text }
	}
	re := regexp.MustCompile("(?s)^" + strings.ReplaceAll(regexp.QuoteMeta(text), `\*`, ".*") + "$")
	return re.MatchString
}
