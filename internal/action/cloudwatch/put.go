package cloudwatch

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/meter"
)

// Limits of PutMetricData (ecs.md 7.1).
const (
	maxData   = 1000
	maxValues = 150
	maxPast   = 14 * 24 * time.Hour
	maxFuture = 2 * time.Hour
)

var maxValue = math.Pow(2, 360)

func (a *api) putMetricData(
	_ context.Context, call *awswire.Call, in *shape.PutMetricDataInput,
) (*shape.PutMetricDataOutput, error) {
	if strings.HasPrefix(request.Value(in.Namespace), "AWS/") {
		return nil, invalid("The value %s for parameter Namespace is invalid: names that begin with "+
			"AWS/ are those of services.",
			*in.Namespace)
	}
	switch n := len(in.MetricData); {
	case n == 0:
		return nil, missing("The parameter MetricData is required.")
	case n > maxData:
		return nil, invalid("The collection MetricData must not have a size greater than %d.", maxData)
	}
	data := make([]meter.Datum, len(in.MetricData))
	for i, d := range in.MetricData {
		var err error
		if data[i], err = parseDatum(call, in.Namespace, d, fmt.Sprintf("MetricData.member.%d", i+1)); err != nil {
			return nil, err
		}
	}
	return nil, tooMany(a.points.Put(call.Now, data))
}

// tooMany returns the error for a call with more new metrics than Berth can store.
func tooMany(err error) error {
	if t, ok := errors.AsType[*meter.TooMany](err); ok {
		return fault.New(shape.CodeLimitExceededException, "Berth keeps %d metrics, and there are as many. The "+
			"points of existing metrics were stored, those of new metrics were not.", t.Limit).With(err)
	}
	return err
}

func parseDatum(call *awswire.Call, namespace *string, d shape.MetricDatum, at string) (meter.Datum, error) {
	out := meter.Datum{Unit: d.Unit, At: call.Now}
	var err error
	if out.Metric, err = metric(call, namespace, d.MetricName, d.Dimensions, at+".Dimensions"); err != nil {
		return out, err
	}
	if out.Unit == "" {
		out.Unit = none
	}
	if d.Timestamp != nil {
		out.At = *d.Timestamp
	}
	switch {
	case out.At.Before(call.Now.Add(-maxPast)):
		return out,
			invalid("The value %s for parameter %s.Timestamp must specify a time no more "+
				"than two weeks in the past.",
				out.At.UTC().Format(time.RFC3339), at)
	case out.At.After(call.Now.Add(maxFuture)):
		return out,
			invalid("The value %s for parameter %s.Timestamp must specify a time within "+
				"two hours in the future.",
				out.At.UTC().Format(time.RFC3339), at)
	}
	if r := d.StorageResolution; r != nil {
		if *r != 1 && *r != 60 {
			return out,
				invalid("The value %d for parameter %s.StorageResolution is invalid: "+
					"it must be 1 or 60.", *r, at)
		}
		out.Second = *r == 1
	}
	out.Summary, err = parseValues(d, at)
	return out, err
}

// parseValues reads the values of a datum, which has one of three forms.
func parseValues(d shape.MetricDatum, at string) (s meter.Summary, err error) {
	var given []string
	if d.Value != nil {
		given = append(given, at+".Value")
	}
	if d.Values != nil {
		given = append(given, at+".Values")
	}
	if d.StatisticValues != nil {
		given = append(given, at+".StatisticValues")
	}
	switch {
	case len(given) == 0:
		return s, missing("At least one of the parameters %s.Value, %[1]s.Values and %[1]s.StatisticValues "+
			"must be specified.", at)
	case len(given) > 1:
		return s, combination("The parameters %s and %s are mutually exclusive and you have specified both.",
			given[0], given[1])
	case d.Values == nil && d.Counts != nil:
		return s, combination("The parameter %s.Counts needs the parameter %[1]s.Values.", at)
	case d.Value != nil:
		return meter.Values([]float64{*d.Value}, nil), number(*d.Value, at+".Value")
	case d.StatisticValues != nil:
		return parseSet(*d.StatisticValues, at+".StatisticValues")
	}
	return parseList(d, at)
}

func parseList(d shape.MetricDatum, at string) (s meter.Summary, err error) {
	switch n := len(d.Values); {
	case n == 0:
		return s, missing("The parameter %s.Values has no value.", at)
	case n > maxValues:
		return s, invalid("The collection %s.Values must not have a size greater than %d.", at, maxValues)
	case d.Counts != nil && len(d.Counts) != n:
		return s, invalid("The parameters %s.Values and %[1]s.Counts must be of the same size.", at)
	}
	for i, v := range d.Values {
		if err := number(v, fmt.Sprintf("%s.Values.member.%d", at, i+1)); err != nil {
			return s, err
		}
	}
	for i, v := range d.Counts {
		name := fmt.Sprintf("%s.Counts.member.%d", at, i+1)
		if err := number(v, name); err != nil {
			return s, err
		}
		if v <= 0 {
			return s, invalid("The value %v for parameter %s is invalid: it must be greater than 0.", v, name)
		}
	}
	return meter.Values(d.Values, d.Counts), nil
}

func parseSet(set shape.StatisticSet, at string) (s meter.Summary, err error) {
	for _, p := range []struct {
		name  string
		value float64
	}{{"SampleCount", *set.SampleCount}, {"Sum", *set.Sum}, {"Minimum", *set.Minimum}, {"Maximum", *set.Maximum}} {
		if err := number(p.value, at+"."+p.name); err != nil {
			return s, err
		}
	}
	switch {
	case *set.SampleCount <= 0:
		return s, invalid("The value %v for parameter %s.SampleCount is invalid: it must be greater than 0.",
			*set.SampleCount, at)
	case *set.Minimum > *set.Maximum:
		return s, invalid("The parameter %s.Minimum must be less than or equal to the parameter %[1]s.Maximum.", at)
	}
	return meter.StatisticSet(*set.SampleCount, *set.Sum, *set.Minimum, *set.Maximum), nil
}

// number returns an error for a number that a metric cannot have (ecs.md 7.1).
func number(v float64, at string) error {
	if math.IsNaN(v) {
		return invalid("The value NaN for parameter %s is invalid.", at)
	}
	if math.Abs(v) > maxValue {
		return invalid("The value %v for parameter %s is invalid: it must be a number from -2^360 to 2^360.", v, at)
	}
	return nil
}
