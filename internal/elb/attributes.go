package elb

import (
	"slices"
	"strconv"
	"strings"

	"github.com/berthhq/berth/internal/fault"
)

// AttributeSet is the attributes one kind of resource has: their defaults, and the values they take (alb.md 8.4, 8.5).
type AttributeSet struct {
	kind  string // as AWS's messages name it: "Load balancer", "Target group", "Listener"
	specs []attribute
}

type attribute struct {
	key, def string
	check    func(key, value string) error
}

// Attribute sets, by kind of resource.
var (
	LoadBalancerAttributes = AttributeSet{"Load balancer", loadBalancerAttributes}
	TargetGroupAttributes  = AttributeSet{"Target group", targetGroupAttributes}
	ListenerAttributes     = AttributeSet{"Listener", listenerAttributes}
)

var loadBalancerAttributes = []attribute{
	{"access_logs.s3.enabled", "false", onlyValue("false", "access logs to S3 are not implemented")},
	{"access_logs.s3.bucket", "", text},
	{"access_logs.s3.prefix", "", text},
	{"connection_logs.s3.enabled", "false", onlyValue("false", "connection logs to S3 are not implemented")},
	{"connection_logs.s3.bucket", "", text},
	{"connection_logs.s3.prefix", "", text},
	{"health_check_logs.s3.enabled", "false", onlyValue("false", "health check logs to S3 are not implemented")},
	{"health_check_logs.s3.bucket", "", text},
	{"health_check_logs.s3.prefix", "", text},
	{"client_keep_alive.seconds", "3600", between(60, 604800)},
	{"deletion_protection.enabled", "false", boolean},
	{"idle_timeout.timeout_seconds", "60", between(1, 4000)},
	{denyIGW, "false", boolean},
	{"load_balancing.cross_zone.enabled", "true",
		onlyValue("true", "it cannot be turned off for application load balancers")},
	{"routing.http.desync_mitigation_mode", "defensive", desyncMode},
	{"routing.http.drop_invalid_header_fields.enabled", "false", boolean},
	{"routing.http.preserve_host_header.enabled", "false", boolean},
	{"routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "false", boolean},
	{"routing.http.xff_client_port.enabled", "false", boolean},
	{"routing.http.xff_header_processing.mode", "append", oneOf("append", "preserve", "remove")},
	{"routing.http2.enabled", "true", boolean},
	{"waf.fail_open.enabled", "false", boolean},
	{"zonal_shift.config.enabled", "false", onlyValue("false", "zonal shift is not implemented")},
}

var targetGroupAttributes = []attribute{
	{"deregistration_delay.timeout_seconds", "300", between(0, 3600)},
	{"stickiness.enabled", "false", boolean},
	{"stickiness.type", LBCookie, oneOf(LBCookie, AppCookie)},
	{"stickiness.lb_cookie.duration_seconds", "86400", between(1, 604800)},
	{"stickiness.app_cookie.cookie_name", "", appCookieName},
	{"stickiness.app_cookie.duration_seconds", "86400", between(1, 604800)},
	{"load_balancing.algorithm.type", RoundRobin, oneOf(RoundRobin, LeastOutstandingRequests, WeightedRandom)},
	{"load_balancing.algorithm.anomaly_mitigation", "off", onlyValue("off", "anomaly mitigation is not implemented")},
	{"load_balancing.cross_zone.enabled", "use_load_balancer_configuration", crossZone},
	{"slow_start.duration_seconds", "0", slowStart},
	{"target_group_health.dns_failover.minimum_healthy_targets.count", "1", countOr("off")},
	{"target_group_health.dns_failover.minimum_healthy_targets.percentage", "off", percentOrOff},
	{"target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1", countOr("")},
	{"target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off", percentOrOff},
}

// ResponseHeaderAttribute starts the keys of listener attributes that set a header of every response.
const ResponseHeaderAttribute = "routing.http.response."

// ServerHeaderAttribute is the listener attribute that says whether responses keep their Server header.
const ServerHeaderAttribute = "routing.http.response.server.enabled"

var listenerAttributes = append([]attribute{{ServerHeaderAttribute, "true", boolean}}, headerAttributes(
	"strict_transport_security", "access_control_allow_origin", "access_control_allow_methods",
	"access_control_allow_headers", "access_control_allow_credentials", "access_control_expose_headers",
	"access_control_max_age", "content_security_policy", "x_content_type_options", "x_frame_options")...)

func headerAttributes(names ...string) []attribute {
	out := make([]attribute, len(names))
	for i, n := range names {
		out[i] = attribute{ResponseHeaderAttribute + n + ".header_value", "", headerValue}
	}
	return out
}

// Keys returns the keys of the set in the order they are described in.
func (s AttributeSet) Keys() []string {
	out := make([]string, len(s.specs))
	for i, a := range s.specs {
		out[i] = a.key
	}
	return out
}

// Default returns the value an attribute has when it was not set, "" for an unknown key.
func (s AttributeSet) Default(key string) string {
	if i := s.index(key); i >= 0 {
		return s.specs[i].def
	}
	return ""
}

// Check reports why value cannot be given to key. The text for an unknown key is part of AWS's
// contract with Terraform, which drops the key and tries again when it reads it (alb.md 8.7,
// Terraform 2).
func (s AttributeSet) Check(key, value string) error {
	i := s.index(key)
	if i < 0 {
		return fault.New("ValidationError", "%s attribute key '%s' is not recognized", s.kind, key)
	}
	if len(value) > 1024 {
		return fault.New("ValidationError", "The value of attribute '%s' is too long; the limit is '1024'", key)
	}
	return s.specs[i].check(key, value)
}

func (s AttributeSet) index(key string) int {
	return slices.IndexFunc(s.specs, func(a attribute) bool { return a.key == key })
}

// CheckTargetGroupAttributes reports combinations that do not go together, once all of a call's
// values are in attributes.
func CheckTargetGroupAttributes(g *TargetGroup) error {
	s := g.Settings()
	if s.Stickiness == AppCookie && s.AppCookieName == "" {
		return fault.New("InvalidConfigurationRequest",
			"You must set an application cookie name to enable stickiness of type 'app_cookie'")
	}
	if s.SlowStart > 0 && s.Algorithm != RoundRobin {
		return fault.New("InvalidConfigurationRequest",
			"You cannot enable slow start on a target group that uses the '%s' algorithm; it needs "+
				"'round_robin'", s.Algorithm)
	}
	return nil
}

func text(string, string) error { return nil }

func boolean(key, value string) error { return oneOf("true", "false")(key, value) }

func oneOf(allowed ...string) func(string, string) error {
	return func(key, value string) error {
		if slices.Contains(allowed, value) {
			return nil
		}
		return fault.New("ValidationError", "'%s' value '%s' must be one of [%s]", key, value,
			strings.Join(allowed, ", "))
	}
}

func between(lo, hi int) func(string, string) error {
	return func(key, value string) error {
		if n, ok := whole(value); ok && lo <= n && n <= hi {
			return nil
		}
		return fault.New("ValidationError", "'%s' value '%s' must be between '%d-%d' inclusive", key, value, lo, hi)
	}
}

// whole reads a whole number that is written in the one usual way: no sign, no zeros before it, no spaces.
func whole(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && strconv.Itoa(n) == s
}

// onlyValue accepts the one value we can keep our word on.
func onlyValue(allowed, why string) func(string, string) error {
	return func(key, value string) error {
		if value == allowed {
			return nil
		}
		return fault.New("InvalidConfigurationRequest", "'%s' must be '%s': %s", key, allowed, why)
	}
}

func desyncMode(key, value string) error {
	if value == "monitor" {
		return onlyValue("defensive' or 'strictest",
			"mode 'monitor' would pass on requests that no two servers read alike")(key, value)
	}
	return oneOf("defensive", "strictest")(key, value)
}

func crossZone(key, value string) error {
	if value == "false" {
		return onlyValue("use_load_balancer_configuration' or 'true",
			"the edge is in no zone, so traffic cannot be kept in one")(key, value)
	}
	return oneOf("use_load_balancer_configuration", "true")(key, value)
}

func slowStart(key, value string) error {
	if value == "0" || between(30, 900)(key, value) == nil {
		return nil
	}
	return fault.New("ValidationError", "'%s' value '%s' must be '0' or between '30-900' inclusive", key, value)
}

func countOr(word string) func(string, string) error {
	return func(key, value string) error {
		if word != "" && value == word {
			return nil
		}
		return between(1, maxTargetsPerGroup)(key, value)
	}
}

func percentOrOff(key, value string) error {
	if value == "off" {
		return nil
	}
	return between(1, 100)(key, value)
}

func appCookieName(key, value string) error {
	for _, reserved := range []string{"AWSALBAPP", "AWSALBTG", "AWSALB"} {
		if strings.HasPrefix(value, reserved) {
			return fault.New("InvalidConfigurationRequest",
				"'%s' value '%s' must not start with '%s', which the load balancer uses itself",
				key, value, reserved)
		}
	}
	if !only(value, alphanumeric+tokenMarks) {
		return fault.New("ValidationError", "'%s' value '%s' is not the name of a cookie", key, value)
	}
	return nil
}

func headerValue(key, value string) error {
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
		return fault.New("ValidationError", "'%s' must hold visible ASCII characters only", key)
	}
	return nil
}
