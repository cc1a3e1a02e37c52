package elb

import (
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/fault"
)

// Placeholders of a redirect's parts; each stands for that part of the request.
const (
	PlaceProtocol = "#{protocol}"
	PlaceHost     = "#{host}"
	PlacePort     = "#{port}"
	PlacePath     = "#{path}"
	PlaceQuery    = "#{query}"
)

// WithDefaults returns r with the API's defaults for the parts that were not given (alb.md A6).
func (r Redirect) WithDefaults() Redirect {
	set := func(p *string, def string) {
		if *p == "" {
			*p = def
		}
	}
	set(&r.Protocol, PlaceProtocol)
	set(&r.Host, PlaceHost)
	set(&r.Port, PlacePort)
	set(&r.Path, "/"+PlacePath)
	set(&r.Query, PlaceQuery)
	return r
}

// CheckActions reports what is wrong with the actions of a rule of a listener with the protocol
// (alb.md A1-A8). Whether the target groups exist and are free to use is for the caller to see.
func CheckActions(actions []Action, protocol string) error {
	if len(actions) == 0 {
		return fault.New("ValidationError", "An action must be specified")
	}
	if len(actions) > 1 {
		return fault.New("InvalidLoadBalancerAction",
			"Exactly one action of type forward, redirect or fixed-response must be specified")
	}
	a := actions[0]
	if a.Order < 0 || a.Order > 50000 {
		return fault.New("ValidationError", "The action order '%d' must be between '1-50000' inclusive", a.Order)
	}
	switch {
	case a.Type == ActionForward && a.Forward != nil:
		return checkForward(a.Forward)
	case a.Type == ActionRedirect && a.Redirect != nil:
		return checkRedirect(a.Redirect, protocol)
	case a.Type == ActionFixedResponse && a.FixedResponse != nil:
		return checkFixedResponse(a.FixedResponse)
	}
	return fault.New("InvalidLoadBalancerAction", "The configuration of the '%s' action must be specified", a.Type)
}

func checkForward(f *Forward) error {
	if len(f.TargetGroups) == 0 {
		return fault.New("ValidationError", "A target group ARN must be specified")
	}
	if len(f.TargetGroups) > MaxTargetGroupsPerAction {
		return fault.New("TooManyTargetGroups", "An action can forward to at most '%d' target groups",
			MaxTargetGroupsPerAction)
	}
	seen := map[string]bool{}
	for _, g := range f.TargetGroups {
		if g.Weight < 0 || g.Weight > maxWeight {
			return fault.New("ValidationError", "The weight '%d' must be between '0-%d' inclusive", g.Weight, maxWeight)
		}
		if seen[g.ARN] {
			return fault.New("ValidationError", "Target group '%s' is specified more than once in an action", g.ARN)
		}
		seen[g.ARN] = true
	}
	if n := f.StickySeconds + f.IdleStickySeconds; n < 0 || n > maxStickySeconds {
		return fault.New("ValidationError", "The stickiness duration '%d' must be between '1-%d' inclusive",
			n, maxStickySeconds)
	}
	return nil
}

func checkRedirect(r *Redirect, protocol string) error {
	for _, part := range redirectParts {
		if err := part.check(part.of(r)); err != nil {
			return err
		}
	}
	switch {
	case r.StatusCode != 301 && r.StatusCode != 302:
		return fault.New("ValidationError", "The redirect status code must be one of [HTTP_301, HTTP_302]")
	case !slices.Contains([]string{HTTP, HTTPS, PlaceProtocol}, r.Protocol):
		return fault.New("ValidationError",
			"The redirect protocol '%s' must be one of [HTTP, HTTPS, #{protocol}]", r.Protocol)
	case !strings.HasPrefix(r.Path, "/"):
		return fault.New("ValidationError", "The redirect path '%s' must start with '/'", r.Path)
	case strings.HasPrefix(r.Query, "?"):
		return fault.New("ValidationError", "The redirect query '%s' must not start with '?'", r.Query)
	case !validRedirectPort(r.Port):
		return fault.New("ValidationError",
			"The redirect port '%s' must be between '1-65535' inclusive or '#{port}'", r.Port)
	case protocol == HTTPS && r.Protocol == HTTP:
		return fault.New("InvalidLoadBalancerAction", "You cannot redirect from HTTPS to HTTP")
	case r.Protocol == PlaceProtocol && r.Host == PlaceHost && r.Port == PlacePort && r.Path == "/"+PlacePath:
		return fault.New("InvalidLoadBalancerAction",
			"The redirect must change at least one of protocol, host, port and path, or it would lead to itself")
	}
	return nil
}

// redirectPart is a part of a redirect that may be composed of text and placeholders (alb.md A6).
type redirectPart struct {
	name   string
	of     func(*Redirect) string
	places []string
	// text is what it may hold besides; "" is every visible character.
	text string
}

var redirectParts = []redirectPart{
	{"Host", func(r *Redirect) string { return r.Host }, []string{PlaceHost}, alphanumeric + "-._"},
	{"Path", func(r *Redirect) string { return r.Path }, []string{PlaceHost, PlacePort, PlacePath}, ""},
	{"Query", func(r *Redirect) string { return r.Query },
		[]string{PlaceProtocol, PlaceHost, PlacePort, PlacePath, PlaceQuery}, ""},
}

// check keeps out of a Location whatever would end its line, and placeholders that nothing would replace.
func (p redirectPart) check(value string) error {
	if len(value) > maxPatternLength {
		return fault.New("ValidationError", "The redirect %s is too long; the limit is '%d'", p.name, maxPatternLength)
	}
	text := value
	for _, place := range p.places {
		text = strings.Replace(text, place, "", 1)
	}
	if strings.Contains(text, "#{") {
		return fault.New("ValidationError", "The redirect %s '%s' may hold one of each of these placeholders: %s",
			p.name, value, strings.Join(p.places, ", "))
	}
	if p.text != "" && !only(text, p.text) || !visible(text) {
		return fault.New("ValidationError", "The redirect %s '%s' contains invalid characters", p.name, value)
	}
	return nil
}

// visible reports whether s holds nothing but visible ASCII characters.
func visible(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

func validRedirectPort(s string) bool {
	n, ok := whole(s)
	return s == PlacePort || ok && 1 <= n && n <= 65535
}

var fixedContentTypes = []string{"text/plain", "text/css", "text/html", "application/javascript", "application/json"}

func checkFixedResponse(f *FixedResponse) error {
	switch {
	case f.StatusCode/100 != 2 && f.StatusCode/100 != 4 && f.StatusCode/100 != 5:
		return fault.New("ValidationError", "The fixed response status code '%d' must be 2XX, 4XX or 5XX", f.StatusCode)
	case f.ContentType != "" && !slices.Contains(fixedContentTypes, f.ContentType):
		return fault.New("ValidationError", "The fixed response content type '%s' must be one of [%s]",
			f.ContentType, strings.Join(fixedContentTypes, ", "))
	case len(f.Body) > maxFixedResponseBodyLength:
		return fault.New("ValidationError", "The fixed response body is too long; the limit is '%d'",
			maxFixedResponseBodyLength)
	}
	return nil
}
