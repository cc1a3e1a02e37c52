package route

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/golden"
)

// shop is the load balancer of testdata/requests.txt, with rules of every kind.
func shop() *world {
	w := newWorld()
	fixed := func(status int) elb.Action {
		return elb.Action{Type: elb.ActionFixedResponse, FixedResponse: &elb.FixedResponse{StatusCode: status}}
	}
	query := func(pairs ...elb.KeyValue) []elb.Condition {
		return []elb.Condition{{Field: elb.FieldQueryString, QueryStrings: pairs}}
	}
	header := func(name string, values ...string) []elb.Condition {
		return []elb.Condition{{Field: elb.FieldHeader, HeaderName: name, Values: values}}
	}
	for i, conditions := range [][]elb.Condition{
		1:  when(elb.FieldHost, "admin.example.com"),
		2:  append(when(elb.FieldHost, "*.example.com"), when(elb.FieldPath, "/api/*")...),
		3:  when(elb.FieldHost, "??.example.org", "example.org"),
		4:  {{Field: elb.FieldHost, RegexValues: []string{`^(www\.)?berth\.test$`}}},
		5:  append(when(elb.FieldPath, "/upload"), when(elb.FieldMethod, "POST", "PUT")...),
		6:  when(elb.FieldPath, "/img/*.png", "/static/*"),
		7:  when(elb.FieldPath, "/a?c", "/x*y*z"),
		8:  {{Field: elb.FieldPath, RegexValues: []string{`^/v[0-9]+/`, `\.php$`}}},
		9:  header("User-Agent", "*Chrome*", "curl/*"),
		10: append(header("X-Env", "dev"), header("X-Team", "blue", "red")...),
		11: {{Field: elb.FieldHeader, HeaderName: "X-Id", RegexValues: []string{`^[0-9a-f]{4}$`}}},
		12: query(elb.KeyValue{Key: "version", Value: "v1"}, elb.KeyValue{Value: "*beta*"}),
		13: query(elb.KeyValue{Key: "q", Value: `\*`}),
		14: when(elb.FieldSourceIP, "10.0.0.0/8", "2001:db8::/32"),
		15: append(when(elb.FieldMethod, "PURGE"), when(elb.FieldSourceIP, "192.0.2.7/32")...),
		16: when(elb.FieldPath, "/teapot"),
	} {
		if i > 0 {
			w.rule("web", 80, i, conditions, fixed(200+i))
		}
	}
	return w
}

// readRequest parses "METHOD HOST /path?query [from ADDRESS] [Name: value]…".
func readRequest(t *testing.T, line string) Request {
	t.Helper()
	parts := strings.Split(line, " | ")
	var r Request
	var target string
	if _, err := fmt.Sscan(parts[0], &r.Method, &r.Host, &target); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	r.Host = strings.TrimPrefix(r.Host, "-")
	r.Path, r.Query, _ = strings.Cut(target, "?")
	r.Source = netip.MustParseAddr("203.0.113.9")
	for _, p := range parts[1:] {
		if from, ok := strings.CutPrefix(p, "from "); ok {
			r.Source = netip.MustParseAddr(from)
			continue
		}
		name, value, ok := strings.Cut(p, ": ")
		if !ok {
			t.Fatalf("%q: the field %q", line, p)
		}
		r.Header = append(r.Header, Field{Name: name, Value: value})
	}
	return r
}

// rewriteLines calls answer with the part before the arrow of every line of a testdata file, and compares the
// file with the lines and their answers.
func rewriteLines(t *testing.T, file string, answer func(line string) string) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if line != "" && line[0] != '#' {
			line, _, _ = strings.Cut(line, "  ->  ")
			line += "  ->  " + answer(line)
		}
		out.WriteString(line + "\n")
	}
	golden.Compare(t, file, out.String())
}

// Each line of testdata/requests.txt is a request and the rule that it matches (alb.md 2.2, R1 to R5). The
// head of the file lists the rules.
func TestRequestsMeetRules(t *testing.T) {
	c := compile(shop().Config)
	l := c.Table().Listener(80, "")
	rewriteLines(t, "requests.txt", func(line string) string {
		r := readRequest(t, line)
		rule := l.Match(&r)
		if rule.Priority == 0 {
			return "default"
		}
		return fmt.Sprint("rule ", rule.Priority)
	})
	text := c.String()
	for n := 1; n <= 16; n++ {
		if !strings.Contains(text, fmt.Sprintf("\n  %d: [", n)) {
			t.Errorf("rule %d is not there:\n%s", n, text)
		}
	}
	golden.Compare(t, "shop.txt", text)
}

// Each line of testdata/locations.txt is a redirect and where it leads (alb.md A6). The redirect is written
// as PROTOCOL://HOST:PORT/PATH?QUERY, where each part may be "-" for its default. The request follows, with
// its protocol and port.
func TestRedirectsLead(t *testing.T) {
	rewriteLines(t, "locations.txt", func(line string) string {
		redirect, request, ok := strings.Cut(line, " <- ")
		parts := strings.Fields(redirect)
		came := strings.Fields(request)
		if !ok || len(parts) != 5 || len(came) != 4 {
			t.Fatalf("%q has %d parts and %d of the request", line, len(parts), len(came))
		}
		for i := range parts {
			parts[i] = strings.TrimPrefix(parts[i], "-")
		}
		rd := elb.Redirect{StatusCode: 301, Protocol: parts[0], Host: parts[1], Port: parts[2], Path: parts[3],
			Query: parts[4]}.WithDefaults()
		r := Request{Host: came[2]}
		r.Path, r.Query, _ = strings.Cut(came[3], "?")
		location, fits := Location(&rd, &r, came[0], came[1])
		if !fits {
			return "too long"
		}
		return location
	})
}

// alb.md F1 to F6: for every mix of three targets and every threshold, the targets that get new requests. A
// line of testdata/choices.txt has the states by their first letters, h(ealthy), u(nhealthy), i(nitial),
// d(raining), and then the targets that may be chosen. "!" means that the group fails open.
func TestEveryMixOfStates(t *testing.T) {
	states := map[byte]string{'h': elb.Healthy, 'u': elb.Unhealthy, 'i': elb.Initial, 'd': elb.Draining}
	const count = "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count"
	const percentage = "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage"
	var out strings.Builder
	for _, threshold := range []struct {
		name       string
		attributes map[string]string
	}{
		{"one must be healthy", nil},
		{"two must be healthy", map[string]string{count: "2"}},
		{"all must be healthy", map[string]string{percentage: "100"}},
		{"half must be healthy", map[string]string{percentage: "50"}},
	} {
		fmt.Fprintf(&out, "# %s\n", threshold.name)
		for _, mix := range mixes("huid", 3) {
			w := newWorld()
			w.TargetGroups[0].Attributes = threshold.attributes
			for i := range mix {
				w.target("tg", fmt.Sprint("10.0.0.", i+1), states[mix[i]])
			}
			g := compile(w.Config).Group("tg")
			var chosen []string
			for i := range mix {
				if target := g.Find(elb.TargetKey("tg", fmt.Sprint("10.0.0.", i+1), 3000)); target != nil {
					chosen = append(chosen, fmt.Sprintf("%d%c", i+1, mix[i]))
				}
			}
			if len(chosen) != g.Choices() {
				t.Errorf("%s: %d targets were chosen, %d may be chosen", mix, len(chosen), g.Choices())
			}
			if len(chosen) == 0 {
				chosen = []string{"nobody"}
			}
			open := ""
			if g.FailOpen {
				open = "!"
			}
			fmt.Fprintf(&out, "%s%s  ->  %s\n", mix, open, strings.Join(chosen, " "))
		}
	}
	golden.Compare(t, "choices.txt", out.String())
}

// mixes returns all combinations of up to n of the letters, in which the order does not matter.
func mixes(letters string, n int) (all []string) {
	if n == 0 {
		return []string{""}
	}
	for i := range letters {
		for _, rest := range mixes(letters[i:], n-1) {
			all = append(all, letters[i:i+1]+rest)
		}
	}
	return append(all, mixes(letters, 0)...)
}

func TestHostOnly(t *testing.T) {
	for host, want := range map[string]string{
		"": "", "a": "a", "a:80": "a", "a.": "a", "a.:80": "a", "A.b": "A.b", "127.0.0.1:8080": "127.0.0.1",
		"[::1]": "::1", "[::1]:80": "::1", "[::1": "[::1", "[]": "", ":80": "", "a:b:c": "a",
	} {
		if got := hostOnly(host); got != want {
			t.Errorf("the host of %q is %q, want %q", host, got, want)
		}
	}
}
