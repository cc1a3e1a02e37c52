package elb

import (
	"context"
	"maps"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elbv2"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/state"
)

// maxAttributes is how many a call may change (alb.md 8.4).
const maxAttributes = 20

// set returns the attributes with changes, all of which the set must allow.
func set[S any](
	allowed elb.AttributeSet, old map[string]string, changes []S, pair func(S) (key, value *string),
) (map[string]string, error) {
	if len(changes) > maxAttributes {
		return nil, invalid("A maximum of '%d' attributes can be specified", maxAttributes)
	}
	next := maps.Clone(old)
	if next == nil {
		next = map[string]string{}
	}
	seen := map[string]bool{}
	for _, c := range changes {
		key, value := pair(c)
		if seen[request.Value(key)] {
			return nil, invalid("Attribute key '%s' is specified more than once", request.Value(key))
		}
		seen[request.Value(key)] = true
		if err := allowed.Check(request.Value(key), request.Value(value)); err != nil {
			return nil, err
		}
		next[request.Value(key)] = request.Value(value)
	}
	return next, nil
}

// all lists every attribute of the set, those at their default as well, as Terraform needs (alb.md 8.7).
func all[S any](allowed elb.AttributeSet, value func(key string) string, answer func(key, value *string) S) []S {
	var out []S
	for _, k := range allowed.Keys() {
		out = append(out, answer(new(k), new(value(k))))
	}
	return out
}

func lbAttributes(lb *elb.LoadBalancer) []shape.LoadBalancerAttribute {
	return all(elb.LoadBalancerAttributes, lb.Attribute, func(k, v *string) shape.LoadBalancerAttribute {
		return shape.LoadBalancerAttribute{Key: k, Value: v}
	})
}

func (a *api) describeLoadBalancerAttributes(
	_ context.Context, call *awswire.Call, in *shape.DescribeLoadBalancerAttributesInput,
) (*shape.DescribeLoadBalancerAttributesOutput, error) {
	lb, err := loadBalancer(&a.store.View().Tables, call, in.LoadBalancerArn)
	if err != nil {
		return nil, err
	}
	return &shape.DescribeLoadBalancerAttributesOutput{Attributes: lbAttributes(lb)}, nil
}

func (a *api) modifyLoadBalancerAttributes(
	ctx context.Context, call *awswire.Call, in *shape.ModifyLoadBalancerAttributesInput,
) (*shape.ModifyLoadBalancerAttributesOutput, error) {
	out := &shape.ModifyLoadBalancerAttributesOutput{}
	err := a.modify(ctx, call, in.LoadBalancerArn, func(_ *state.Tx, lb *elb.LoadBalancer) (err error) {
		lb.Attributes, err = set(elb.LoadBalancerAttributes, lb.Attributes, in.Attributes,
			func(c shape.LoadBalancerAttribute) (_, _ *string) { return c.Key, c.Value })
		out.Attributes = lbAttributes(lb)
		return err
	})
	return out, err
}

func groupAttributes(g *elb.TargetGroup) []shape.TargetGroupAttribute {
	return all(elb.TargetGroupAttributes, g.Attribute, func(k, v *string) shape.TargetGroupAttribute {
		return shape.TargetGroupAttribute{Key: k, Value: v}
	})
}

func (a *api) describeTargetGroupAttributes(
	_ context.Context, call *awswire.Call, in *shape.DescribeTargetGroupAttributesInput,
) (*shape.DescribeTargetGroupAttributesOutput, error) {
	g, err := targetGroup(&a.store.View().Tables, call, in.TargetGroupArn)
	if err != nil {
		return nil, err
	}
	return &shape.DescribeTargetGroupAttributesOutput{Attributes: groupAttributes(g)}, nil
}

func (a *api) modifyTargetGroupAttributes(
	ctx context.Context, call *awswire.Call, in *shape.ModifyTargetGroupAttributesInput,
) (*shape.ModifyTargetGroupAttributesOutput, error) {
	out := &shape.ModifyTargetGroupAttributesOutput{}
	err := a.change(ctx, func(tx *state.Tx) error {
		old, err := targetGroup(&tx.Tables, call, in.TargetGroupArn)
		if err != nil {
			return err
		}
		g := *old
		g.Attributes, err = set(elb.TargetGroupAttributes, g.Attributes, in.Attributes,
			func(c shape.TargetGroupAttribute) (_, _ *string) { return c.Key, c.Value })
		if err != nil {
			return err
		}
		if err := elb.CheckTargetGroupAttributes(&g); err != nil {
			return err
		}
		for r := range tx.Rules.By(state.RulesByTargetGroup, g.ARN) {
			if err := checkStickiness(&tx.Tables, r.Actions, &g); err != nil {
				return err
			}
		}
		tx.TargetGroups.Put(&g)
		out.Attributes = groupAttributes(&g)
		return nil
	})
	return out, err
}

func listenerAttributes(l *elb.Listener) []shape.ListenerAttribute {
	return all(elb.ListenerAttributes, l.Attribute, func(k, v *string) shape.ListenerAttribute {
		return shape.ListenerAttribute{Key: k, Value: v}
	})
}

func (a *api) describeListenerAttributes(
	_ context.Context, call *awswire.Call, in *shape.DescribeListenerAttributesInput,
) (*shape.DescribeListenerAttributesOutput, error) {
	l, err := listener(&a.store.View().Tables, call, in.ListenerArn)
	if err != nil {
		return nil, err
	}
	return &shape.DescribeListenerAttributesOutput{Attributes: listenerAttributes(l)}, nil
}

func (a *api) modifyListenerAttributes(
	ctx context.Context, call *awswire.Call, in *shape.ModifyListenerAttributesInput,
) (*shape.ModifyListenerAttributesOutput, error) {
	out := &shape.ModifyListenerAttributesOutput{}
	err := a.change(ctx, func(tx *state.Tx) error {
		old, err := listener(&tx.Tables, call, in.ListenerArn)
		if err != nil {
			return err
		}
		l := *old
		l.Attributes, err = set(elb.ListenerAttributes, l.Attributes, in.Attributes,
			func(c shape.ListenerAttribute) (_, _ *string) { return c.Key, c.Value })
		if err != nil {
			return err
		}
		tx.Listeners.Put(&l)
		out.Attributes = listenerAttributes(&l)
		return nil
	})
	return out, err
}
