package loggroup

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Bounds of metric filters, as on AWS.
const (
	// MaxFilters is the most filters of a group.
	MaxFilters = 100
	// MaxDimensions is the most dimensions of a filter's metric.
	MaxDimensions = 3
)

// MetricFilter computes a metric from the events of a group that match a pattern.
type MetricFilter struct {
	ARN       string // GROUP:metric-filter:NAME, the primary key
	GroupARN  string
	Name      string
	Pattern   string // of package logstore/filter
	Metric    Transformation
	CreatedAt time.Time
}

// Transformation is the metric of a filter.
type Transformation struct {
	Namespace, Name string
	// Value is a number, or the selector of a member of JSON messages: $.member.
	Value string
	// Default is the value for a minute with events of which none matched; nil means no value.
	Default *float64 `json:",omitempty"`
	// Dimensions are the names of dimensions and the selectors of their values.
	Dimensions []FilterDimension `json:",omitempty"`
	Unit       string            `json:",omitempty"` // "" is None
}

// FilterDimension is a dimension of a filter's metric.
type FilterDimension struct{ Name, Selector string }

// FilterARN returns the key of a filter of a group.
func FilterARN(groupARN, name string) string { return groupARN + ":metric-filter:" + name }

// MetricEntry returns the entry of the index of filters by their metric.
func (f *MetricFilter) MetricEntry() string {
	return MetricEntry(f.GroupARN[:strings.Index(f.GroupARN, ":log-group:")], f.Metric.Namespace, f.Metric.Name)
}

// MetricEntry returns the entry of a metric. prefix is the ARN of its account and region, up to the resource.
func MetricEntry(prefix, namespace, name string) string {
	return strings.Join([]string{prefix, namespace, name}, "\n")
}

// FilterNotFound is the service's error for a filter that does not exist.
func FilterNotFound() error { return notFound("The specified metric filter does not exist.") }

// ValidateFilterName returns nil or the service's InvalidParameterException.
func ValidateFilterName(s string) error {
	if len(s) < 1 || len(s) > 512 || strings.ContainsAny(s, ":*") {
		return invalid("filterName", s, `[^:*]*`, 512)
	}
	return nil
}

var metricText = regexp.MustCompile(`^[^:*$]{1,255}$`)

// maxValue is the greatest value of a metric (ecs.md 7.1).
const maxValue = 1 << 360

// ValidValue reports whether a number can be the value of a metric: it is neither NaN nor beyond 2^360.
func ValidValue(v float64) bool { return math.Abs(v) <= maxValue }

// Number returns the transformation's value if it is a number, and false if it is a selector. Check reports whether the
// number is valid.
func (t *Transformation) Number() (float64, bool) {
	n, err := strconv.ParseFloat(t.Value, 64)
	return n, err == nil
}

// Check returns what is wrong with a transformation; "" if nothing is. Selectors are checked elsewhere.
func (t *Transformation) Check() string {
	number, isNumber := t.Number()
	switch {
	case !metricText.MatchString(t.Name):
		return "metricName must have 1 to 255 characters other than : * and $"
	case !metricText.MatchString(t.Namespace):
		return "metricNamespace must have 1 to 255 characters other than : * and $"
	case strings.HasPrefix(t.Namespace, "AWS/"):
		return "metricNamespace must not begin with AWS/, which is for services"
	case len(t.Value) > 100:
		return "metricValue must have at most 100 characters"
	case isNumber && !ValidValue(number):
		return "metricValue must be a number from -2^360 to 2^360 or a selector"
	case t.Default != nil && !ValidValue(*t.Default):
		return "defaultValue must be a number from -2^360 to 2^360"
	case len(t.Dimensions) > MaxDimensions:
		return "there may be at most 3 dimensions"
	case len(t.Dimensions) > 0 && t.Default != nil:
		return "dimensions and default value are mutually exclusive properties"
	}
	for _, d := range t.Dimensions {
		if len(d.Name) < 1 || len(d.Name) > 255 || strings.HasPrefix(d.Name, ":") {
			return "the name of a dimension must have 1 to 255 characters and not begin with a colon"
		}
	}
	return ""
}
