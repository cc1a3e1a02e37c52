package elb

import (
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/fault"
)

// Check reports what is wrong with a health check (alb.md 3.2, H6).
func (h HealthCheck) Check() error {
	port, isNumber := whole(h.Port)
	switch {
	case h.Protocol != HTTP && h.Protocol != HTTPS:
		return fault.New("ValidationError", "Health check protocol '%s' must be one of [HTTP, HTTPS]", h.Protocol)
	case h.Port != TrafficPort && (!isNumber || port < 1 || port > 65535):
		return fault.New("ValidationError",
			"Health check port '%s' must be '%s' or between '1-65535' inclusive", h.Port, TrafficPort)
	case len(h.Path) == 0 || len(h.Path) > 1024 || h.Path[0] != '/' || !visible(h.Path):
		return fault.New("ValidationError",
			"Health check path '%s' must start with '/' and hold 1 to 1024 visible ASCII characters", h.Path)
	case h.IntervalSeconds < 5 || h.IntervalSeconds > 300:
		return fault.New("ValidationError",
			"Health check interval '%d' must be between '5-300' inclusive", h.IntervalSeconds)
	case h.TimeoutSeconds < 2 || h.TimeoutSeconds > 120:
		return fault.New("ValidationError",
			"Health check timeout '%d' must be between '2-120' inclusive", h.TimeoutSeconds)
	case h.TimeoutSeconds >= h.IntervalSeconds:
		return fault.New("ValidationError", "Health check timeout '%d' must be smaller than the interval '%d'",
			h.TimeoutSeconds, h.IntervalSeconds)
	case h.HealthyThreshold < 2 || h.HealthyThreshold > 10:
		return fault.New("ValidationError",
			"Healthy threshold '%d' must be between '2-10' inclusive", h.HealthyThreshold)
	case h.UnhealthyThreshold < 2 || h.UnhealthyThreshold > 10:
		return fault.New("ValidationError", "Unhealthy threshold '%d' must be between '2-10' inclusive",
			h.UnhealthyThreshold)
	}
	_, err := ParseMatcher(h.Matcher)
	return err
}

// Matcher is the set of status codes that count as success.
type Matcher []struct{ lo, hi int }

// ParseMatcher reads "200", "200,202" or "200-299"; codes are 200-499.
func ParseMatcher(s string) (Matcher, error) {
	bad := fault.New("ValidationError", "Health check matcher HTTP code '%s' must be within '200-499' "+
		"inclusive, as in \"200\", \"200,202\" or \"200-299\"", s)
	var m Matcher
	for part := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			last = first
		}
		lo, ok1 := whole(first)
		hi, ok2 := whole(last)
		if !ok1 || !ok2 || lo < 200 || hi > 499 || lo > hi {
			return nil, bad
		}
		m = append(m, struct{ lo, hi int }{lo, hi})
	}
	return m, nil
}

// Matches reports whether status is one of the codes.
func (m Matcher) Matches(status int) bool {
	return slices.ContainsFunc(m, func(r struct{ lo, hi int }) bool { return r.lo <= status && status <= r.hi })
}
