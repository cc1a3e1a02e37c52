// Package elb has the actions of Elastic Load Balancing version 2 for application load balancers:
// parse, one transaction, answer.
//
// Network and gateway load balancers, Lambda targets, trust stores, authentication, transforms and
// capacity reservation are not implemented and are refused by name. Certificates have no store yet,
// so that HTTPS listeners are refused with CertificateNotFound. An action that changes where
// traffic goes answers only once the edge has taken the change up: a target that was deregistered
// gets no new request from the moment the answer leaves.
package elb

import (
	"context"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elbv2"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
)

// Edges brings changes to the edges.
type Edges interface {
	// Sync returns once the edge serves by a revision of the state that is rev or later.
	Sync(ctx context.Context, rev uint64) error
}

type api struct {
	store *state.Store
	edges Edges
}

// Service returns the actions of Elastic Load Balancing. edges may be nil: then nothing is served
// and nothing is waited for.
func Service(store *state.Store, edges Edges) awswire.Service {
	a := &api{store, edges}
	return awswire.Service{
		Name: shape.SigningName, Protocols: []awswire.Protocol{awswire.Query},
		Version: shape.APIVersion, Namespace: shape.XMLNamespace,
		ValidationCode: "ValidationError", TokenName: "marker",
		Operations: append(awswire.Absent(shape.Absent), []awswire.Operation{
			awswire.Op("CreateLoadBalancer", a.createLoadBalancer).Refuses("CustomerOwnedIpv4Pool",
				"EnablePrefixForIpv6SourceNat",
				"IpamPools", "SubnetMappings[].AllocationId", "SubnetMappings[].IPv6Address",
				"SubnetMappings[].PrivateIPv4Address",
				"SubnetMappings[].SourceNatIpv6Prefix"),
			awswire.Op("DeleteLoadBalancer", a.deleteLoadBalancer),
			awswire.Op("DescribeLoadBalancers", a.describeLoadBalancers),
			awswire.Op("DescribeLoadBalancerAttributes", a.describeLoadBalancerAttributes),
			awswire.Op("ModifyLoadBalancerAttributes", a.modifyLoadBalancerAttributes),
			awswire.Op("SetSubnets", a.setSubnets).Refuses("EnablePrefixForIpv6SourceNat",
				"SubnetMappings[].AllocationId",
				"SubnetMappings[].IPv6Address", "SubnetMappings[].PrivateIPv4Address",
				"SubnetMappings[].SourceNatIpv6Prefix"),
			awswire.Op("SetSecurityGroups",
				a.setSecurityGroups).Refuses("EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic"),
			awswire.Op("SetIpAddressType", a.setIPAddressType),

			awswire.Op("CreateListener", a.createListener).Refuses("AlpnPolicy"),
			awswire.Op("DeleteListener", a.deleteListener),
			awswire.Op("DescribeListeners", a.describeListeners),
			awswire.Op("ModifyListener", a.modifyListener).Refuses("AlpnPolicy"),
			awswire.Op("DescribeListenerAttributes", a.describeListenerAttributes),
			awswire.Op("ModifyListenerAttributes", a.modifyListenerAttributes),
			awswire.Op("AddListenerCertificates", a.addListenerCertificates),
			awswire.Op("RemoveListenerCertificates", a.removeListenerCertificates),
			awswire.Op("DescribeListenerCertificates", a.describeListenerCertificates),

			awswire.Op("CreateRule", a.createRule).Refuses("Transforms"),
			awswire.Op("DeleteRule", a.deleteRule),
			awswire.Op("DescribeRules", a.describeRules),
			awswire.Op("ModifyRule", a.modifyRule).Refuses("Transforms"),
			awswire.Op("SetRulePriorities", a.setRulePriorities),

			awswire.Op("CreateTargetGroup", a.createTargetGroup).Refuses("TargetControlPort", "Matcher.GrpcCode"),
			awswire.Op("DeleteTargetGroup", a.deleteTargetGroup),
			awswire.Op("DescribeTargetGroups", a.describeTargetGroups),
			awswire.Op("ModifyTargetGroup", a.modifyTargetGroup).Refuses("Matcher.GrpcCode"),
			awswire.Op("DescribeTargetGroupAttributes", a.describeTargetGroupAttributes),
			awswire.Op("ModifyTargetGroupAttributes", a.modifyTargetGroupAttributes),
			awswire.Op("RegisterTargets", a.registerTargets).Refuses("Targets[].QuicServerId"),
			awswire.Op("DeregisterTargets", a.deregisterTargets).Refuses("Targets[].QuicServerId"),
			awswire.Op("DescribeTargetHealth", a.describeTargetHealth).Refuses("Targets[].QuicServerId"),

			awswire.Op("AddTags", a.addTags),
			awswire.Op("RemoveTags", a.removeTags),
			awswire.Op("DescribeTags", a.describeTags),
			awswire.Op("DescribeAccountLimits", a.describeAccountLimits),
			awswire.Op("DescribeSSLPolicies", a.describeSSLPolicies),
		}...),
	}
}

// change runs one transaction and waits until the edge has taken it up.
func (a *api) change(ctx context.Context, fn func(*state.Tx) error) error {
	if err := a.store.Update(ctx, fn); err != nil {
		return err
	}
	if a.edges == nil {
		return nil
	}
	return a.edges.Sync(ctx, a.store.View().Rev)
}

func invalid(format string, args ...any) *fault.Error {
	return fault.New("ValidationError", format, args...)
}
