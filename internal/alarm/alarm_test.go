package alarm

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/scaling"
)

var at = time.Date(2026, 11, 29, 12, 0, 30, 25_000_000, time.UTC)

const (
	topic   = "arn:aws:sns:us-east-1:123456789012:ops"
	service = "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1:resource/ecs/service/prod/chat:policyName/p"
	group   = "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1:autoScalingGroupName/g:policyName/p"
)

// sample returns an alarm on the CPU of a service.
func sample() *Alarm {
	return &Alarm{
		ARN: ARN("us-east-1", "123456789012", "cpu"), Name: "cpu", Region: "us-east-1", Account: "123456789012",
		ActionsEnabled: true, OKActions: []string{topic}, AlarmActions: []string{topic, service},
		Measure: Measure{Statistic: "Average", Metric: Metric{Namespace: "AWS/ECS", Name: "CPUUtilization",
			Dimensions: []Dimension{{"ClusterName", "prod"}, {"ServiceName", "chat"}}}},
		Condition: scaling.Condition{Comparison: scaling.Greater, Threshold: 70, Period: time.Minute, Periods: 3},
		UpdatedAt: at,
	}
}

func TestNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"": false, "a": true, "cpu high (prod)/é": true, "a\nb": false, "a\x7f": false, "\xff": false,
		strings.Repeat("é", 255): true, strings.Repeat("é", 256): false,
	} {
		if ValidName(name) != ok {
			t.Errorf("%q is valid: %t", name, !ok)
		}
	}
	if got := ARN("eu-west-2", "1", "a:b/c"); got != "arn:aws:cloudwatch:eu-west-2:1:alarm:a:b/c" {
		t.Error(got)
	}
}

// The order of a metric's dimensions does not matter, and one more dimension makes another metric (ecs.md
// 7.1).
func TestMetricsAreEqualInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dims := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) Dimension {
			return Dimension{rapid.StringMatching(`[a-d]`).Draw(t, "name"),
				rapid.StringMatching(`[xy]`).Draw(t, "value")}
		}), 0, 4, func(d Dimension) string { return d.Name }).Draw(t, "dimensions")
		m := Metric{Namespace: "n", Name: "m", Dimensions: dims}
		other := Metric{Namespace: "n", Name: "m", Dimensions: rapid.Permutation(dims).Draw(t, "order")}
		if !m.Equal(other) || !other.Equal(m) {
			t.Fatalf("%v and %v", m, other)
		}
		more := Metric{Namespace: "n", Name: "m", Dimensions: append(slices.Clone(dims), Dimension{"z", "x"})}
		if m.Equal(more) || more.Equal(m) || m.Equal(Metric{Namespace: "n", Name: "x", Dimensions: dims}) ||
			m.Equal(Metric{Namespace: "x", Name: "m", Dimensions: dims}) {
			t.Fatalf("%v and %v", m, more)
		}
	})
}

func TestKindOf(t *testing.T) {
	for action, want := range map[string]ActionKind{
		topic: SNSTopic, topic + ".fifo": SNSTopic, service: ServicePolicy, group: GroupPolicy,
		"arn:aws:automate:us-east-1:ec2:recover":                                        EC2Action,
		"arn:aws:swf:us-east-1:123456789012:action/actions/AWS_EC2.InstanceId.Stop/1.0": EC2Action,
		"arn:aws:lambda:us-east-1:123456789012:function:f":                              LambdaFunction,
		"arn:aws:ssm:us-east-1:123456789012:opsitem:1":                                  OpsItem,
		"arn:aws:ssm-incidents::123456789012:response-plan/p":                           OpsItem,
		"arn:aws:aiops:us-east-1:123456789012:investigation-group/g":                    Investigation,
		"": "", "ops": "", "arn:aws:sns:us-east-1:123456789012:a b": "", "arn:aws:automate:us-east-1:ec2:launch": "",
		"arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:g": "", "arn:aws:s3:::b": "",
		topic + strings.Repeat("x", MaxActionLength): "",
	} {
		if got, ok := KindOf(action); got != want || ok != (want != "") {
			t.Errorf("%.60s: %q %t, want %q", action, got, ok, want)
		}
	}
	for kind, repeats := range map[ActionKind]bool{SNSTopic: false, ServicePolicy: true, GroupPolicy: true,
		LambdaFunction: false} {
		if kind.Repeats() != repeats {
			t.Errorf("%s repeats: %t (ecs.md 7.5)", kind, !repeats)
		}
	}
}

// A new alarm has INSUFFICIENT_DATA (ecs.md 7.4). Only a change of the state is a transition.
func TestStatus(t *testing.T) {
	s := NewStatus("x", at)
	if s.Value != scaling.InsufficientData || s.Reason != "Unchecked: Initial alarm creation" || s.Transitions != 0 {
		t.Errorf("%+v", s)
	}
	rapid.Check(t, func(t *rapid.T) {
		s, changes := NewStatus("x", at), int64(0)
		states := []scaling.State{scaling.OK, scaling.InAlarm, scaling.InsufficientData}
		for i, v := range rapid.SliceOf(rapid.SampledFrom(states)).Draw(t, "states") {
			now, before := at.Add(time.Duration(i)*time.Second), *s
			n := s.Next(v, fmt.Sprint(i), "{}", now)
			if !reflect.DeepEqual(*s, before) {
				t.Fatal("the row before was changed")
			}
			moved := v != s.Value
			if moved {
				changes++
			}
			if n.Value != v || n.Transitions != changes || !n.UpdatedAt.Equal(now) ||
				n.TransitionedAt.Equal(now) != moved && i > 0 || n.Reason != fmt.Sprint(i) || n.Data != "{}" {
				t.Fatalf("%+v after %+v", n, s)
			}
			s = n
		}
	})
}

// Actions are due when the state changes. Actions of scaling policies are due again while the state lasts
// (ecs.md 7.5). No action is due while actions are disabled.
func TestDue(t *testing.T) {
	a, old := sample(), NewStatus("x", at)
	alarming := old.Next(scaling.InAlarm, "why", `{"a":1}`, at.Add(time.Minute))
	due := DueFor(a, old, alarming)
	if len(due) != 2 || !reflect.DeepEqual(*due[0], Due{Action: topic, Kind: SNSTopic, AlarmARN: a.ARN, Transition: 1,
		From: scaling.InsufficientData, To: scaling.InAlarm, Reason: "why", Data: `{"a":1}`, At: at.Add(time.Minute)}) {
		t.Errorf("%+v", due)
	}
	later := Evaluation{At: at.Add(2 * time.Minute)}
	points := []scaling.Datapoint{{Value: 1, Known: true}, {Value: 80, Known: true}, {}, {Value: 90, Known: true},
		{Value: 85, Known: true}}
	status, again := Repeated(a, alarming, later, points)
	if len(again) != 1 || again[0].Action != service || !again[0].At.Equal(later.At) ||
		again[0].Key() != due[1].Key() || !reflect.DeepEqual(again[0].Recent, []float64{80, 90, 85}) {
		t.Errorf("%+v", again)
	}
	if want := *alarming; !status.RepeatedAt.Equal(later.At) || status.UpdatedAt != want.UpdatedAt ||
		status.Transitions != 1 || !reflect.DeepEqual(status.Recent, again[0].Recent) {
		t.Errorf("%+v", status)
	}
	if by := status.Next(scaling.InAlarm, "by hand", "", at); by.Recent != nil {
		t.Errorf("the values of an earlier evaluation: %+v", by)
	}
	if next := DueFor(a, alarming, alarming.Next(scaling.OK, "", "", at)); len(next) != 1 ||
		next[0].Key() == due[0].Key() || !strings.HasPrefix(next[0].Key(), DuePrefix(a.ARN)) {
		t.Errorf("%+v", next)
	}
	if none := DueFor(a, alarming, alarming.Next(scaling.InsufficientData, "", "", at)); none != nil {
		t.Errorf("%+v", none)
	}
	a.ActionsEnabled = false
	if status, again := Repeated(a, alarming, later, points); status != nil || again != nil ||
		DueFor(a, old, alarming) != nil {
		t.Errorf("disabled, and due: %+v", again)
	}
	if !a.HasAction("arn:aws:sns") || a.HasAction("arn:aws:lambda") {
		t.Error("lookup by an action's prefix finds an alarm whose actions are disabled")
	}
}

// A policy decides from the values that the alarm compared last. These are the values of a repeated
// evaluation, or otherwise those in the data of the state, which SetAlarmState may have set.
func TestObservation(t *testing.T) {
	a := sample()
	for _, c := range []struct {
		recent []float64
		data   string
		want   []float64
	}{
		{nil, `{"recentDatapoints":[1,2.5]}`, []float64{1, 2.5}},
		{[]float64{3}, `{"recentDatapoints":[1]}`, []float64{3}},
		{[]float64{}, `{"recentDatapoints":[1]}`, []float64{}},
		{nil, "", nil}, {nil, `{"a":1}`, nil}, {nil, "[1]", nil},
		{nil, `{"recentDatapoints":"x"}`, nil},
	} {
		want := scaling.Observation{Recent: c.want, Comparison: a.Condition.Comparison,
			Threshold: a.Condition.Threshold}
		due := (&Due{Recent: c.recent, Data: c.data}).Observation(a)
		status := (&Status{Recent: c.recent, Data: c.data}).Observation(a)
		if !reflect.DeepEqual(due, want) || !reflect.DeepEqual(status, want) {
			t.Errorf("%v %s: %+v and %+v, want %+v", c.recent, c.data, due, status, want)
		}
	}
	points := []scaling.Datapoint{{Start: at, Value: 71, Known: true},
		{Start: at.Add(time.Minute), Value: 72, Known: true}}
	s := NewStatus(a.ARN, at).Next(scaling.InAlarm, "", a.ReasonData(points, at), at)
	if got := s.Observation(a).Recent; !reflect.DeepEqual(got, []float64{71, 72}) {
		t.Errorf("of data that were written here: %v", got)
	}
}

// At the pace of seconds a minute is a second: of the periods, of the time between evaluations and of repeated actions.
func TestPaceOfSeconds(t *testing.T) {
	a := sample()
	a.Condition.Period, a.Condition.Periods = 3*time.Minute, 2
	e, next := a.Last(at, scaling.PaceOfSeconds)
	if next.Sub(e.At) != time.Second || e.End != e.At.Truncate(time.Second) {
		t.Errorf("%+v, next %v", e, next)
	}
	if starts := e.Starts(a.Condition); !starts[3].Equal(e.End.Add(-3*time.Second)) ||
		!starts[0].Equal(e.End.Add(-12*time.Second)) {
		t.Errorf("%v before %v", starts, e.End)
	}
	for ago, want := range map[time.Duration]bool{time.Second: true, 900 * time.Millisecond: false} {
		if got := e.Repeats(&Status{TransitionedAt: e.At.Add(-ago)}, e.At); got != want {
			t.Errorf("%v: %t", ago, got)
		}
	}
}

// Keys of the history are in the order of time, alarms do not mix, and the oldest beyond the number kept is
// forgotten.
func TestHistoryKeys(t *testing.T) {
	last, keys := (*HistoryItem)(nil), map[string]bool{}
	for range KeptItems + 5 {
		h := &HistoryItem{ARN: ARN("r", "1", "a")}
		h.Follow(last)
		if last != nil && h.Key() <= last.Key() || !strings.HasPrefix(h.Key(), HistoryPrefix(h.ARN)) {
			t.Fatalf("%q follows %v", h.Key(), last)
		}
		keys[h.Key()] = true
		delete(keys, h.Forgets())
		last = h
	}
	if len(keys) != KeptItems || !keys[last.Key()] {
		t.Errorf("%d items are stored", len(keys))
	}
	if other := (&HistoryItem{ARN: ARN("r", "1", "a b"), Sequence: 1}).Key(); strings.HasPrefix(other,
		HistoryPrefix(ARN("r", "1", "a"))) {
		t.Error(other)
	}
}

func TestHistoryOfSettings(t *testing.T) {
	a := sample()
	const settings = `{"alarmName":"cpu","alarmArn":"arn:aws:cloudwatch:us-east-1:123456789012:alarm:cpu",` +
		`"alarmConfigurationUpdatedTimestamp":"2026-11-29T12:00:30.025+0000","actionsEnabled":true,` +
		`"okactions":["` + topic + `"],"alarmActions":["` + topic + `","` + service + `"],` +
		`"insufficientDataActions":[],"metricName":"CPUUtilization",` +
		`"namespace":"AWS/ECS","statistic":"Average","dimensions":` +
		`[{"name":"ClusterName","value":"prod"},{"name":"ServiceName","value":"chat"}],"period":60,` +
		`"evaluationPeriods":3,"threshold":70.0,"comparisonOperator":"GreaterThanThreshold"}`
	for _, c := range []struct {
		h             *HistoryItem
		summary, data string
	}{
		{Configured(nil, a, at), `Alarm "cpu" created`,
			`{"createdAlarm":` + settings + `,"type":"Create","version":"1.0"}`},
		{Configured(a, nil, at), `Alarm "cpu" deleted`,
			`{"deletedAlarm":` + settings + `,"type":"Delete","version":"1.0"}`},
	} {
		if c.h.Summary != c.summary || c.h.Data != c.data || c.h.Type != ConfigurationUpdate || c.h.Name != "cpu" {
			t.Errorf("%+v\nwant %s", c.h, c.data)
		}
	}
	changed := *a
	changed.Condition.Threshold, changed.OKActions = 80.5, nil
	var data struct {
		Old map[string]any `json:"originalUpdatedFields"`
		New map[string]any `json:"updatedAlarm"`
	}
	h := Configured(a, &changed, at)
	if err := json.Unmarshal([]byte(h.Data), &data); err != nil {
		t.Fatal(err)
	}
	if want := map[string]any{"threshold": 70.0, "okactions": []any{topic}}; h.Summary != `Alarm "cpu" updated` ||
		!reflect.DeepEqual(data.Old, want) || data.New["threshold"] != 80.5 {
		t.Errorf("%+v", h)
	}
}

func TestHistoryOfStates(t *testing.T) {
	old := NewStatus("x", at)
	h := Changed(sample(), old, old.Next(scaling.OK, "fine & <well>", `{"version":"1.0"}`, at.Add(time.Hour)))
	const want = `{"version":"1.0","oldState":{"stateValue":"INSUFFICIENT_DATA",` +
		`"stateReason":"Unchecked: Initial alarm creation"},` +
		`"newState":{"stateValue":"OK","stateReason":"fine & <well>","stateReasonData":{"version":"1.0"}}}`
	if h.Data != want || h.Summary != "Alarm updated from INSUFFICIENT_DATA to OK" || h.Type != StateUpdate ||
		!h.At.Equal(at.Add(time.Hour)) {
		t.Errorf("%+v\nwant %s", h, want)
	}
}

// The evaluations of an alarm are exactly an interval apart, and each is in the last two thirds of an
// interval. Every time between two of them has the same last evaluation (ecs.md 7.4).
func TestEvaluationsAreAnIntervalApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := sample()
		a.ARN = ARN("r", "1", rapid.StringMatching(`[a-z]{1,5}`).Draw(t, "name"))
		a.Condition.Period = time.Duration(rapid.SampledFrom([]int{10, 20, 30, 60, 300, 3600, 86400}).Draw(t,
			"period")) * time.Second
		interval := a.Condition.Interval()
		now := at.Add(time.Duration(rapid.Int64Range(0, int64(100*24*time.Hour)).Draw(t, "now")))
		last, next := a.Last(now, scaling.PaceOfAWS)
		if last.At.After(now) || !next.After(now) || next.Sub(last.At) != interval {
			t.Fatalf("%v is between %v and %v", now, last.At, next)
		}
		if into := last.At.Sub(last.End); into < interval/3 || into >= interval ||
			!last.End.Truncate(interval).Equal(last.End) {
			t.Fatalf("%v is %v after the end of the periods", last.At, into)
		}
		for _, same := range []time.Time{last.At, next.Add(-time.Nanosecond)} {
			if l, n := a.Last(same, scaling.PaceOfAWS); l != last || !n.Equal(next) {
				t.Fatalf("at %v: %v, %v", same, l, n)
			}
		}
		starts := last.Starts(a.Condition)
		if len(starts) != a.Condition.Range() || !starts[len(starts)-1].Add(a.Condition.Period).Equal(last.End) {
			t.Fatalf("periods from %v to %v", starts, last.End)
		}
		for i := range starts[1:] {
			if starts[i+1].Sub(starts[i]) != a.Condition.Period {
				t.Fatalf("periods from %v", starts)
			}
		}
	})
}

// With many alarms, about as many are evaluated in each part of the interval.
func TestEvaluationsAreSpread(t *testing.T) {
	parts := make([]int, 4)
	for i := range 4000 {
		a := sample()
		a.ARN = ARN("r", "1", fmt.Sprint("alarm-", i))
		last, _ := a.Last(at, scaling.PaceOfAWS)
		parts[last.At.Sub(last.End.Add(20*time.Second))/(10*time.Second)]++
	}
	for _, n := range parts {
		if n < 800 || n > 1200 {
			t.Errorf("of 4000 alarms, the quarters of the interval have %v", parts)
			break
		}
	}
}

// A state that was set after an evaluation lasts until the next one (ecs.md 7.5). This does not hold for a
// state whose time is in the future, which happens when the clock was set back.
func TestEvaluated(t *testing.T) {
	e, now := Evaluation{At: at}, at.Add(10*time.Second)
	long, soon, future := at.Add(-time.Hour), at.Add(5*time.Second), at.Add(time.Hour)
	for _, c := range []struct {
		settings, state, repeated time.Time
		want                      bool
	}{
		{long, long, time.Time{}, false}, {at, long, time.Time{}, true}, {soon, long, time.Time{}, true},
		{long, soon, time.Time{}, true}, {long, long, at, true}, {now, long, time.Time{}, true},
		{future, future, future, false},
	} {
		if got := e.Evaluated(&Alarm{UpdatedAt: c.settings}, &Status{UpdatedAt: c.state, RepeatedAt: c.repeated},
			now); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
}

// Actions of scaling policies are due once a minute while the state lasts (ecs.md 7.5), and not at every
// evaluation.
func TestRepeats(t *testing.T) {
	for _, c := range []struct {
		since, repeated time.Duration // before the evaluation
		want            bool
	}{
		{59 * time.Second, 0, true}, {50 * time.Second, 0, false}, {time.Hour, 10 * time.Second, false},
		{time.Hour, time.Minute, true}, {-time.Hour, 0, true}, // the last time is from before the clock was set back
	} {
		s := &Status{TransitionedAt: at.Add(-c.since)}
		if c.repeated > 0 {
			s.RepeatedAt = at.Add(-c.repeated)
		}
		if got := (Evaluation{At: at}).Repeats(s, at.Add(time.Second)); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
}

// The reason data contain the newest N points that exist, and the times of missing points.
func TestReasonData(t *testing.T) {
	a := sample()
	a.Measure.Unit = "Percent"
	a.Condition.Periods = 2
	point := func(minute int, value float64) scaling.Datapoint {
		return scaling.Datapoint{Start: at.Truncate(time.Hour).Add(time.Duration(minute) * time.Minute), Value: value,
			Samples: 4, Known: true}
	}
	gap := func(minute int) scaling.Datapoint { return scaling.Datapoint{Start: point(minute, 0).Start} }
	const head = `{"version":"1.0","queryDate":"2026-11-29T12:00:30.025+0000",`
	for _, c := range []struct {
		points []scaling.Datapoint
		want   string
	}{
		{[]scaling.Datapoint{point(1, 1), point(2, 2.5), gap(3), point(4, 1e20)},
			head + `"startDate":"2026-11-29T12:02:00.000+0000","unit":"Percent","statistic":"Average","period":60,` +
				`"recentDatapoints":[2.5,1e+20],"threshold":70.0,"evaluatedDatapoints":[` +
				`{"timestamp":"2026-11-29T12:04:00.000+0000","sampleCount":4.0,"value":1e+20},` +
				`{"timestamp":"2026-11-29T12:03:00.000+0000"},` +
				`{"timestamp":"2026-11-29T12:02:00.000+0000","sampleCount":4.0,"value":2.5}]}`},
		{[]scaling.Datapoint{gap(1), gap(2), gap(3), gap(4)},
			head + `"unit":"Percent","statistic":"Average","period":60,"recentDatapoints":[],"threshold":70.0,` +
				`"evaluatedDatapoints":[{"timestamp":"2026-11-29T12:04:00.000+0000"},` +
				`{"timestamp":"2026-11-29T12:03:00.000+0000"}]}`},
	} {
		if got := a.ReasonData(c.points, at); got != c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
}

func TestHistoryOfMetricMath(t *testing.T) {
	a := sample()
	m := a.Measure
	m.Unit, a.Measure = "Percent", Measure{}
	a.Queries = []Query{
		{ID: "e1", Label: "twice", Expression: "m1 * 2", Period: time.Hour},
		{ID: "m1", Measure: &m, Period: time.Minute, Hidden: true},
	}
	const want = `"metrics":[{"id":"e1","label":"twice","expression":"m1 * 2","period":3600,"returnData":true},` +
		`{"id":"m1","metricStat":{"metric":{"namespace":"AWS/ECS","metricName":"CPUUtilization","dimensions":` +
		`[{"name":"ClusterName","value":"prod"},{"name":"ServiceName","value":"chat"}]},"period":60,"stat":"Average",` +
		`"unit":"Percent"},"returnData":false}]`
	if h := Configured(nil, a, at); !strings.Contains(h.Data, want) || strings.Contains(h.Data, `"statistic"`) {
		t.Errorf("%s\nwant %s", h.Data, want)
	}
	if a.MetricEntry() != "" {
		t.Errorf("its entry by metric is %q", a.MetricEntry())
	}
}

// Reason data and history data have a bounded size. They are valid JSON also when parts are left out.
func TestDataIsBounded(t *testing.T) {
	a := sample()
	a.Condition.Periods = 1440
	points := make([]scaling.Datapoint, a.Condition.Range())
	for i := range points {
		points[i] = scaling.Datapoint{Start: at.Add(time.Duration(i) * time.Minute), Value: 1.2345678901234567e-100,
			Samples: 123456.7890123456, Known: true}
	}
	data := a.ReasonData(points, at)
	first, last := Stamp(points[2].Start), Stamp(points[len(points)-1].Start)
	if len(data) > 4000 || !json.Valid([]byte(data)) || !strings.Contains(data, `"startDate":"`+first+`"`) ||
		!strings.Contains(data, `"evaluatedDatapoints":[{"timestamp":"`+last+`"`) {
		t.Errorf("%d bytes: %s", len(data), data)
	}
	old := NewStatus("x", at).Next(scaling.OK, "reason", data, at)
	long := strings.Repeat("\"", 1023)
	for i, c := range []struct {
		now  *Status
		want []string
	}{
		{old.Next(scaling.InAlarm, "next", `{"a":1}`, at), []string{`"reason"`, `"recentDatapoints"`, `{"a":1}`}},
		{old.Next(scaling.InAlarm, "next", data, at), []string{`"stateReason":"reason"},`, `"recentDatapoints"`}},
		{old.Next(scaling.InAlarm, long, data, at), []string{`"stateReason":"reason"},`, `\"\"\"`}},
		{old.Next(scaling.InAlarm, strings.Repeat(long, 3), data, at), []string{`"stateReason":""},"newState"`}},
	} {
		h := Changed(a, old, c.now)
		if len(h.Data) > MaxData || !json.Valid([]byte(h.Data)) {
			t.Errorf("%d: %d bytes: %s", i, len(h.Data), h.Data)
		}
		for _, part := range c.want {
			if !strings.Contains(h.Data, part) {
				t.Errorf("%d: %s lacks %s", i, h.Data, part)
			}
		}
	}
	a.Description = strings.Repeat("\"", MaxData)
	if h := Configured(nil, a, at); h.Data != `{"type":"Create","version":"1.0"}` {
		t.Errorf("%d bytes", len(h.Data))
	}
}
