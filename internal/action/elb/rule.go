package elb

import (
	"context"
	"fmt"
	"strconv"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elbv2"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) createRule(
	ctx context.Context, call *awswire.Call, in *shape.CreateRuleInput,
) (*shape.CreateRuleOutput, error) {
	priority, err := parsePriority(in.Priority)
	if err != nil {
		return nil, err
	}
	want := &elb.Rule{Priority: priority}
	if want.Conditions, err = parseConditions(in.Conditions); err != nil {
		return nil, err
	}
	if len(want.Conditions) == 0 {
		return nil, invalid("A condition must be specified")
	}
	if want.Tags, err = parseTags(in.Tags); err != nil {
		return nil, err
	}
	id := newid.Hex(call.Random, 8)
	err = a.change(ctx, func(tx *state.Tx) error {
		l, err := listener(&tx.Tables, call, in.ListenerArn)
		if err != nil {
			return err
		}
		if want.Actions, err = parseActions(in.Actions, l.Protocol); err != nil {
			return err
		}
		if err := checkGroups(&tx.Tables, call, l.LoadBalancerARN, want.Actions); err != nil {
			return err
		}
		for r := range tx.Rules.By(state.RulesByListener, l.ARN) {
			if r.Priority == want.Priority {
				return fault.New(shape.CodePriorityInUse, "Priority '%d' is currently in use", want.Priority)
			}
		}
		if countRules(&tx.Tables, l.LoadBalancerARN) >= elb.MaxRulesPerLB {
			return fault.New(shape.CodeTooManyRules, "A load balancer can have at most '%d' rules", elb.MaxRulesPerLB)
		}
		want.ListenerARN, want.ARN = l.ARN, elb.RuleARN(l.ARN, id)
		tx.Rules.Put(want)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.CreateRuleOutput{Rules: []shape.Rule{answerRule(want)}}, nil
}

func parsePriority(p *int32) (int, error) {
	if p == nil || *p < 1 || *p > 50000 {
		return 0, invalid("The rule priority must be between '1-50000' inclusive")
	}
	return int(*p), nil
}

// countRules counts a load balancer's rules without the default ones (alb.md R6).
func countRules(t *state.Tables, loadBalancerARN string) int {
	n := 0
	for l := range t.Listeners.By(state.ListenersByLoadBalancer, loadBalancerARN) {
		for r := range t.Rules.By(state.RulesByListener, l.ARN) {
			if !r.IsDefault() {
				n++
			}
		}
	}
	return n
}

func (a *api) deleteRule(
	ctx context.Context, call *awswire.Call, in *shape.DeleteRuleInput,
) (*shape.DeleteRuleOutput, error) {
	return nil, a.change(ctx, func(tx *state.Tx) error {
		r, err := rule(&tx.Tables, call, in.RuleArn)
		if err != nil {
			return err
		}
		if r.IsDefault() {
			return fault.New(shape.CodeOperationNotPermitted, "Default rule '%s' cannot be deleted", r.ARN)
		}
		tx.Rules.Delete(r.ARN)
		return nil
	})
}

func (a *api) modifyRule(
	ctx context.Context, call *awswire.Call, in *shape.ModifyRuleInput,
) (*shape.ModifyRuleOutput, error) {
	if in.Conditions == nil && in.Actions == nil && in.ResetTransforms == nil {
		return nil, invalid("Either conditions or actions must be specified") // alb.md C4
	}
	if in.Conditions != nil && len(in.Conditions) == 0 {
		return nil, invalid("A condition must be specified") // a rule without any would take every request
	}
	conditions, err := parseConditions(in.Conditions)
	if err != nil {
		return nil, err
	}
	var out shape.Rule
	err = a.change(ctx, func(tx *state.Tx) error {
		old, err := rule(&tx.Tables, call, in.RuleArn)
		if err != nil {
			return err
		}
		l, err := listener(&tx.Tables, call, &old.ListenerARN)
		if err != nil {
			return err
		}
		r := *old
		if in.Conditions != nil {
			if r.IsDefault() {
				return fault.New(shape.CodeOperationNotPermitted, "Default rule '%s' cannot have conditions", r.ARN)
			}
			r.Conditions = conditions
		}
		if in.Actions != nil {
			if r.Actions, err = parseActions(in.Actions, l.Protocol); err != nil {
				return err
			}
			if err := checkGroups(&tx.Tables, call, l.LoadBalancerARN, r.Actions); err != nil {
				return err
			}
		}
		tx.Rules.Put(&r)
		out = answerRule(&r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.ModifyRuleOutput{Rules: []shape.Rule{out}}, nil
}

// setRulePriorities is atomic; priorities may be swapped as long as none is left in use twice (alb.md R2).
func (a *api) setRulePriorities(
	ctx context.Context, call *awswire.Call, in *shape.SetRulePrioritiesInput,
) (*shape.SetRulePrioritiesOutput, error) {
	wanted, given := map[string]int{}, map[int]bool{}
	for _, p := range in.RulePriorities {
		n, err := parsePriority(p.Priority)
		if err != nil {
			return nil, err
		}
		if given[n] {
			return nil, invalid("Priority '%d' was provided multiple times", n)
		}
		if _, twice := wanted[request.Value(p.RuleArn)]; twice {
			return nil, invalid("Rule '%s' was provided multiple times", request.Value(p.RuleArn))
		}
		wanted[request.Value(p.RuleArn)], given[n] = n, true
	}
	var out []shape.Rule
	err := a.change(ctx, func(tx *state.Tx) error {
		out = nil
		for _, p := range in.RulePriorities {
			old, err := rule(&tx.Tables, call, p.RuleArn)
			if err != nil {
				return err
			}
			if old.IsDefault() {
				return fault.New(shape.CodeOperationNotPermitted,
					"The priority of default rule '%s' cannot be changed", old.ARN)
			}
			for other := range tx.Rules.By(state.RulesByListener, old.ListenerARN) {
				if _, moves := wanted[other.ARN]; !moves && other.Priority == int(*p.Priority) {
					return fault.New(shape.CodePriorityInUse, "Priority '%d' is currently in use", other.Priority)
				}
			}
			r := *old
			r.Priority = int(*p.Priority)
			tx.Rules.Put(&r)
			out = append(out, answerRule(&r))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.SetRulePrioritiesOutput{Rules: out}, nil
}

func (a *api) describeRules(
	_ context.Context, call *awswire.Call, in *shape.DescribeRulesInput,
) (*shape.DescribeRulesOutput, error) {
	if in.ListenerArn == nil && len(in.RuleArns) == 0 {
		return nil, invalid("You must specify either listener rule ARNs or a listener ARN")
	}
	if in.ListenerArn != nil && len(in.RuleArns) > 0 {
		return nil, invalid("Listener rule ARNs and a listener ARN cannot be specified at the same time")
	}
	t := &a.store.View().Tables
	var chosen []*elb.Rule
	if in.ListenerArn != nil {
		l, err := listener(t, call, in.ListenerArn)
		if err != nil {
			return nil, err
		}
		chosen = rulesOf(t, l.ARN)
	}
	for _, key := range in.RuleArns {
		r, err := rule(t, call, &key)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, r)
	}
	items, next, err := request.Page(call, pages.Ask(in.PageSize, in.Marker), chosen, orderOf,
		append(in.RuleArns, request.Value(in.ListenerArn))...)
	return &shape.DescribeRulesOutput{NextMarker: next, Rules: request.Answers(items, answerRule)}, err
}

// orderOf sorts rules as they are evaluated.
func orderOf(r *elb.Rule) string {
	if r.IsDefault() {
		return "default " + r.ARN
	}
	return fmt.Sprintf("%05d %s", r.Priority, r.ARN)
}

func answerRule(r *elb.Rule) shape.Rule {
	priority := "default"
	if !r.IsDefault() {
		priority = strconv.Itoa(r.Priority)
	}
	return shape.Rule{RuleArn: new(r.ARN), Priority: &priority, IsDefault: new(r.IsDefault()),
		Actions:    request.Answers(r.Actions, answerAction),
		Conditions: request.Answers(r.Conditions, answerCondition)}
}
