package elb

import (
	"cmp"
	"context"
	"slices"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elbv2"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// setSubnets puts the load balancer into the zones of the subnets, which must be at least two (alb.md 8.3).
func setSubnets(call *awswire.Call, lb *elb.LoadBalancer, ids []string, mappings []shape.SubnetMapping) error {
	if len(ids) > 0 && len(mappings) > 0 {
		return invalid("You must specify either subnets or subnet mappings, but not both")
	}
	for _, m := range mappings {
		ids = append(ids, request.Value(m.SubnetId))
	}
	lb.Zones = nil
	for _, id := range ids {
		s, ok := fleet.FindSubnet(call.Region, call.Account, id)
		if !ok {
			return fault.New(shape.CodeSubnetNotFound, "The subnet ID '%s' does not exist", id)
		}
		zone := elb.Zone{Name: s.Zone.Name, SubnetID: s.ID}
		if slices.Contains(lb.Zones, zone) {
			return fault.New(shape.CodeInvalidConfigurationRequest,
				"A load balancer cannot be attached to multiple subnets in the same Availability Zone")
		}
		lb.Zones, lb.VPCID = append(lb.Zones, zone), s.VPC
	}
	if len(lb.Zones) < 2 {
		return invalid("At least two subnets in two different Availability Zones must be specified")
	}
	slices.SortFunc(lb.Zones, func(a, b elb.Zone) int { return cmp.Compare(a.Name, b.Name) })
	return nil
}

func setIPAddressType(lb *elb.LoadBalancer, want string) error {
	if want == "" {
		want = "ipv4"
	}
	if want != "ipv4" {
		return fault.New(shape.CodeInvalidConfigurationRequest,
			"IpAddressType '%s' is not supported: the subnets have no IPv6 addresses; use 'ipv4'", want)
	}
	lb.IPAddressType = want
	return nil
}

func defaultSecurityGroup(call *awswire.Call) string {
	return fleet.DefaultVPC(call.Region, call.Account).SecurityGroup
}

func checkSecurityGroups(t *state.Tables, call *awswire.Call, ids []string) error {
	for _, id := range ids {
		if id == defaultSecurityGroup(call) {
			continue
		}
		if _, ok := t.SecurityGroups.Get(fleet.Key(call.Region, call.Account, id)); !ok {
			return fault.New(shape.CodeInvalidSecurityGroup, "The security group '%s' does not exist", id)
		}
	}
	return nil
}

// modify changes a copy of a load balancer in one transaction.
func (a *api) modify(
	ctx context.Context, call *awswire.Call, key *string, fn func(*state.Tx, *elb.LoadBalancer) error,
) error {
	return a.change(ctx, func(tx *state.Tx) error {
		old, err := loadBalancer(&tx.Tables, call, key)
		if err != nil {
			return err
		}
		lb := *old
		if err := fn(tx, &lb); err != nil {
			return err
		}
		tx.LoadBalancers.Put(&lb)
		return nil
	})
}

func (a *api) setSubnets(
	ctx context.Context, call *awswire.Call, in *shape.SetSubnetsInput,
) (*shape.SetSubnetsOutput, error) {
	out := &shape.SetSubnetsOutput{}
	err := a.modify(ctx, call, in.LoadBalancerArn, func(_ *state.Tx, lb *elb.LoadBalancer) error {
		if err := setSubnets(call, lb, in.Subnets, in.SubnetMappings); err != nil {
			return err
		}
		out.AvailabilityZones, out.IpAddressType = answerZones(lb), lb.IPAddressType
		return setIPAddressType(lb, cmp.Or(in.IpAddressType, lb.IPAddressType))
	})
	return out, err
}

func (a *api) setSecurityGroups(
	ctx context.Context, call *awswire.Call, in *shape.SetSecurityGroupsInput,
) (*shape.SetSecurityGroupsOutput, error) {
	err := a.modify(ctx, call, in.LoadBalancerArn, func(tx *state.Tx, lb *elb.LoadBalancer) error {
		if len(in.SecurityGroups) == 0 {
			return invalid("At least one security group must be specified")
		}
		lb.SecurityGroups = in.SecurityGroups
		return checkSecurityGroups(&tx.Tables, call, in.SecurityGroups)
	})
	return &shape.SetSecurityGroupsOutput{SecurityGroupIds: in.SecurityGroups}, err
}

func (a *api) setIPAddressType(
	ctx context.Context, call *awswire.Call, in *shape.SetIpAddressTypeInput,
) (*shape.SetIpAddressTypeOutput, error) {
	err := a.modify(ctx, call, in.LoadBalancerArn, func(_ *state.Tx, lb *elb.LoadBalancer) error {
		return setIPAddressType(lb, in.IpAddressType)
	})
	return &shape.SetIpAddressTypeOutput{IpAddressType: in.IpAddressType}, err
}
