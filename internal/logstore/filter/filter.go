// Package filter implements the filter patterns of Amazon CloudWatch Logs, with which FilterLogEvents selects
// messages.
//
//	ERROR timeout          messages with both terms, in any order; case counts
//	"not found"            a phrase; terms with anything but letters, digits and _ need the quotes
//	?ERROR ?WARN           any of the terms; next to terms of other kinds these mean nothing, as on AWS
//	ERROR -retry           without a term
//	%5[0-9][0-9]%          a regular expression
//	{ $.status >= 500 && $.user.name = "a*" }
//	                       JSON messages by their members: = != < <= > >=, IS NULL, IS TRUE, IS FALSE,
//	                       EXISTS, NOT EXISTS, &&, || and parentheses;
//	                       * in a text matches anything, in [*] any element
//
// A term matches anywhere in a message, also inside words. Patterns for space-delimited messages ("[ip, user,
// …]") are refused. The package is pure; a Pattern is immutable and safe for concurrent use.
package filter

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/berthhq/berth/internal/fault"
)

// MaxLength is the maximum length of a pattern in bytes.
const MaxLength = 1024

// Pattern reports whether a message matches.
type Pattern func(message string) bool

// Parse parses a pattern. The empty pattern matches everything. The error is an InvalidParameterException of
// the service.
func Parse(text string) (Pattern, error) {
	trimmed := strings.TrimSpace(text)
	switch {
	case len(text) > MaxLength:
		return nil, invalid("Invalid filter pattern: it has %d bytes; the most are %d", len(text), MaxLength)
	case trimmed == "":
		return func(string) bool { return true }, nil
	case strings.HasPrefix(trimmed, "{"):
		return parseJSON(trimmed)
	case strings.HasPrefix(trimmed, "["):
		return nil, invalid("Invalid filter pattern: patterns over space-delimited messages, as in [ip, " +
			"user], are not supported; use terms or { $.member = value }")
	}
	return parseTerms(trimmed)
}

func invalid(format string, args ...any) error {
	return fault.New("InvalidParameterException", format, args...)
}

// terms is a pattern over text.
type terms struct{ all, any, none []Pattern }

func (t *terms) match(message string) bool {
	hits := func(p Pattern) bool { return p(message) }
	if slices.ContainsFunc(t.none, hits) {
		return false
	}
	if len(t.all) == 0 && len(t.none) == 0 {
		return slices.ContainsFunc(t.any, hits)
	}
	return !slices.ContainsFunc(t.all, func(p Pattern) bool { return !p(message) })
}

func parseTerms(text string) (Pattern, error) {
	var t terms
	for text != "" {
		to := &t.all
		switch text[0] {
		case '?':
			to, text = &t.any, text[1:]
		case '-':
			to, text = &t.none, text[1:]
		}
		p, rest, err := parseTerm(text)
		if err != nil {
			return nil, err
		}
		*to = append(*to, p)
		text = strings.TrimLeftFunc(rest, unicode.IsSpace)
	}
	return t.match, nil
}

// parseTerm parses the first term of text: a quoted phrase, a regular expression, or a word.
func parseTerm(text string) (p Pattern, rest string, err error) {
	switch {
	case strings.HasPrefix(text, `"`):
		phrase, rest, err := quoted(text)
		return contains(phrase), rest, err
	case strings.HasPrefix(text, "%"):
		return parseRegexp(text)
	}
	end := strings.IndexFunc(text, unicode.IsSpace)
	if end < 0 {
		end = len(text)
	}
	word := text[:end]
	if word == "" || strings.ContainsFunc(word,
		func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		return nil, "", invalid("Invalid character(s) in term '%s'", word)
	}
	return contains(word), text[end:], nil
}

func contains(part string) Pattern {
	return func(m string) bool { return strings.Contains(m, part) }
}

// quoted parses a text in double quotes at the start of s. A quote after a backslash does not end it.
func quoted(s string) (text, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:], nil
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", "", invalid("Invalid filter pattern: the quote in %s is not closed", s)
}

// parseRegexp parses %expression% at the start of s. AWS allows less than Go's syntax; what AWS refuses is
// refused here too.
func parseRegexp(s string) (Pattern, string, error) {
	expr, rest, ok := strings.Cut(s[1:], "%")
	if !ok {
		return nil, "", invalid("Invalid filter pattern: the %% in %s is not closed", s)
	}
	if strings.ContainsAny(expr, "()") {
		return nil, "", invalid(
			"Invalid filter pattern: parentheses are not supported in the regular expression %%%s%%", expr)
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, "", invalid("Invalid filter pattern: %%%s%% is not a regular expression", expr)
	}
	return re.MatchString, rest, nil
}
