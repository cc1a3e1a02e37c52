package elb

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/fault"
)

// drawNear draws a number inside a range, at its ends or just outside, and reports whether it is inside.
func drawNear(t *rapid.T, name string, lo, hi int) (n int, in bool) {
	n = rapid.OneOf(rapid.SampledFrom([]int{lo - 1, lo, hi, hi + 1}), rapid.IntRange(lo, hi)).Draw(t, name)
	return n, lo <= n && n <= hi
}

// alb.md H6: a health check is valid if and only if each number is within its bounds and the timeout is
// shorter than the interval.
func TestHealthCheckBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, ok := DefaultHealthCheck(), make([]bool, 5)
		h.IntervalSeconds, ok[0] = drawNear(t, "interval", 5, 300)
		h.TimeoutSeconds, ok[1] = drawNear(t, "timeout", 2, 120)
		h.HealthyThreshold, ok[2] = drawNear(t, "healthy", 2, 10)
		h.UnhealthyThreshold, ok[3] = drawNear(t, "unhealthy", 2, 10)
		port := 0
		port, ok[4] = drawNear(t, "port", 1, 65535)
		h.Port = strconv.Itoa(port)
		want := !slices.Contains(ok, false) && h.TimeoutSeconds < h.IntervalSeconds
		if err := h.Check(); (err == nil) != want || err != nil &&
			!errors.Is(err, fault.New("ValidationError", "")) {
			t.Fatalf("%+v: %v, want it to be valid: %v", h, err, want)
		}
	})
}

// alb.md A3: a forward action is valid if and only if it has one to five different groups with weights of 0
// to 999.
func TestForwardBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &Forward{}
		seen, want, many := map[string]bool{}, true, false
		for range rapid.IntRange(0, MaxTargetGroupsPerAction+1).Draw(t, "groups") {
			weight, in := drawNear(t, "weight", 0, 999)
			g := WeightedGroup{ARN: rapid.StringMatching(`[a-h]`).Draw(t, "group"), Weight: weight}
			want, seen[g.ARN] = want && in && !seen[g.ARN], true
			f.TargetGroups = append(f.TargetGroups, g)
		}
		var in bool
		f.StickySeconds, in = drawNear(t, "sticky", 0, 604800)
		many = len(f.TargetGroups) > MaxTargetGroupsPerAction
		want = want && in && len(f.TargetGroups) > 0 && !many
		err := CheckActions([]Action{{Type: ActionForward, Forward: f}}, HTTP)
		if (err == nil) != want || many && !errors.Is(err, fault.New("TooManyTargetGroups", "")) {
			t.Fatalf("%+v: %v, want it to be valid: %v", f, err, want)
		}
	})
}

// WithDefaults fills in every absent part of a redirect. A redirect is valid if it changes a part of the
// request and does not lead from HTTPS to HTTP.
func TestRedirectsLeadElsewhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pick := func(name string, from ...string) string { return rapid.SampledFrom(from).Draw(t, name) }
		r := Redirect{Protocol: pick("protocol", "", HTTP, HTTPS, PlaceProtocol),
			Host: pick("host", "", "x.y", PlaceHost),
			Port: pick("port", "", "80", PlacePort), Path: pick("path", "", "/#{path}", "/a/#{path}"),
			Query: pick("query", "", "a=b", PlaceQuery), StatusCode: rapid.SampledFrom([]int{301, 302}).Draw(t,
				"status")}
		full := r.WithDefaults()
		if full.WithDefaults() != full || full.Protocol == "" || full.Host == "" || full.Port == "" ||
			full.Path == "" ||
			full.Query == "" {
			t.Fatalf("%+v with defaults is %+v", r, full)
		}
		listener := pick("listener", HTTP, HTTPS)
		down := listener == HTTPS && full.Protocol == HTTP
		same := full.Protocol == PlaceProtocol && full.Host == PlaceHost && full.Port == PlacePort &&
			full.Path == "/"+PlacePath
		err := CheckActions([]Action{{Type: ActionRedirect, Redirect: &full}}, listener)
		if (err != nil) != (down || same) || err != nil &&
			!errors.Is(err, fault.New("InvalidLoadBalancerAction", "")) {
			t.Fatalf("%+v: %v, want an error: %v", full, err, down || same)
		}
	})
}

// Names have 1 to 32 letters, digits and hyphens, with no hyphen at either end. The name of a load balancer
// must not begin with internal-.
func TestNameRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.StringMatching(`[A-Za-z0-9]([A-Za-z0-9-]{0,34}[A-Za-z0-9])?`),
			rapid.StringMatching(`(internal-)?[a-z_. -]{0,4}`)).Draw(t, "name")
		want := name != "" && len(name) <= 32 && !strings.HasPrefix(name, "-") && !strings.HasSuffix(name, "-") &&
			!strings.ContainsAny(name, "_. ")
		if err := ValidTargetGroupName(name); (err == nil) != want {
			t.Fatalf("target group %q: %v", name, err)
		}
		want = want && !strings.HasPrefix(name, "internal-")
		if err := ValidLoadBalancerName(name); (err == nil) != want {
			t.Fatalf("load balancer %q: %v", name, err)
		}
	})
}

// From the ARN of a listener or a rule one gets the ARN of its load balancer. The dimensions of metrics are
// the ends of ARNs.
func TestARNsOfALoadBalancer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z][a-z0-9]{0,8}`).Draw(t, "name")
		id := rapid.StringMatching(`[0-9a-f]{16}`)
		lb := LoadBalancerARN("eu-west-2", "123456789012", name, id.Draw(t, "id"))
		l := ListenerARN(lb, id.Draw(t, "listener"))
		r := RuleARN(l, id.Draw(t, "rule"))
		for a, kind := range map[string]string{lb: "loadbalancer", l: "listener", r: "listener-rule"} {
			parsed, err := arn.Parse(a)
			if err != nil || parsed.Service != Service || parsed.Type() != kind ||
				parsed.Account != "123456789012" {
				t.Fatalf("%s: %+v, %v", a, parsed, err)
			}
		}
		up := strings.Replace(r[:strings.LastIndexByte(r, '/')], ":listener-rule/", ":listener/", 1)
		if up != l || strings.Replace(l[:strings.LastIndexByte(l, '/')], ":listener/", ":loadbalancer/", 1) != lb {
			t.Fatalf("%s belongs to %s, which belongs to %s", r, l, lb)
		}
		g := TargetGroupARN("eu-west-2", "123456789012", name, "0123456789abcdef")
		if !strings.HasSuffix(lb, "loadbalancer/"+Suffix(lb)) || !strings.HasSuffix(g, ":"+Suffix(g)) ||
			TargetGroupName(g) != name || Suffix(l) != l {
			t.Fatalf("suffixes %s, %s", Suffix(lb), Suffix(g))
		}
	})
}

// The settings of a target group are its attributes in their types.
func TestSettingsAreTheAttributes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := &TargetGroup{Attributes: map[string]string{}}
		set := func(key, value string) string {
			if err := TargetGroupAttributes.Check(key, value); err != nil {
				t.Fatal(err)
			}
			g.Attributes[key] = value
			return value
		}
		delay := rapid.IntRange(0, 3600).Draw(t, "delay")
		set("deregistration_delay.timeout_seconds", strconv.Itoa(delay))
		slow := rapid.SampledFrom([]int{0, 30, 900}).Draw(t, "slow start")
		set("slow_start.duration_seconds", strconv.Itoa(slow))
		algorithm := set("load_balancing.algorithm.type",
			rapid.SampledFrom([]string{RoundRobin, "least_outstanding_requests"}).Draw(t, "algorithm"))
		sticky := set("stickiness.enabled", fmt.Sprint(rapid.Bool().Draw(t, "sticky"))) == "true"
		kind := set("stickiness.type", rapid.SampledFrom([]string{"lb_cookie", AppCookie}).Draw(t, "type"))
		cookie := ""
		if rapid.Bool().Draw(t, "named") {
			cookie = set("stickiness.app_cookie.cookie_name", "SESSION")
		}
		s := g.Settings()
		if g.DeregistrationDelay() != time.Duration(delay)*time.Second || s.Algorithm != algorithm ||
			s.SlowStart != time.Duration(slow)*time.Second || sticky != (s.Stickiness == kind) {
			t.Fatalf("attributes %v are %+v", g.Attributes, s)
		}
		wrong := sticky && kind == AppCookie && cookie == "" || slow > 0 && algorithm != RoundRobin
		if err := CheckTargetGroupAttributes(g); (err != nil) != wrong ||
			err != nil && !errors.Is(err, fault.New("InvalidConfigurationRequest", "")) {
			t.Fatalf("attributes %v: %v, want an error: %v", g.Attributes, err, wrong)
		}
	})
}
