package elb

import (
	"slices"
	"strconv"
	"time"

	"github.com/berthhq/berth/internal/tag"
)

// Target types.
const (
	TargetInstance = "instance"
	TargetIP       = "ip"
)

// TrafficPort is the health check port that means "the port the target receives traffic on".
const TrafficPort = "traffic-port"

// TargetGroup is a set of targets that serve the same thing. Its key is its ARN.
type TargetGroup struct {
	ARN             string
	Name            string
	Protocol        string // HTTP or HTTPS
	ProtocolVersion string // HTTP1
	Port            int    // used for targets registered without one
	VPCID           string
	TargetType      string // TargetInstance or TargetIP
	IPAddressType   string
	HealthCheck     HealthCheck
	Created         time.Time
	// Attributes holds only what was set; read through Attribute or Settings.
	Attributes map[string]string
	Tags       tag.Set
}

// HealthCheck says how the targets of a group are probed (alb.md 3.2).
type HealthCheck struct {
	Protocol           string // HTTP or HTTPS
	Port               string // TrafficPort or a number
	Path               string // 1-1,024 characters, may hold a query
	IntervalSeconds    int    // 5-300, start to start
	TimeoutSeconds     int    // 2-120, smaller than the interval
	HealthyThreshold   int    // 2-10 consecutive successes
	UnhealthyThreshold int    // 2-10 consecutive failures
	Matcher            string // "200", "200,202", "200-299"
}

// DefaultHealthCheck is what a group of instance or ip targets gets when nothing is said.
func DefaultHealthCheck() HealthCheck {
	return HealthCheck{Protocol: HTTP, Port: TrafficPort, Path: "/", IntervalSeconds: 30, TimeoutSeconds: 5,
		HealthyThreshold: 5, UnhealthyThreshold: 2, Matcher: "200"}
}

// Attribute returns the value of an attribute, or its default.
func (g *TargetGroup) Attribute(key string) string {
	if v, ok := g.Attributes[key]; ok {
		return v
	}
	return TargetGroupAttributes.Default(key)
}

// Algorithms that choose a target.
const (
	RoundRobin               = "round_robin"
	LeastOutstandingRequests = "least_outstanding_requests"
	WeightedRandom           = "weighted_random"
)

// Stickiness types.
const (
	LBCookie  = "lb_cookie"
	AppCookie = "app_cookie"
)

// GroupSettings is what the edge must know of a target group's attributes, in Go's types.
type GroupSettings struct {
	Algorithm string
	// Stickiness is LBCookie, AppCookie or "" when it is off.
	Stickiness    string
	StickyFor     time.Duration
	AppCookieName string
	SlowStart     time.Duration // 0 when off
	// MinHealthy and MinHealthyPercent are the thresholds below which all targets get traffic;
	// MinHealthyPercent 0 means off.
	MinHealthy        int
	MinHealthyPercent int
}

// DeregistrationDelay is how long a target drains.
func (g *TargetGroup) DeregistrationDelay() time.Duration {
	return seconds(g.Attribute("deregistration_delay.timeout_seconds"))
}

// Settings reads the attributes that concern the edge.
func (g *TargetGroup) Settings() GroupSettings {
	s := GroupSettings{
		Algorithm:  g.Attribute("load_balancing.algorithm.type"),
		SlowStart:  seconds(g.Attribute("slow_start.duration_seconds")),
		MinHealthy: number(g.Attribute("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count")),
	}
	s.MinHealthyPercent = number(g.Attribute(
		"target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage"))
	if g.Attribute("stickiness.enabled") != "true" {
		return s
	}
	s.Stickiness = g.Attribute("stickiness.type")
	s.StickyFor = seconds(g.Attribute("stickiness.lb_cookie.duration_seconds"))
	if s.Stickiness == AppCookie {
		s.StickyFor = seconds(g.Attribute("stickiness.app_cookie.duration_seconds"))
		s.AppCookieName = g.Attribute("stickiness.app_cookie.cookie_name")
	}
	return s
}

// Uses returns the ARNs of the target groups the actions forward to, each once, in order.
func Uses(actions []Action) []string {
	var out []string
	for _, a := range actions {
		if a.Forward == nil {
			continue
		}
		for _, g := range a.Forward.TargetGroups {
			if !slices.Contains(out, g.ARN) {
				out = append(out, g.ARN)
			}
		}
	}
	return out
}

func seconds(s string) time.Duration { return time.Duration(number(s)) * time.Second }

// number reads a whole number; words such as "off" are 0.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}
