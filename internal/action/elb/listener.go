package elb

import (
	"context"
	"reflect"
	"slices"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elbv2"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) createListener(
	ctx context.Context, call *awswire.Call, in *shape.CreateListenerInput,
) (*shape.CreateListenerOutput, error) {
	want, actions, err := parseListener(call, in)
	if err != nil {
		return nil, err
	}
	id, ruleID := newid.Hex(call.Random, 8), newid.Hex(call.Random, 8)
	var out shape.Listener
	err = a.change(ctx, func(tx *state.Tx) error {
		lb, err := loadBalancer(&tx.Tables, call, in.LoadBalancerArn)
		if err != nil {
			return err
		}
		if err := checkGroups(&tx.Tables, call, lb.ARN, actions); err != nil {
			return err
		}
		n := 0
		for old := range tx.Listeners.By(state.ListenersByLoadBalancer, lb.ARN) {
			n++
			if old.Port != want.Port {
				continue
			}
			// alb.md L1: the same settings twice make one listener.
			if old.Protocol == want.Protocol && sameActions(defaultRule(&tx.Tables, old.ARN).Actions, actions) {
				out = answerListener(&tx.Tables, old)
				return nil
			}
			return fault.New(shape.CodeDuplicateListener,
				"A listener already exists on this port for this load balancer '%s'", lb.ARN)
		}
		if n >= elb.MaxListenersPerLB {
			return fault.New(shape.CodeTooManyListeners, "A load balancer can have at most '%d' listeners",
				elb.MaxListenersPerLB)
		}
		want.LoadBalancerARN, want.ARN = lb.ARN, elb.ListenerARN(lb.ARN, id)
		tx.Listeners.Put(want)
		tx.Rules.Put(&elb.Rule{ARN: elb.RuleARN(want.ARN, ruleID), ListenerARN: want.ARN, Actions: actions})
		out = answerListener(&tx.Tables, want)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.CreateListenerOutput{Listeners: []shape.Listener{out}}, nil
}

func parseListener(call *awswire.Call, in *shape.CreateListenerInput) (*elb.Listener, []elb.Action, error) {
	l := &elb.Listener{Created: call.Now}
	if err := setFrontEnd(l, in.Port, in.Protocol); err != nil {
		return nil, nil, err
	}
	if in.Port == nil {
		return nil, nil, invalid("A listener port must be specified")
	}
	if l.Protocol == "" {
		return nil, nil, invalid("A listener protocol must be specified")
	}
	if err := checkTLS(l.Protocol, in.Certificates, in.SslPolicy, in.MutualAuthentication); err != nil {
		return nil, nil, err
	}
	actions, err := parseActions(in.DefaultActions, l.Protocol)
	if err != nil {
		return nil, nil, err
	}
	l.Tags, err = parseTags(in.Tags)
	return l, actions, err
}

func setFrontEnd(l *elb.Listener, port *int32, protocol string) error {
	if port != nil {
		if *port < 1 || *port > 65535 {
			return invalid("The listener port '%d' must be between '1-65535' inclusive", *port)
		}
		l.Port = int(*port)
	}
	if protocol != "" {
		if protocol != elb.HTTP && protocol != elb.HTTPS {
			return invalid("Listener protocol '%s' must be one of 'HTTPS, HTTP'", protocol)
		}
		l.Protocol = protocol
	}
	return nil
}

// checkTLS refuses what needs a certificate, because there is no store of certificates to find one in.
func checkTLS(
	protocol string, certificates []shape.Certificate, policy *string, mutual *shape.MutualAuthenticationAttributes,
) error {
	if mutual != nil && request.Value(mutual.Mode) != "" && request.Value(mutual.Mode) != "off" {
		return invalid("MutualAuthentication of mode '%s' is not implemented; the mode must be 'off'",
			request.Value(mutual.Mode))
	}
	if policy != nil && !slices.ContainsFunc(elb.SSLPolicies(),
		func(p elb.SSLPolicy) bool { return p.Name == *policy }) {
		return fault.New(shape.CodeSSLPolicyNotFound, "SSL policy '%s' not found", *policy)
	}
	if protocol == elb.HTTP {
		if len(certificates) > 0 || policy != nil {
			return invalid("Certificates and an SSL policy can be specified for HTTPS listeners only")
		}
		return nil
	}
	if len(certificates) == 0 {
		return invalid("A certificate must be specified for HTTPS listeners, and Berth has no certificate " +
			"store yet: use HTTP")
	}
	return certificateNotFound(request.Value(certificates[0].CertificateArn))
}

func certificateNotFound(arn string) error {
	return fault.New(shape.CodeCertificateNotFound,
		"Certificate '%s' not found. Berth has no certificate store yet, so that listeners must use HTTP", arn)
}

func sameActions(a, b []elb.Action) bool {
	return slices.EqualFunc(a, b, func(x, y elb.Action) bool { return reflect.DeepEqual(x, y) })
}

func (a *api) deleteListener(
	ctx context.Context, call *awswire.Call, in *shape.DeleteListenerInput,
) (*shape.DeleteListenerOutput, error) {
	return nil, a.change(ctx, func(tx *state.Tx) error {
		l, err := listener(&tx.Tables, call, in.ListenerArn)
		if err != nil {
			return err
		}
		removeListener(tx, l)
		return nil
	})
}

// removeListener removes a listener and its rules.
func removeListener(tx *state.Tx, l *elb.Listener) {
	for r := range tx.Rules.By(state.RulesByListener, l.ARN) {
		tx.Rules.Delete(r.ARN)
	}
	tx.Listeners.Delete(l.ARN)
	tx.BoundListeners.Delete(l.ARN)
}

func (a *api) modifyListener(
	ctx context.Context, call *awswire.Call, in *shape.ModifyListenerInput,
) (*shape.ModifyListenerOutput, error) {
	var out shape.Listener
	err := a.change(ctx, func(tx *state.Tx) error {
		old, err := listener(&tx.Tables, call, in.ListenerArn)
		if err != nil {
			return err
		}
		l := *old
		if err := setFrontEnd(&l, in.Port, in.Protocol); err != nil {
			return err
		}
		if err := checkTLS(l.Protocol, in.Certificates, in.SslPolicy, in.MutualAuthentication); err != nil {
			return err
		}
		for other := range tx.Listeners.By(state.ListenersByLoadBalancer, l.LoadBalancerARN) {
			if other.ARN != l.ARN && other.Port == l.Port {
				return fault.New(shape.CodeDuplicateListener,
					"A listener already exists on this port for this load balancer '%s'", l.LoadBalancerARN)
			}
		}
		if in.DefaultActions != nil {
			rule := *defaultRule(&tx.Tables, l.ARN)
			if rule.Actions, err = parseActions(in.DefaultActions, l.Protocol); err != nil {
				return err
			}
			if err := checkGroups(&tx.Tables, call, l.LoadBalancerARN, rule.Actions); err != nil {
				return err
			}
			tx.Rules.Put(&rule)
		}
		if l.Port != old.Port {
			tx.BoundListeners.Delete(l.ARN)
		}
		tx.Listeners.Put(&l)
		out = answerListener(&tx.Tables, &l)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.ModifyListenerOutput{Listeners: []shape.Listener{out}}, nil
}

func (a *api) describeListeners(
	_ context.Context, call *awswire.Call, in *shape.DescribeListenersInput,
) (*shape.DescribeListenersOutput, error) {
	if (in.LoadBalancerArn == nil) == (len(in.ListenerArns) == 0) {
		return nil, invalid("You must specify either listener ARNs or a load balancer ARN")
	}
	t := &a.store.View().Tables
	var chosen []*elb.Listener
	if in.LoadBalancerArn != nil {
		lb, err := loadBalancer(t, call, in.LoadBalancerArn)
		if err != nil {
			return nil, err
		}
		chosen = slices.Collect(t.Listeners.By(state.ListenersByLoadBalancer, lb.ARN))
	}
	for _, key := range in.ListenerArns {
		l, err := listener(t, call, &key)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, l)
	}
	items, next, err := request.Page(call, pages.Ask(in.PageSize, in.Marker), chosen,
		func(l *elb.Listener) string { return l.ARN }, append(in.ListenerArns, request.Value(in.LoadBalancerArn))...)
	return &shape.DescribeListenersOutput{NextMarker: next,
		Listeners: request.Answers(items, func(l *elb.Listener) shape.Listener { return answerListener(t, l) })}, err
}

func answerListener(t *state.Tables, l *elb.Listener) shape.Listener {
	return shape.Listener{ListenerArn: &l.ARN, LoadBalancerArn: &l.LoadBalancerARN, Port: new(int32(l.Port)),
		Protocol:       l.Protocol,
		DefaultActions: request.Answers(defaultRule(t, l.ARN).Actions, answerAction)}
}
