package state_test

import (
	"testing"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/groupscaling"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
	"github.com/berthhq/berth/internal/tag"
)

// An alarm that calls a policy of an Auto Scaling group has the pace of the group's tag, unless it has a tag itself.
func TestPaceOfGroups(t *testing.T) {
	store := open(t, mem.New())
	seconds := tag.Tag{Key: scaling.PaceTag, Value: string(scaling.PaceOfSeconds)}
	p := &groupscaling.Policy{Region: "us-east-1", Account: "1", Group: "quick", Name: "p", ID: "1"}
	err := store.Update(t.Context(), func(tx *state.Tx) error {
		for _, name := range []string{"quick", "slow"} {
			g := &fleet.AutoScalingGroup{Region: "us-east-1", Account: "1", Name: name}
			if name == "quick" {
				g.Tags = g.Tags.With(seconds)
			}
			tx.AutoScalingGroups.Put(g)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slow := *p
	slow.Group = "slow"
	for _, c := range []struct {
		what   string
		policy *groupscaling.Policy
		tags   tag.Set
		want   scaling.Pace
	}{
		{"a group with the tag", p, nil, scaling.PaceOfSeconds},
		{"a group with the tag, and an alarm with its own", p, tag.Set{}.With(tag.Tag{Key: scaling.PaceTag,
			Value: "aws"}), scaling.PaceOfAWS},
		{"a group without it", &slow, nil, scaling.PaceOfAWS},
	} {
		a := alarm.OfPolicy("us-east-1", "1", c.policy.ARN(), "a", alarm.Measure{}, scaling.Condition{}, time.Now())
		a.Tags = c.tags
		if got := store.View().PaceOf(a, scaling.PaceOfAWS); got != c.want {
			t.Errorf("%s: the pace %q, want %q", c.what, got, c.want)
		}
	}
}

// An alarm on what Berth measures only each minute, alone or in an expression, has the pace of AWS. Metrics that users
// put may have points of a second.
func TestPaceOfMetricsWithoutSeconds(t *testing.T) {
	store := open(t, mem.New())
	for namespace, want := range map[string]scaling.Pace{
		"AWS/ECS":                scaling.PaceOfSeconds,
		"AWS/EC2":                scaling.PaceOfSeconds,
		"AWS/ECS/ManagedScaling": scaling.PaceOfSeconds,
		"Chat":                   scaling.PaceOfSeconds,
		"AWS/ApplicationELB":     scaling.PaceOfAWS,
		"AWS/AutoScaling":        scaling.PaceOfAWS,
		"AWS/ElastiCache":        scaling.PaceOfAWS,
		"AWS/Logs":               scaling.PaceOfAWS,
		"ECS/ContainerInsights":  scaling.PaceOfAWS,
	} {
		m := alarm.Measure{Metric: alarm.Metric{Namespace: namespace, Name: "m"}}
		cpu := alarm.Measure{Metric: alarm.Metric{Namespace: "AWS/ECS", Name: "CPUUtilization"}}
		tags := tag.Set{}.With(tag.Tag{Key: scaling.PaceTag, Value: string(scaling.PaceOfSeconds)})
		for what, a := range map[string]*alarm.Alarm{
			"alone": {Measure: m, Tags: tags},
			"in an expression": {Tags: tags, Queries: []alarm.Query{{ID: "e", Expression: "a * b"},
				{ID: "a", Measure: &cpu}, {ID: "b", Measure: &m}}},
		} {
			if got := store.View().PaceOf(a, scaling.PaceOfAWS); got != want {
				t.Errorf("%s, %s, with its own tag: the pace %q, want %q", namespace, what, got, want)
			}
			a.Tags = nil
			if got := store.View().PaceOf(a, scaling.PaceOfSeconds); got != want {
				t.Errorf("%s, %s, on a server of seconds: the pace %q, want %q", namespace, what, got, want)
			}
		}
	}
}
