package cql

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// tokenKind is the kind of a token.
type tokenKind int

const (
	tokEnd tokenKind = iota
	tokWord
	tokString
	tokOperator
	tokPunct // one of ( ) [ ] ,
)

// token is one word of an expression. pos is its byte offset.
type token struct {
	kind tokenKind
	text string // without quotes
	pos  int
}

// String returns the token as error messages show it.
func (t token) String() string {
	if t.kind == tokEnd {
		return "the end of the expression"
	}
	return fmt.Sprintf("%q", t.text)
}

// is reports whether the token is the given operator, punctuation mark or keyword (in any case). A
// quoted string is none of these.
func (t token) is(text string) bool {
	return t.kind != tokString && strings.EqualFold(t.text, text)
}

// The longest operators come first, so that "==" is not read as two operators.
const (
	operators = "== != >= <= =~ !~ && || > < !"
	special   = "()[],'\"=<>!&|~"
	blank     = " \t\r\n"
)

// lexer cuts an expression into tokens on demand, because the parser must say when it expects a
// pattern.
type lexer struct {
	src string
	pos int
}

// next reads the next token, unless a pattern is expected.
func (l *lexer) next() (token, error) {
	l.skipBlank()
	if l.pos == len(l.src) {
		return token{kind: tokEnd, pos: l.pos}, nil
	}
	rest := l.src[l.pos:]
	switch c := rest[0]; {
	case c == '\'' || c == '"':
		return l.quoted(c)
	case strings.IndexByte("()[],", c) >= 0:
		return l.take(tokPunct, 1), nil
	}
	for op := range strings.FieldsSeq(operators) {
		if strings.HasPrefix(rest, op) {
			return l.take(tokOperator, len(op)), nil
		}
	}
	n := strings.IndexAny(rest, special+blank)
	if n < 0 {
		n = len(rest)
	}
	if n == 0 {
		_, size := utf8.DecodeRuneInString(rest)
		return token{}, l.fault(l.pos, fmt.Sprintf("%q", rest[:size]), "a word, a quoted literal or an operator")
	}
	return l.take(tokWord, n), nil
}

// pattern reads the argument of a match operator. An unquoted pattern ends at a blank or a
// parenthesis and may contain every other character, brackets included.
func (l *lexer) pattern() (token, error) {
	l.skipBlank()
	rest := l.src[l.pos:]
	if rest == "" || rest[0] == '\'' || rest[0] == '"' {
		return l.next()
	}
	n := strings.IndexAny(rest, "()"+blank)
	if n < 0 {
		n = len(rest)
	}
	if n == 0 || rest[n:] != "" && rest[n] == '(' {
		return token{}, l.fault(l.pos+n, fmt.Sprintf("%q", rest[n:n+1]),
			"a pattern, in quotes if it holds parentheses or blanks")
	}
	return l.take(tokWord, n), nil
}

func (l *lexer) quoted(quote byte) (token, error) {
	start := l.pos
	n := strings.IndexByte(l.src[start+1:], quote)
	if n < 0 {
		return token{}, l.fault(start, "a quote that is never closed", fmt.Sprintf("a closing %c", quote))
	}
	l.pos = start + n + 2
	return token{kind: tokString, text: l.src[start+1 : start+1+n], pos: start}, nil
}

func (l *lexer) take(kind tokenKind, n int) token {
	t := token{kind: kind, text: l.src[l.pos : l.pos+n], pos: l.pos}
	l.pos += n
	return t
}

func (l *lexer) skipBlank() {
	rest := strings.TrimLeft(l.src[l.pos:], blank)
	l.pos = len(l.src) - len(rest)
}

func (l *lexer) fault(pos int, found, expected string) *SyntaxError {
	return &SyntaxError{Pos: pos + 1, Found: found, Expected: expected}
}
