package elb

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// alb.md 8.4: the edge's settings of a load balancer without attributes, and with each attribute.
func TestLoadBalancerSettings(t *testing.T) {
	defaults := Settings{Idle: time.Minute, ClientKeepAlive: time.Hour, XFFMode: "append", Desync: "defensive",
		HTTP2: true}
	if got := (&LoadBalancer{}).Settings(); got != defaults {
		t.Errorf("defaults %+v, want %+v", got, defaults)
	}
	for _, tt := range []struct {
		key, value string
		change     func(*Settings)
	}{
		{"idle_timeout.timeout_seconds", "4000", func(s *Settings) { s.Idle = 4000 * time.Second }},
		{"client_keep_alive.seconds", "60", func(s *Settings) { s.ClientKeepAlive = time.Minute }},
		{"routing.http.preserve_host_header.enabled", "true", func(s *Settings) { s.PreserveHost = true }},
		{"routing.http.xff_header_processing.mode", "remove", func(s *Settings) { s.XFFMode = "remove" }},
		{"routing.http.xff_client_port.enabled", "true", func(s *Settings) { s.XFFClientPort = true }},
		{"routing.http.drop_invalid_header_fields.enabled", "true", func(s *Settings) { s.DropInvalid = true }},
		{"routing.http.desync_mitigation_mode", "strictest", func(s *Settings) { s.Desync = "strictest" }},
		{"routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "true", func(s *Settings) { s.TLSHeaders = true }},
		{"routing.http2.enabled", "false", func(s *Settings) { s.HTTP2 = false }},
		{"deletion_protection.enabled", "true", func(*Settings) {}}, // does not concern the edge
	} {
		want := defaults
		tt.change(&want)
		l := &LoadBalancer{Attributes: map[string]string{tt.key: tt.value}}
		if err := LoadBalancerAttributes.Check(tt.key, tt.value); err != nil {
			t.Errorf("%s=%s is refused: %v", tt.key, tt.value, err)
		}
		if got := l.Settings(); got != want || l.Attribute(tt.key) != tt.value {
			t.Errorf("%s=%s gives %+v, want %+v", tt.key, tt.value, got, want)
		}
	}
}

// alb.md 8.5 and K1 to K10: the same for a target group.
func TestTargetGroupSettings(t *testing.T) {
	set := func(pairs ...string) *TargetGroup {
		g := &TargetGroup{Attributes: map[string]string{}}
		for i := 0; i < len(pairs); i += 2 {
			g.Attributes[pairs[i]] = pairs[i+1]
		}
		return g
	}
	const count = "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count"
	const percentage = "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage"
	for _, tt := range []struct {
		name string
		g    *TargetGroup
		want GroupSettings
	}{
		{"nothing was set", set(), GroupSettings{Algorithm: RoundRobin, MinHealthy: 1}},
		{"an algorithm", set("load_balancing.algorithm.type", LeastOutstandingRequests),
			GroupSettings{Algorithm: LeastOutstandingRequests, MinHealthy: 1}},
		{"slow start", set("slow_start.duration_seconds", "30"),
			GroupSettings{Algorithm: RoundRobin, MinHealthy: 1, SlowStart: 30 * time.Second}},
		{"sticky for a day", set("stickiness.enabled", "true"), GroupSettings{Algorithm: RoundRobin, MinHealthy: 1,
			Stickiness: LBCookie, StickyFor: 24 * time.Hour}},
		{"sticky for a second", set("stickiness.enabled", "true", "stickiness.lb_cookie.duration_seconds", "1"),
			GroupSettings{Algorithm: RoundRobin, MinHealthy: 1, Stickiness: LBCookie, StickyFor: time.Second}},
		{"by the application's cookie", set("stickiness.enabled", "true", "stickiness.type", AppCookie,
			"stickiness.app_cookie.cookie_name", "SESSION", "stickiness.app_cookie.duration_seconds", "60"),
			GroupSettings{Algorithm: RoundRobin, MinHealthy: 1, Stickiness: AppCookie, StickyFor: time.Minute,
				AppCookieName: "SESSION"}},
		{"a cookie while stickiness is off", set("stickiness.type", AppCookie, "stickiness.app_cookie.cookie_name",
			"S"),
			GroupSettings{Algorithm: RoundRobin, MinHealthy: 1}},
		{"how many must be healthy", set(count, "3", percentage, "50"),
			GroupSettings{Algorithm: RoundRobin, MinHealthy: 3, MinHealthyPercent: 50}},
	} {
		for key, value := range tt.g.Attributes {
			if err := TargetGroupAttributes.Check(key, value); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		if got := tt.g.Settings(); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
		if err := CheckTargetGroupAttributes(tt.g); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for value, want := range map[string]time.Duration{"0": 0, "3600": time.Hour} {
		g := set("deregistration_delay.timeout_seconds", value)
		if got := g.DeregistrationDelay(); got != want {
			t.Errorf("a delay of %s is %v", value, got)
		}
	}
}

func TestListenerAttributes(t *testing.T) {
	l := &Listener{}
	if l.Attribute(ServerHeaderAttribute) != "true" || l.Attribute("no.such.key") != "" {
		t.Errorf("defaults %q, %q", l.Attribute(ServerHeaderAttribute), l.Attribute("no.such.key"))
	}
	const frames = ResponseHeaderAttribute + "x_frame_options.header_value"
	l.Attributes = map[string]string{frames: "DENY", ServerHeaderAttribute: "false"}
	if l.Attribute(frames) != "DENY" || l.Attribute(ServerHeaderAttribute) != "false" {
		t.Errorf("set %q, %q", l.Attribute(frames), l.Attribute(ServerHeaderAttribute))
	}
}

// An attribute is described once, except that several kinds of resources may have one of the same key.
func TestAttributeKeys(t *testing.T) {
	for name, set := range map[string]AttributeSet{
		"load balancer": LoadBalancerAttributes, "target group": TargetGroupAttributes, "listener": ListenerAttributes,
	} {
		keys := set.Keys()
		sorted := slices.Sorted(slices.Values(keys))
		if len(slices.Compact(sorted)) != len(keys) || len(keys) < 10 {
			t.Errorf("the %d keys of a %s are not all different", len(keys), name)
		}
		for _, key := range keys {
			if strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789_.") != "" {
				t.Errorf("the key %q of a %s", key, name)
			}
		}
	}
}

// A number has only one written form, so the attribute that comes back is the one that was set.
func TestWhole(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.StringMatching(`[+-]?[0-9]{0,6}|[a-z0-9 ]{0,4}`).Draw(rt, "text")
		n, ok := whole(text)
		if ok && text != strings.TrimSpace(text) || ok && len(text) > 1 && text[0] == '0' || ok && n < 0 &&
			text[0] != '-' {
			rt.Fatalf("%q is read as %d", text, n)
		}
	})
}

// Uses lists the groups that actions forward to, each once, in order.
func TestUses(t *testing.T) {
	forward := func(arns ...string) Action {
		f := &Forward{}
		for _, a := range arns {
			f.TargetGroups = append(f.TargetGroups, WeightedGroup{ARN: a})
		}
		return Action{Type: ActionForward, Forward: f}
	}
	for _, tt := range []struct {
		actions []Action
		want    []string
	}{
		{nil, nil},
		{[]Action{{Type: ActionRedirect, Redirect: &Redirect{}}}, nil},
		{[]Action{forward("b", "a")}, []string{"b", "a"}},
		{[]Action{forward("b"), {Type: ActionFixedResponse}, forward("a", "b")}, []string{"b", "a"}},
	} {
		if got := Uses(tt.actions); !slices.Equal(got, tt.want) {
			t.Errorf("%+v use %q, want %q", tt.actions, got, tt.want)
		}
	}
}

// alb.md A6: parts that are given stay as they are, and the others stand for that part of the request.
func TestRedirectDefaults(t *testing.T) {
	none := Redirect{}.WithDefaults()
	if want := (Redirect{Protocol: "#{protocol}", Host: "#{host}", Port: "#{port}", Path: "/#{path}",
		Query: "#{query}"}); none != want {
		t.Errorf("defaults %+v", none)
	}
	given := Redirect{StatusCode: 301, Protocol: HTTPS, Host: "h", Port: "443", Path: "/p", Query: "q"}
	if got := given.WithDefaults(); got != given {
		t.Errorf("given %+v, got %+v", given, got)
	}
	if twice := none.WithDefaults(); twice != none {
		t.Errorf("twice %+v", twice)
	}
}

// A matcher accepts exactly the codes that its text lists.
func TestMatcherListsCodes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var parts []string
		want := map[int]bool{}
		for range rapid.IntRange(1, 4).Draw(rt, "parts") {
			lo := rapid.IntRange(200, 499).Draw(rt, "lo")
			hi := min(499, lo+rapid.IntRange(0, 20).Draw(rt, "more"))
			if lo == hi {
				parts = append(parts, strconv.Itoa(lo))
			} else {
				parts = append(parts, strconv.Itoa(lo)+"-"+strconv.Itoa(hi))
			}
			for code := lo; code <= hi; code++ {
				want[code] = true
			}
		}
		m, err := ParseMatcher(strings.Join(parts, rapid.SampledFrom([]string{",", ", "}).Draw(rt, "comma")))
		if err != nil {
			rt.Fatal(err)
		}
		for code := 100; code < 600; code++ {
			if m.Matches(code) != want[code] {
				rt.Fatalf("%q matches %d: %v", parts, code, m.Matches(code))
			}
		}
	})
}

// The functions that read a name from an ARN return the name that the ARN was made with (alb.md 8.3).
func TestNamesRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.StringMatching(`[a-zA-Z0-9]([a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?`).Draw(rt, "name")
		id := rapid.StringMatching(`[0-9a-f]{16}`).Draw(rt, "id")
		if err := ValidTargetGroupName(name); err != nil {
			rt.Fatal(err)
		}
		if err := ValidLoadBalancerName(name); (err != nil) != strings.HasPrefix(name, "internal-") {
			rt.Fatalf("%q: %v", name, err)
		}
		group := TargetGroupARN("us-east-1", "123456789012", name, id)
		if TargetGroupName(group) != name || Suffix(group) != "targetgroup/"+name+"/"+id {
			rt.Fatalf("the name in %s is %s, its dimension %s", group, TargetGroupName(group), Suffix(group))
		}
		lb := LoadBalancerARN("us-east-1", "123456789012", name, id)
		if Suffix(lb) != "app/"+name+"/"+id {
			rt.Fatalf("the dimension of %s is %s", lb, Suffix(lb))
		}
		rule := RuleARN(ListenerARN(lb, id), id)
		want := "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/" + name +
			strings.Repeat("/"+id, 3)
		if rule != want {
			rt.Fatalf("rule %s, want %s", rule, want)
		}
	})
	if Suffix("nothing of ours") != "nothing of ours" || TargetGroupName("x") != "x" {
		t.Error("text that is not an ARN has changed")
	}
}

// alb.md TL5: each policy is listed once, in order, and has ciphers for each of its protocols. Only the
// policies that are known to be weak have weak ciphers.
func TestSSLPolicies(t *testing.T) {
	all := map[string]SSLPolicy{}
	var names []string
	for _, p := range SSLPolicies() {
		names = append(names, p.Name)
		all[p.Name] = p
		if len(p.Protocols) == 0 || len(p.Ciphers) == 0 || !strings.HasPrefix(p.Name, "ELBSecurityPolicy-") {
			t.Errorf("policy %+v", p)
		}
		sorted := slices.Sorted(slices.Values(p.Ciphers))
		if len(slices.Compact(sorted)) != len(p.Ciphers) {
			t.Errorf("%s names a cipher twice", p.Name)
		}
		has13 := slices.ContainsFunc(p.Ciphers, func(c string) bool { return strings.HasPrefix(c, "TLS_") })
		if has13 != slices.Contains(p.Protocols, "TLSv1.3") {
			t.Errorf("%s has TLS 1.3: protocols %q, ciphers %q", p.Name, p.Protocols, p.Ciphers)
		}
		if forward := strings.Contains(p.Name, "-FS-"); forward && slices.ContainsFunc(p.Ciphers, func(c string) bool {
			return !strings.HasPrefix(c, "ECDHE-")
		}) {
			t.Errorf("%s is for forward secrecy and has %q", p.Name, p.Ciphers)
		}
	}
	if !slices.IsSorted(names) || len(all) != len(names) {
		t.Errorf("the policies are %q", names)
	}
	for name, protocols := range map[string][]string{
		"ELBSecurityPolicy-2016-08":               {"TLSv1", "TLSv1.1", "TLSv1.2"},
		"ELBSecurityPolicy-TLS13-1-2-2021-06":     {"TLSv1.2", "TLSv1.3"},
		"ELBSecurityPolicy-TLS13-1-3-2021-06":     {"TLSv1.3"},
		"ELBSecurityPolicy-FS-1-1-2019-08":        {"TLSv1.1", "TLSv1.2"},
		"ELBSecurityPolicy-TLS-1-2-Ext-2018-06":   {"TLSv1.2"},
		"ELBSecurityPolicy-TLS13-1-2-Res-2021-06": {"TLSv1.2", "TLSv1.3"},
	} {
		if !slices.Equal(all[name].Protocols, protocols) {
			t.Errorf("%s has %q, want %q", name, all[name].Protocols, protocols)
		}
	}
	if weak := slices.Collect(maps.Keys(all)); len(weak) != 18 {
		t.Errorf("%d policies", len(weak))
	}
}

// Conditions that are accepted together are within the limits of a rule (alb.md R5), and each of them is
// accepted alone.
func TestAcceptedConditionsObeyTheLimits(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var conditions []Condition
		for range rapid.IntRange(1, 4).Draw(rt, "conditions") {
			c := Condition{Field: rapid.SampledFrom([]string{
				FieldPath, FieldHost, FieldHeader, FieldMethod, FieldQueryString, FieldSourceIP}).Draw(rt, "field")}
			n := rapid.IntRange(1, 4).Draw(rt, "values")
			values := map[string]string{FieldPath: "/a*", FieldHost: "*.example.com", FieldHeader: "v?",
				FieldMethod:   "GET",
				FieldSourceIP: "10.0.0.0/8"}
			for range n {
				if c.Field == FieldQueryString {
					c.QueryStrings = append(c.QueryStrings, KeyValue{"k*", "v"})
				} else {
					c.Values = append(c.Values, values[c.Field])
				}
			}
			c.HeaderName = "X-A"
			conditions = append(conditions, c)
		}
		if CheckConditions(conditions) != nil {
			return
		}
		total, wildcards := 0, 0
		for _, c := range conditions {
			if err := CheckConditions([]Condition{c}); err != nil {
				rt.Fatalf("%+v is accepted with others but refused alone: %v", c, err)
			}
			n := len(c.Values) + len(c.QueryStrings)
			if n > 3 && c.Field != FieldSourceIP {
				rt.Fatalf("%d values of %s", n, c.Field)
			}
			total += n
			if c.Field != FieldMethod && c.Field != FieldSourceIP {
				wildcards += n
			}
		}
		if total > MaxConditionValuesPerRule || wildcards > MaxWildcardsPerRule {
			rt.Fatalf("%d values and %d wildcards are accepted", total, wildcards)
		}
	})
}
