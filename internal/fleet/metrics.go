package fleet

import (
	"iter"
	"slices"
)

// GroupMetricNames returns the metrics of groups in the order in which DescribeMetricCollectionTypes lists them.
func GroupMetricNames() []string {
	return []string{"GroupMinSize", "GroupMaxSize", "GroupDesiredCapacity", "GroupInServiceInstances",
		"GroupPendingInstances", "GroupStandbyInstances", "GroupTerminatingInstances", "GroupTotalInstances",
		"GroupInServiceCapacity", "GroupPendingCapacity", "GroupStandbyCapacity", "GroupTerminatingCapacity",
		"GroupTotalCapacity"}
}

// GroupMetric is the present value of a group's metric.
type GroupMetric struct {
	Name  string
	Value int
}

// Measure returns the values of the metrics that are enabled for the group, in the order of GroupMetricNames. The total
// has no instances in standby, as on AWS. Instances have no weights, so each is one unit of capacity.
func (g *AutoScalingGroup) Measure(members iter.Seq[*Instance]) []GroupMetric {
	var inService, pending, standby, terminating int
	for m := range members {
		switch l := m.Scaling.Lifecycle; {
		case l == LifecycleInService:
			inService++
		case l.Launching():
			pending++
		case l.Resting():
			standby++
		case l.Leaving():
			terminating++
		}
	}
	total := inService + pending + terminating
	values := []int{g.Min, g.Max, g.Desired, inService, pending, standby, terminating, total,
		inService, pending, standby, terminating, total}
	var all []GroupMetric
	for n, name := range GroupMetricNames() {
		if slices.Contains(g.Metrics, name) {
			all = append(all, GroupMetric{name, values[n]})
		}
	}
	return all
}
