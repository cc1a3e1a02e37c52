// Package cloudwatch has the actions of Amazon CloudWatch that store and read metrics and alarms. Each action
// is in a file of its own: parse, run, answer. Points are stored in meter, by account and region. Metric math
// is in meter/expr. control/alarm evaluates the alarms.
package cloudwatch

import (
	"regexp"
	"time"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/state"
)

type api struct {
	store  *state.Store
	points *meter.Store
}

// Service returns the actions of Amazon CloudWatch.
func Service(store *state.Store, points *meter.Store) awswire.Service {
	a := &api{store, points}
	return awswire.Service{
		Name: shape.SigningName, Protocols: []awswire.Protocol{awswire.CBOR, awswire.JSON10, awswire.Query},
		TargetPrefix: shape.TargetPrefix, Version: shape.APIVersion, Namespace: shape.XMLNamespace,
		QueryCodes: shape.QueryCodes, Statuses: shape.Statuses, TokenCode: shape.CodeInvalidNextToken,
		TokenName: "NextToken",
		MaxBody:   maxBody,
		Operations: append(append(a.alarms(), a.dashboards()...),
			awswire.Op("PutMetricData", a.putMetricData).Refuses("EntityMetricData", "StrictEntityValidation"),
			awswire.Op("GetMetricData", a.getMetricData).Refuses("LabelOptions", "MetricDataQueries[].AccountId"),
			awswire.Op("GetMetricStatistics", a.getMetricStatistics),
			awswire.Op("ListMetrics", a.listMetrics).Refuses("IncludeLinkedAccounts", "OwningAccount"),
		),
	}
}

// maxBody is the largest body that PutMetricData accepts (ecs.md 7.1).
const maxBody = 1 << 20

func invalid(format string, args ...any) *fault.Error {
	return fault.New(shape.CodeInvalidParameterValueException, format, args...)
}

func combination(format string, args ...any) *fault.Error {
	return fault.New(shape.CodeInvalidParameterCombinationException, format, args...)
}

func missing(format string, args ...any) *fault.Error {
	return fault.New(shape.CodeMissingRequiredParameterException, format, args...)
}

func validation(format string, args ...any) *fault.Error {
	return fault.New(shape.CodeValidationException, format, args...)
}

// scope returns the meter's name for the caller's account and region.
func scope(call *awswire.Call) string { return meter.Scope(call.Account, call.Region) }

var (
	namespacePattern = regexp.MustCompile(`^[0-9A-Za-z._/#:-]{1,255}$`)
	printable        = regexp.MustCompile(`^[\x20-\x7e]+$`)
)

// maxDimensions is the maximum number of dimensions of a metric (ecs.md 7.1).
const maxDimensions = 30

// metric checks what identifies a metric. at is the path of its dimensions in the request.
func metric(call *awswire.Call, namespace, name *string, dims []shape.Dimension, at string) (m meter.Metric,
	err error) {
	m = meter.Metric{Scope: scope(call), Namespace: request.Value(namespace), Name: request.Value(name)}
	if !namespacePattern.MatchString(m.Namespace) || m.Namespace[0] == ':' {
		return m,
			invalid("The value %q for parameter Namespace is invalid: it has 1 to 255 letters, digits and characters "+
				"of ._-/#: and does not begin with a colon.", m.Namespace)
	}
	if n := len(m.Name); n < 1 || n > 255 {
		return m, invalid("The value %q for parameter MetricName is invalid: it has 1 to 255 characters.", m.Name)
	}
	if len(dims) > maxDimensions {
		return m, invalid("The collection %s must not have a size greater than %d.", at, maxDimensions)
	}
	for i, d := range dims {
		one := meter.Dimension{Name: request.Value(d.Name), Value: request.Value(d.Value)}
		if n := len(one.Name); n < 1 || n > 255 || one.Name[0] == ':' || !printable.MatchString(one.Name) {
			return m, invalid("The value %q for parameter %s.member.%d.Name is invalid: it has 1 to 255 ASCII "+
				"characters and does not begin with a colon.", one.Name, at, i+1)
		}
		if n := len(one.Value); n < 1 || n > 1024 || !printable.MatchString(one.Value) {
			return m, invalid("The value %q for parameter %s.member.%d.Value is invalid: it has 1 to 1024 ASCII "+
				"characters.", one.Value, at, i+1)
		}
		for _, other := range m.Dimensions {
			if other.Name == one.Name {
				return m, invalid("The dimension %s is given twice in %s.", one.Name, at)
			}
		}
		m.Dimensions = append(m.Dimensions, one)
	}
	return m, nil
}

// period checks a period in seconds (ecs.md 7.2).
func period(name string, seconds *int32) (time.Duration, error) {
	if seconds == nil {
		return 0, missing("The parameter %s is required.", name)
	}
	switch n := *seconds; {
	case n == 1, n == 5, n == 10, n == 20, n == 30, n > 0 && n%60 == 0:
		return time.Duration(n) * time.Second, nil
	}
	return 0, invalid("The parameter %s must be 1, 5, 10, 20, 30 or a multiple of 60, and is %d.", name, *seconds)
}

// interval checks the start and end times of a request.
func interval(start, end *time.Time) error {
	if !start.Truncate(time.Second).Before(end.Truncate(time.Second)) {
		return invalid("The parameter StartTime must be less than the parameter EndTime.")
	}
	if start.Year() < 1971 || end.Year() > 2200 {
		return invalid("The parameters StartTime and EndTime must be between the years 1971 and 2200.")
	}
	return nil
}

// none is the unit of points that were put without a unit.
const none = shape.StandardUnitNone
