package logs

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/action/desktest"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/logs"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/gather"
	"github.com/berthhq/berth/internal/state"
)

// points keeps what is put, as lines.
type points struct {
	lines []string
	err   error
}

func (p *points) Put(_ time.Time, data []meter.Datum) error {
	for _, d := range data {
		line := fmt.Sprintf("%s %s %s", d.Metric.Namespace, d.Metric.Name, d.Unit)
		for _, dim := range d.Metric.Dimensions {
			line += fmt.Sprintf(" %s=%s", dim.Name, dim.Value)
		}
		p.lines = append(p.lines, fmt.Sprintf("%s at %s: %v of %v", line, d.At.Format("15:04"), d.Summary.Sum,
			d.Summary.Count))
	}
	return p.err
}

// take returns the lines that came since the last call, sorted.
func (p *points) take() string {
	slices.Sort(p.lines)
	out := strings.Join(p.lines, "; ")
	p.lines = nil
	return out
}

// feed adds up what is merged.
type feed map[gather.Name]meter.Summary

func (f feed) Merge(name gather.Name, s meter.Summary) { f[name] = f[name].Add(s) }

func (a *api) service() awswire.Service {
	return Service(a.store, a.events, Metrics{a.counts.points, a.feed, a.counts.logger})
}

var noon = time.Date(2026, 11, 29, 12, 0, 30, 0, time.UTC)

// filtered returns an API with a group g and a stream s, and what its filters put.
func filtered(t *testing.T) (*api, *points) {
	t.Helper()
	a := newAPI(t)
	_, err := a.createLogGroup(t.Context(), desktest.Call(noon), &shape.CreateLogGroupInput{LogGroupName: new("g")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.createLogStream(t.Context(), desktest.Call(noon), &shape.CreateLogStreamInput{
		LogGroupName: new("g"), LogStreamName: new("s")})
	if err != nil {
		t.Fatal(err)
	}
	return a, a.counts.points.(*points)
}

type filterIn = shape.PutMetricFilterInput

func (a *api) putFilter(t *testing.T, pattern string, change func(*filterIn)) error {
	t.Helper()
	in := &filterIn{LogGroupName: new("g"), FilterName: new("f"), FilterPattern: &pattern,
		MetricTransformations: []shape.MetricTransformation{{MetricName: new("m"), MetricNamespace: new("App"),
			MetricValue: new("1")}}}
	if change != nil {
		change(in)
	}
	_, err := a.putMetricFilter(t.Context(), desktest.Call(noon), in)
	return err
}

// logged puts events, written as "SECONDS message" after noon.
func (a *api) logged(t *testing.T, events ...string) {
	t.Helper()
	in := &shape.PutLogEventsInput{LogGroupName: new("g"), LogStreamName: new("s")}
	for _, e := range events {
		var at int64
		text, message, _ := strings.Cut(e, " ")
		if _, err := fmt.Sscan(text, &at); err != nil {
			t.Fatal(err)
		}
		in.LogEvents = append(in.LogEvents, shape.InputLogEvent{
			Timestamp: new(noon.Truncate(time.Minute).UnixMilli() + at*1000), Message: &message})
	}
	if _, err := a.putLogEvents(t.Context(), desktest.Call(noon), in); err != nil {
		t.Fatal(err)
	}
}

// The events that a filter matches are counted in the minutes of their timestamps.
func TestFilterCounts(t *testing.T) {
	a, put := filtered(t)
	if err := a.putFilter(t, "ERROR", nil); err != nil {
		t.Fatal(err)
	}
	a.logged(t, "-61 ERROR early", "0 ERROR one", "59 an ERROR", "59 fine", "60 ERROR late")
	if got := put.take(); got != "App m None at 11:58: 1 of 1; App m None at 12:00: 2 of 2; App m None at 12:01: "+
		"1 of 1" {
		t.Error(got)
	}
	a.logged(t, "61 fine")
	if got := put.take(); got != "" {
		t.Errorf("without a match: %s", got)
	}
}

// A minute in which events came and none matched has the default value, once.
func TestDefaultValue(t *testing.T) {
	a, put := filtered(t)
	err := a.putFilter(t, "ERROR", func(in *filterIn) { in.MetricTransformations[0].DefaultValue = new(0.0) })
	if err != nil {
		t.Fatal(err)
	}
	a.logged(t, "0 fine", "1 fine", "60 ERROR")
	if got := put.take(); got != "App m None at 12:00: 0 of 1; App m None at 12:01: 1 of 1" {
		t.Error(got)
	}
	a.logged(t, "2 fine", "62 fine")
	if got := put.take(); got != "" {
		t.Errorf("a minute that has a value got another: %s", got)
	}
}

// The value and the dimensions come from members of JSON messages; an event that lacks one is not counted.
func TestValuesAndDimensionsOfMessages(t *testing.T) {
	a, put := filtered(t)
	err := a.putFilter(t, `{ $.ms > 0 }`, func(in *filterIn) {
		x := &in.MetricTransformations[0]
		x.MetricValue, x.Unit, x.Dimensions = new("$.ms"), "Milliseconds", map[string]string{"Room": "$.room"}
	})
	if err != nil {
		t.Fatal(err)
	}
	a.logged(t, `0 {"ms":5,"room":"a"}`, `1 {"ms":7.5,"room":"a"}`, `2 {"ms":"2","room":"b"}`, `3 {"ms":1}`,
		`4 {"ms":1,"room":""}`, `5 {"ms":0,"room":"a"}`, "6 no JSON")
	if got := put.take(); got != "App m Milliseconds Room=a at 12:00: 12.5 of 2; App m Milliseconds Room=b at "+
		"12:00: 2 of 1" {
		t.Error(got)
	}
	err = a.putFilter(t, `{ $.a EXISTS }`, func(in *filterIn) { in.MetricTransformations[0].MetricValue = new("$.a") })
	if err != nil {
		t.Fatal(err)
	}
	a.logged(t, `0 {"a":"NaN"}`, `0 {"a":"x"}`, `0 {"a":1e300}`, `0 {"a":{}}`)
	if got := put.take(); got != "" {
		t.Errorf("what is no number: %s", got)
	}
}

// A filter that an older version accepted with a value that is no number makes no points.
func TestStoredValuesThatAreNoNumbers(t *testing.T) {
	a, put := filtered(t)
	if err := a.putFilter(t, "", nil); err != nil {
		t.Fatal(err)
	}
	err := a.store.Update(t.Context(), func(tx *state.Tx) error {
		for f := range tx.MetricFilters.All() {
			row := *f
			row.Metric.Value = "NaN"
			tx.MetricFilters.Put(&row)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	a.logged(t, "0 one")
	if got := put.take(); got != "" {
		t.Errorf("points: %s", got)
	}
}

// A filter whose dimensions have too many values stops at a bound until the hour ends, and the log says so once.
func TestDimensionsThatExplode(t *testing.T) {
	a, put := filtered(t)
	var log bytes.Buffer
	a.counts.logger = slog.New(slog.NewTextHandler(&log, nil))
	err := a.putFilter(t, `{ $.user EXISTS }`, func(in *filterIn) {
		in.MetricTransformations[0].Dimensions = map[string]string{"User": "$.user"}
	})
	if err != nil {
		t.Fatal(err)
	}
	var events []string
	for i := range maxCombinations + 100 {
		events = append(events, fmt.Sprintf(`0 {"user":"u%d"}`, i))
	}
	a.logged(t, events...)
	if n := len(put.lines); n != maxCombinations {
		t.Errorf("%d points", n)
	}
	if n := strings.Count(log.String(), "too many values of dimensions"); n != 1 {
		t.Errorf("the log says it %d times", n)
	}
	put.take()
	a.logged(t, `1 {"user":"u0"}`, `1 {"user":"another"}`)
	if got := put.take(); got != "App m None User=u0 at 12:00: 1 of 1" {
		t.Error(got)
	}
}

// Points that cannot be stored are in the log, once a minute; the events are kept.
func TestPointsThatCannotBeStored(t *testing.T) {
	a, put := filtered(t)
	var log bytes.Buffer
	a.counts.logger, put.err = slog.New(slog.NewTextHandler(&log, nil)), errors.New("no room")
	if err := a.putFilter(t, "", nil); err != nil {
		t.Fatal(err)
	}
	a.logged(t, "0 one")
	a.logged(t, "0 two")
	if n := strings.Count(log.String(), "no room"); n != 1 {
		t.Errorf("the log says it %d times", n)
	}
}

func TestFiltersThatAreRefused(t *testing.T) {
	a, _ := filtered(t)
	json := "{ $.a EXISTS }"
	for want, c := range map[string]struct {
		pattern string
		change  func(*filterIn)
	}{
		"filterName":        {"", func(in *filterIn) { in.FilterName = new("a:b") }},
		"expected $.member": {"{ a }", nil},
		"space-delimited":   {"[ip, user]", nil},
		"does not exist":    {"", func(in *filterIn) { in.LogGroupName = new("none") }},
		"must not begin with " +
			"AWS/": {"", func(in *filterIn) { in.MetricTransformations[0].MetricNamespace = new("AWS/X") }},
		"neither a number " +
			"nor": {json, func(in *filterIn) { in.MetricTransformations[0].MetricValue = new("x") }},
		"needs a pattern over " +
			"JSON": {"ERROR", func(in *filterIn) { in.MetricTransformations[0].MetricValue = new("$.a") }},
		`"y" is neither`: {json, func(in *filterIn) {
			in.MetricTransformations[0].Dimensions = map[string]string{"x": "y"}
		}},
		"must have length equal to 1": {"", func(in *filterIn) { in.MetricTransformations = nil }},
		"are mutually exclusive": {json, func(in *filterIn) {
			x := &in.MetricTransformations[0]
			x.Dimensions, x.DefaultValue = map[string]string{"x": "$.a"}, new(1.0)
		}},
	} {
		if err := a.putFilter(t, c.pattern, c.change); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for _, value := range []string{"NaN", "+Inf", "-infinity", "1e400"} {
		err := a.putFilter(t, json, func(in *filterIn) { in.MetricTransformations[0].MetricValue = &value })
		if err == nil || !strings.Contains(err.Error(), "Invalid metric transformation: ") {
			t.Errorf("the value %s: %v", value, err)
		}
	}
	for i := range 100 {
		if err := a.putFilter(t, "", func(in *filterIn) { in.FilterName = new(fmt.Sprint(i)) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.putFilter(t, "", nil); err == nil || !strings.Contains(err.Error(), "LimitExceededException") {
		t.Errorf("the 101st: %v", err)
	}
}

// The AWS CLI drives the four actions, and DescribeLogGroups counts the filters.
func TestMetricFiltersByCLI(t *testing.T) {
	a, _ := filtered(t)
	d := desktest.New(t, a.service())
	d.AWS(t, "logs", "put-metric-filter", "--log-group-name", "g", "--filter-name", "f", "--filter-pattern", "ERROR",
		"--metric-transformations", "metricName=errors,metricNamespace=App,metricValue=1,defaultValue=0,unit=Count")
	want := `[["f","ERROR","g",[{"defaultValue":0,"metricName":"errors","metricNamespace":"App","metricValue":"1",` +
		`"unit":"Count"}]]]`
	query := " --query metricFilters[].[filterName,filterPattern,logGroupName,metricTransformations]"
	for _, by := range []string{"", " --log-group-name g", " --log-group-name g --filter-name-prefix f",
		" --metric-name errors --metric-namespace App"} {
		if got := d.JSON(t, "logs describe-metric-filters"+by+query); got != want {
			t.Errorf("%s: %s", by, got)
		}
	}
	if got := d.JSON(t, "logs describe-metric-filters --metric-name x --metric-namespace App"+query); got != "[]" {
		t.Error(got)
	}
	d.Refused(t, "must be given together", "logs describe-metric-filters --metric-name x")
	d.Refused(t, "needs a logGroupName", "logs describe-metric-filters --filter-name-prefix x")
	if got := d.JSON(t, "logs describe-log-groups --query logGroups[].metricFilterCount"); got != "[1]" {
		t.Error(got)
	}
	d.AWS(t, "logs delete-metric-filter --log-group-name g --filter-name f")
	d.Refused(t, "The specified metric filter does not exist",
		"logs delete-metric-filter --log-group-name g --filter-name f")
	got := d.JSON(t, "logs", "test-metric-filter", "--filter-pattern", `{ $.a = "x*" && $.b.c > 1 }`,
		"--log-event-messages", `{"a":"xy","b":{"c":2}}`, `{"a":"z"}`)
	if got != `{"matches":[{"eventMessage":"{\"a\":\"xy\",\"b\":{\"c\":2}}","eventNumber":1,"extractedValues":`+
		`{"$.a":"xy","$.b.c":"2"}}]}` {
		t.Error(got)
	}
}

// A filter ends with its group.
func TestFiltersEndWithTheirGroup(t *testing.T) {
	a, _ := filtered(t)
	if err := a.putFilter(t, "", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := a.deleteLogGroup(t.Context(), desktest.Call(noon), &shape.DeleteLogGroupInput{
		LogGroupName: new("g")}); err != nil {
		t.Fatal(err)
	}
	if n := a.store.View().MetricFilters.Len(); n != 0 {
		t.Errorf("%d filters", n)
	}
}

// AWS/Logs has what came in, for each group and for all together.
func TestIncoming(t *testing.T) {
	a, _ := filtered(t)
	a.logged(t, "0 12345", "1 67890")
	name := gather.Name{Scope: "123456789012/us-east-1", Namespace: "AWS/Logs", Metric: "IncomingBytes", Unit: "Bytes"}
	merged := a.feed.(feed)
	if s := merged[name]; s.Sum != 2*(5+26) || len(merged) != 4 {
		t.Errorf("%v of all groups; %d metrics", s.Sum, len(merged))
	}
	name.Dimensions[0] = meter.Dimension{Name: "LogGroupName", Value: "g"}
	name.Metric, name.Unit = "IncomingLogEvents", "Count"
	if s := merged[name]; s.Sum != 2 {
		t.Errorf("%v events of the group", s.Sum)
	}
}
