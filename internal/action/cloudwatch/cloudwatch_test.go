package cloudwatch

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/action/desktest"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
	"github.com/berthhq/berth/internal/meter"
)

func newAPI(t *testing.T, limits meter.Limits) *api {
	t.Helper()
	points, err := meter.Open(t.TempDir(), limits, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { points.Close(now) })
	return &api{desktest.Store(t), points}
}

var now = time.Date(2026, 11, 29, 12, 0, 30, 0, time.UTC)

func call() *awswire.Call {
	return desktest.Call(now)
}

// ago returns the start of the minute that was the given number of minutes ago.
func ago(minutes int) *time.Time {
	return new(now.Add(time.Duration(-minutes) * time.Minute).Truncate(time.Minute))
}

func dims(pairs ...string) (all []shape.Dimension) {
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, shape.Dimension{Name: &pairs[i], Value: &pairs[i+1]})
	}
	return all
}

func (a *api) put(t *testing.T, data ...shape.MetricDatum) {
	t.Helper()
	if _, err := a.putMetricData(t.Context(), call(), &shape.PutMetricDataInput{Namespace: new("App"),
		MetricData: data}); err != nil {
		t.Fatal(err)
	}
}

func value(name string, minutes int, v float64, pairs ...string) shape.MetricDatum {
	return shape.MetricDatum{MetricName: &name, Timestamp: ago(minutes), Value: &v, Dimensions: dims(pairs...)}
}

func TestAWSCLI(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	d := desktest.New(t, Service(a.store, a.points))
	at := time.Now().UTC().Add(-10 * time.Minute).Truncate(time.Minute)
	stamp := at.Format(time.RFC3339)
	d.AWS(t,
		"cloudwatch put-metric-data --namespace App --metric-name Clients --dimensions Room=a,Task=1 --unit Count "+
			"--value 3 --timestamp "+stamp)
	d.AWS(t, "cloudwatch", "put-metric-data", "--namespace", "App", "--metric-data",
		`[{"MetricName":"Clients","Dimensions":[{"Name":"Task","Value":"1"},`+
			`{"Name":"Room","Value":"a"}],"Unit":"Count",`+
			`"Timestamp":"`+stamp+`","Values":[1,5],"Counts":[2,1]}]`)
	from, to := at.Add(-time.Hour).Format(time.RFC3339), at.Add(time.Hour).Format(time.RFC3339)
	window := " --start-time " + from + " --end-time " + to
	got := d.JSON(t, "cloudwatch get-metric-statistics --namespace App --metric-name Clients --dimensions "+
		"Name=Room,Value=a Name=Task,Value=1 --period 60 --statistics Sum SampleCount Minimum Maximum Average"+window)
	want := `{"Datapoints":[{"Average":2.5,"Maximum":5,"Minimum":1,"SampleCount":4,"Sum":10,"Timestamp":"` +
		at.Format("2006-01-02T15:04:05+00:00") + `","Unit":"Count"}],"Label":"Clients"}`
	if got != want && got != strings.Replace(want, "+00:00", "Z", 1) {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := d.JSON(t, "cloudwatch get-metric-statistics --namespace App --metric-name Clients --dimensions "+
		"Name=Room,Value=a Name=Task,Value=1 --period 60 --extended-statistics p99 "+
		"--query Datapoints[].ExtendedStatistics"+
		window); got != `[{"p99":5}]` {
		t.Error(got)
	}
	if got := d.JSON(t, "cloudwatch list-metrics --dimensions Name=Room"); !strings.Contains(got,
		`{"Dimensions":[{"Name":"Room","Value":"a"},`+
			`{"Name":"Task","Value":"1"}],"MetricName":"Clients","Namespace":"App"}`) {
		t.Error(got)
	}
	if got := d.JSON(t, "cloudwatch", "get-metric-data", "--start-time",
		at.Add(-time.Hour).Format(time.RFC3339), "--end-time",
		at.Add(time.Hour).Format(time.RFC3339), "--query", "MetricDataResults[].[Id,Values]", "--metric-data-queries",
		`[{"Id":"e1","Expression":"m1 * 100"},{"Id":"m1","ReturnData":false,`+
			`"MetricStat":{"Stat":"Average","Period":60,`+
			`"Metric":{"Namespace":"App","MetricName":"Clients","Dimensions":[{"Name":"Room","Value":"a"},`+
			`{"Name":"Task","Value":"1"}]}}}]`); got != `[["e1",[250]]]` {
		t.Error(got)
	}
	d.Refused(t,
		"(InvalidParameterValue) when calling the PutMetricData operation: The value AWS/ECS for "+
			"parameter Namespace is "+
			"invalid", "cloudwatch put-metric-data --namespace AWS/ECS --metric-name CPUUtilization --value 3")
	other := d.With("AWS_DEFAULT_REGION=eu-west-2", "AWS_REGION=eu-west-2")
	if got := other.JSON(t, "cloudwatch list-metrics --query Metrics"); got != "[]" {
		t.Errorf("another region sees %s", got)
	}
}

func TestPutMetricDataRefuses(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	nan := math.NaN()
	set := &shape.StatisticSet{SampleCount: new(0.0), Sum: new(1.0), Minimum: new(1.0), Maximum: new(2.0)}
	for want, d := range map[string]shape.MetricDatum{
		"MissingRequiredParameterException: At least one of the parameters MetricData.member.1.Value, ": {},
		"InvalidParameterCombinationException: The parameters MetricData.member.1.Value and " +
			"MetricData.member.1.Values are " +
			"mutually exclusive and you have specified both.": {Value: new(1.0), Values: []float64{1}},
		"InvalidParameterValueException: The parameters MetricData.member.1.Values and " +
			"MetricData.member.1.Counts must be of the " +
			"same size.": {Values: []float64{1, 2}, Counts: []float64{1}},
		"The value NaN for parameter MetricData.member.1.Value":            {Value: &nan},
		"The value +Inf for parameter MetricData.member.1.Values.member.2": {Values: []float64{1, math.Inf(1)}},
		"MetricData.member.1.Counts.member.1 is invalid": {Values: []float64{1},
			Counts: []float64{0}},
		"MetricData.member.1.StatisticValues.SampleCount is invalid": {StatisticValues: set},
		"must not have a size greater than 150":                      {Values: make([]float64, 151)},
		"must specify a time no more than two weeks in the past": {Value: new(1.0),
			Timestamp: ago(15 * 24 * 60)},
		"must specify a time within two hours in the future": {Value: new(1.0), Timestamp: ago(-130)},
		"StorageResolution is invalid": {Value: new(1.0),
			StorageResolution: new(int32(7))},
		"given twice": {Value: new(1.0),
			Dimensions: dims("a", "b", "a", "c")},
		"Dimensions.member.1.Value is invalid": {Value: new(1.0),
			Dimensions: dims("a", "")},
		"size greater than 30": {Value: new(1.0),
			Dimensions: make([]shape.Dimension, 31)},
	} {
		if d.MetricName == nil {
			d.MetricName = new("m")
		}
		_, err := a.putMetricData(t.Context(), call(),
			&shape.PutMetricDataInput{Namespace: new("App"), MetricData: []shape.MetricDatum{d}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for want, in := range map[string]*shape.PutMetricDataInput{
		"size greater than 1000":            {Namespace: new("App"), MetricData: make([]shape.MetricDatum, 1001)},
		"MetricData is required":            {Namespace: new("App")},
		"for parameter Namespace is invali": {Namespace: new(":a"), MetricData: []shape.MetricDatum{value("m", 1, 1)}},
	} {
		if _, err := a.putMetricData(t.Context(), call(), in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if got := a.points.List(func(meter.Series) bool { return true }); len(got) > 0 {
		t.Errorf("metrics of refused calls are stored: %v", got)
	}
}

func TestTooManyMetrics(t *testing.T) {
	a := newAPI(t, meter.Limits{Metrics: 2})
	a.put(t, value("a", 1, 1), value("b", 1, 1))
	_, err := a.putMetricData(t.Context(), call(),
		&shape.PutMetricDataInput{Namespace: new("App"), MetricData: []shape.MetricDatum{value("c", 1, 1)}})
	if err == nil || !strings.Contains(err.Error(), "LimitExceededException: Berth keeps 2 metrics") {
		t.Error(err)
	}
}

type statisticsIn = shape.GetMetricStatisticsInput

func TestGetMetricStatisticsRefuses(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	for want, change := range map[string]func(*statisticsIn){
		"must be 1, 5, 10, 20, 30 or a multiple of 60":  func(in *statisticsIn) { in.Period = new(int32(45)) },
		"StartTime must be less than the parameter End": func(in *statisticsIn) { in.EndTime = in.StartTime },
		"You have requested up to 4320 datapoints, which exceeds the limit of 1440.": func(in *statisticsIn) {
			in.StartTime = ago(3 * 24 * 60)
		},
		"Must specify either Statistics or": func(in *statisticsIn) { in.Statistics = nil },
		"The value p101 for parameter ExtendedStatistics is invalid": func(in *statisticsIn) {
			in.ExtendedStatistics = []string{"p101"}
		},
	} {
		in := &shape.GetMetricStatisticsInput{Namespace: new("App"), MetricName: new("m"),
			Period: new(int32(60)), StartTime: ago(60),
			EndTime: ago(0), Statistics: []string{"Sum"}}
		change(in)
		if _, err := a.getMetricStatistics(t.Context(), call(),
			in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// Points of different units are separate (ecs.md 7.3). A call without a unit gets those of all units.
func TestUnits(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	bytes := value("m", 5, 7)
	bytes.Unit = "Bytes"
	a.put(t, bytes, value("m", 5, 1))
	for unit, want := range map[string]string{"Bytes": "Bytes 7", "None": "None 1", "Count": "", "": "Bytes 7 None 1"} {
		out, err := a.getMetricStatistics(t.Context(), call(), &shape.GetMetricStatisticsInput{Namespace: new("App"),
			MetricName: new("m"), Period: new(int32(60)), StartTime: ago(60), EndTime: ago(0),
			Statistics: []string{"Sum"}, Unit: unit})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range out.Datapoints {
			got = append(got, p.Unit, fmt.Sprint(*p.Sum))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", unit, got, want)
		}
	}
}

func stat(id, name, stat string, period int32) shape.MetricDataQuery {
	return shape.MetricDataQuery{Id: &id, MetricStat: &shape.MetricStat{Stat: &stat, Period: &period,
		Metric: &shape.Metric{Namespace: new("App"), MetricName: &name}}}
}

func calc(id, text string) shape.MetricDataQuery {
	return shape.MetricDataQuery{Id: &id, Expression: &text}
}

func hidden(q shape.MetricDataQuery) shape.MetricDataQuery {
	q.ReturnData = new(false)
	return q
}

func (a *api) data(queries ...shape.MetricDataQuery) (string, error) {
	out, err := a.getMetricData(context.Background(), call(),
		&shape.GetMetricDataInput{StartTime: ago(5), EndTime: ago(0), MetricDataQueries: queries})
	if err != nil {
		return "", err
	}
	var lines []string
	for _, r := range out.MetricDataResults {
		lines = append(lines, fmt.Sprintf("%s %s %v", *r.Id, *r.Label, r.Values))
	}
	return strings.Join(lines, "; "), nil
}

func TestGetMetricData(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	for i := range 5 {
		a.put(t, value("x", 5-i, float64(i)), value("y", 5-i, 10, "Room", "a"), value("y", 5-i, 20, "Room", "b"))
	}
	for want, queries := range map[string][]shape.MetricDataQuery{
		"m1 x [4 3 2 1 0]":  {stat("m1", "x", "Average", 60)},
		"m1 x [10]":         {stat("m1", "x", "Sum", 300)},
		"m1 x [4]":          {stat("m1", "x", "p90", 300)},
		"m1 gone []":        {stat("m1", "gone", "Sum", 60)},
		"e1 e1 [8 6 4 2 0]": {calc("e1", "m1 * 2"), hidden(stat("m1", "x", "Sum", 60))},
		"e2 e2 [9 7 5 3 1]": {calc("e2", "e1 + 1"), hidden(calc("e1", "m1 * 2")), hidden(stat("m1",
			"x", "Sum", 60))},
		"e1 y a [50]; e1 y b [100]": {calc("e1", `SEARCH('{App,Room} y', 'Sum', 300)`)},
		"e1 e1 [150]":               {calc("e1", `SUM(SEARCH('{App,Room} y', 'Sum', 300))`)},
		"e1 e1 [4 3 2 1 0]; m1 x [10]": {calc("e1", "m2"), stat("m1", "x", "Sum", 300), hidden(stat("m2", "x",
			"Sum", 60))},
	} {
		if got, err := a.data(queries...); err != nil || got != want {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
	for want, queries := range map[string][]shape.MetricDataQuery{
		"Error in expression 'e1': it needs its own result":   {calc("e1", "e2"), calc("e2", "e1")},
		"Error in expression 'e1': there is no metric or":     {calc("e1", "m9")},
		"Error in expression 'e1': the function FOO is not":   {calc("e1", "FOO(m1)")},
		"in MetricDataQueries are not unique":                 {stat("m1", "x", "Sum", 60), stat("m1", "x", "Sum", 60)},
		`The value "M1" for parameter MetricDataQueries.memb`: {stat("M1", "x", "Sum", 60)},
		"Stat is invalid: \"P\" is not a statistic":           {stat("m1", "x", "P", 60)},
		"member.1.MetricStat is required":                     {{Id: new("m1")}},
		"size greater than 500":                               make([]shape.MetricDataQuery, 501),
		"dynamic labels are not supported": {{Id: new("m1"), Label: new("${MAX}"),
			Expression: new("m1")}},
	} {
		if got, err := a.data(queries...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
}

// All pages together have every datapoint once, in order.
func TestGetMetricDataPages(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	for i := range 5 {
		a.put(t, value("x", 5-i, float64(i)), value("y", 5-i, float64(10+i)))
	}
	in := &shape.GetMetricDataInput{StartTime: ago(5), EndTime: ago(0), MaxDatapoints: new(int32(3)),
		ScanBy: "TimestampAscending",
		MetricDataQueries: []shape.MetricDataQuery{stat("m1", "x", "Sum", 60), stat("m0", "gone", "Sum", 60),
			stat("m2", "y", "Sum", 60)}}
	var pages []string
	for {
		out, err := a.getMetricData(t.Context(), call(), in)
		if err != nil {
			t.Fatal(err)
		}
		var page []string
		for _, r := range out.MetricDataResults {
			page = append(page, fmt.Sprintf("%s %s %v", *r.Id, r.StatusCode, r.Values))
		}
		pages = append(pages, strings.Join(page, ", "))
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	want := "m1 PartialData [0 1 2]; m1 Complete [3 4], m0 Complete [], m2 PartialData [10]; " +
		"m2 PartialData [11 12 13]; " +
		"m2 Complete [14]"
	if got := strings.Join(pages, "; "); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	in.NextToken = new("AAAA")
	if _, err := a.getMetricData(t.Context(), call(), in); err == nil {
		t.Error("an invented token was accepted")
	}
}

func TestListMetrics(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	for i := range 600 {
		a.put(t, value("x", 5, 1, "N", fmt.Sprintf("%03d", i)))
	}
	a.put(t, value("recent", 60, 1), value("old", 13*24*60, 1))
	if _, err := a.putMetricData(t.Context(), &awswire.Call{Region: "eu-west-2", Account: desktest.Account, Now: now},
		&shape.PutMetricDataInput{Namespace: new("App"), MetricData: []shape.MetricDatum{value("elsewhere", 1,
			1)}}); err != nil {
		t.Fatal(err)
	}
	list := func(in *shape.ListMetricsInput, at time.Time) (n int) {
		for {
			c := call()
			c.Now = at
			out, err := a.listMetrics(t.Context(), c, in)
			if err != nil {
				t.Fatal(err)
			}
			n += len(out.Metrics)
			if in.NextToken = out.NextToken; in.NextToken == nil {
				return n
			}
		}
	}
	for _, c := range []struct {
		in   shape.ListMetricsInput
		at   time.Time
		want int
	}{
		{shape.ListMetricsInput{}, now, 602},
		{shape.ListMetricsInput{}, now.AddDate(0, 0, 2), 601},
		{shape.ListMetricsInput{}, now.AddDate(0, 0, 15), 0},
		{shape.ListMetricsInput{RecentlyActive: "PT3H"}, now, 601},
		{shape.ListMetricsInput{Namespace: new("App"), MetricName: new("recent")}, now, 1},
		{shape.ListMetricsInput{Namespace: new("Other")}, now, 0},
		{shape.ListMetricsInput{Dimensions: []shape.DimensionFilter{{Name: new("N")}}}, now, 600},
		{shape.ListMetricsInput{Dimensions: []shape.DimensionFilter{{Name: new("N"), Value: new("007")}}}, now, 1},
	} {
		if got := list(&c.in, c.at); got != c.want {
			t.Errorf("%+v at %v: %d metrics, want %d", c.in, c.at, got, c.want)
		}
	}
}
