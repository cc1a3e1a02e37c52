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
		n += t.Targets.untyped.count(sumOfRegisteredTargets, arn)
	}
	return n
}
