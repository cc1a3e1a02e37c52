package route

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/berthhq/berth/internal/elb"
)

// condition is met when any of its values matches (alb.md R3).
type condition struct {
	field    string
	header   string
	patterns []pattern
	regexes  []*regexp.Regexp
	exact    []string
	pairs    []pair
	ranges   []netip.Prefix
}

type pair struct {
	anyKey     bool
	key, value pattern
}

func compileCondition(c elb.Condition) (condition, error) {
	out := condition{field: c.Field, header: c.HeaderName}
	switch c.Field {
	case elb.FieldMethod:
		out.exact = c.Values
	case elb.FieldSourceIP:
		for _, v := range c.Values {
			p, err := netip.ParsePrefix(v)
			if err != nil {
				return out, err
			}
			out.ranges = append(out.ranges, p)
		}
	case elb.FieldQueryString:
		for _, q := range c.QueryStrings {
			out.pairs = append(out.pairs,
				pair{q.Key == "", compilePattern(q.Key, true, true), compilePattern(q.Value, true, true)})
		}
	case elb.FieldHost, elb.FieldPath, elb.FieldHeader:
		return compileText(out, c)
	default:
		return out, fmt.Errorf("conditions on %q are not known", c.Field)
	}
	return out, nil
}

// compileText compiles what the three fields with patterns have in common. Case matters in paths
// only.
func compileText(out condition, c elb.Condition) (condition, error) {
	fold := c.Field != elb.FieldPath
	for _, v := range c.Values {
		out.patterns = append(out.patterns, compilePattern(v, fold, false))
	}
	for _, v := range c.RegexValues {
		if fold {
			v = "(?i:" + v + ")"
		}
		re, err := regexp.Compile(v)
		if err != nil {
			return out, err
		}
		out.regexes = append(out.regexes, re)
	}
	return out, nil
}

func (c *condition) matches(r *Request) bool {
	switch c.field {
	case elb.FieldHost:
		return c.text(hostOnly(r.Host))
	case elb.FieldPath:
		return c.text(r.Path)
	case elb.FieldHeader:
		for i := range r.Header {
			f := &r.Header[i]
			if len(f.Name) == len(c.header) && strings.EqualFold(f.Name, c.header) && c.text(f.Value) {
				return true
			}
		}
	case elb.FieldMethod:
		for _, m := range c.exact {
			if m == r.Method {
				return true
			}
		}
	case elb.FieldQueryString:
		return c.query(r.Query)
	case elb.FieldSourceIP:
		source := r.Source.Unmap().WithZone("") // a prefix contains no address with a zone
		for _, p := range c.ranges {
			if p.Contains(source) {
				return true
			}
		}
	}
	return false
}

func (c *condition) text(s string) bool {
	for _, p := range c.patterns {
		if p.matches(s) {
			return true
		}
	}
	for _, re := range c.regexes {
		if re.MatchString(s) {
			return true
		}
	}
	return false
}

// query matches the pairs after the question mark. It ignores a fragment, which no client should
// send (alb.md 2.2).
func (c *condition) query(query string) bool {
	query, _, _ = strings.Cut(query, "#")
	for query != "" {
		var item string
		item, query, _ = strings.Cut(query, "&")
		key, value, _ := strings.Cut(item, "=")
		for i := range c.pairs {
			if p := &c.pairs[i]; (p.anyKey || p.key.matches(key)) && p.value.matches(value) {
				return true
			}
		}
	}
	return false
}
