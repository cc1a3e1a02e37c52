package route

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/elb"
)

// conditionsOf reads conditions from text. Each word is FIELD=VALUE,VALUE, where FIELD is host, path, method,
// source, query (with values KEY:VALUE, or VALUE for any key), or the name of a header, which begins with a
// capital letter. FIELD~REGEX has a regular expression instead of values.
func conditionsOf(t *testing.T, text string) []elb.Condition {
	t.Helper()
	fields := map[string]string{"host": elb.FieldHost, "path": elb.FieldPath, "method": elb.FieldMethod,
		"source": elb.FieldSourceIP, "query": elb.FieldQueryString}
	var out []elb.Condition
	for word := range strings.FieldsSeq(text) {
		at := strings.IndexAny(word, "=~")
		if at < 0 {
			t.Fatalf("%q is not a condition", word)
		}
		name, value := word[:at], word[at+1:]
		c := elb.Condition{Field: fields[name]}
		if c.Field == "" {
			c.Field, c.HeaderName = elb.FieldHeader, name
		}
		switch {
		case word[at] == '~':
			c.RegexValues = []string{value}
		case c.Field == elb.FieldQueryString:
			for pair := range strings.SplitSeq(value, ",") {
				key, value, both := strings.Cut(pair, ":")
				if !both {
					key, value = "", key
				}
				c.QueryStrings = append(c.QueryStrings, elb.KeyValue{Key: key, Value: value})
			}
		default:
			c.Values = strings.Split(value, ",")
		}
		out = append(out, c)
	}
	return out
}

// TestRuleStatements: each row is a statement of sections 1, 2.1 and 2.2 of alb.md, or a limit of one. Rules
// are separated by semicolons; each has its priority and its conditions. The request is written as in
// testdata/requests.txt. met is the priority of the matched rule, or 0 for the default rule.
func TestRuleStatements(t *testing.T) {
	for _, c := range []struct {
		statement, says string
		rules           string
		request         string
		met             int
	}{
		{"R1", "the lowest number wins", "20 path=/a*; 10 path=/a*", "GET h /ab", 10},
		{"R1", "by number and not by text", "9 path=/a*; 10 path=/a*; 50000 path=*", "GET h /a", 9},
		{"R1", "whatever is listed first", "50000 path=*; 1 path=/b", "GET h /b", 1},
		{"L5", "the default rule is last", "50000 path=*", "GET h /", 50000},
		{"L5", "and always there", "", "GET h /", 0},
		{"R3", "all conditions", "1 path=/a method=GET Accept=*json*", "GET h /a | Accept: text/html", 0},
		{"R3", "all conditions hold", "1 path=/a method=GET Accept=*json*", "GET h /a | Accept: text/json", 1},
		{"R3", "any value", "1 path=/a,/b,/c", "GET h /c", 1},
		{"R3", "a header condition repeated asks for both values", "1 X-A=*1* X-A=*2*", "GET h / | X-A: 1", 0},
		{"R3", "which two fields may bring", "1 X-A=*1* X-A=*2*", "GET h / | X-A: 1 | X-A: 2", 1},
		{"R3", "or one", "1 X-A=*1* X-A=*2*", "GET h / | X-A: 1, 2", 1},
		{"R3", "a query condition repeated asks for both pairs", "1 query=a:1 query=b:2", "GET h /?b=2&a=1", 1},
		{"R3", "one pair is not enough", "1 query=a:1 query=b:2", "GET h /?a=1&a=2", 0},
		{"R3", "pairs of one condition are alternatives", "1 query=a:1,b:2", "GET h /?b=2", 1},
		{"2.2 host", "* is no character too", "1 host=*a.example.com", "GET a.example.com /", 1},
		{"2.2 host", "or many, with dots", "1 host=*a.example.com", "GET x.y.a.example.com /", 1},
		{"2.2 host", "? is exactly one", "1 host=?.example.com", "GET ab.example.com /", 0},
		{"2.2 host", "any case on both sides", "1 host=*.EXAMPLE.com", "GET a.example.COM /", 1},
		{"2.2 host", "the port is not part of it", "1 host=a.example.com", "GET a.example.com:8443 /", 1},
		{"2.2 host", "whole, not a part", "1 host=example.com", "GET a.example.com /", 0},
		{"2.2 host", "an address", "1 host=127.0.0.*", "GET 127.0.0.1:80 /", 1},
		{"2.2 path", "case matters", "1 path=/Img/*", "GET h /img/a", 0},
		{"2.2 path", "never the query", "1 path=/a?b=1", "GET h /a?b=1", 0},
		{"2.2 path", "the query does not prevent", "1 path=/a", "GET h /a?b=1", 1},
		{"2.2 path", "* crosses slashes", "1 path=/img/*/pics", "GET h /img/a/b/pics", 1},
		{"2.2 path", "and is no character", "1 path=/img*/pics", "GET h /img/pics", 1},
		{"2.2 path", "a gRPC method", "1 path=/package.service/*", "POST h /package.service/Method", 1},
		{"2.2 path", "a gRPC method's point is no wildcard", "1 path=/package.service/*",
			"POST h /packageXservice/Method", 0},
		{"2.2 path", "as it was sent: escapes are not undone", "1 path=/a/b", "GET h /a%2Fb", 0},
		{"2.2 header", "names in any case", "1 X-Env=dev", "GET h / | x-eNV: dev", 1},
		{"2.2 header", "values in any case", "1 X-Env=Dev", "GET h / | X-Env: dEV", 1},
		{"2.2 header", "no wildcard in names", "1 X-*=dev", "GET h / | X-Env: dev", 0},
		{"2.2 header", "no prefix of a name", "1 X-En=dev", "GET h / | X-Env: dev", 0},
		{"2.2 header", "repeated: the first that matches", "1 X-Env=dev", "GET h / | X-Env: prod | X-Env: dev", 1},
		{"2.2 header", "an empty value is a value", "1 X-Env=*", "GET h / | X-Env: ", 1},
		{"2.2 header", "? needs one", "1 X-Env=?", "GET h / | X-Env: ", 0},
		{"2.2 method", "case matters", "1 method=GET", "get h /", 0},
		{"2.2 method", "custom methods", "1 method=SEARCH-ALL_X", "SEARCH-ALL_X h /", 1},
		{"2.2 method", "no wildcard", "1 method=P*", "POST h /", 0},
		{"2.2 query", "any case", "1 query=Version:V1", "GET h /?vERSION=v1", 1},
		{"2.2 query", "wildcards in keys", "1 query=v*:1", "GET h /?version=1", 1},
		{"2.2 query", "wildcards in values", "1 query=v:a?c*", "GET h /?v=abc", 1},
		{"2.2 query", "no key is any key", "1 query=*beta*", "GET h /?x=1&channel=beta2", 1},
		{"2.2 query", "but not the key itself", "1 query=beta", "GET h /?beta=1", 0},
		{"2.2 query", "an escaped wildcard is itself", `1 query=v:\*`, "GET h /?v=*", 1},
		{"2.2 query", "and nothing else", `1 query=v:\*`, "GET h /?v=x", 0},
		{"2.2 query", "an escaped ? too", `1 query=v:a\?b`, "GET h /?v=a?b", 1},
		{"2.2 query", "starts after the first question mark", "1 query=a:1", "GET h /?x?a=1", 0},
		{"2.2 query", "later question marks belong to it", "1 query=b:?1", "GET h /?b=?1", 1},
		{"2.2 query", "ends at a fragment", "1 query=a:1", "GET h /?x=1#&a=1", 0},
		{"2.2 query", "the value ends at the next pair", "1 query=a:1", "GET h /?a=1&b=2", 1},
		{"2.2 query", "a second = belongs to the value", "1 query=a:1=2", "GET h /?a=1=2", 1},
		{"2.2 query", "none", "1 query=*", "GET h /", 0},
		{"2.2 source", "the peer's address", "1 source=203.0.113.0/24", "GET h /", 1},
		{"2.2 source", "one address", "1 source=203.0.113.9/32", "GET h /", 1},
		{"2.2 source", "the last outside", "1 source=203.0.113.0/29", "GET h /", 0},
		{"2.2 source", "never X-Forwarded-For", "1 source=10.0.0.0/8", "GET h / | X-Forwarded-For: 10.0.0.1", 0},
		{"2.2 source", "IPv6", "1 source=2001:db8::/32", "GET h / | from 2001:db8:ffff::1", 1},
		{"2.2 source", "all of IPv4 is none of IPv6", "1 source=0.0.0.0/0", "GET h / | from 2001:db8::1", 0},
		{"2.2 source", "IPv4 in IPv6 is IPv4", "1 source=10.0.0.0/8", "GET h / | from ::ffff:10.0.0.1", 1},
		{"2.2 source", "a link's address has a zone", "1 source=fe80::/10", "GET h / | from fe80::1%eth0", 1},
		{"2.2 source", "a zone is no part of an address", "1 source=::/0", "GET h / | from fe80::1%2", 1},
		{"C1", "a regular expression for paths", `1 path~^/v[0-9]+/`, "GET h /v12/x", 1},
		{"C1", "with regard to case", `1 path~^/v[0-9]+/`, "GET h /V12/x", 0},
		{"C1", "for hosts, in any case", `1 host~^(a|b)\.example\.com$`, "GET B.example.com:80 /", 1},
		{"C1", "for headers, in any case", `1 X-Id~^[a-f]+$`, "GET h / | X-Id: ABC", 1},
		{"C1", "an alternative does not leave the group", `1 host~a|b`, "GET B /", 1},
	} {
		t.Run(c.statement+" "+c.says, func(t *testing.T) {
			w := newWorld()
			for rule := range strings.SplitSeq(c.rules, ";") {
				number, conditions, _ := strings.Cut(strings.TrimSpace(rule), " ")
				var n int
				if number == "" {
					continue
				} else if _, err := fmt.Sscan(number, &n); err != nil {
					t.Fatal(err)
				}
				w.rule("web", 80, n, conditionsOf(t, conditions), forward("tg"))
			}
			r := readRequest(t, c.request)
			if got := compile(w.Config).Table().Listener(80, r.Host).Match(&r).Priority; got != c.met {
				t.Errorf("%s: %q met rule %d, want %d", c.rules, c.request, got, c.met)
			}
		})
	}
}

// TestForwardStatements: weights (alb.md A2, A3), and the groups that a sticky client may stay with (K20,
// K21). Each group is NAME:WEIGHT, followed by "-" if it does not exist. got is how often each is chosen over
// the sum of the weights, and stays lists those that a cookie may name.
func TestForwardStatements(t *testing.T) {
	for _, c := range []struct {
		says, groups string
		got          string
		stays        string
	}{
		{"A2 ten and twenty are a third and two thirds", "a:10 b:20", "a 10, b 20", "a b"},
		{"A2 weight 0 gets no new traffic", "a:0 b:1", "b 1", "a b"},
		{"K21 but keeps its clients", "a:0 b:0 c:5", "c 5", "a b c"},
		{"A2 five groups", "a:1 b:2 c:3 d:4 e:999", "a 1, b 2, c 3, d 4, e 999", "a b c d e"},
		{"A2 all of weight 0", "a:0 b:0", "nobody 1", "a b"},
		{"a group that is gone leaves its share to the others", "a:1 b:2- c:3", "a 1, c 3", "a c"},
		{"all groups gone", "a:1-", "nobody 1", ""},
		{"one group twice has both shares", "a:1 a:2 b:1", "a 3, b 1", "a a b"},
	} {
		w := newWorld()
		f := &elb.Forward{StickySeconds: 90}
		sum := 0
		for word := range strings.FieldsSeq(c.groups) {
			word, missing := strings.CutSuffix(word, "-")
			name, number, _ := strings.Cut(word, ":")
			var weight int
			if _, err := fmt.Sscan(number, &weight); err != nil {
				t.Fatal(err)
			}
			if !missing {
				w.group(name, nil)
				sum += weight
			}
			f.TargetGroups = append(f.TargetGroups, elb.WeightedGroup{ARN: name, Weight: weight})
		}
		w.rule("web", 80, 1, nil, elb.Action{Type: elb.ActionForward, Forward: f})
		action := compile(w.Config).Table().Listener(80, "").Match(&Request{}).Forward
		counts, names := map[string]int{}, []string{}
		for random := range uint64(max(1, sum)) {
			name := "nobody"
			if u := action.Choose(random); u != nil {
				name = u.GroupARN
			}
			if counts[name] == 0 {
				names = append(names, name)
			}
			counts[name]++
		}
		var got, stays []string
		for _, name := range names {
			got = append(got, fmt.Sprint(name, " ", counts[name]))
		}
		for _, u := range action.Uses() {
			stays = append(stays, u.GroupARN)
		}
		if strings.Join(got, ", ") != c.got || strings.Join(stays, " ") != c.stays || action.Sticky != 90*time.Second {
			t.Errorf("%s: got %q, stays %q for %v, want %q and %q", c.says, got, stays, action.Sticky, c.got, c.stays)
		}
	}
}

// TestRedirectPlaces: what each placeholder is replaced by. Parts that the redirect does not give are those
// of the request (alb.md A6).
func TestRedirectPlaces(t *testing.T) {
	r := &Request{Host: "Shop.example.com:8080", Path: "/a/b", Query: "x=1&y=2"}
	for _, c := range []struct {
		in   elb.Redirect
		want string
	}{
		{elb.Redirect{}, "http://Shop.example.com:8080/a/b?x=1&y=2"},
		{elb.Redirect{Protocol: "HTTPS"}, "https://Shop.example.com:8080/a/b?x=1&y=2"},
		{elb.Redirect{Protocol: "#{protocol}", Port: "81"}, "http://Shop.example.com:81/a/b?x=1&y=2"},
		{elb.Redirect{Host: "x.#{host}.y"}, "http://x.Shop.example.com.y:8080/a/b?x=1&y=2"},
		{elb.Redirect{Path: "/#{host}/#{port}/#{path}/#{query}"},
			"http://Shop.example.com:8080/Shop.example.com/8080/a/b/x=1&y=2?x=1&y=2"},
		{elb.Redirect{Query: "#{protocol}#{host}#{port}#{path}#{query}"},
			"http://Shop.example.com:8080/a/b?httpShop.example.com8080a/bx=1&y=2"},
		{elb.Redirect{Path: "/#{path}#{path}"}, "http://Shop.example.com:8080/a/ba/b?x=1&y=2"},
		{elb.Redirect{Path: "/#{paths}", Query: "#{}"}, "http://Shop.example.com:8080/#{paths}?#{}"},
	} {
		in := c.in.WithDefaults()
		if got, fits := Location(&in, r, "http", "8080"); got != c.want || !fits {
			t.Errorf("%+v leads to %s, want %s", c.in, got, c.want)
		}
	}
}

// TestLocationOfEightKilobytes: a Location of 8,192 bytes is sent, and a longer one is not (alb.md A7).
func TestLocationOfEightKilobytes(t *testing.T) {
	in := elb.Redirect{Protocol: elb.HTTPS}.WithDefaults()
	head := len("https://h:443/?")
	for n, want := range map[int]bool{0: true, MaxLocation - head: true, MaxLocation - head + 1: false} {
		location, fits := Location(&in, &Request{Host: "h", Path: "/", Query: strings.Repeat("q", n)}, "http", "443")
		if fits != want || n > 0 && len(location) != head+n {
			t.Errorf("%d bytes fit: %v", len(location), fits)
		}
	}
}

// TestLeftOut: a row that cannot be compiled is reported and left out. All other rows work.
func TestLeftOut(t *testing.T) {
	for _, c := range []struct {
		what    string
		spoil   func(w *world)
		problem string
		met     int
	}{
		{"nothing", func(*world) {}, "", 10},
		{"a regular expression", func(w *world) { w.rule("web", 80, 5, conditionsOf(t, "path~("), forward("tg")) },
			"rule web:80ns/5ns is left out: error parsing regexp: missing closing ): `(`", 10},
		{"a host's regular expression", func(w *world) {
			w.rule("web", 80, 5, conditionsOf(t, "host~[a"), forward("tg"))
		},
			"rule web:80ns/5ns is left out: error parsing regexp: missing closing ]: `[a)`", 10},
		{"an address range", func(w *world) { w.rule("web", 80, 5, conditionsOf(t, "source=10.0.0.0"), forward("tg")) },
			`rule web:80ns/5ns is left out: netip.ParsePrefix("10.0.0.0"): no '/'`, 10},
		{"a field of later", func(w *world) { w.rule("web", 80, 5, when("moon-phase", "full"), forward("tg")) },
			`rule web:80ns/5ns is left out: conditions on "moon-phase" are not known`, 10},
		{"an action of later", func(w *world) { w.rule("web", 80, 5, nil, elb.Action{Type: "authenticate-oidc"}) },
			"rule web:80ns/5ns is left out: none of its actions can be carried out", 10},
		{"a target without an address", func(w *world) { w.target("tg", "i-1", elb.Healthy) },
			`target tg|i-1|3000 has no address that can be reached: "i-1"`, 10},
	} {
		w := newWorld()
		w.rule("web", 80, 10, conditionsOf(t, "path=/a"), forward("tg"))
		w.target("tg", "10.0.0.1", elb.Healthy)
		c.spoil(w)
		compiler := NewCompiler()
		if err := compiler.Apply(w.Config); err != nil {
			t.Fatal(err)
		}
		problems := strings.Join(compiler.Compile().Problems, "\n")
		r := Request{Path: "/a", Source: netip.MustParseAddr("10.0.0.0")}
		met := compiler.Table().Listener(80, "").Match(&r)
		if problems != c.problem || met.Priority != c.met || met.Tried != 1 ||
			compiler.Group("tg").Choices() != 1 {
			t.Errorf("%s: problems %q, want %q; rule %d was met after %d, %d targets", c.what, problems, c.problem,
				met.Priority, met.Tried, compiler.Group("tg").Choices())
		}
		if c.problem != "" && !strings.Contains(compiler.String(), "problem: "+c.problem+"\n") {
			t.Errorf("%s: it is not named in the dump:\n%s", c.what, compiler)
		}
	}
}
