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
