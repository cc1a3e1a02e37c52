package fleet

import (
	"fmt"
	"slices"
	"testing"
)

// Each state counts for one metric; instances in standby are not in the total. Only enabled metrics are measured.
func TestGroupMetrics(t *testing.T) {
	var members []*Instance
	for _, l := range []Lifecycle{
		LifecyclePending, LifecyclePendingWait, LifecyclePendingProceed,
		LifecycleInService, LifecycleInService, LifecycleInService, LifecycleInService, LifecycleInService,
		LifecycleEnteringStandby, LifecycleStandby,
		LifecycleTerminating, LifecycleTerminatingWait, LifecycleTerminatingProceed, LifecycleTerminating,
		LifecycleTerminated,
	} {
		members = append(members, &Instance{Scaling: Membership{Group: "g", Lifecycle: l}})
	}
	g := &AutoScalingGroup{Min: 1, Max: 20, Desired: 8, Metrics: GroupMetricNames()}
	const want = "[{GroupMinSize 1} {GroupMaxSize 20} {GroupDesiredCapacity 8} {GroupInServiceInstances 5} " +
		"{GroupPendingInstances 3} {GroupStandbyInstances 2} {GroupTerminatingInstances 4} {GroupTotalInstances 12} " +
		"{GroupInServiceCapacity 5} {GroupPendingCapacity 3} {GroupStandbyCapacity 2} {GroupTerminatingCapacity 4} " +
		"{GroupTotalCapacity 12}]"
	if got := fmt.Sprint(g.Measure(slices.Values(members))); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	g.Metrics = []string{"GroupTotalInstances", "GroupMaxSize"}
	if got := fmt.Sprint(g.Measure(slices.Values(members))); got != "[{GroupMaxSize 20} {GroupTotalInstances 12}]" {
		t.Error(got)
	}
	g.Metrics = nil
	if got := g.Measure(slices.Values(members)); got != nil {
		t.Errorf("a group without metrics has %v", got)
	}
}
