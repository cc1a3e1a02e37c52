package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/groupscaling"
	"github.com/berthhq/berth/internal/scaling"
)

// A report names the policies whose metrics nothing measures in a simulation, and these change nothing.
func TestUnmeasured(t *testing.T) {
	stack := sample(1, 4)
	tracking := func(target float64, predefined string) *appscaling.Tracking {
		return &appscaling.Tracking{HighID: "h" + predefined, LowID: "l" + predefined,
			Tracking: scaling.Tracking{Target: target}, Predefined: &appscaling.Predefined{Type: predefined}}
	}
	policy := func(name string) *groupscaling.Policy {
		return &groupscaling.Policy{ID: name, Region: region, Account: account, Group: "asg", Name: name}
	}
	network, cpu, size := policy("net"), policy("cpu"), policy("size")
	network.Type, network.Tracking = groupscaling.TargetTracking, tracking(1e6, groupscaling.AverageNetworkIn)
	cpu.Type, cpu.Tracking = groupscaling.TargetTracking, tracking(50, groupscaling.AverageCPU)
	cpu.Tracking.DisableScaleIn = true
	size.Type, size.Adjusts = groupscaling.Simple, &groupscaling.SimpleRule{Adjustment: scaling.ChangeInCapacity, By: 1}
	stack.GroupPolicies = []*groupscaling.Policy{network, cpu, size}
	stack.Alarms = []*alarm.Alarm{{ARN: alarm.ARN(region, account, "size"), Name: "size", Region: region,
		Account: account, ActionsEnabled: true, AlarmActions: []string{size.ARN()},
		Measure: alarm.Measure{Statistic: "Average", Metric: alarm.Metric{Namespace: "AWS/AutoScaling",
			Name: "GroupDesiredCapacity", Dimensions: []alarm.Dimension{{Name: "AutoScalingGroupName", Value: "asg"}}}},
		Condition: scaling.Condition{Comparison: scaling.Greater, Threshold: 1, Period: time.Minute, Periods: 1}}}
	web := stack.ScalingPolicies[0].Tracking
	used := web.Measure(stack.ScalingPolicies[0].ResourceID)
	web.Predefined, web.Math = nil, []appscaling.Query{
		{Query: alarm.Query{ID: "e", Expression: "m + n"}}, {Query: alarm.Query{ID: "m", Hidden: true, Measure: &used}},
		{Query: alarm.Query{ID: "n", Hidden: true, Measure: &alarm.Measure{Statistic: "Sum",
			Metric: alarm.Metric{Namespace: "App", Name: "Queue"}}}}}

	net := "policy net of group asg: the metric AWS/EC2 NetworkIn (AutoScalingGroupName=asg) had no values"
	r := simulate(t, stack, []Load{{Service: "web00", Cost: UsualCost(), Curve: Flat(5)}},
		func(o *Options) { o.Span = time.Hour })
	if want := []string{
		"policy cpu of service/prod/web00: the metric App Queue had no values",
		net,
		"policy size of group asg: the metric AWS/AutoScaling GroupDesiredCapacity (AutoScalingGroupName=asg) had no " +
			"values",
	}; !slices.Equal(r.Unmeasured, want) {
		t.Errorf("%q\nwant %q", r.Unmeasured, want)
	}
	if got := transcript(r, "group", "policy"); got != "" {
		t.Error(got)
	}
	var text, page strings.Builder
	Text(&text, r, 200)
	if err := HTML(&page, []string{"a"}, []*Report{r}); err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{text.String(), page.String()} {
		if !strings.Contains(shown, "Not simulated") || !strings.Contains(shown, "App Queue had no values") {
			t.Error(shown)
		}
	}

	// Instances without tasks have no traffic of 0 either.
	stack.Services[0].DesiredCount, stack.ScalableTargets, stack.ScalingPolicies, stack.Alarms = 0, nil, nil, nil
	stack.GroupPolicies = []*groupscaling.Policy{network}
	r = simulate(t, stack, nil, func(o *Options) { o.Span = time.Hour })
	if got := transcript(r, "group"); got != "" || !slices.Equal(r.Unmeasured, []string{net}) {
		t.Errorf("%q, %s", r.Unmeasured, got)
	}
}
