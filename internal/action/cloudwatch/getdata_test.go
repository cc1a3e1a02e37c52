package cloudwatch

import (
	"strings"
	"testing"
	"time"

	shape "github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
	"github.com/berthhq/berth/internal/meter"
)

// statQuery is a query of GetMetricData for a statistic of App m.
func statQuery(id, statistic string, label *string) shape.MetricDataQuery {
	return shape.MetricDataQuery{Id: &id, Label: label, MetricStat: &shape.MetricStat{
		Metric: &shape.Metric{Namespace: new("App"), MetricName: new("m")}, Period: new(int32(60)), Stat: &statistic,
	}}
}

// Without a label, queries of one metric with different statistics have the statistic in their labels.
func TestLabelsTellStatisticsApart(t *testing.T) {
	for want, queries := range map[string][]shape.MetricDataQuery{
		"m":              {statQuery("a", "Sum", nil)},
		"m m":            {statQuery("a", "Sum", nil), statQuery("b", "Sum", nil)},
		"m Sum m p99":    {statQuery("a", "Sum", nil), statQuery("b", "p99", nil)},
		"mine m Average": {statQuery("a", "Sum", new("mine")), statQuery("b", "Average", nil)},
		"m Minimum m Maximum mine": {statQuery("a", "Minimum", nil), statQuery("b", "Maximum", nil),
			statQuery("c", "Sum", new("mine"))},
	} {
		a := newAPI(t, meter.Limits{})
		out, err := a.getMetricData(t.Context(), call(), &shape.GetMetricDataInput{
			StartTime: ago(5), EndTime: ago(0), MetricDataQueries: queries})
		if err != nil {
			t.Fatal(err)
		}
		var labels []string
		for _, r := range out.MetricDataResults {
			labels = append(labels, *r.Label)
		}
		if got := strings.Join(labels, " "); got != want {
			t.Errorf("labels %q, want %q", got, want)
		}
	}
}

// A call of GetMetricData that cannot have an answer is refused in AWS's words.
func TestGetMetricDataRefuses(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	for want, change := range map[string]func(*shape.GetMetricDataInput){
		"ValidationException: The parameter StartTime must not equal parameter EndTime.": func(
			in *shape.GetMetricDataInput,
		) {
			in.EndTime = new(in.StartTime.Truncate(time.Second))
		},
		"ValidationException: The parameter EndTime must be greater than " +
			"StartTime.": func(in *shape.GetMetricDataInput) {
			in.StartTime, in.EndTime = in.EndTime, in.StartTime
		},
		"ValidationException: The parameter MetricDataQueries.member.1.MetricStat is required.": func(
			in *shape.GetMetricDataInput,
		) {
			in.MetricDataQueries[0].MetricStat = nil
		},
		"Exactly one of the parameters MetricDataQueries.member.1.MetricStat and": func(in *shape.GetMetricDataInput) {
			in.MetricDataQueries[0].Expression = new("1+1")
		},
	} {
		in := &shape.GetMetricDataInput{StartTime: ago(5), EndTime: ago(0),
			MetricDataQueries: []shape.MetricDataQuery{statQuery("a", "Sum", nil)}}
		change(in)
		if _, err := a.getMetricData(t.Context(), call(), in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
