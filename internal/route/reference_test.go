package route

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/elb"
)

// meets evaluates a condition directly as alb.md 2.2 describes it, on strings and without a table.
func meets(c elb.Condition, r Request) bool {
	anyValue := func(text string, fold bool) bool {
		return slices.ContainsFunc(c.Values, func(v string) bool {
			if fold {
				return slowMatch(strings.ToLower(v), strings.ToLower(text))
			}
			return slowMatch(v, text)
		})
	}
	switch c.Field {
	case elb.FieldHost:
		host, _, _ := strings.Cut(r.Host, ":")
		return anyValue(host, true)
	case elb.FieldPath:
		return anyValue(r.Path, false)
	case elb.FieldMethod:
		return slices.Contains(c.Values, r.Method)
	case elb.FieldHeader:
		return slices.ContainsFunc(r.Header, func(f Field) bool {
			return strings.EqualFold(f.Name, c.HeaderName) && anyValue(f.Value, true)
		})
	case elb.FieldSourceIP:
		return slices.ContainsFunc(c.Values, func(v string) bool {
			return netip.MustParsePrefix(v).Contains(r.Source)
		})
	}
	for _, pair := range strings.Split(r.Query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if pair != "" && slices.ContainsFunc(c.QueryStrings, func(q elb.KeyValue) bool {
			return (q.Key == "" || slowMatch(strings.ToLower(q.Key), strings.ToLower(key))) &&
				slowMatch(strings.ToLower(q.Value), strings.ToLower(value))
		}) {
			return true
		}
	}
	return false
}

var (
	somePaths   = []string{"/", "/a", "/A", "/a/b", "/a/b.png", "/img/x.png"}
	someHosts   = []string{"a.example.com", "A.Example.COM", "b.example.com", "example.com", "localhost"}
	someQueries = []string{"", "v=1", "V=2", "v=1&w=2", "w=x1y", "v", "v=", "&&v=1"}
	someSources = []string{"10.0.0.1", "192.0.2.1", "2001:db8::1"}
)

func drawCondition(rt *rapid.T) elb.Condition {
	pick := func(from ...string) []string {
		return rapid.SliceOfN(rapid.SampledFrom(from), 1, 3).Draw(rt, "values")
	}
	switch field := rapid.SampledFrom([]string{elb.FieldHost, elb.FieldPath, elb.FieldMethod, elb.FieldHeader,
		elb.FieldSourceIP, elb.FieldQueryString}).Draw(rt, "field"); field {
	case elb.FieldHost:
		return elb.Condition{Field: field, Values: pick("*.example.com", "?.example.com", "example.com", "*local*")}
	case elb.FieldPath:
		return elb.Condition{Field: field, Values: pick("/a*", "/?", "*.png", "/img/*", "/", "*")}
	case elb.FieldMethod:
		return elb.Condition{Field: field, Values: pick("GET", "POST", "PURGE")}
	case elb.FieldHeader:
		return elb.Condition{Field: field, HeaderName: rapid.SampledFrom([]string{"X-A", "x-b"}).Draw(rt, "name"),
			Values: pick("1", "?", "*x*", "yes")}
	case elb.FieldSourceIP:
		return elb.Condition{Field: field, Values: pick("10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32", "192.0.2.1/32")}
	default:
		c := elb.Condition{Field: field}
		for range rapid.IntRange(1, 2).Draw(rt, "pairs") {
			c.QueryStrings = append(c.QueryStrings, elb.KeyValue{
				Key:   rapid.SampledFrom([]string{"", "v", "V*", "w"}).Draw(rt, "key"),
				Value: rapid.SampledFrom([]string{"*", "1", "?", "x*y"}).Draw(rt, "value")})
		}
		return c
	}
}

func drawRequest(rt *rapid.T) Request {
	r := Request{
		Method: rapid.SampledFrom([]string{"GET", "POST", "get"}).Draw(rt, "method"),
		Host:   rapid.SampledFrom(someHosts).Draw(rt, "host") + rapid.SampledFrom([]string{"", ":80"}).Draw(rt, "port"),
		Path:   rapid.SampledFrom(somePaths).Draw(rt, "path"),
		Query:  rapid.SampledFrom(someQueries).Draw(rt, "query"),
		Source: netip.MustParseAddr(rapid.SampledFrom(someSources).Draw(rt, "source")),
	}
	for range rapid.IntRange(0, 3).Draw(rt, "fields") {
		r.Header = append(r.Header, Field{Name: rapid.SampledFrom([]string{"X-A", "x-a", "X-B", "X-C"}).Draw(rt,
			"name"),
			Value: rapid.SampledFrom([]string{"1", "yes", "axb", ""}).Draw(rt, "value")})
	}
	return r
}

// A request matches the first rule, by priority, whose conditions all hold (alb.md R1, R3). The test finds
// that rule without a compiled table. Tried is the number of rules with conditions up to that one.
func TestMatchAgreesWithTheReference(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w, rules := newWorld(), drawRules(rt)
		for number, conditions := range rules {
			w.rule("web", 80, number, conditions, forward("tg"))
		}
		numbers := slices.Sorted(maps.Keys(rules))
		l := compile(w.Config).Table().Listener(80, "")
		for range 4 {
			r := drawRequest(rt)
			want, tried := 0, len(rules)
			for i, number := range numbers {
				if !slices.ContainsFunc(rules[number], func(c elb.Condition) bool { return !meets(c, r) }) {
					want, tried = number, i+1
					break
				}
			}
			if got := l.Match(&r); got.Priority != want || got.Tried != tried {
				rt.Fatalf("%+v meets rule %d after %d, want %d after %d", r, got.Priority, got.Tried, want, tried)
			}
		}
	})
}

// alb.md S1: the share of a target in slow start never becomes less. It is nothing at the start and a full
// share at the end.
func TestSlowStartOnlyGrows(t *testing.T) {
	w := newWorld()
	w.TargetGroups[0].Attributes = map[string]string{"slow_start.duration_seconds": "60"}
	for i := range 3 {
		w.target("tg", fmt.Sprint("10.0.0.", i+1), elb.Healthy)
	}
	w.Health[0].SlowStart = epoch
	g := compile(w.Config).Group("tg")
	last := -1
	for second := 0; second <= 70; second += 5 {
		n := 0
		for i := range uint64(3000) {
			random := (i + 1) * 0x9E3779B97F4A7C15
			p := Pick{Turn: i, Random: random ^ random>>29, Now: epoch.Add(time.Duration(second) * time.Second)}
			if g.Choose(p).ID == "10.0.0.1" {
				n++
			}
		}
		if n < last || second == 0 && n != 0 || second >= 60 && n != 1000 {
			t.Errorf("after %d s it gets %d of 3000, before %d", second, n, last)
		}
		last = n
	}
}

// A compiled listener has the header fields that it adds to responses (alb.md TL11), and a port has its
// protocol.
func TestListenersAreCompiledWhole(t *testing.T) {
	w := newWorld()
	w.LoadBalancers[0].Attributes = map[string]string{"idle_timeout.timeout_seconds": "7"}
	w.Addresses = map[string]netip.Addr{"web": netip.MustParseAddr("172.30.0.9")}
	w.Listeners[0].Attributes = map[string]string{
		elb.ServerHeaderAttribute:                                            "false",
		elb.ResponseHeaderAttribute + "x_frame_options.header_value":         "DENY",
		elb.ResponseHeaderAttribute + "content_security_policy.header_value": "default-src 'self'",
	}
	w.Listeners = append(w.Listeners, elb.Listener{ARN: "tls", LoadBalancerARN: "web", Protocol: elb.HTTPS, Port: 443,
		Certificates: []string{"cert-1", "cert-2"}})
	table := compile(w.Config).Table()
	l, tls := table.Listener(80, ""), table.Listener(443, "")
	if !l.HideServer || l.TLS || l.Idle != 7*time.Second || !slices.Equal(l.SetHeader,
		[]Field{{"content-security-policy", "default-src 'self'"}, {"x-frame-options", "DENY"}}) {
		t.Errorf("listener %+v", l)
	}
	if !tls.TLS || tls.HideServer || len(tls.SetHeader) != 0 || !slices.Equal(tls.Certificates, []string{"cert-1",
		"cert-2"}) {
		t.Errorf("TLS listener %+v", tls)
	}
	if !slices.Equal(table.Ports(), []int{80, 443}) || table.TLS(80) || !table.TLS(443) || table.TLS(81) ||
		len(table.On(80)) != 1 || table.On(81) != nil {
		t.Errorf("ports %v", table.Ports())
	}
	own := table.OwnAddresses()
	if len(own) != 2 || own[0].String() != "172.30.0.9:80" || own[1].String() != "172.30.0.9:443" ||
		table.Own(own[1]) != tls || table.Own(netip.MustParseAddrPort("172.30.0.9:81")) != nil {
		t.Errorf("own addresses %v", own)
	}
}
