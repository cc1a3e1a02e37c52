package elb

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/fault"
)

func TestNames(t *testing.T) {
	lb := LoadBalancerARN("eu-west-1", "123456789012", "web", "50dc6c495c0c9188")
	listener := ListenerARN(lb, "f2f7dc8efc522ab2")
	for _, c := range []struct{ got, want string }{ // alb.md 8.3
		{lb, "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188"},
		{listener,
			"arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2"},
		{RuleARN(listener, "9683b2d02a6cabee"),
			"arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/" +
				"app/web/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee"},
		{Suffix(lb), "app/web/50dc6c495c0c9188"},
		{Suffix(TargetGroupARN("eu-west-1", "123456789012", "tg", "73e2d6bc24d8a067")),
			"targetgroup/tg/73e2d6bc24d8a067"},
		{DNSName("web", "1234567890", "eu-west-1", SchemeInternetFacing), "web-1234567890.eu-west-1.elb.amazonaws.com"},
		{DNSName("web", "1234567890", "eu-west-1", SchemeInternal),
			"internal-web-1234567890.eu-west-1.elb.amazonaws.com"},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
	for name, ok := range map[string]bool{"web": true, "a-1": true, "": false, "-a": false, "a-": false, "a_b": false,
		strings.Repeat("x", 33): false, "internal-x": false} {
		if err := ValidLoadBalancerName(name); (err == nil) != ok {
			t.Errorf("name %q: %v", name, err)
		}
	}
}

// wantFault fails the test unless err is a fault with the code whose message contains text. An empty code
// means no error.
func wantFault(t *testing.T, err error, code, text string) {
	t.Helper()
	if code == "" {
		if err != nil {
			t.Errorf("unexpected: %v", err)
		}
		return
	}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code != code || !strings.Contains(f.Message, text) {
		t.Errorf("got %v, want %s with %q", err, code, text)
	}
}

func TestAttributes(t *testing.T) {
	for _, c := range []struct {
		set        AttributeSet
		key, value string
		code, text string
	}{
		{LoadBalancerAttributes, "idle_timeout.timeout_seconds", "4000", "", ""},
		{LoadBalancerAttributes, "idle_timeout.timeout_seconds", "4001", "ValidationError",
			"must be between '1-4000' inclusive"},
		{LoadBalancerAttributes, "idle_timeout.timeout_seconds", "+60", "ValidationError",
			"must be between '1-4000' inclusive"},
		// alb.md 8.7 Terraform 2
		{LoadBalancerAttributes, "bogus", "1", "ValidationError",
			"Load balancer attribute key 'bogus' is not recognized"},
		{LoadBalancerAttributes, "access_logs.s3.enabled", "true", "InvalidConfigurationRequest", "not implemented"},
		{TargetGroupAttributes, "deregistration_delay.timeout_seconds", "3601", "ValidationError",
			"'deregistration_delay.timeout_seconds' value '3601' must be between '0-3600' inclusive"},
		{TargetGroupAttributes, "slow_start.duration_seconds", "29", "ValidationError", "30-900"}, // alb.md S1
		{TargetGroupAttributes, "slow_start.duration_seconds", "0", "", ""},
		// alb.md K10
		{TargetGroupAttributes, "stickiness.app_cookie.cookie_name", "AWSALBAPP-x",
			"InvalidConfigurationRequest", "AWSALBAPP"},
		{TargetGroupAttributes,
			"target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off", "", ""},
		{TargetGroupAttributes, "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
			"off", "ValidationError", ""},
		{ListenerAttributes, "routing.http.response.x_frame_options.header_value", "DENY", "", ""},
		{ListenerAttributes, "routing.http.response.x_frame_options.header_value", "a\r\nb",
			"ValidationError", "visible"},
	} {
		wantFault(t, c.set.Check(c.key, c.value), c.code, c.text)
	}
	for _, set := range []AttributeSet{LoadBalancerAttributes, TargetGroupAttributes, ListenerAttributes} {
		for _, k := range set.Keys() {
			if d := set.Default(k); d != "" && set.Check(k, d) != nil {
				t.Errorf("the default %q of %s is refused: %v", d, k, set.Check(k, d))
			}
		}
	}
}

// alb.md 8.4: one default depends on the scheme of the load balancer.
func TestInternalLoadBalancersDenyInternetGateways(t *testing.T) {
	const key = "ipv6.deny_all_igw_traffic"
	for scheme, want := range map[string]string{SchemeInternal: "true", SchemeInternetFacing: "false"} {
		lb := LoadBalancer{Scheme: scheme}
		if got := lb.Attribute(key); got != want {
			t.Errorf("%s: %s, want %s", scheme, got, want)
		}
		lb.Attributes = map[string]string{key: "false"}
		if got := lb.Attribute(key); got != "false" {
			t.Errorf("%s: set to false it is %s", scheme, got)
		}
	}
}

func TestTargetGroupAttributeCombinations(t *testing.T) {
	g := &TargetGroup{Attributes: map[string]string{"stickiness.enabled": "true", "stickiness.type": AppCookie}}
	wantFault(t, CheckTargetGroupAttributes(g), "InvalidConfigurationRequest", // alb.md K10
		"You must set an application cookie name to enable stickiness of type 'app_cookie'")
	g = &TargetGroup{Attributes: map[string]string{
		"slow_start.duration_seconds": "30", "load_balancing.algorithm.type": WeightedRandom,
	}}
	wantFault(t, CheckTargetGroupAttributes(g), "InvalidConfigurationRequest", "slow start") // alb.md S4
	if s := (&TargetGroup{}).Settings(); s.Algorithm != RoundRobin || s.MinHealthy != 1 ||
		s.MinHealthyPercent != 0 || s.Stickiness != "" {
		t.Errorf("defaults: %+v", s)
	}
	if d := (&TargetGroup{}).DeregistrationDelay(); d != 300*time.Second {
		t.Errorf("delay %v", d) // alb.md D1
	}
}

func TestHealthCheck(t *testing.T) {
	with := func(change func(*HealthCheck)) error {
		h := DefaultHealthCheck()
		change(&h)
		return h.Check()
	}
	wantFault(t, with(func(*HealthCheck) {}), "", "")
	wantFault(t, with(func(h *HealthCheck) { h.IntervalSeconds, h.TimeoutSeconds = 5, 5 }), "ValidationError",
		"Health check timeout '5' must be smaller than the interval '5'") // alb.md H6
	wantFault(t, with(func(h *HealthCheck) { h.Path = "x" }), "ValidationError", "path")
	wantFault(t, with(func(h *HealthCheck) { h.Matcher = "200-599" }), "ValidationError", "200-499")
	for _, port := range []string{"0", "+80", "080", "65536"} {
		wantFault(t, with(func(h *HealthCheck) { h.Port = port }), "ValidationError", "port")
	}
	for _, matcher := range []string{"+200", "0200", "", "200,", "299-200"} {
		wantFault(t, with(func(h *HealthCheck) { h.Matcher = matcher }), "ValidationError", "200-499")
	}
	m, err := ParseMatcher("200,301-302")
	if err != nil || !m.Matches(200) || !m.Matches(302) || m.Matches(201) {
		t.Errorf("matcher %v %v", m, err)
	}
}

func TestConditions(t *testing.T) {
	long := strings.Repeat("a", 129)
	for _, c := range []struct {
		name, code, text string
		in               []Condition
	}{
		{"C3", "ValidationError", "A condition value must be specified", []Condition{{Field: FieldPath}}},
		{"field", "ValidationError", "Condition field 'x' must be one of '[path-pattern,host-header," +
			"http-header,http-request-method,query-string,source-ip]'", []Condition{{Field: "x"}}},
		{"R4", "ValidationError", "at most one condition", []Condition{
			{Field: FieldPath, Values: []string{"/a"}}, {Field: FieldPath, Values: []string{"/b"}},
		}},
		{"R4 headers repeat", "", "", []Condition{{
			Field: FieldHeader, HeaderName: "A", Values: []string{"1"},
		}, {Field: FieldHeader, HeaderName: "A", Values: []string{"2"}}}},
		{"R5 values", "ValidationError", "at most '3' values",
			[]Condition{{Field: FieldPath, Values: []string{"/a", "/b", "/c", "/d"}}}},
		{"R5 wildcards", "ValidationError", "wildcards", []Condition{{Field: FieldPath, Values: []string{"/*?*?*?*"}}}},
		{"long", "ValidationError", "The 'path-pattern' value is too long; the limit is '128'",
			[]Condition{{Field: FieldPath, Values: []string{long}}}},
		{"host dot", "ValidationError", "at least one '.'",
			[]Condition{{Field: FieldHost, Values: []string{"localhost"}}}},
		{"host ok", "", "", []Condition{{Field: FieldHost, Values: []string{"*.example.com"}}}},
		{"header Host", "ValidationError", "not allowed",
			[]Condition{{Field: FieldHeader, HeaderName: "host", Values: []string{"a"}}}},
		{"header long", "ValidationError", "The 'HttpHeaderName' value is too long; the limit is '40'",
			[]Condition{{Field: FieldHeader, HeaderName: long, Values: []string{"a"}}}},
		{"method", "ValidationError", "invalid characters", []Condition{{Field: FieldMethod, Values: []string{"get"}}}},
		{"cidr", "ValidationError", "CIDR", []Condition{{Field: FieldSourceIP, Values: []string{"10.0.0.0"}}}},
		{"broadcast", "ValidationError", "not allowed",
			[]Condition{{Field: FieldSourceIP, Values: []string{"255.255.255.255/32"}}}},
		{"C1 classes", "ValidationError", "not valid",
			[]Condition{{Field: FieldPath, RegexValues: []string{`^/\p{L}+$`}}}},
		{"C1 look-ahead", "ValidationError", "not valid",
			[]Condition{{Field: FieldPath, RegexValues: []string{`^(?=a)`}}}},
		{"C1 both", "ValidationError", "not both",
			[]Condition{{Field: FieldPath, RegexValues: []string{"a"}, Values: []string{"/a"}}}},
		{"C1 method", "ValidationError", "cannot be used",
			[]Condition{{Field: FieldMethod, RegexValues: []string{"a"}}}},
	} {
		t.Run(c.name, func(t *testing.T) { wantFault(t, CheckConditions(c.in), c.code, c.text) })
	}
}

func TestActions(t *testing.T) {
	redirect := func(r Redirect) []Action {
		r = r.WithDefaults()
		return []Action{{Type: ActionRedirect, Redirect: &r}}
	}
	for _, c := range []struct {
		name, code, text, protocol string
		in                         []Action
	}{
		{"A6 loop", "InvalidLoadBalancerAction", "at least one", HTTP, redirect(Redirect{StatusCode: 301})},
		{"A6 ok", "", "", HTTP, redirect(Redirect{StatusCode: 301, Protocol: HTTPS, Port: "443"})},
		{"A6 placeholders", "", "", HTTP, redirect(Redirect{
			StatusCode: 302, Host: "www.#{host}", Path: "/#{port}/#{path}", Query: "#{query}&p=#{protocol}",
		})},
		{"A6 no such placeholder", "ValidationError", "#{host}, #{port}, #{path}", HTTP,
			redirect(Redirect{StatusCode: 302, Path: "/#{file}"})},
		{"A6 placeholder elsewhere", "ValidationError", "#{host}", HTTP,
			redirect(Redirect{StatusCode: 302, Host: "#{path}"})},
		{"A6 host", "ValidationError", "invalid characters", HTTP, redirect(Redirect{StatusCode: 302, Host: "a/b"})},
		{"A6 header in host", "ValidationError", "invalid characters", HTTP,
			redirect(Redirect{StatusCode: 302, Host: "a\r\nX: y"})},
		{"A6 header in path", "ValidationError", "invalid characters", HTTP,
			redirect(Redirect{StatusCode: 302, Path: "/a\r\nX: y"})},
		{"A6 header in query", "ValidationError", "invalid characters", HTTP,
			redirect(Redirect{StatusCode: 302, Port: "1", Query: "a\nX: y"})},
		{"A6 port", "ValidationError", "port", HTTP, redirect(Redirect{StatusCode: 302, Port: "+443"})},
		{"A6 downgrade", "InvalidLoadBalancerAction", "HTTPS to HTTP", HTTPS,
			redirect(Redirect{StatusCode: 301, Protocol: HTTP})},
		{"A8", "ValidationError", "2XX, 4XX or 5XX", HTTP,
			[]Action{{Type: ActionFixedResponse, FixedResponse: &FixedResponse{StatusCode: 302}}}},
		{"A2 weight", "ValidationError", "0-999", HTTP,
			[]Action{{Type: ActionForward, Forward: &Forward{TargetGroups: []WeightedGroup{{"a", 1000}}}}}},
		{"A2 many", "TooManyTargetGroups", "5", HTTP,
			[]Action{{Type: ActionForward, Forward: &Forward{TargetGroups: make([]WeightedGroup, 6)}}}},
		{"A1 two", "InvalidLoadBalancerAction", "Exactly one", HTTP, make([]Action, 2)},
	} {
		t.Run(c.name, func(t *testing.T) { wantFault(t, CheckActions(c.in, c.protocol), c.code, c.text) })
	}
}

func TestHealthOf(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	target := &Target{Registered: now}
	healthy := &TargetHealth{Verdict: Verdict{Registered: now, State: Healthy}}
	for _, c := range []struct {
		name  string
		t     *Target
		seen  *TargetHealth
		inUse bool
		want  string
	}{
		{"H10 unknown", nil, nil, true, "unused Target.NotRegistered"},
		{"D1 draining", &Target{Registered: now, Draining: now}, healthy, true,
			"draining Target.DeregistrationInProgress"},
		{"H8 not in use", target, healthy, false, "unused Target.NotInUse"},
		{"H3 fresh", target, nil, true, "initial Elb.RegistrationInProgress"},
		{"earlier registration", target, &TargetHealth{
			Verdict: Verdict{Registered: now.Add(-time.Second), State: Healthy},
		}, true, "initial Elb.RegistrationInProgress"},
		{"healthy has no reason", target, healthy, true, "healthy "},
	} {
		h := HealthOf(c.t, c.seen, c.inUse)
		if got := h.State + " " + h.Reason; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
