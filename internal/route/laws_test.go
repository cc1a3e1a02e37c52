package route

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/elb"
)

// These tests change rules and requests. The effect on the matched rule is known, without knowing which rule
// that is.

// drawRules draws up to five rules, by their priorities.
func drawRules(rt *rapid.T) map[int][]elb.Condition {
	rules := map[int][]elb.Condition{}
	n := rapid.IntRange(0, 5).Draw(rt, "rules")
	for _, number := range rapid.SliceOfNDistinct(rapid.IntRange(1, 50000), n, n, rapid.ID).Draw(rt, "numbers") {
		for range rapid.IntRange(1, 3).Draw(rt, "conditions") {
			rules[number] = append(rules[number], drawCondition(rt))
		}
	}
	return rules
}

// met returns the priority of the rule that matches the request.
func met(rules map[int][]elb.Condition, r Request) int {
	w := newWorld()
	for number, conditions := range rules {
		w.rule("web", 80, number, conditions, forward("tg"))
	}
	return compile(w.Config).Table().Listener(80, r.Host).Match(&r).Priority
}

// The matched rule does not depend on a rule that matches nothing, on rules behind it, on the order of
// conditions and values, or on values that are given twice (alb.md R1, R3).
func TestWhatRulesDoNotDependOn(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rules, r := drawRules(rt), drawRequest(rt)
		want := met(rules, r)
		changed := map[int][]elb.Condition{}
		for number, conditions := range rules {
			if want != 0 && number > want && rapid.Bool().Draw(rt, "away") {
				continue
			}
			conditions = rapid.Permutation(conditions).Draw(rt, "conditions")
			for i := range conditions {
				if len(conditions[i].Values) > 0 {
					conditions[i].Values = rapid.Permutation(slices.Concat(conditions[i].Values,
						conditions[i].Values[:1])).Draw(rt, "values")
				}
			}
			changed[number] = conditions
		}
		free := rapid.IntRange(1, 50000).Filter(func(n int) bool { return changed[n] == nil }).Draw(rt, "free")
		changed[free] = append(when(elb.FieldMethod, "NEVER"), when(elb.FieldPath, "*")...)
		if got := met(changed, r); got != want {
			rt.Fatalf("%+v met rule %d of %v, then %d of %v", r, want, rules, got, changed)
		}
	})
}

// Only the order of priorities matters, and not their values (alb.md R1).
func TestOnlyTheOrderOfPrioritiesCounts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rules, r := drawRules(rt), drawRequest(rt)
		old := slices.Sorted(maps.Keys(rules))
		fresh := rapid.SliceOfNDistinct(rapid.IntRange(1, 50000), len(old), len(old), rapid.ID).Draw(rt, "fresh")
		slices.Sort(fresh)
		renamed := map[int][]elb.Condition{}
		for i, number := range old {
			renamed[fresh[i]] = rules[number]
		}
		want := met(rules, r)
		if i := slices.Index(old, want); i >= 0 {
			want = fresh[i]
		}
		if got := met(renamed, r); got != want {
			rt.Fatalf("met rule %d of %v, want %d", got, renamed, want)
		}
	})
}

// A rule with several values equals several rules with one value each. A rule with two conditions matches if
// and only if two rules with one condition each would both match (alb.md R3).
func TestValuesAreAlternativesConditionsAreNot(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c, d, r := drawCondition(rt), drawCondition(rt), drawRequest(rt)
		holds := func(list ...elb.Condition) bool { return met(map[int][]elb.Condition{7: list}, r) == 7 }
		if both := holds(c, d); both != (holds(c) && holds(d)) {
			rt.Fatalf("%+v and %+v hold: %v", c, d, both)
		}
		single := false
		for i := range c.Values {
			one := c
			one.Values = c.Values[i : i+1]
			single = single || holds(one)
		}
		for i := range c.QueryStrings {
			one := c
			one.QueryStrings = c.QueryStrings[i : i+1]
			single = single || holds(one)
		}
		if single != holds(c) {
			rt.Fatalf("%+v holds: %v, one of its values: %v", c, !single, single)
		}
	})
}

// The matched rule does not depend on the case of the host, the query and header fields, on the port or the
// final dot of the host, on the order of header fields, or on fields that no condition names (alb.md 2.2).
func TestWhatOfARequestDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rules, r := drawRules(rt), drawRequest(rt)
		other := r
		host, _, _ := strings.Cut(r.Host, ":")
		other.Host = strings.ToUpper(host) + rapid.SampledFrom([]string{"", ".", ":1", ".:1"}).Draw(rt, "rest")
		other.Query = strings.ToUpper(r.Query)
		other.Header = rapid.Permutation(append(slices.Clone(r.Header), Field{"X-Other", "1"})).Draw(rt, "header")
		for i := range other.Header {
			f := &other.Header[i]
			f.Name, f.Value = strings.ToUpper(f.Name), strings.ToUpper(f.Value)
		}
		if a, b := met(rules, r), met(rules, other); a != b {
			rt.Fatalf("%+v meets rule %d, %+v rule %d of %v", r, a, other, b, rules)
		}
	})
}

// A request for a load balancer matches the same rule whether or not another load balancer has listeners and
// rules.
func TestLoadBalancersDoNotMeet(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		mine, others, r := drawRules(rt), drawRules(rt), drawRequest(rt)
		want := met(mine, r)
		w := newWorld()
		w.loadBalancer("other", rapid.IntRange(-2, 2).Draw(rt, "age"))
		w.listener("other", 80)
		w.listener("other", 81)
		w.rule("other", 80, 0, nil, forward("tg"))
		for number, conditions := range mine {
			w.rule("web", 80, number, conditions, forward("tg"))
		}
		for number, conditions := range others {
			w.rule("other", 80, number, conditions, forward("tg"))
			w.rule("other", 81, number, conditions, forward("tg"))
		}
		l := compile(w.Config).Table().Listener(80, "web.localhost")
		if rule := l.Match(&r); l.LoadBalancerARN != "web" || rule.Priority != want {
			rt.Fatalf("met rule %d of %s, want %d", rule.Priority, l.LoadBalancerARN, want)
		}
	})
}

// A pattern equals the regular expression that it can be translated to: with case for paths, and without case
// for hosts and header values (alb.md 2.2, C1).
func TestPatternsAreRegularExpressions(t *testing.T) {
	text := rapid.StringOfN(rapid.RuneFrom([]rune("aAb/.*?")), 0, 7, -1)
	rapid.Check(t, func(rt *rapid.T) {
		p, s := text.Draw(rt, "pattern"), text.Draw(rt, "text")
		re := "^" + strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(p)) + "$"
		field := rapid.SampledFrom([]string{elb.FieldHost, elb.FieldPath, elb.FieldHeader}).Draw(rt, "field")
		r := Request{Host: strings.ReplaceAll(s, ".", "-"), Path: s, Header: []Field{{"X-A", s}}}
		holds := func(c elb.Condition) bool {
			c.Field, c.HeaderName = field, "X-A"
			compiled, err := compileCondition(c)
			if err != nil {
				rt.Fatal(err)
			}
			return compiled.matches(&r)
		}
		if a, b := holds(elb.Condition{Values: []string{p}}), holds(elb.Condition{RegexValues: []string{re}}); a != b {
			rt.Fatalf("%s %q: pattern %q %v, expression %s %v", field, s, p, a, re, b)
		}
	})
}

// A pattern as text is parsed to the same pattern again, also with backslashes. So two patterns with the same
// text are equal.
func TestPatternsAreWrittenAsTheyAreRead(t *testing.T) {
	text := rapid.StringOfN(rapid.RuneFrom([]rune(`ab\*?`)), 0, 8, -1)
	rapid.Check(t, func(rt *rapid.T) {
		p := compilePattern(text.Draw(rt, "pattern"), false, true)
		if again := compilePattern(p.String(), false, true); !slices.Equal(again.ops, p.ops) {
			rt.Fatalf("%v is written %q and read %v", p.ops, p, again.ops)
		}
	})
}

// A text with escaped wildcards and backslashes matches itself, in any case where case does not matter, and
// no longer or shorter text.
func TestEscapedTextMatchesItself(t *testing.T) {
	text := rapid.StringOfN(rapid.RuneFrom([]rune(`aB\*?=`)), 0, 8, -1)
	escape := strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`)
	rapid.Check(t, func(rt *rapid.T) {
		s := text.Draw(rt, "text")
		p := compilePattern(escape.Replace(s), true, true)
		if !p.matches(s) || !p.matches(strings.ToUpper(s)) || p.matches(s+"a") || p.matches("a"+s) ||
			s != "" && p.matches(s[1:]) {
			rt.Fatalf("%q", s)
		}
	})
}

// The parts that a redirect gives are in its URL, and the other parts are those of the request (alb.md A6).
func TestRedirectChangesWhatItSays(t *testing.T) {
	word := rapid.StringMatching(`[a-z]{1,8}`)
	rapid.Check(t, func(rt *rapid.T) {
		r := &Request{Host: word.Draw(rt, "host") + ".example", Path: "/" + word.Draw(rt, "path"),
			Query: rapid.SampledFrom([]string{"", "a=1", "a=1&b=%2F"}).Draw(rt, "query")}
		protocol := rapid.SampledFrom([]string{"http", "https"}).Draw(rt, "protocol")
		port := fmt.Sprint(rapid.IntRange(1, 65535).Draw(rt, "port"))
		want := url.URL{Scheme: protocol, Host: r.Host, Path: r.Path, RawQuery: r.Query}
		var rd elb.Redirect
		say := func(part string) bool { return rapid.Bool().Draw(rt, part) }
		if say("protocol") {
			rd.Protocol, want.Scheme = elb.HTTPS, "https"
		}
		if say("host") {
			rd.Host, want.Host = "new.example", "new.example"
		}
		if say("path") {
			rd.Path, want.Path = "/new/#{path}", "/new"+r.Path
		}
		if say("query") {
			rd.Query, want.RawQuery = "n=#{port}", "n="+port
		}
		toPort := port
		if say("port") {
			rd.Port, toPort = "4433", "4433"
		}
		want.Host += ":" + toPort
		rd = rd.WithDefaults()
		if got, fits := Location(&rd, r, protocol, port); got != want.String() || !fits {
			rt.Fatalf("%+v leads to %s, want %s", rd, got, &want)
		}
	})
}

// A load balancer with its own address is alone there, whatever protocols others use on that port. On the
// shared address, the port belongs to the load balancer that was created first, and among several to the
// first by ARN.
func TestOwnAddressesAreNotShared(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld()
		w.Addresses = map[string]netip.Addr{"web": netip.MustParseAddr("172.30.0.1")}
		w.loadBalancer("other", rapid.IntRange(-1, 1).Draw(rt, "age"))
		w.listener("other", 80)
		w.rule("other", 80, 0, nil, forward("tg"))
		tls := rapid.Bool().Draw(rt, "tls")
		if tls {
			w.Listeners[1].Protocol = elb.HTTPS
		}
		w.Addresses["other"] = netip.MustParseAddr("172.30.0.2")
		table := compile(w.Config).Table()
		for i, name := range []string{"web", "other"} {
			at := netip.MustParseAddrPort(fmt.Sprintf("172.30.0.%d:80", i+1))
			if l := table.Own(at); l == nil || l.LoadBalancerARN != name || l.TLS != (tls && name == "other") {
				rt.Fatalf("at %s listens %+v", at, l)
			}
		}
		first := "web"
		if w.LoadBalancers[1].Created.Compare(epoch) <= 0 { // "other" is before "web" by ARN
			first = "other"
		}
		if l := table.Listener(80, "192.0.2.1"); l.LoadBalancerARN != first ||
			table.TLS(80) != (tls && first == "other") {
			rt.Fatalf("the shared address belongs to %s, want %s", l.LoadBalancerARN, first)
		}
		if both := len(table.On(80)) == 2; both == tls || (len(table.Problems) == 1) != tls {
			rt.Fatalf("%d listeners share the port, problems %q", len(table.On(80)), table.Problems)
		}
	})
}
