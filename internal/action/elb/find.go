package elb

import (
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elbv2"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
)

// mine starts the ARNs of a kind of the caller's: "loadbalancer/app/", "targetgroup/".
func mine(call *awswire.Call, kind string) string {
	return arn.New(elb.Service, call.Region, call.Account, kind).String()
}

// get finds a resource of the caller's by its ARN; those of other accounts and regions are not there.
func get[T any](t *state.Table[T], call *awswire.Call, key string) (*T, bool) {
	if !strings.HasPrefix(key, mine(call, "")) {
		return nil, false
	}
	return t.Get(key)
}

// checkARN reports an ARN that is none of a resource of the kind in the caller's account and region.
func checkARN(call *awswire.Call, path, kind string, key *string) error {
	if !strings.HasPrefix(request.Value(key), mine(call, path)) {
		return invalid("'%s' is not a valid %s ARN", request.Value(key), kind)
	}
	return nil
}

func loadBalancer(t *state.Tables, call *awswire.Call, key *string) (*elb.LoadBalancer, error) {
	if err := checkARN(call, "loadbalancer/", "load balancer", key); err != nil {
		return nil, err
	}
	lb, ok := get(&t.LoadBalancers, call, request.Value(key))
	if !ok {
		return nil, fault.New(shape.CodeLoadBalancerNotFound, "Load balancer '%s' not found", request.Value(key))
	}
	return lb, nil
}

func listener(t *state.Tables, call *awswire.Call, key *string) (*elb.Listener, error) {
	if err := checkARN(call, "listener/", "listener", key); err != nil {
		return nil, err
	}
	l, ok := get(&t.Listeners, call, request.Value(key))
	if !ok {
		return nil, fault.New(shape.CodeListenerNotFound, "Listener '%s' not found", request.Value(key))
	}
	return l, nil
}

func rule(t *state.Tables, call *awswire.Call, key *string) (*elb.Rule, error) {
	if err := checkARN(call, "listener-rule/", "listener rule", key); err != nil {
		return nil, err
	}
	r, ok := get(&t.Rules, call, request.Value(key))
	if !ok {
		return nil, fault.New(shape.CodeRuleNotFound, "One or more rules not found")
	}
	return r, nil
}

func targetGroup(t *state.Tables, call *awswire.Call, key *string) (*elb.TargetGroup, error) {
	if err := checkARN(call, "targetgroup/", "target group", key); err != nil {
		return nil, err
	}
	g, ok := get(&t.TargetGroups, call, request.Value(key))
	if !ok {
		return nil, fault.New(shape.CodeTargetGroupNotFound, "Target groups '%s' not found", request.Value(key))
	}
	return g, nil
}

// usersOf returns the ARNs of the load balancers whose rules forward to the group.
func usersOf(t *state.Tables, groupARN string) []string { return t.LoadBalancersOf(groupARN) }

// groupsOf returns the target groups that rules of the load balancer forward to.
func groupsOf(t *state.Tables, loadBalancerARN string) []string {
	return t.TargetGroupsOf(loadBalancerARN)
}

// union returns a and what b has besides, which has nothing twice.
func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, v := range b {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// defaultRule returns the listener's default rule, which every listener has.
func defaultRule(t *state.Tables, listenerARN string) *elb.Rule {
	for r := range t.Rules.By(state.RulesByListener, listenerARN) {
		if r.IsDefault() {
			return r
		}
	}
	return &elb.Rule{ListenerARN: listenerARN}
}

// rulesOf returns the listener's rules as they are evaluated: by priority, the default rule last.
func rulesOf(t *state.Tables, listenerARN string) []*elb.Rule {
	rules := slices.Collect(t.Rules.By(state.RulesByListener, listenerARN))
	slices.SortFunc(rules, func(a, b *elb.Rule) int { return strings.Compare(orderOf(a), orderOf(b)) })
	return rules
}

var pages = request.Pages{Default: 400, Least: 1, Most: 400, Refuse: func(size, least, most int32) error {
	return fault.Unsatisfied("ValidationError", size, "pageSize",
		"Member must have value between %d and %d", least, most)
}}
