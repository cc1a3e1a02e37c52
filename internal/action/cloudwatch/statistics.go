package cloudwatch

import (
	"context"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/query"
)

// maxStatistics is the maximum number of datapoints of GetMetricStatistics.
const maxStatistics = 1440

func (a *api) getMetricStatistics(
	_ context.Context, call *awswire.Call, in *shape.GetMetricStatisticsInput,
) (*shape.GetMetricStatisticsOutput, error) {
	m, err := metric(call, in.Namespace, in.MetricName, in.Dimensions, "Dimensions")
	if err != nil {
		return nil, err
	}
	length, err := period("Period", in.Period)
	if err != nil {
		return nil, err
	}
	if err := interval(in.StartTime, in.EndTime); err != nil {
		return nil, err
	}
	wanted, err := parseStatistics(in)
	if err != nil {
		return nil, err
	}
	if n := in.EndTime.Sub(in.StartTime.Truncate(length)) / length; n > maxStatistics {
		return nil,
			combination("You have requested up to %d datapoints, which exceeds the limit of %d. You "+
				"may reduce the "+
				"datapoints requested by increasing Period, or decreasing the time range.", n, maxStatistics)
	}
	found, err := query.Read(a.points, m, in.Unit, *in.StartTime, *in.EndTime, length,
		len(in.ExtendedStatistics) > 0)
	if err != nil {
		return nil, err
	}
	out := &shape.GetMetricStatisticsOutput{Label: in.MetricName}
	for _, unit := range meter.Units {
		for _, b := range found[unit] {
			out.Datapoints = append(out.Datapoints, datapoint(b, unit, wanted))
		}
	}
	return out, nil
}

// asked is a statistic, with its name as the caller wrote it.
type asked struct {
	name     string
	extended bool
	meter.Statistic
}

func parseStatistics(in *shape.GetMetricStatisticsInput) (all []asked, err error) {
	if len(in.Statistics)+len(in.ExtendedStatistics) == 0 {
		return nil, combination("Must specify either Statistics or ExtendedStatistics")
	}
	if n := len(in.ExtendedStatistics); n > 10 {
		return nil, invalid("The collection ExtendedStatistics must not have a size greater than 10.")
	}
	for i, name := range append(in.Statistics[:len(in.Statistics):len(in.Statistics)], in.ExtendedStatistics...) {
		s, err := meter.ParseStatistic(name)
		extended := i >= len(in.Statistics)
		if err != nil || extended && !s.NeedsSpread() {
			return nil, invalid("The value %s for parameter ExtendedStatistics is invalid.", name)
		}
		all = append(all, asked{name, extended, s})
	}
	return all, nil
}

func datapoint(b meter.Bucket, unit string, wanted []asked) shape.Datapoint {
	d := shape.Datapoint{Timestamp: new(b.Start), Unit: unit}
	for _, w := range wanted {
		v, ok := w.Of(b.Summary)
		switch {
		case !ok:
		case w.extended:
			if d.ExtendedStatistics == nil {
				d.ExtendedStatistics = make(map[string]float64)
			}
			d.ExtendedStatistics[w.name] = v
		case w.name == shape.StatisticAverage:
			d.Average = &v
		case w.name == shape.StatisticSum:
			d.Sum = &v
		case w.name == shape.StatisticMinimum:
			d.Minimum = &v
		case w.name == shape.StatisticMaximum:
			d.Maximum = &v
		default:
			d.SampleCount = &v
		}
	}
	return d
}
