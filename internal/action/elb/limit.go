package elb

import (
	"context"
	"slices"
	"strconv"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elbv2"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fault"
)

func (a *api) describeAccountLimits(
	_ context.Context, call *awswire.Call, in *shape.DescribeAccountLimitsInput,
) (*shape.DescribeAccountLimitsOutput, error) {
	items, next, err := request.Cut(call, pages.Ask(in.PageSize, in.Marker), slices.Values(elb.Limits()),
		func(l elb.Limit) string { return l.Name })
	return &shape.DescribeAccountLimitsOutput{NextMarker: next,
		Limits: request.Answers(items, func(l elb.Limit) shape.Limit {
			return shape.Limit{Name: &l.Name, Max: new(strconv.Itoa(l.Max))}
		})}, err
}

func (a *api) describeSSLPolicies(
	_ context.Context, call *awswire.Call, in *shape.DescribeSSLPoliciesInput,
) (*shape.DescribeSSLPoliciesOutput, error) {
	policies := elb.SSLPolicies()
	for _, name := range in.Names {
		if !slices.ContainsFunc(policies, func(p elb.SSLPolicy) bool { return p.Name == name }) {
			return nil, fault.New(shape.CodeSSLPolicyNotFound, "SSL policy '%s' not found", name)
		}
	}
	if len(in.Names) > 0 {
		policies = slices.DeleteFunc(policies, func(p elb.SSLPolicy) bool { return !slices.Contains(in.Names, p.Name) })
	}
	items, next, err := request.Cut(call, pages.Ask(in.PageSize, in.Marker), slices.Values(policies),
		func(p elb.SSLPolicy) string { return p.Name }, in.Names...)
	return &shape.DescribeSSLPoliciesOutput{NextMarker: next, SslPolicies: request.Answers(items, answerSSLPolicy)}, err
}

func answerSSLPolicy(p elb.SSLPolicy) shape.SslPolicy {
	out := shape.SslPolicy{
		Name: &p.Name, SslProtocols: p.Protocols, SupportedLoadBalancerTypes: []string{"application"},
	}
	for i, c := range p.Ciphers {
		out.Ciphers = append(out.Ciphers, shape.Cipher{Name: new(c), Priority: new(int32(i + 1))})
	}
	return out
}
