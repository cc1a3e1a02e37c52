package loggroup

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/fault"
)

func TestTransformations(t *testing.T) {
	ok := func() Transformation { return Transformation{Namespace: "App", Name: "errors", Value: "1"} }
	for want, change := range map[string]func(*Transformation){
		"":                              func(*Transformation) {},
		"metricName must":               func(t *Transformation) { t.Name = "" },
		"metricName must have":          func(t *Transformation) { t.Name = "a:b" },
		"metricNamespace must have":     func(t *Transformation) { t.Namespace = strings.Repeat("x", 256) },
		"metricNamespace must not":      func(t *Transformation) { t.Namespace = "AWS/ECS" },
		"metricValue must have":         func(t *Transformation) { t.Value = strings.Repeat("1", 101) },
		"metricValue must be":           func(t *Transformation) { t.Value = "NaN" },
		"metricValue must be a":         func(t *Transformation) { t.Value = "-inf" },
		"metricValue must be a number":  func(t *Transformation) { t.Value = "1e109" },
		"defaultValue must be":          func(t *Transformation) { t.Default = new(math.NaN()) },
		"defaultValue must be a number": func(t *Transformation) { t.Default = new(math.Inf(1)) },
		"there may be at most 3":        func(t *Transformation) { t.Dimensions = make([]FilterDimension, 4) },
		"the name of a dimension must":  func(t *Transformation) { t.Dimensions = []FilterDimension{{":a", "$.a"}} },
		"dimensions and default value are mutually": func(t *Transformation) {
			t.Dimensions, t.Default = []FilterDimension{{"a", "$.a"}}, new(0.0)
		},
	} {
		x := ok()
		change(&x)
		if got := x.Check(); !strings.HasPrefix(got, want) || (want == "") != (got == "") {
			t.Errorf("%+v: %q, want %q", x, got, want)
		}
	}
}

func TestValuesOfTransformations(t *testing.T) {
	for value, want := range map[string]bool{"1": true, "-2.5e3": true, "$.size": false, "": false} {
		if _, ok := (&Transformation{Value: value}).Number(); ok != want {
			t.Errorf("%q is a number: %t", value, ok)
		}
	}
}

func TestFilterNames(t *testing.T) {
	for name, want := range map[string]bool{"a b/é": true, "": false, "a:b": false, "a*": false,
		strings.Repeat("x", 513): false} {
		if err := ValidateFilterName(name); (err == nil) != want {
			t.Errorf("%q: %v", name, err)
		}
	}
	if !errors.Is(FilterNotFound(), fault.New("ResourceNotFoundException", "")) {
		t.Error(FilterNotFound())
	}
}

// Filters are found by their metric within an account and region.
func TestEntryOfMetric(t *testing.T) {
	f := MetricFilter{GroupARN: GroupARN("us-east-1", "1", "/ecs/web"),
		Metric: Transformation{Namespace: "App", Name: "errors"}}
	if got := f.MetricEntry(); got != MetricEntry("arn:aws:logs:us-east-1:1", "App", "errors") {
		t.Error(got)
	}
	if got := FilterARN(f.GroupARN, "x"); got != "arn:aws:logs:us-east-1:1:log-group:/ecs/web:metric-filter:x" {
		t.Error(got)
	}
}
