// Package expr is metric math: expressions over time series, as in GetMetricData and alarms of
// CloudWatch.
//
// A value is a number, a text, a time series, or a list of time series. Two series are combined at the times
// that both have. A result that is not a number, as after a division by zero, is left out. Functions of
// CloudWatch that this package does not have are refused by name. The package is pure: the caller supplies
// the series of metrics and the series that SEARCH finds.
package expr

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MaxLength is the maximum length of an expression in characters.
const MaxLength = 2048

const maxDepth = 100

// Expr is a parsed expression.
type Expr struct {
	op    string // an operator, or one of the following
	text  string // of a name, a text or a function's name
	value float64
	args  []*Expr
}

// Kinds of Expr that are not operators.
const (
	isNumber = "number"
	isText   = "text"
	isName   = "name"
	isCall   = "call"
	isMinus  = "minus"
)

// Parse reads an expression.
func Parse(text string) (*Expr, error) {
	if len(text) > MaxLength {
		return nil, fmt.Errorf("an expression has at most %d characters, and this one has %d", MaxLength, len(text))
	}
	tokens, err := scan(text)
	if err != nil {
		return nil, err
	}
	p := parser{tokens: tokens}
	e := p.binary(0, 0)
	if p.err == nil && len(p.tokens) > 0 {
		p.fail("%q is not expected", p.tokens[0].text)
	}
	if p.err != nil {
		return nil, p.err
	}
	return e, nil
}

// token is a number, a text in quotes, a word, or an operator.
type token struct {
	kind string // isNumber, isText, isName or "operator"
	text string
}

const (
	digits  = "0123456789"
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
)

func scan(text string) (tokens []token, err error) {
	for text = strings.TrimLeft(text, " \t\r\n"); text != ""; text = strings.TrimLeft(text, " \t\r\n") {
		var t token
		switch c := text[0]; {
		case strings.IndexByte(digits+".", c) >= 0:
			t = token{isNumber, text[:span(text, digits+".")]}
		case strings.IndexByte(letters, c) >= 0:
			t = token{isName, text[:span(text, letters+digits)]}
		case c == '"' || c == '\'':
			end := quoted(text)
			if end < 0 {
				return nil, errors.New("a text has no closing quote")
			}
			tokens = append(tokens, token{isText, unquote(text[1:end])})
			text = text[end+1:]
			continue
		default:
			if t, err = operator(text); err != nil {
				return nil, err
			}
		}
		tokens = append(tokens, t)
		text = text[len(t.text):]
	}
	return tokens, nil
}

func span(text, of string) int {
	for i := range len(text) {
		if strings.IndexByte(of, text[i]) < 0 {
			return i
		}
	}
	return len(text)
}

// quoted returns the end of the quoted text at the start of text.
func quoted(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case text[0]:
			return i
		}
	}
	return -1
}

func unquote(text string) string {
	return strings.NewReplacer(`\"`, `"`, `\'`, `'`, `\\`, `\`).Replace(text)
}

func operator(text string) (token, error) {
	for _, o := range []string{"==", "!=", "<=", ">=", "&&", "||", "<", ">", "+", "-", "*", "/", "^", "(", ")",
		",", "[", "]"} {
		if strings.HasPrefix(text, o) {
			return token{"operator", o}, nil
		}
	}
	return token{}, fmt.Errorf("%q is not part of metric math", []rune(text)[0])
}

type parser struct {
	tokens []token
	err    error
}

func (p *parser) fail(format string, args ...any) *Expr {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
	p.tokens = nil
	return &Expr{op: isNumber}
}

// levels are the operators with two operands, the weakest first. Powers are right-associative.
var levels = [][]string{{"||"}, {"&&"}, {"==", "!="}, {"<", ">", "<=", ">="}, {"+", "-"}, {"*", "/"}}

// is reads one of the operators, or the word for it.
func (p *parser) is(ops ...string) (string, bool) {
	if len(p.tokens) == 0 || p.tokens[0].kind != "operator" && p.tokens[0].kind != isName {
		return "", false
	}
	o := p.tokens[0].text
	switch strings.ToUpper(o) {
	case "AND":
		o = "&&"
	case "OR":
		o = "||"
	}
	if !slices.Contains(ops, o) {
		return "", false
	}
	p.tokens = p.tokens[1:]
	return o, true
}

func (p *parser) binary(level, depth int) *Expr {
	if level == len(levels) {
		return p.unary(depth)
	}
	left := p.binary(level+1, depth)
	for p.err == nil {
		op, ok := p.is(levels[level]...)
		if !ok {
			break
		}
		left = &Expr{op: op, args: []*Expr{left, p.binary(level+1, depth)}}
	}
	return left
}

func (p *parser) unary(depth int) *Expr {
	if depth > maxDepth {
		return p.fail("the expression is nested more than %d deep", maxDepth)
	}
	if _, ok := p.is("-"); ok {
		return &Expr{op: isMinus, args: []*Expr{p.unary(depth + 1)}}
	}
	if _, ok := p.is("+"); ok {
		return p.unary(depth + 1)
	}
	base := p.operand(depth)
	if _, ok := p.is("^"); ok {
		return &Expr{op: "^", args: []*Expr{base, p.unary(depth + 1)}}
	}
	return base
}

func (p *parser) operand(depth int) *Expr {
	if len(p.tokens) == 0 {
		return p.fail("the expression ends early")
	}
	t := p.tokens[0]
	p.tokens = p.tokens[1:]
	switch {
	case t.kind == isNumber:
		v, err := strconv.ParseFloat(t.text, 64)
		if err != nil {
			return p.fail("%q is not a number", t.text)
		}
		return &Expr{op: isNumber, value: v}
	case t.kind == isText:
		return &Expr{op: isText, text: t.text}
	case t.kind == isName:
		if _, ok := p.is("("); ok {
			return p.call(strings.ToUpper(t.text), depth)
		}
		return &Expr{op: isName, text: t.text}
	case t.text == "(":
		e := p.binary(0, depth+1)
		if _, ok := p.is(")"); p.err == nil && !ok {
			return p.fail("a closing parenthesis is missing")
		}
		return e
	case t.text == "[":
		return p.list("list", "]", depth)
	}
	return p.fail("%q is not expected", t.text)
}

func (p *parser) call(name string, depth int) *Expr {
	if f, ok := functions[name]; !ok || f.run == nil {
		return p.fail("the function %s is not supported; these are: %s", name, strings.Join(supported(), ", "))
	}
	e := p.list(isCall, ")", depth)
	e.text = name
	if f := functions[name]; p.err == nil && (len(e.args) < f.least || len(e.args) > f.most) {
		return p.fail("%s takes %s, and here it has %d", name, f.takes(), len(e.args))
	}
	return e
}

func (p *parser) list(op, end string, depth int) *Expr {
	e := &Expr{op: op}
	if _, ok := p.is(end); ok {
		return e
	}
	for p.err == nil {
		e.args = append(e.args, p.binary(0, depth+1))
		if _, ok := p.is(end); ok {
			return e
		}
		if _, ok := p.is(","); p.err == nil && !ok {
			return p.fail("a comma or %q is missing", end)
		}
	}
	return e
}

// IDs returns the ids that an expression uses, each once. The ids of METRICS() are not among them; see All.
func (e *Expr) IDs() (ids []string) {
	e.walk(func(e *Expr) {
		if e.op == isName && !words[e.text] && !slices.Contains(ids, e.text) {
			ids = append(ids, e.text)
		}
	})
	return ids
}

// All reports whether an expression uses METRICS(), which means all metrics of the request.
func (e *Expr) All() (all bool) {
	e.walk(func(e *Expr) { all = all || e.op == isCall && e.text == "METRICS" })
	return all
}

// Searches reports whether an expression uses SEARCH. CloudWatch refuses that in alarms.
func (e *Expr) Searches() (found bool) {
	e.walk(func(e *Expr) { found = found || e.op == isCall && e.text == "SEARCH" })
	return found
}

func (e *Expr) walk(fn func(*Expr)) {
	fn(e)
	for _, a := range e.args {
		a.walk(fn)
	}
}

// words are words that are valid as arguments of functions and are not ids.
var words = map[string]bool{"REPEAT": true, "LINEAR": true, "AVG": true, "MAX": true, "MIN": true, "SUM": true,
	"ASC": true, "DESC": true}
