package appscaling

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/tag"
)

func optional(t *rapid.T, label string) *int {
	return rapid.Ptr(rapid.IntRange(0, 3), true).Draw(t, label)
}

func anyPolicy(t *rapid.T) *Policy {
	p := &Policy{ID: "1", Region: region, Account: account, ResourceID: chat, Name: "p", CreatedAt: now}
	if rapid.Bool().Draw(t, "step") {
		p.Type = StepScaling
		p.Step = &scaling.StepRule{Adjustment: scaling.PercentChangeInCapacity, Magnitude: optional(t, "magnitude"),
			Cooldown: optional(t, "cooldown"), Steps: []scaling.Step{
				{Lower: rapid.Ptr(rapid.Float64Range(-9, 9), true).Draw(t, "lower"), By: rapid.Int().Draw(t, "by")}}}
		return p
	}
	p.Type = TargetTracking
	p.Tracking = &Tracking{OutCooldown: optional(t, "out"), InCooldown: optional(t, "in"), HighID: "h", LowID: "l"}
	p.Tracking.Target = rapid.Float64Range(1e-9, 1e9).Draw(t, "target")
	p.Tracking.DisableScaleIn = rapid.Bool().Draw(t, "never in")
	if rapid.Bool().Draw(t, "predefined") {
		p.Tracking.Predefined = &Predefined{Type: AverageMemory}
	} else {
		p.Tracking.Customized = &alarm.Measure{Statistic: "Sum", Metric: alarm.Metric{Namespace: "n", Name: "m"}}
	}
	return p
}

func again[T any](t *rapid.T, row T) {
	var read T
	text, err := json.Marshal(row)
	if err == nil {
		err = json.Unmarshal(text, &read)
	}
	if err != nil || !reflect.DeepEqual(read, row) {
		t.Fatalf("%+v is read as %+v, %v", row, read, err)
	}
}

// Rows are written to journals as JSON, and must be the same after they are read.
func TestRowsAreReadAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		again(t, *anyPolicy(t))
		again(t, Target{ID: "t", Region: region, Account: account, ResourceID: chat, CreatedAt: now,
			Bounds:    scaling.Bounds{Min: rapid.IntRange(0, 9).Draw(t, "min"), Max: 9},
			Suspended: Suspension{In: rapid.Bool().Draw(t, "no in"), Out: rapid.Bool().Draw(t, "no out")},
			Tags:      rapid.SampledFrom([]tag.Set{nil, {{Key: "k", Value: "v"}}}).Draw(t, "tags")})
		again(t, Scheduled{ID: "s", Schedule: "rate(1 day)", CreatedAt: now, Action: scaling.Scheduled{
			Min: optional(t, "low"), Max: optional(t, "high")},
			End: rapid.SampledFrom([]time.Time{{}, now}).Draw(t, "end")})
		again(t, Activity{ID: "a", Start: now, Status: Failed, NotScaled: []NotScaled{
			{Code: scaling.AlreadyAtMin, Min: optional(t, "least"), Current: optional(t, "current")}}})
	})
}

// No value is both above the high threshold and below the low one. An alarm belongs to only one policy
// (ecs.md 6.5).
func TestAlarmsExcludeEachOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPolicy(t)
		all := p.Alarms(now)
		want := map[PolicyType]int{StepScaling: 0, TargetTracking: 2}[p.Type]
		if p.Tracking != nil && p.Tracking.DisableScaleIn {
			want = 1
		}
		if len(all) != want || len(p.AlarmARNs()) != want {
			t.Fatalf("%d alarms, want %d", len(all), want)
		}
		for i, a := range all {
			if a.HasAction(p.ARN()) != (len(a.AlarmActions) == 1) || len(a.OKActions) > 0 || a.ARN != p.AlarmARNs()[i] {
				t.Fatalf("%+v", a)
			}
		}
		if want == 2 {
			v := rapid.Float64Range(0, 2*p.Tracking.Target).Draw(t, "value")
			high, low := all[0].Condition, all[1].Condition
			if high.Comparison.Breaches(v, high.Threshold) && low.Comparison.Breaches(v, low.Threshold) ||
				high.Threshold <= low.Threshold {
				t.Fatalf("%v breaches %+v and %+v", v, high, low)
			}
		}
	})
}
