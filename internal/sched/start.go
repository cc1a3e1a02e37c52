package sched

import "slices"

// Start plans StartTask: one task of the request on each of the named instances, given by their
// whole ARNs; each sees the tasks placed before it. Count and Strategies of the request are not
// used. An unknown instance fails with MISSING, one that is not ACTIVE with INACTIVE, and others
// with the first requirement that is not met (ecs.md 1.6).
func Start(w World, r Request, instanceARNs []string) Result {
	nodes := newNodes(w)
	ownMachines(nodes, &r)
	var out Result
	for _, arn := range instanceARNs {
		k := slices.IndexFunc(nodes, func(n *node) bool { return n.ARN == arn })
		if k < 0 {
			out.Failures = append(out.Failures, Failure{InstanceARN: arn, Reason: ReasonMissing,
				Detail: "no container instance with this ARN is in the cluster"})
			continue
		}
		if why := Explain(nodes[k].Instance, &r); len(why) > 0 {
			out.Failures = append(out.Failures, Failure{InstanceARN: arn, Reason: why[0].Code, Detail: why[0].Detail})
			continue
		}
		nodes[k].take(&r)
		out.Placements = append(out.Placements, Placement{InstanceARN: arn})
	}
	return out
}

// Eligible returns the instances on which a daemon service should run its task, as ARNs in order:
// those that are ACTIVE and match zones, attributes and constraints, whether or not they have room
// now (ecs.md 3.3).
func Eligible(w World, r Request) []string {
	checks := placementFilters()
	var list []string
	for k := range w.Instances {
		if offers(w.Instances[k], &r) && admits(checks, w.Instances[k], &r) {
			list = append(list, w.Instances[k].ARN)
		}
	}
	slices.Sort(list)
	return list
}
