package elb

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/fault"
)

// wants fails the test unless err is a fault with the code whose text contains words. An empty code means no
// error.
func wants(t *testing.T, name string, err error, code, words string) {
	t.Helper()
	switch {
	case code == "" && err != nil:
		t.Errorf("%s: %v", name, err)
	case code != "" && (!errors.Is(err, fault.New(code, "")) || !strings.Contains(err.Error(), words)):
		t.Errorf("%s: %v, want %s with %q", name, err, code, words)
	}
}

// alb.md R4, R5, 2.2, C1 and C3: each limit, and one beyond it.
func TestConditionLimits(t *testing.T) {
	const invalid = "ValidationError"
	path := func(values ...string) Condition { return Condition{Field: FieldPath, Values: values} }
	header := func(name string, values ...string) Condition {
		return Condition{Field: FieldHeader, HeaderName: name, Values: values}
	}
	query := func(all ...KeyValue) Condition { return Condition{Field: FieldQueryString, QueryStrings: all} }
	from := func(values ...string) Condition { return Condition{Field: FieldSourceIP, Values: values} }
	regex := func(field string, values ...string) Condition {
		return Condition{Field: field, HeaderName: "X", RegexValues: values}
	}
	for name, c := range map[string]struct {
		conditions  []Condition
		code, words string
	}{
		"three values": {[]Condition{path("/a", "/b", "/c")}, "", ""},
		"four values": {
			[]Condition{path("/a", "/b", "/c", "/d")}, invalid, "A condition can have at most '3' values",
		},
		"five values in all": {[]Condition{path("/a", "/b", "/c"), header("X", "a", "b")}, "", ""},
		"six values in all": {[]Condition{path("/a", "/b", "/c"), header("X", "a", "b", "c")}, invalid,
			"A rule can have at most '5' condition values"},
		"five addresses": {[]Condition{
			from("10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32", "10.0.0.4/32", "2001:db8::/32"),
		}, "", ""},
		"six addresses": {[]Condition{
			from("10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32", "10.0.0.4/32", "10.0.0.5/32", "10.0.0.6/32"),
		}, invalid, "at most '5' condition values"},
		"six wildcards": {[]Condition{path("/*?*", "/*?*")}, "", ""},
		"seven wildcards": {
			[]Condition{path("/*?*", "/*?*?")}, invalid, "A rule can have at most '6' condition wildcards",
		},
		"escaped wildcards": {[]Condition{header("X", `\*\*\*\*`, `\?\?\?\?`)}, "", ""},
		"wildcards of a query": {[]Condition{query(KeyValue{Key: "*??", Value: "???"}, KeyValue{Value: "*"})},
			invalid, "at most '6' condition wildcards"},
		"two paths": {[]Condition{path("/a"), path("/b")}, invalid,
			"A rule can have at most one condition of field 'path-pattern'"},
		"two headers": {[]Condition{header("X", "a"), header("X", "b")}, "", ""},
		"two queries": {[]Condition{query(KeyValue{Value: "a"}), query(KeyValue{Value: "b"})}, "", ""},
		"an unknown field": {[]Condition{{Field: "cookie", Values: []string{"a"}}}, invalid,
			"Condition field 'cookie' must be one of " +
				"'[path-pattern,host-header,http-header,http-request-method,query-string,source-ip]'"},
		"no value":       {[]Condition{path()}, invalid, "A condition value must be specified"},
		"an empty value": {[]Condition{path("")}, invalid, "A condition value must be specified"},
		"an empty query": {[]Condition{query(KeyValue{Key: "k"})}, invalid, "A condition value must be specified"},
		"a host":         {[]Condition{{Field: FieldHost, Values: []string{"a.example.com"}}}, "", ""},
		"a host with a dot at its end": {[]Condition{{Field: FieldHost, Values: []string{"a.example.com."}}},
			invalid, "must hold letters, and only letters, after its last '.'"},
		"a path of 128": {[]Condition{path("/" + strings.Repeat("a", 127))}, "", ""},
		"a path of 129": {[]Condition{path("/" + strings.Repeat("a", 128))}, invalid,
			"The 'path-pattern' value is too long; the limit is '128'"},
		"a path with a space": {[]Condition{path("/a b")}, invalid, "contains invalid characters"},
		"a method of 40":      {[]Condition{{Field: FieldMethod, Values: []string{strings.Repeat("A", 40)}}}, "", ""},
		"a method of 41": {[]Condition{{Field: FieldMethod, Values: []string{strings.Repeat("A", 41)}}},
			invalid, "the limit is '40'"},
		"a method in lower case": {
			[]Condition{{Field: FieldMethod, Values: []string{"get"}}}, invalid, "contains invalid characters",
		},
		"a header of 40": {[]Condition{header(strings.Repeat("X", 40), "a")}, "", ""},
		"a header of 41": {[]Condition{header(strings.Repeat("X", 41), "a")}, invalid,
			"The 'HttpHeaderName' value is too long; the limit is '40'"},
		"no header": {
			[]Condition{header("", "a")}, invalid, "The 'HttpHeaderName' value must be specified",
		},
		"a header that is none": {[]Condition{header("X:", "a")}, invalid, "contains invalid characters"},
		"Host as a header": {
			[]Condition{header("hOST", "a")}, invalid, "use a condition of field 'host-header'",
		},
		"a header value with a line": {[]Condition{header("X", "a\r\n")}, invalid, "contains invalid characters"},
		"a query key of 129": {[]Condition{query(KeyValue{Key: strings.Repeat("k", 129), Value: "v"})},
			invalid, "key is too long"},
		"a query value of 129": {
			[]Condition{query(KeyValue{Value: strings.Repeat("v", 129)})}, invalid, "value is too long",
		},
		"an address that is none": {
			[]Condition{from("10.0.0.1")}, invalid, "must be an IP address range in CIDR notation",
		},
		"an address in its block": {[]Condition{from("10.0.0.1/24")}, invalid, "its first address is '10.0.0.0/24'"},
		"the broadcast address":   {[]Condition{from("255.255.255.255/32")}, invalid, "is not allowed"},
		"a host without a dot": {[]Condition{{Field: FieldHost, Values: []string{"localhost"}}}, invalid,
			"must contain at least one '.' character"},
		"a host that ends in a number": {[]Condition{{Field: FieldHost, Values: []string{"10.0.0.1"}}},
			invalid, "must hold letters, and only letters, after its last '.'"},
		"regular expressions": {[]Condition{regex(FieldPath, "^/[a-z]+$", "^/x"), regex(FieldHeader, ".*")}, "", ""},
		"both kinds of values": {[]Condition{
			{Field: FieldPath, Values: []string{"/a"}, RegexValues: []string{"/b"}},
		}, invalid, "uses either Values or RegexValues, not both"},
		"an expression for a method": {[]Condition{regex(FieldMethod, "GET")}, invalid,
			"RegexValues cannot be used with a condition of field 'http-request-method'"},
		"an empty expression": {[]Condition{regex(FieldPath, "")}, invalid, "A condition value must be specified"},
		"an expression of 129": {
			[]Condition{regex(FieldPath, strings.Repeat("a", 129))}, invalid, "the limit is '128'",
		},
		"an expression with a look":         {[]Condition{regex(FieldPath, "(?=a)b")}, invalid, "is not valid"},
		"an expression of a back reference": {[]Condition{regex(FieldPath, `(a)\1`)}, invalid, "is not valid"},
		"an expression of Unicode":          {[]Condition{regex(FieldPath, `\p{Greek}`)}, invalid, "is not valid"},
	} {
		wants(t, name, CheckConditions(c.conditions), c.code, c.words)
	}
}

// alb.md A1-A8: each limit, and one beyond it.
func TestActionLimits(t *testing.T) {
	const invalid, refused = "ValidationError", "InvalidLoadBalancerAction"
	groups := func(n int) (out []WeightedGroup) {
		for i := range n {
			out = append(out, WeightedGroup{ARN: strings.Repeat("x", i+1), Weight: 1})
		}
		return out
	}
	forward := func(change func(*Forward)) Action {
		f := &Forward{TargetGroups: groups(1)}
		change(f)
		return Action{Type: ActionForward, Forward: f}
	}
	redirect := func(change func(*Redirect)) Action {
		r := Redirect{StatusCode: 301, Host: "example.com"}.WithDefaults()
		change(&r)
		return Action{Type: ActionRedirect, Redirect: &r}
	}
	fixed := func(status int, kind, body string) Action {
		return Action{Type: ActionFixedResponse, FixedResponse: &FixedResponse{
			StatusCode: status, ContentType: kind, Body: body,
		}}
	}
	none := func(*Forward) {}
	for name, c := range map[string]struct {
		action      Action
		code, words string
	}{
		"five groups": {forward(func(f *Forward) { f.TargetGroups = groups(5) }), "", ""},
		"six groups":  {forward(func(f *Forward) { f.TargetGroups = groups(6) }), "TooManyTargetGroups", "at most '5'"},
		"no group": {forward(func(f *Forward) { f.TargetGroups = nil }), invalid,
			"A target group ARN must be specified"},
		"a group twice": {forward(func(f *Forward) { f.TargetGroups = append(groups(1), groups(1)...) }),
			invalid, "is specified more than once"},
		"a weight of 999": {forward(func(f *Forward) { f.TargetGroups[0].Weight = 999 }), "", ""},
		"a weight of 1000": {forward(func(f *Forward) { f.TargetGroups[0].Weight = 1000 }), invalid,
			"The weight '1000' must be between '0-999' inclusive"},
		"a weight below 0":  {forward(func(f *Forward) { f.TargetGroups[0].Weight = -1 }), invalid, "The weight '-1'"},
		"sticky for a week": {forward(func(f *Forward) { f.StickySeconds = 604800 }), "", ""},
		"sticky for longer": {forward(func(f *Forward) { f.StickySeconds = 604801 }), invalid,
			"The stickiness duration '604801'"},
		"an order of 50000": {func() Action { a := forward(none); a.Order = 50000; return a }(), "", ""},
		"an order of 50001": {func() Action { a := forward(none); a.Order = 50001; return a }(), invalid,
			"The action order '50001'"},
		"no configuration": {Action{Type: ActionRedirect}, refused,
			"The configuration of the 'redirect' action must be specified"},
		"a redirect": {redirect(func(*Redirect) {}), "", ""},
		"a redirect of 303": {
			redirect(func(r *Redirect) { r.StatusCode = 303 }), invalid, "one of [HTTP_301, HTTP_302]",
		},
		"a redirect to a file": {redirect(func(r *Redirect) { r.Protocol = "FILE" }), invalid,
			"must be one of [HTTP, HTTPS, #{protocol}]"},
		"a path without a slash": {redirect(func(r *Redirect) { r.Path = "a" }), invalid, "must start with '/'"},
		"a query with a mark":    {redirect(func(r *Redirect) { r.Query = "?a" }), invalid, "must not start with '?'"},
		"port 65535":             {redirect(func(r *Redirect) { r.Port = "65535" }), "", ""},
		"port 65536": {
			redirect(func(r *Redirect) { r.Port = "65536" }), invalid, "The redirect port '65536'",
		},
		"port 080":      {redirect(func(r *Redirect) { r.Port = "080" }), invalid, "The redirect port '080'"},
		"a host of 128": {redirect(func(r *Redirect) { r.Host = strings.Repeat("a", 128) }), "", ""},
		"a host of 129": {redirect(func(r *Redirect) { r.Host = strings.Repeat("a", 129) }), invalid,
			"The redirect Host is too long; the limit is '128'"},
		"a path with a line": {redirect(func(r *Redirect) { r.Path = "/a\r\nSet-Cookie: b" }), invalid,
			"contains invalid characters"},
		"a placeholder of elsewhere": {redirect(func(r *Redirect) { r.Host = "#{path}" }), invalid,
			"may hold one of each of these placeholders: #{host}"},
		"a placeholder twice": {
			redirect(func(r *Redirect) { r.Path = "/#{path}#{path}" }), invalid, "may hold one of each",
		},
		"to itself":   {redirect(func(r *Redirect) { r.Host = PlaceHost }), refused, "would lead to itself"},
		"a fixed 200": {fixed(200, "text/plain", strings.Repeat("x", 1024)), "", ""},
		"a fixed 503": {fixed(503, "", ""), "", ""},
		"a fixed 301": {fixed(301, "", ""), invalid, "must be 2XX, 4XX or 5XX"},
		"a fixed image": {fixed(200, "image/png", ""), invalid,
			"must be one of [text/plain, text/css, text/html, application/javascript, application/json]"},
		"a long body": {fixed(200, "", strings.Repeat("x", 1025)), invalid, "the limit is '1024'"},
	} {
		wants(t, name, CheckActions([]Action{c.action}, HTTP), c.code, c.words)
	}
	wants(t, "no action", CheckActions(nil, HTTP), invalid, "An action must be specified")
	wants(t, "two actions", CheckActions([]Action{forward(none), forward(none)}, HTTP), refused, "Exactly one action")
	down := redirect(func(r *Redirect) { r.Protocol = HTTP })
	wants(t, "to HTTP from HTTP", CheckActions([]Action{down}, HTTP), "", "")
	wants(t, "to HTTP from HTTPS", CheckActions([]Action{down}, HTTPS), refused,
		"You cannot redirect from HTTPS to HTTP")
}

// alb.md 8.4 and 8.5: the values that each attribute accepts, and those that it refuses, with the reason.
func TestAttributeValues(t *testing.T) {
	const invalid, refused = "ValidationError", "InvalidConfigurationRequest"
	for _, c := range []struct {
		set         AttributeSet
		key         string
		good, bad   []string
		code, words string
	}{
		{LoadBalancerAttributes, "idle_timeout.timeout_seconds", []string{"1", "4000"},
			[]string{"0", "4001", "", "1s", "01", " 1", "+1"}, invalid, "must be between '1-4000' inclusive"},
		{LoadBalancerAttributes, "routing.http.desync_mitigation_mode", []string{"defensive", "strictest"},
			[]string{"off", ""}, invalid, "must be one of [defensive, strictest]"},
		{LoadBalancerAttributes, "routing.http.desync_mitigation_mode", nil, []string{"monitor"}, refused,
			"no two servers read alike"},
		{LoadBalancerAttributes, "access_logs.s3.enabled", []string{"false"}, []string{"true"}, refused,
			"access logs to S3 are not implemented"},
		{LoadBalancerAttributes, "access_logs.s3.bucket", []string{"", "anything", strings.Repeat("x", 1024)},
			[]string{strings.Repeat("x", 1025)}, invalid, "the limit is '1024'"},
		{LoadBalancerAttributes, "deletion_protection.enabled", []string{"true", "false"},
			[]string{"True", "1", ""}, invalid, "must be one of [true, false]"},
		{TargetGroupAttributes, "load_balancing.cross_zone.enabled",
			[]string{"true", "use_load_balancer_configuration"}, []string{"yes"}, invalid, "must be one of"},
		{TargetGroupAttributes, "load_balancing.cross_zone.enabled", nil, []string{"false"}, refused,
			"the edge is in no zone"},
		{TargetGroupAttributes, "slow_start.duration_seconds", []string{"0", "30", "900"},
			[]string{"1", "29", "901", ""}, invalid, "must be '0' or between '30-900' inclusive"},
		{TargetGroupAttributes, "stickiness.app_cookie.cookie_name", []string{"SESSION", ""},
			[]string{"a b", "a=b", "ä"}, invalid, "is not the name of a cookie"},
		{TargetGroupAttributes, "stickiness.app_cookie.cookie_name", nil, []string{
			"AWSALB", "AWSALBAPP-0", "AWSALBTGCORS",
		}, refused, "which the load balancer uses itself"},
		{TargetGroupAttributes, "target_group_health.dns_failover.minimum_healthy_targets.count",
			[]string{"1", "1000", "off"}, []string{"0", "1001"}, invalid, "must be between '1-1000'"},
		{TargetGroupAttributes, "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
			[]string{"1"}, []string{"off", ""}, invalid, "must be between '1-1000'"},
		{TargetGroupAttributes, "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
			[]string{"off", "1", "100"}, []string{"0", "101"}, invalid, "must be between '1-100'"},
		{ListenerAttributes, "routing.http.response.x_frame_options.header_value", []string{"", "DENY"},
			[]string{"a\nb", "ä"}, invalid, "must hold visible ASCII characters only"},
		{ListenerAttributes, "routing.http.response.x_powered_by.header_value", nil, []string{""}, invalid,
			"Listener attribute key 'routing.http.response.x_powered_by.header_value' is not recognized"},
	} {
		for _, v := range c.good {
			wants(t, c.key+"="+v, c.set.Check(c.key, v), "", "")
		}
		for _, v := range c.bad {
			wants(t, c.key+"="+v, c.set.Check(c.key, v), c.code, c.words)
		}
	}
	for _, set := range []AttributeSet{LoadBalancerAttributes, TargetGroupAttributes, ListenerAttributes} {
		for _, key := range set.Keys() {
			wants(t, "the default of "+key, set.Check(key, set.Default(key)), "", "")
		}
	}
}

// alb.md 3.2 and H6: each limit, and one beyond it.
func TestHealthCheckLimits(t *testing.T) {
	good := HealthCheck{Protocol: HTTP, Port: TrafficPort, Path: "/", IntervalSeconds: 30, TimeoutSeconds: 5,
		HealthyThreshold: 5, UnhealthyThreshold: 2, Matcher: "200"}
	for name, c := range map[string]struct {
		change func(*HealthCheck)
		words  string
	}{
		"as it is":           {func(*HealthCheck) {}, ""},
		"TCP":                {func(h *HealthCheck) { h.Protocol = "TCP" }, "Health check protocol 'TCP'"},
		"port 65535":         {func(h *HealthCheck) { h.Port = "65535" }, ""},
		"port 0":             {func(h *HealthCheck) { h.Port = "0" }, "Health check port '0'"},
		"a port by name":     {func(h *HealthCheck) { h.Port = "http" }, "Health check port 'http'"},
		"a path of 1024":     {func(h *HealthCheck) { h.Path = "/" + strings.Repeat("a", 1023) }, ""},
		"a path of 1025":     {func(h *HealthCheck) { h.Path = "/" + strings.Repeat("a", 1024) }, "Health check path"},
		"no path":            {func(h *HealthCheck) { h.Path = "" }, "Health check path"},
		"a path with a line": {func(h *HealthCheck) { h.Path = "/ HTTP/1.1\r\n" }, "Health check path"},
		"every 5 s":          {func(h *HealthCheck) { h.IntervalSeconds, h.TimeoutSeconds = 5, 2 }, ""},
		"every 4 s": {
			func(h *HealthCheck) { h.IntervalSeconds, h.TimeoutSeconds = 4, 2 }, "Health check interval '4'",
		},
		"every 301 s": {func(h *HealthCheck) { h.IntervalSeconds = 301 }, "Health check interval '301'"},
		"after 1 s":   {func(h *HealthCheck) { h.TimeoutSeconds = 1 }, "Health check timeout '1'"},
		"after 121 s": {func(h *HealthCheck) { h.IntervalSeconds, h.TimeoutSeconds = 300, 121 },
			"Health check timeout '121'"},
		"after the interval": {
			func(h *HealthCheck) { h.TimeoutSeconds = 30 }, "must be smaller than the interval '30'",
		},
		"healthy at once":     {func(h *HealthCheck) { h.HealthyThreshold = 1 }, "Healthy threshold '1'"},
		"healthy after 11":    {func(h *HealthCheck) { h.HealthyThreshold = 11 }, "Healthy threshold '11'"},
		"unhealthy at once":   {func(h *HealthCheck) { h.UnhealthyThreshold = 1 }, "Unhealthy threshold '1'"},
		"unhealthy after 10":  {func(h *HealthCheck) { h.UnhealthyThreshold = 10 }, ""},
		"codes of success":    {func(h *HealthCheck) { h.Matcher = "200,301-399, 499" }, ""},
		"codes of failure":    {func(h *HealthCheck) { h.Matcher = "200-500" }, "matcher HTTP code '200-500'"},
		"codes the other way": {func(h *HealthCheck) { h.Matcher = "300-200" }, "matcher HTTP code"},
		"no codes":            {func(h *HealthCheck) { h.Matcher = "" }, "matcher HTTP code"},
	} {
		h := good
		c.change(&h)
		code := ""
		if c.words != "" {
			code = "ValidationError"
		}
		wants(t, name, h.Check(), code, c.words)
	}
}

// alb.md 8.6: clients look up account limits by name. The numbers are those that Berth enforces.
func TestAccountLimits(t *testing.T) {
	limits := Limits()
	if !slices.IsSortedFunc(limits, func(a, b Limit) int { return strings.Compare(a.Name, b.Name) }) {
		t.Errorf("the limits are not in the order of their names: %v", limits)
	}
	for name, want := range map[string]int{
		"application-load-balancers": 50, "rules-per-application-load-balancer": 100, "target-groups": 3000,
		"targets-per-target-group": 1000, "target-groups-per-action-on-application-load-balancer": 5,
		"condition-values-per-alb-rule": 5, "listeners-per-application-load-balancer": 50,
	} {
		if !slices.Contains(limits, Limit{name, want}) {
			t.Errorf("%s is not %d in %v", name, want, limits)
		}
	}
}
