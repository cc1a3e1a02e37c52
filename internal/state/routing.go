package state

import (
	"slices"

	"github.com/berthhq/berth/internal/elb"
)

// LoadBalancersOf returns the ARNs of the load balancers whose rules forward to a target group.
func (t *Tables) LoadBalancersOf(targetGroupARN string) []string {
	var out []string
	for r := range t.Rules.By(RulesByTargetGroup, targetGroupARN) {
		if l, ok := t.Listeners.Get(r.ListenerARN); ok && !slices.Contains(out, l.LoadBalancerARN) {
			out = append(out, l.LoadBalancerARN)
		}
	}
	return out
}

// TargetGroupsOf returns the ARNs of the target groups that rules of a load balancer forward to.
func (t *Tables) TargetGroupsOf(loadBalancerARN string) []string {
	var out []string
	for l := range t.Listeners.By(ListenersByLoadBalancer, loadBalancerARN) {
		for r := range t.Rules.By(RulesByListener, l.ARN) {
			for _, arn := range elb.Uses(r.Actions) {
				if !slices.Contains(out, arn) {
					out = append(out, arn)
				}
			}
		}
	}
	return out
}

// RegisteredTargets returns the number of targets of target groups that are not draining.
func (t *Tables) RegisteredTargets(targetGroupARNs ...string) int {
	n := 0
	for _, arn := range targetGroupARNs {
		kept, _ := t.Targets.untyped.rows.sums[0].get(arn)
		registered, _ := kept.(int)
		n += registered
	}
	return n
}

// registeredTargets keeps, for each target group, the number of targets that are not draining.
func registeredTargets() sum {
	change := func(kept, row any, by int) any {
		n, _ := kept.(int)
		if row.(*elb.Target).IsDraining() {
			by = 0
		}
		if n += by; n == 0 {
			return nil
		}
		return n
	}
	return sum{
		entry:  func(row any) string { return row.(*elb.Target).TargetGroupARN },
		add:    func(kept, row any) any { return change(kept, row, 1) },
		remove: func(kept, row any) any { return change(kept, row, -1) },
	}
}
