package elb

import (
	"net/netip"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/fault"
)

// tokenMarks are the characters besides letters and digits that RFC 9110 allows in a token.
const tokenMarks = "!#$%&'*+-.^_`|~"

var conditionFields = []string{FieldPath, FieldHost, FieldHeader, FieldMethod, FieldQueryString, FieldSourceIP}

// CheckConditions reports what is wrong with a rule's conditions (alb.md R4, R5, 2.2, C1-C3).
func CheckConditions(conditions []Condition) error {
	values, wildcards, addresses := 0, 0, 0
	seen := map[string]bool{}
	for _, c := range conditions {
		if !slices.Contains(conditionFields, c.Field) {
			return fault.New("ValidationError", "Condition field '%s' must be one of '[%s]'", c.Field,
				strings.Join(conditionFields, ","))
		}
		if seen[c.Field] && c.Field != FieldHeader && c.Field != FieldQueryString {
			return fault.New("ValidationError", "A rule can have at most one condition of field '%s'", c.Field)
		}
		seen[c.Field] = true
		if err := c.check(); err != nil {
			return err
		}
		n := len(c.Values) + len(c.RegexValues) + len(c.QueryStrings)
		if c.Field == FieldSourceIP {
			addresses += n
		} else if n > maxValuesPerCondition {
			return fault.New("ValidationError", "A condition can have at most '%d' values", maxValuesPerCondition)
		}
		values += n
		wildcards += c.wildcards()
	}
	if values > MaxConditionValuesPerRule || addresses > MaxConditionValuesPerRule {
		return fault.New("ValidationError", "A rule can have at most '%d' condition values", MaxConditionValuesPerRule)
	}
	if wildcards > MaxWildcardsPerRule {
		return fault.New("ValidationError", "A rule can have at most '%d' condition wildcards", MaxWildcardsPerRule)
	}
	return nil
}

func (c Condition) check() error {
	if len(c.Values)+len(c.RegexValues)+len(c.QueryStrings) == 0 {
		return fault.New("ValidationError", "A condition value must be specified")
	}
	if len(c.Values) > 0 && len(c.RegexValues) > 0 {
		return fault.New("ValidationError",
			"A condition of field '%s' uses either Values or RegexValues, not both", c.Field)
	}
	for _, r := range c.RegexValues {
		if err := checkRegex(c.Field, r); err != nil {
			return err
		}
	}
	if c.Field == FieldHeader {
		if err := checkHeaderName(c.HeaderName); err != nil {
			return err
		}
	}
	for _, v := range c.Values {
		if err := c.checkValue(v); err != nil {
			return err
		}
	}
	for _, q := range c.QueryStrings {
		if err := checkQueryString(q); err != nil {
			return err
		}
	}
	return nil
}

func (c Condition) checkValue(v string) error {
	limit := maxPatternLength
	if c.Field == FieldMethod {
		limit = maxMethodLength
	}
	switch {
	case v == "":
		return fault.New("ValidationError", "A condition value must be specified")
	case len(v) > limit:
		return fault.New("ValidationError", "The '%s' value is too long; the limit is '%d'", c.Field, limit)
	}
	switch c.Field {
	case FieldHost:
		return checkHostPattern(v)
	case FieldPath:
		if !only(v, alphanumeric+`_-.$/~"'@:+&;*?`) {
			return invalidCharacters(c.Field, v)
		}
	case FieldMethod:
		if !only(v, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_") {
			return invalidCharacters(c.Field, v)
		}
	case FieldSourceIP:
		return checkCIDR(v)
	case FieldHeader:
		if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r > '~' }) {
			return invalidCharacters(c.Field, v)
		}
	}
	return nil
}

func invalidCharacters(field, v string) error {
	return fault.New("ValidationError", "The '%s' value '%s' contains invalid characters", field, v)
}

func checkHostPattern(v string) error {
	if !only(v, alphanumeric+"-._*?") {
		return invalidCharacters(FieldHost, v)
	}
	dot := strings.LastIndexByte(v, '.')
	if dot < 0 {
		return fault.New("ValidationError", "The 'host-header' value '%s' must contain at least one '.' character", v)
	}
	// a name with a dot at its end is matched without it
	if tail := v[dot+1:]; tail == "" || !only(tail, letters+"*?") {
		return fault.New("ValidationError",
			"The 'host-header' value '%s' must hold letters, and only letters, after its last '.'", v)
	}
	return nil
}

func checkHeaderName(name string) error {
	switch {
	case name == "":
		return fault.New("ValidationError", "The 'HttpHeaderName' value must be specified")
	case len(name) > maxHeaderNameLength:
		return fault.New("ValidationError", "The 'HttpHeaderName' value is too long; the limit is '%d'",
			maxHeaderNameLength)
	case !only(name, alphanumeric+tokenMarks):
		return invalidCharacters("HttpHeaderName", name)
	case strings.EqualFold(name, "Host"):
		return fault.New("ValidationError",
			"The 'HttpHeaderName' value 'Host' is not allowed; use a condition of field 'host-header'")
	}
	return nil
}

func checkQueryString(q KeyValue) error {
	switch {
	case q.Value == "":
		return fault.New("ValidationError", "A condition value must be specified")
	case len(q.Key) > maxPatternLength:
		return fault.New("ValidationError", "The 'query-string' key is too long; the limit is '%d'", maxPatternLength)
	case len(q.Value) > maxPatternLength:
		return fault.New("ValidationError", "The 'query-string' value is too long; the limit is '%d'", maxPatternLength)
	}
	return nil
}

func checkCIDR(v string) error {
	p, err := netip.ParsePrefix(v)
	if err != nil {
		return fault.New("ValidationError",
			"The 'source-ip' value '%s' must be an IP address range in CIDR notation", v).With(err)
	}
	if v == "255.255.255.255/32" {
		return fault.New("ValidationError", "The 'source-ip' value '%s' is not allowed", v)
	}
	if p.Masked() != p {
		return fault.New("ValidationError",
			"The 'source-ip' value '%s' is not a valid CIDR block; its first address is '%s'", v, p.Masked())
	}
	return nil
}

// checkRegex admits what Amazon's engine and Go's have in common; Unicode classes are the one thing
// Go alone has (alb.md C1).
func checkRegex(field, v string) error {
	if field != FieldHost && field != FieldPath && field != FieldHeader {
		return fault.New("ValidationError", "RegexValues cannot be used with a condition of field '%s'", field)
	}
	if v == "" {
		return fault.New("ValidationError", "A condition value must be specified")
	}
	if len(v) > maxPatternLength {
		return fault.New("ValidationError", "The '%s' regex value is too long; the limit is '%d'",
			field, maxPatternLength)
	}
	if _, err := syntax.Parse(v, syntax.Perl&^syntax.UnicodeGroups); err != nil {
		return fault.New("ValidationError", "The '%s' regex value '%s' is not valid: %s", field, v, err).With(err)
	}
	return nil
}

func (c Condition) wildcards() int {
	if c.Field == FieldMethod || c.Field == FieldSourceIP {
		return 0
	}
	n := 0
	for _, v := range c.Values {
		n += countWildcards(v)
	}
	for _, q := range c.QueryStrings {
		n += countWildcards(q.Key) + countWildcards(q.Value)
	}
	return n
}

func countWildcards(v string) int {
	n := 0
	for i := 0; i < len(v); i++ {
		switch v[i] {
		case '\\':
			i++
		case '*', '?':
			n++
		}
	}
	return n
}
