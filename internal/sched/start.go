package sched

import "slices"

// Start plans StartTask: one task of the request on each of the named instances, by whole ARN, with the effect of those
// before it counted. Count and the strategies of the request do not matter. An unknown instance fails with MISSING, one
// that is not ACTIVE with INACTIVE, others with the first reason that keeps the task away (ecs.md 1.6).
func Start(w World, r Request, instanceARNs []string) Result {
	nodes := newNodes(w)
	var out Result
	for _, arn := range instanceARNs {
		k := slices.IndexFunc(nodes, func(n *node) bool { return n.ARN == arn })
		if k < 0 {
			out.Failures = append(out.Failures, Failure{InstanceARN: arn, Reason: ReasonMissing,
				Detail: "no container instance with this ARN is in the cluster"})
			continue
		}
		if why := Explain(&nodes[k].Instance, &r); len(why) > 0 {
			out.Failures = append(out.Failures, Failure{InstanceARN: arn, Reason: why[0].Code, Detail: why[0].Detail})
			continue
		}
		nodes[k].take(&r)
		out.Placements = append(out.Placements, Placement{InstanceARN: arn})
	}
	return out
}

// Eligible returns the ARNs of the instances that a daemon service of the request wants to run on, ordered by ARN: those
// that are ACTIVE and meet zones, attributes and constraints, whether or not there is room now (ecs.md 3.3).
func Eligible(w World, r Request) []string {
	checks := placementFilters()
	var list []string
	for k := range w.Instances {
		if admits(checks, &w.Instances[k], &r) {
			list = append(list, w.Instances[k].ARN)
		}
	}
	slices.Sort(list)
	return list
}
