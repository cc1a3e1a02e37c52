package alarm

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/scaling"
)

// composite returns a composite alarm with the given rule.
func composite(rule string) *Alarm {
	a := &Alarm{ARN: ARN("us-east-1", "1", "both"), Name: "both", Region: "us-east-1", Account: "1", Rule: rule,
		ActionsEnabled: true, UpdatedAt: at}
	parsed, err := scaling.ParseRule(rule)
	if err != nil {
		panic(err)
	}
	for _, name := range parsed.Alarms() {
		a.Children = append(a.Children, ARN("us-east-1", "1", name))
	}
	return a
}

func TestCombine(t *testing.T) {
	a := composite("ALARM(x) AND NOT OK(y)")
	states := make(map[string]*Status)
	for name, value := range map[string]scaling.State{"x": scaling.InAlarm, "y": scaling.InAlarm} {
		key := ARN("us-east-1", "1", name)
		states[key] = NewStatus(key, at.Add(-time.Hour)).Next(value, "", "", at.Add(-time.Hour))
	}
	set := func(name string, value scaling.State, when time.Time) {
		key := ARN("us-east-1", "1", name)
		states[key] = states[key].Next(value, "", "", when)
	}
	s := NewStatus(a.ARN, at)
	step := func(now time.Time, want scaling.State, reason, data string) {
		t.Helper()
		next, err := Combine(a, s, func(arn string) *Status { return states[arn] }, now)
		if err != nil {
			t.Fatal(err)
		}
		if next.Value != want || next.Reason != reason || !strings.Contains(next.Data, data) ||
			next != s && !next.TransitionedAt.Equal(now) {
			t.Errorf("%+v\nwant %s: %s, %s", next, want, reason, data)
		}
		s = next
	}
	const arn = "arn:aws:cloudwatch:us-east-1:1:alarm:"
	step(at.Add(time.Second), scaling.InAlarm, arn+"both was created and its alarm rule evaluates to ALARM", "")
	before := s
	step(at.Add(2*time.Second), scaling.InAlarm, before.Reason, before.Data)
	if s != before {
		t.Error("nothing has changed, but there is a new state")
	}
	set("y", scaling.OK, at.Add(3*time.Second))
	step(at.Add(4*time.Second), scaling.OK,
		arn+"y transitioned to OK at Sunday 29 November, 2026 12:00:33 UTC",
		`{"triggeringAlarms":[{"arn":"`+arn+`y","state":{"value":"OK","timestamp":"2026-11-29T12:00:33.025+0000"}}]}`)
	changed := composite("ALARM(x) OR ALARM(y)")
	changed.UpdatedAt = at.Add(time.Minute)
	a = changed
	step(at.Add(2*time.Minute), scaling.InAlarm, arn+"both was updated and its alarm rule evaluates to ALARM", arn+"y")
	a = composite("FALSE")
	step(at.Add(3*time.Minute), scaling.OK, arn+"both was updated and its alarm rule evaluates to OK",
		`{"triggeringAlarms":[]}`)
	a = composite("INSUFFICIENT_DATA(gone)")
	step(at.Add(4*time.Minute), scaling.InAlarm, arn+"both was updated and its alarm rule evaluates to ALARM", "[]")
	a.Rule = "ALARM("
	if _, err := Combine(a, s, func(string) *Status { return nil }, at); err == nil {
		t.Error("a rule with an error is evaluated")
	}
}

// The state of a composite alarm depends only on the present states of its children, and not on their earlier
// states.
func TestCombineForgetsTheWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := composite(rapid.SampledFrom([]string{"ALARM(x) OR ALARM(y)", "ALARM(x) AND OK(y)", "NOT OK(x)",
			"INSUFFICIENT_DATA(x) OR NOT (ALARM(x) AND ALARM(y))"}).Draw(t, "rule"))
		states, all := make(map[string]*Status), []scaling.State{scaling.OK, scaling.InAlarm, scaling.InsufficientData}
		get := func(arn string) *Status { return states[arn] }
		s := NewStatus(a.ARN, at)
		for i := range rapid.IntRange(1, 8).Draw(t, "steps") {
			now := at.Add(time.Duration(i) * time.Second)
			key := rapid.SampledFrom(a.Children).Draw(t, "child")
			old := states[key]
			if old == nil {
				old = NewStatus(key, now)
			}
			states[key] = old.Next(rapid.SampledFrom(all).Draw(t, "state"), "", "", now)
			var err error
			if s, err = Combine(a, s, get, now); err != nil {
				t.Fatal(err)
			}
		}
		fresh, err := Combine(a, NewStatus(a.ARN, at), get, at)
		if err != nil || fresh.Value != s.Value || s.Value == scaling.InsufficientData {
			t.Fatalf("%s after several changes, %s when evaluated once, %v", s.Value, fresh.Value, err)
		}
	})
}

func TestHistoryOfComposites(t *testing.T) {
	a := composite("ALARM(x)")
	h := Configured(nil, a, at)
	if want := `"insufficientDataActions":[],"alarmRule":"ALARM(x)"},"type":"Create"`; !h.Composite ||
		!strings.Contains(h.Data, want) || strings.Contains(h.Data, "threshold") {
		t.Errorf("%+v", h)
	}
	s := NewStatus(a.ARN, at)
	if h := Changed(a, s, s.Next(scaling.OK, "", "", at)); !h.Composite {
		t.Errorf("%+v", h)
	}
	if a.MetricEntry() != "" || sample().MetricEntry() != MetricEntry("us-east-1", "123456789012",
		sample().Measure.Metric) {
		t.Error("a composite alarm has a metric, or another alarm has none")
	}
	for kind, ok := range map[ActionKind]bool{SNSTopic: true, LambdaFunction: true, OpsItem: true, ServicePolicy: false,
		GroupPolicy: false, EC2Action: false} {
		if kind.InComposite() != ok {
			t.Errorf("composite alarms have %s: %t", kind, !ok)
		}
	}
}
