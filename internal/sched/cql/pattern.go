package cql

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"
)

// compile makes a whole-string matcher of a pattern written for Java, as AWS documents. Go's engine has no backtracking,
// so look-around, back-references and possessive quantifiers are refused by it; what both engines accept but read
// differently is refused here. problem is "" on success.
func compile(pattern string) (re *regexp.Regexp, problem string) {
	if problem := differs(pattern); problem != "" {
		return nil, problem
	}
	// Compiled alone first, so that a pattern cannot close the group that anchors it.
	if _, err := regexp.Compile(pattern); err != nil {
		return nil, reason(err)
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

// differs names a construct that Java and Go read differently.
func differs(pattern string) string {
	class := false
	for i := 0; i < len(pattern); i++ {
		switch rest := pattern[i:]; {
		case strings.HasPrefix(rest, `\Q`):
			end := strings.Index(rest, `\E`)
			if end < 0 {
				return ""
			}
			i += end + 1
		case rest[0] == '\\':
			if len(rest) > 1 && rest[1] >= '1' && rest[1] <= '9' {
				return `back-references are not supported: ` + rest[:2]
			}
			i++
		case class && rest[0] == '[':
			return "nested character classes are not supported: " + rest
		case class && strings.HasPrefix(rest, "&&"):
			return "intersections of character classes are not supported: " + rest
		case rest[0] == '[':
			class = true
			i += classStart(rest)
		case rest[0] == ']':
			class = false
		}
	}
	return ""
}

// classStart returns how many bytes after "[" belong to the start of a class, where "]" is not its end in Go.
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
