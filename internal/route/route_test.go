package route

import (
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/golden"
)

// TestGolden prints the table of a configuration that has every kind of row.
func TestGolden(t *testing.T) {
	w := newWorld()
	w.loadBalancer("older", 5)
	w.listener("older", 80)
	w.rule("older", 80, 0, nil, elb.Action{Type: elb.ActionFixedResponse, FixedResponse: &elb.FixedResponse{
		StatusCode: 404, ContentType: "text/plain", Body: "no",
	}})
	w.group("sticky", map[string]string{
		"stickiness.enabled": "true", "load_balancing.algorithm.type": elb.LeastOutstandingRequests,
	})
	w.target("tg", "10.0.0.1", elb.Healthy)
	w.target("tg", "10.0.0.2", elb.Unhealthy)
	w.target("tg", "10.0.0.3", "")
	w.target("tg", "10.0.0.4", elb.Draining)
	w.target("sticky", "10.0.1.1", elb.Unhealthy)
	w.target("sticky", "i-1", "")
	w.rule("web", 80, 20, when(elb.FieldHost, "*.Example.com"), forward("sticky"))
	split := forward("tg", "sticky")
	split.Forward.TargetGroups[0].Weight, split.Forward.StickySeconds = 3, 60
	w.rule("web", 80, 10, []elb.Condition{
		{Field: elb.FieldPath, Values: []string{"/api/*"}, RegexValues: []string{"^/v[0-9]+/"}},
		{Field: elb.FieldQueryString, QueryStrings: []elb.KeyValue{{Key: "a", Value: `x\*?`}, {Value: "b"}}},
		{Field: elb.FieldSourceIP, Values: []string{"10.0.0.0/8"}}}, split)
	w.rule("web", 80, 30, []elb.Condition{{Field: elb.FieldHeader, HeaderName: "X-A", Values: []string{"1"}}},
		elb.Action{Type: elb.ActionRedirect, Redirect: &elb.Redirect{
			StatusCode: 301, Protocol: elb.HTTPS, Port: "443",
		}})
	w.rule("web", 80, 40, []elb.Condition{{Field: elb.FieldPath, RegexValues: []string{"("}}}, forward("tg"))
	got := compile(w.Config).String()
	// A configuration that is sent as JSON, as to an edge in another process, compiles to the same table.
	var sent Config
	if text, err := json.Marshal(w.Config); err != nil || json.Unmarshal(text, &sent) != nil ||
		compile(sent).String() != got {
		t.Errorf("sent as JSON (%v) it becomes\n%s", err, compile(sent))
	}
	golden.Compare(t, "table.txt", got)
}

func TestHostNamesTheLoadBalancer(t *testing.T) {
	w := newWorld()
	w.loadBalancer("older", 1)
	w.listener("older", 80)
	w.rule("older", 80, 0, nil, forward("tg"))
	table := compile(w.Config).Table()
	for host, want := range map[string]string{
		"web-1.us-east-1.elb.amazonaws.com":           "web",
		"WEB-1.us-east-1.elb.amazonaws.com:80":        "web",
		"web.localhost:8080":                          "web",
		"web-1.us-east-1.elb.amazonaws.com.localhost": "web",
		"web.localhost.":                              "web",
		"older.localhost":                             "older",
		"127.0.0.1":                                   "older", // else the first created
		"":                                            "older",
		"[::1]:80":                                    "older",
	} {
		if got := table.Listener(80, host); got.LoadBalancerARN != want {
			t.Errorf("Host %q goes to %s, want %s", host, got.LoadBalancerARN, want)
		}
	}
	if table.Listener(81, "web.localhost") != nil {
		t.Error("a port without listener has one")
	}
}

func TestConditions(t *testing.T) {
	for _, c := range []struct {
		name string
		cond elb.Condition
		req  Request
		want bool
	}{
		{"host folds case", elb.Condition{Field: elb.FieldHost, Values: []string{"*.example.com"}},
			Request{Host: "Test.EXAMPLE.com:80"}, true},
		{"host wildcard needs its dot", elb.Condition{
			Field: elb.FieldHost, Values: []string{"*.example.com"},
		}, Request{Host: "example.com"}, false},
		{"path minds case", elb.Condition{Field: elb.FieldPath, Values: []string{"/img/*"}},
			Request{Path: "/IMG/a"}, false},
		{"* crosses slashes", elb.Condition{Field: elb.FieldPath, Values: []string{"/img/*/pics"}},
			Request{Path: "/img/a/b/pics"}, true},
		{"? is exactly one", elb.Condition{Field: elb.FieldPath, Values: []string{"/a?"}}, Request{Path: "/a"}, false},
		{"any value", elb.Condition{Field: elb.FieldPath, Values: []string{"/a", "/b"}}, Request{Path: "/b"}, true},
		{"header instances in turn", elb.Condition{
			Field: elb.FieldHeader, HeaderName: "User-Agent", Values: []string{"*chrome*"},
		},
			Request{Header: []Field{{"user-agent", "x"}, {"USER-AGENT", "a Chrome b"}}}, true},
		{"header absent", elb.Condition{Field: elb.FieldHeader, HeaderName: "A", Values: []string{"*"}},
			Request{}, false},
		{"method minds case", elb.Condition{Field: elb.FieldMethod, Values: []string{"GET"}},
			Request{Method: "get"}, false},
		{"custom method", elb.Condition{Field: elb.FieldMethod, Values: []string{"PURGE"}},
			Request{Method: "PURGE"}, true},
		{"query pair", elb.Condition{
			Field: elb.FieldQueryString, QueryStrings: []elb.KeyValue{{Key: "v", Value: "1"}},
		}, Request{Query: "a=b&V=1"}, true},
		{"query before a fragment", elb.Condition{
			Field: elb.FieldQueryString, QueryStrings: []elb.KeyValue{{Key: "v", Value: "1"}},
		}, Request{Query: "a=b&v=1#v=2"}, true},
		{"query in a fragment", elb.Condition{
			Field: elb.FieldQueryString, QueryStrings: []elb.KeyValue{{Key: "v", Value: "1"}},
		}, Request{Query: "a=b#&v=1"}, false},
		{"query any key", elb.Condition{
			Field: elb.FieldQueryString, QueryStrings: []elb.KeyValue{{Value: "*x*"}},
		}, Request{Query: "a=YXY"}, true},
		{"query escaped star", elb.Condition{
			Field: elb.FieldQueryString, QueryStrings: []elb.KeyValue{{Key: "a", Value: `\*`}},
		}, Request{Query: "a=b"}, false},
		{"query escaped star itself", elb.Condition{
			Field: elb.FieldQueryString, QueryStrings: []elb.KeyValue{{Key: "a", Value: `\*`}},
		}, Request{Query: "a=*"}, true},
		{"source", elb.Condition{Field: elb.FieldSourceIP, Values: []string{"10.0.0.0/8"}},
			Request{Source: netip.MustParseAddr("::ffff:10.1.2.3")}, true},
		{"source not", elb.Condition{Field: elb.FieldSourceIP, Values: []string{"10.0.0.0/8"}},
			Request{Source: netip.MustParseAddr("192.0.2.1")}, false},
		{"regex", elb.Condition{Field: elb.FieldPath, RegexValues: []string{"^/v[0-9]+/x$"}},
			Request{Path: "/v12/x"}, true},
		{"regex host folds", elb.Condition{Field: elb.FieldHost, RegexValues: []string{"^a[.]com$"}},
			Request{Host: "A.com"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			compiled, err := compileCondition(c.cond)
			if err != nil || compiled.matches(&c.req) != c.want {
				t.Errorf("matches = %v (%v), want %v", !c.want, err, c.want)
			}
		})
	}
}

// alb.md R1, R3, L5.
func TestRulesByPriority(t *testing.T) {
	w := newWorld()
	w.rule("web", 80, 20, when(elb.FieldPath, "/a*"), forward("tg"))
	w.rule("web", 80, 10, append(when(elb.FieldPath, "/a*"), when(elb.FieldMethod, "POST")...), forward("tg"))
	l := compile(w.Config).Table().Listener(80, "")
	for _, c := range []struct {
		req  Request
		want int
	}{{Request{Method: "POST", Path: "/ab"}, 10}, {Request{Method: "GET", Path: "/ab"}, 20}, {Request{Path: "/"}, 0}} {
		if r := l.Match(&c.req); r.Priority != c.want {
			t.Errorf("%s %s met rule %d, want %d", c.req.Method, c.req.Path, r.Priority, c.want)
		}
	}
}

// alb.md F1-F6: which targets of a group get new requests.
func TestChoices(t *testing.T) {
	for _, c := range []struct {
		name, states, want string
		attributes         map[string]string
	}{
		{"healthy alone", "healthy unhealthy initial draining", "10.0.0.0", nil},
		{"F1 all unhealthy", "unhealthy unhealthy", "10.0.0.0 10.0.0.1", nil},
		{"F5 none", "", "", nil},
		{"F5 only draining", "draining", "", nil},
		{"F6 all initial", "initial initial", "", nil},
		{"F6 none healthy", "unhealthy initial", "10.0.0.0 10.0.0.1", nil},
		{"F3 count", "healthy unhealthy initial", "10.0.0.0 10.0.0.1", map[string]string{
			minCount: "2"}},
		{"F3 percentage kept", "healthy unhealthy", "10.0.0.0", map[string]string{
			minPercent: "50"}},
		{"F3 percentage broken", "healthy unhealthy", "10.0.0.0 10.0.0.1", map[string]string{
			minPercent: "51"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.TargetGroups[0].Attributes = c.attributes
			for i, state := range strings.Fields(c.states) {
				w.target("tg", netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}).String(), state)
			}
			g := compile(w.Config).Group("tg")
			var got []string
			for i := range g.Choices() {
				got = append(got, g.Choose(Pick{Turn: uint64(i)}).ID)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("choices %v, want %s", got, c.want)
			}
		})
	}
}

func TestVerdictOfEarlierRegistrationSaysNothing(t *testing.T) {
	w := newWorld()
	w.target("tg", "10.0.0.1", elb.Healthy)
	w.Targets[0].Registered = epoch.Add(time.Second)
	if g := compile(w.Config).Group("tg"); g.Choices() != 0 {
		t.Error("a target that was registered again is chosen because of an old verdict")
	}
}

func TestLeastOutstanding(t *testing.T) {
	w := newWorld()
	w.TargetGroups[0].Attributes = map[string]string{"load_balancing.algorithm.type": elb.LeastOutstandingRequests}
	for _, id := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"} {
		w.target("tg", id, elb.Healthy)
	}
	g := compile(w.Config).Group("tg")
	load := map[string]int64{"10.0.0.1": 2, "10.0.0.2": 1, "10.0.0.3": 1}
	pick := Pick{Load: func(t *Target) int64 { return load[t.ID] }}
	if got := g.Choose(pick); got.ID != "10.0.0.2" { // alb.md B2
		t.Errorf("chose %s", got.ID)
	}
	pick.Turn = 2 // equals take turns
	if got := g.Choose(pick); got.ID != "10.0.0.3" {
		t.Errorf("chose %s", got.ID)
	}
	pick.Not = g.Find(elb.TargetKey("tg", "10.0.0.3", 3000))
	if got := g.Choose(pick); got.ID != "10.0.0.2" {
		t.Errorf("chose %s", got.ID)
	}
}

// alb.md S1: requests that a target in slow start does not get are divided among all others.
func TestSlowStartIsCarriedByAll(t *testing.T) {
	w := newWorld()
	w.TargetGroups[0].Attributes = map[string]string{"slow_start.duration_seconds": "100"}
	for _, id := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"} {
		w.target("tg", id, elb.Healthy)
	}
	w.Health[1].SlowStart = epoch
	g := compile(w.Config).Group("tg")
	dice, got := rand.New(rand.NewPCG(1, 2)), map[string]int{}
	for i := range uint64(3000) {
		got[g.Choose(Pick{Turn: i, Random: dice.Uint64(), Now: epoch}).ID]++
	}
	for id, n := range got {
		if n < 900 || n > 1100 || id == "10.0.0.2" {
			t.Errorf("%s got %d of 3000", id, n)
		}
	}
}

func TestLocation(t *testing.T) { // alb.md A6, A7
	req := &Request{Host: "Example.com:8080", Path: "/a/b", Query: "x=1"}
	for _, c := range []struct {
		name string
		in   elb.Redirect
		want string
	}{
		{"to https", elb.Redirect{Protocol: elb.HTTPS, Port: "443"}, "https://Example.com:443/a/b?x=1"},
		{"host and path", elb.Redirect{Host: "www.#{host}", Path: "/new/#{path}"},
			"http://www.Example.com:8080/new/a/b?x=1"},
		{"query", elb.Redirect{Path: "/z", Query: "from=#{protocol}-#{port}-#{path}&#{query}"},
			"http://Example.com:8080/z?from=http-8080-a/b&x=1"},
	} {
		in := c.in.WithDefaults()
		if got, ok := Location(&in, req, "http", "8080"); got != c.want || !ok {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	in := elb.Redirect{Path: "/x"}.WithDefaults()
	if _, ok := Location(&in, &Request{Query: strings.Repeat("q", MaxLocation)}, "http", "80"); ok {
		t.Error("a Location above 8K was made")
	}
}

func TestPortSharedByTwoProtocols(t *testing.T) {
	w := newWorld()
	w.loadBalancer("older", 1)
	w.Listeners = append(w.Listeners, elb.Listener{ARN: "tls", LoadBalancerARN: "older", Protocol: elb.HTTPS, Port: 80})
	table := compile(w.Config).Table()
	if !table.TLS(80) || len(table.On(80)) != 1 || len(table.Problems) != 1 {
		t.Errorf("TLS %v, %d listeners, problems %v", table.TLS(80), len(table.On(80)), table.Problems)
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	c, req := big(100, 100)
	if n := testing.AllocsPerRun(100, func() { c.Table().Listener(80, req.Host).Match(&req) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
