package cql

import (
	"fmt"
	"strings"
)

// MaxLength is the greatest length of an expression, in characters (ecs.md 1.4.20).
const MaxLength = 2000

// SyntaxError says where an expression is wrong and what was expected there.
type SyntaxError struct {
	Pos      int    // position of the first offending character, counted in bytes from 1
	Found    string // what is there
	Expected string // what would be accepted
}

// Error returns one sentence with the position, what was expected and what was found.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("invalid expression: at position %d expected %s, found %s", e.Pos, e.Expected, e.Found)
}

// Expr is a parsed expression. The zero value matches nothing; use [Parse].
type Expr struct {
	src  string
	root node
}

// String returns the expression as it was written.
func (e *Expr) String() string { return e.src }

// Match reports whether the instance satisfies the expression.
func (e *Expr) Match(s *Subject) bool { return e.root != nil && e.root.match(s) }

// Parse reads an expression. Every error is a *[SyntaxError].
func Parse(src string) (*Expr, error) {
	if n := len([]rune(src)); n > MaxLength {
		return nil, &SyntaxError{Pos: MaxLength + 1, Found: fmt.Sprintf("%d characters", n),
			Expected: fmt.Sprintf("at most %d characters", MaxLength)}
	}
	p := &parser{lex: lexer{src: src}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	root, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokEnd {
		return nil, p.unexpected("'and', 'or' or the end of the expression")
	}
	return &Expr{src: src, root: root}, nil
}

// parser is a recursive-descent parser with one token of look-ahead. Its methods are named after
// the rules of the grammar.
type parser struct {
	lex lexer
	tok token
}

func (p *parser) advance() (err error) {
	p.tok, err = p.lex.next()
	return err
}

func (p *parser) unexpected(expected string) *SyntaxError {
	return p.lex.fault(p.tok.pos, p.tok.String(), expected)
}

func (p *parser) or() (node, error) {
	return p.chain(p.and, func(l []node) node { return anyOf(l) }, "or", "||")
}

func (p *parser) and() (node, error) {
	return p.chain(p.not, func(l []node) node { return allOf(l) }, "and", "&&")
}

// chain reads one or more operands joined by either spelling of an operator.
func (p *parser) chain(operand func() (node, error), join func([]node) node, word, sign string) (node, error) {
	first, err := operand()
	if err != nil {
		return nil, err
	}
	list := []node{first}
	for p.tok.is(word) || p.tok.is(sign) {
		if err := p.advance(); err != nil {
			return nil, err
		}
		n, err := operand()
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	if len(list) == 1 {
		return first, nil
	}
	return join(list), nil
}

func (p *parser) not() (node, error) {
	switch {
	case p.tok.is("not"), p.tok.is("!"):
		if err := p.advance(); err != nil {
			return nil, err
		}
		n, err := p.not()
		if err != nil {
			return nil, err
		}
		return negation{n}, nil
	case p.tok.is("("):
		return p.group()
	}
	return p.simple()
}

func (p *parser) group() (node, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	if !p.tok.is(")") {
		return nil, p.unexpected("'and', 'or' or ')'")
	}
	return n, p.advance()
}

// simple reads subject, operator and argument.
func (p *parser) simple() (node, error) {
	if p.tok.kind != tokWord {
		return nil, p.unexpected("a subject, 'not' or '('")
	}
	subj, ok := subjectNamed(p.tok.text)
	if !ok {
		return nil, p.unexpected("a subject (" + subjectNames + ")")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	at := p.tok
	op, err := p.operator()
	if err != nil {
		return nil, err
	}
	if err := subj.accepts(op); err != "" {
		return nil, p.lex.fault(at.pos, at.String(), err)
	}
	switch op {
	case opExists, opNotExists:
		return presence{subj, op == opExists}, p.advance()
	case opMatches, opNotMatches:
		return p.match(subj, op == opNotMatches)
	case opIn, opNotIn:
		return p.membership(subj, op == opNotIn)
	}
	return p.comparison(subj, op)
}

// operator reads an operator. Its last token stays current: the rule for the argument reads on from
// it.
func (p *parser) operator() (operator, error) {
	text, pos := strings.ToLower(p.tok.text), p.tok
	if p.tok.kind == tokEnd || p.tok.kind == tokString {
		return 0, p.unexpected("an operator (" + operatorNames + ")")
	}
	if text == "!" {
		if err := p.advance(); err != nil {
			return 0, err
		}
		if p.tok.kind == tokWord {
			text += strings.ToLower(p.tok.text)
		}
	}
	op, ok := operatorNamed(text)
	if !ok {
		p.tok = pos
		return 0, p.unexpected("an operator (" + operatorNames + ")")
	}
	return op, nil
}

func (p *parser) comparison(subj subject, op operator) (node, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	v, err := p.literal(subj)
	if err != nil {
		return nil, err
	}
	return comparison{subj, op, v}, nil
}

func (p *parser) match(subj subject, negate bool) (node, error) {
	tok, err := p.lex.pattern()
	if err != nil {
		return nil, err
	}
	p.tok = tok
	if tok.kind == tokEnd {
		return nil, p.unexpected("a pattern")
	}
	re, problem := compile(tok.text)
	if problem != "" {
		return nil, p.unexpected("a pattern that can be run (" + problem + ")")
	}
	return matching{subj, re, negate}, p.advance()
}

func (p *parser) membership(subj subject, negate bool) (node, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	if !p.tok.is("[") {
		return nil, p.unexpected("'[' and a list of literals")
	}
	var list []value
	for {
		if err := p.advance(); err != nil {
			return nil, err
		}
		v, err := p.literal(subj)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if p.tok.is("]") {
			return membership{subj, list, negate}, p.advance()
		}
		if !p.tok.is(",") {
			return nil, p.unexpected("',' or ']'")
		}
	}
}

// literal reads one literal of the subject's kind.
func (p *parser) literal(subj subject) (value, error) {
	if p.tok.kind != tokWord && p.tok.kind != tokString {
		return value{}, p.unexpected("a literal (" + subj.kind.literal() + ")")
	}
	v, ok := subj.kind.parse(p.tok.text)
	if !ok {
		return value{}, p.unexpected(subj.kind.literal())
	}
	return v, p.advance()
}
