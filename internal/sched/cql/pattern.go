package cql

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"
)

// compile compiles a pattern, in Java's syntax as AWS documents, to match whole strings. Go's
// engine does not backtrack and refuses look-around, back-references and possessive quantifiers;
// compile refuses what Java and Go read differently. problem is "" on success.
func compile(pattern string) (re *regexp.Regexp, problem string) {
	problem, open := differs(pattern)
	if problem != "" {
		return nil, problem
	}
	// The pattern is first compiled alone, so that it cannot close the group that anchors it.
	if _, err := regexp.Compile(pattern); err != nil {
		return nil, reason(err)
	}
	if open {
		pattern += `\E`
	}
	re, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
	if err != nil {
		return nil, reason(err)
	}
	return re, ""
}

func reason(err error) string {
	if se, ok := errors.AsType[*syntax.Error](err); ok {
		return string(se.Code) + " " + se.Expr
	}
	return err.Error()
}

// differs names a construct that Java and Go read differently. open is true if the pattern ends
// inside \Q, where everything that follows would be quoted too.
func differs(pattern string) (problem string, open bool) {
	class := false
	for i := 0; i < len(pattern); i++ {
		switch rest := pattern[i:]; {
		case strings.HasPrefix(rest, `\Q`):
			end := strings.Index(rest, `\E`)
			if end < 0 {
				return "", true
			}
			i += end + 1
		case rest[0] == '\\':
			if len(rest) > 1 && rest[1] >= '1' && rest[1] <= '9' {
				return `back-references are not supported: ` + rest[:2], false
			}
			i++
		case class && rest[0] == '[':
			return "nested character classes are not supported: " + rest, false
		case class && strings.HasPrefix(rest, "&&"):
			return "intersections of character classes are not supported: " + rest, false
		case rest[0] == '[':
			class = true
			i += classStart(rest)
		case rest[0] == ']':
			class = false
		}
	}
	return "", false
}

// classStart returns how many bytes after "[" are part of the start of a class. In Go, a "]" among
// them does not end the class.
func classStart(rest string) int {
	n := 0
	if strings.HasPrefix(rest[1:], "^") {
		n++
	}
	if strings.HasPrefix(rest[1+n:], "]") {
		n++
	}
	return n
}
