package elb

import (
	"context"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elbv2"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/role"
	"github.com/berthhq/berth/internal/state"
)

func (a *api) createLoadBalancer(
	ctx context.Context, call *awswire.Call, in *shape.CreateLoadBalancerInput,
) (*shape.CreateLoadBalancerOutput, error) {
	want, err := parseLoadBalancer(call, in)
	if err != nil {
		return nil, err
	}
	id, number := newid.Hex(call.Random, 8), newid.Number(call.Random)
	want.ARN = elb.LoadBalancerARN(call.Region, call.Account, want.Name, id)
	want.DNSName = elb.DNSName(want.Name, number, call.Region, want.Scheme)
	var out shape.LoadBalancer
	err = a.change(ctx, func(tx *state.Tx) error {
		if err := checkSecurityGroups(&tx.Tables, call, want.SecurityGroups); err != nil {
			return err
		}
		n := 0
		for old := range tx.LoadBalancers.Prefix(mine(call, "loadbalancer/")) {
			n++
			if old.Name != want.Name {
				continue
			}
			if !sameLoadBalancer(old, want) {
				return fault.New(shape.CodeDuplicateLoadBalancerName,
					"A load balancer with the same name '%s' exists, but with different settings", want.Name)
			}
			out = answerLoadBalancer(&tx.Tables, old)
			return nil
		}
		if n >= elb.MaxLoadBalancers {
			return fault.New(shape.CodeTooManyLoadBalancers,
				"The maximum number of load balancers in this region is '%d'", elb.MaxLoadBalancers)
		}
		want.Slot = elb.NextSlot(tx.LoadBalancers.All(), fleet.GatewaySlots)
		tx.LoadBalancers.Put(want)
		launch.LinkRole(tx, call.Account, role.ServiceELB, call.Now)
		out = answerLoadBalancer(&tx.Tables, want)
		return nil
	})
	return &shape.CreateLoadBalancerOutput{LoadBalancers: []shape.LoadBalancer{out}}, err
}

func parseLoadBalancer(call *awswire.Call, in *shape.CreateLoadBalancerInput) (*elb.LoadBalancer, error) {
	lb := &elb.LoadBalancer{Name: request.Value(in.Name), Scheme: in.Scheme, IPAddressType: in.IpAddressType,
		Created:        call.Now,
		SecurityGroups: in.SecurityGroups}
	if in.Type != "" && in.Type != "application" {
		return nil, invalid("Load balancers of type '%s' are not implemented; the type must be 'application'", in.Type)
	}
	if err := elb.ValidLoadBalancerName(lb.Name); err != nil {
		return nil, err
	}
	if lb.Scheme == "" {
		lb.Scheme = elb.SchemeInternetFacing
	}
	if err := setIPAddressType(lb, in.IpAddressType); err != nil {
		return nil, err
	}
	if err := setSubnets(call, lb, in.Subnets, in.SubnetMappings); err != nil {
		return nil, err
	}
	if len(lb.SecurityGroups) == 0 {
		lb.SecurityGroups = []string{defaultSecurityGroup(call)}
	}
	var err error
	lb.Tags, err = parseTags(in.Tags)
	return lb, err
}

// sameLoadBalancer compares what CreateLoadBalancer sets; the call is idempotent for equal settings.
func sameLoadBalancer(a, b *elb.LoadBalancer) bool {
	return a.Scheme == b.Scheme && a.IPAddressType == b.IPAddressType && slices.Equal(a.Zones, b.Zones) &&
		slices.Equal(a.SecurityGroups, b.SecurityGroups) && slices.Equal(a.Tags, b.Tags)
}

func (a *api) deleteLoadBalancer(
	ctx context.Context, call *awswire.Call, in *shape.DeleteLoadBalancerInput,
) (*shape.DeleteLoadBalancerOutput, error) {
	if err := checkARN(call, "loadbalancer/", "load balancer", in.LoadBalancerArn); err != nil {
		return nil, err
	}
	return nil, a.change(ctx, func(tx *state.Tx) error {
		lb, ok := get(&tx.Tables.LoadBalancers, call, request.Value(in.LoadBalancerArn))
		if !ok {
			return nil // alb.md 8.3: unknown is success
		}
		if lb.Attribute("deletion_protection.enabled") == "true" {
			return fault.New(shape.CodeOperationNotPermitted,
				"Load balancer '%s' cannot be deleted because deletion protection is enabled", lb.ARN)
		}
		for l := range tx.Listeners.By(state.ListenersByLoadBalancer, lb.ARN) {
			removeListener(tx, l)
		}
		tx.LoadBalancers.Delete(lb.ARN)
		return nil
	})
}

func (a *api) describeLoadBalancers(
	_ context.Context, call *awswire.Call, in *shape.DescribeLoadBalancersInput,
) (*shape.DescribeLoadBalancersOutput, error) {
	if len(in.LoadBalancerArns) > 0 && len(in.Names) > 0 {
		return nil, invalid("Load balancer names and load balancer ARNs cannot be specified at the same time")
	}
	if len(in.LoadBalancerArns) > 20 {
		return nil, invalid("A maximum of 20 load balancer ARNs can be described in one call")
	}
	t := &a.store.View().Tables
	var chosen []*elb.LoadBalancer
	for _, key := range in.LoadBalancerArns {
		lb, err := loadBalancer(t, call, &key)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, lb)
	}
	all := slices.Collect(t.LoadBalancers.Prefix(mine(call, "loadbalancer/")))
	for _, name := range in.Names {
		i := slices.IndexFunc(all, func(lb *elb.LoadBalancer) bool { return lb.Name == name })
		if i < 0 {
			return nil, fault.New(shape.CodeLoadBalancerNotFound, "Load balancers '[%s]' not found", name)
		}
		chosen = append(chosen, all[i])
	}
	if len(in.LoadBalancerArns)+len(in.Names) == 0 {
		chosen = all
	}
	items, next, err := request.Page(call, pages.Ask(in.PageSize, in.Marker), chosen,
		func(lb *elb.LoadBalancer) string { return lb.ARN }, append(in.LoadBalancerArns, in.Names...)...)
	return &shape.DescribeLoadBalancersOutput{NextMarker: next,
		LoadBalancers: request.Answers(items,
			func(lb *elb.LoadBalancer) shape.LoadBalancer { return answerLoadBalancer(t, lb) })}, err
}

func answerLoadBalancer(t *state.Tables, lb *elb.LoadBalancer) shape.LoadBalancer {
	return shape.LoadBalancer{
		AvailabilityZones:     answerZones(lb),
		CanonicalHostedZoneId: new(elb.CanonicalHostedZoneID),
		CreatedTime:           &lb.Created,
		DNSName:               &lb.DNSName,
		IpAddressType:         lb.IPAddressType,
		LoadBalancerArn:       &lb.ARN,
		LoadBalancerName:      &lb.Name,
		Scheme:                lb.Scheme,
		SecurityGroups:        lb.SecurityGroups,
		State:                 &shape.LoadBalancerState{Code: elb.StateActive, Reason: servedElsewhere(t, lb)},
		Type:                  "application",
		VpcId:                 &lb.VPCID,
	}
}

// servedElsewhere tells where listeners are served whose port could not be bound, nil when every
// one is where it was asked for.
func servedElsewhere(t *state.Tables, lb *elb.LoadBalancer) *string {
	var reasons []string
	for l := range t.Listeners.By(state.ListenersByLoadBalancer, lb.ARN) {
		if b, ok := t.BoundListeners.Get(l.ARN); ok && b.Reason != "" && !slices.Contains(reasons, b.Reason) {
			reasons = append(reasons, b.Reason)
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	return new(strings.Join(reasons, "; "))
}

func answerZones(lb *elb.LoadBalancer) []shape.AvailabilityZone {
	return request.Answers(lb.Zones, func(z elb.Zone) shape.AvailabilityZone {
		return shape.AvailabilityZone{ZoneName: &z.Name, SubnetId: &z.SubnetID}
	})
}
