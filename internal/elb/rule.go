package elb

import "github.com/berthhq/berth/internal/tag"

// Rule says what to do with requests that meet all its conditions. Its key is its ARN. Every
// listener has exactly one default rule, with Priority 0, no conditions, evaluated last (alb.md
// L5).
type Rule struct {
	ARN         string
	ListenerARN string
	// Priority is 1-50,000, lowest first, unique per listener; 0 is the default rule.
	Priority   int
	Conditions []Condition
	Actions    []Action
	Tags       tag.Set
}

// IsDefault reports whether r is its listener's default rule.
func (r *Rule) IsDefault() bool { return r.Priority == 0 }

// Fields a condition may look at.
const (
	FieldHost        = "host-header"
	FieldPath        = "path-pattern"
	FieldHeader      = "http-header"
	FieldMethod      = "http-request-method"
	FieldQueryString = "query-string"
	FieldSourceIP    = "source-ip"
)

// Condition holds when any of its values matches. Which members are used depends on Field (alb.md 2.2).
type Condition struct {
	Field string
	// HeaderName is the header FieldHeader looks at.
	HeaderName string
	// Values are patterns with * and ?, exact methods, or CIDR blocks.
	Values []string
	// RegexValues are used instead of Values; host-header, path-pattern and http-header only.
	RegexValues []string
	// QueryStrings are used instead of Values by FieldQueryString; an empty Key matches any key.
	QueryStrings []KeyValue
}

// KeyValue is a pair of a query string.
type KeyValue struct{ Key, Value string }

// Types of actions.
const (
	ActionForward       = "forward"
	ActionRedirect      = "redirect"
	ActionFixedResponse = "fixed-response"
)

// Action is what is done with a request; the member named by Type is set.
type Action struct {
	Type          string
	Order         int // 0 when none was given
	Forward       *Forward
	Redirect      *Redirect
	FixedResponse *FixedResponse
}

// Forward sends requests to target groups in proportion to their weights, whatever their health (alb.md A2, A3).
type Forward struct {
	TargetGroups []WeightedGroup // 1 to 5
	// StickySeconds is how long AWSALBTG ties a client to one of the groups; 0 means it does not.
	StickySeconds int
	// IdleStickySeconds is a duration that was given while stickiness is off. It is returned and has no effect.
	IdleStickySeconds int
}

// WeightedGroup is a target group with its share of a forward action; Weight 0-999, 0 takes no new traffic.
type WeightedGroup struct {
	ARN    string
	Weight int
}

// Redirect answers with a Location; its parts may hold #{protocol}, #{host}, #{port}, #{path} and #{query} (alb.md A6).
type Redirect struct {
	StatusCode                        int // 301 or 302
	Protocol, Host, Port, Path, Query string
}

// FixedResponse answers without a target.
type FixedResponse struct {
	StatusCode  int // 2xx, 4xx, 5xx
	ContentType string
	Body        string // up to 1,024 bytes
}
