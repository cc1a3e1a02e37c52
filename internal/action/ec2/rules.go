package ec2

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

// maxRules is how many rules one side of a group can have.
const maxRules = 60

func itoa(n int32) string { return strconv.FormatInt(int64(n), 10) }

// parsePermissions turns permissions into rules, one for each peer.
func parsePermissions(
	t *state.Tables, call *awswire.Call, egress bool, in []shape.IpPermission,
) ([]fleet.SecurityRule, error) {
	var rules []fleet.SecurityRule
	for _, p := range in {
		base, err := parsePorts(p)
		if err != nil {
			return nil, err
		}
		base.Egress = egress
		before := len(rules)
		if rules, err = appendPeers(rules, base, t, call, p); err != nil {
			return nil, err
		}
		if len(rules) == before {
			return nil, fault.New("MissingParameter", "The request must contain a source or destination: "+
				"IpRanges, Ipv6Ranges, Groups or PrefixListIds.")
		}
	}
	if len(rules) == 0 {
		return nil, fault.New("MissingParameter", "Either 'ipPermissions' or 'ipProtocol' should be provided.")
	}
	return rules, nil
}

func appendPeers(
	rules []fleet.SecurityRule, base fleet.SecurityRule, t *state.Tables, call *awswire.Call, p shape.IpPermission,
) ([]fleet.SecurityRule, error) {
	add := func(description *string, set func(*fleet.SecurityRule)) {
		r := base
		r.Description = request.Value(description)
		set(&r)
		rules = append(rules, r)
	}
	for _, x := range p.IpRanges {
		cidr, err := parseCIDR(request.Value(x.CidrIp), true)
		if err != nil {
			return nil, err
		}
		add(x.Description, func(r *fleet.SecurityRule) { r.CIDR4 = cidr })
	}
	for _, x := range p.Ipv6Ranges {
		cidr, err := parseCIDR(request.Value(x.CidrIpv6), false)
		if err != nil {
			return nil, err
		}
		add(x.Description, func(r *fleet.SecurityRule) { r.CIDR6 = cidr })
	}
	for _, x := range p.PrefixListIds {
		return nil, fault.New("InvalidPrefixListID.NotFound", "The prefix list ID '%s' does not exist",
			request.Value(x.PrefixListId))
	}
	for _, x := range p.UserIdGroupPairs {
		if id := request.Value(x.UserId); id != "" && id != call.Account {
			return nil, fault.New("UnsupportedOperation",
				"Security groups of another account (%s) are not supported.", id)
		}
		g, err := givenGroup(t, call, x.GroupId, x.GroupName)
		if err != nil {
			return nil, err
		}
		add(x.Description, func(r *fleet.SecurityRule) { r.Group = g.ID })
	}
	return rules, nil
}

// parseCIDR checks a CIDR block and takes the host's bits off, as EC2 does.
func parseCIDR(s string, v4 bool) (string, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4() != v4 {
		return "", invalid("CIDR block %s is malformed", s)
	}
	return p.Masked().String(), nil
}

// protocolNames are the protocols that EC2 names; others stay numbers.
var protocolNames = map[string]string{"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", "all": "-1"}

// parsePorts checks protocol and ports.
func parsePorts(p shape.IpPermission) (fleet.SecurityRule, error) {
	r := fleet.SecurityRule{Protocol: strings.ToLower(request.Value(p.IpProtocol)), From: -1, To: -1}
	if name, ok := protocolNames[r.Protocol]; ok {
		r.Protocol = name
	}
	switch r.Protocol {
	case "tcp", "udp":
		if p.FromPort == nil || p.ToPort == nil {
			return r, invalid("Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
		}
		r.From, r.To = *p.FromPort, *p.ToPort
		if r.From < 0 || r.To > 65535 || r.From > r.To {
			return r, invalid("Invalid %s port range (%d:%d)", strings.ToUpper(r.Protocol), r.From, r.To)
		}
	case "icmp", "icmpv6":
		if p.FromPort != nil {
			r.From = *p.FromPort
		}
		if p.ToPort != nil {
			r.To = *p.ToPort
		}
	case "-1":
	default:
		if n, err := strconv.Atoi(r.Protocol); err != nil || n < 0 || n > 255 {
			return r, invalid("Invalid value '%s' for IP protocol. Unknown protocol.", request.Value(p.IpProtocol))
		}
	}
	return r, nil
}

// short is the old form of a permission, spread over the call's own parameters.
func short(protocol *string, from, to *int32, cidr *string) []shape.IpPermission {
	if protocol == nil {
		return nil
	}
	p := shape.IpPermission{IpProtocol: protocol, FromPort: from, ToPort: to}
	if cidr != nil {
		p.IpRanges = []shape.IpRange{{CidrIp: cidr}}
	}
	return []shape.IpPermission{p}
}

// authorize adds rules to a group.
func (a *api) authorize(ctx context.Context, call *awswire.Call, egress bool, id, name *string,
	permissions []shape.IpPermission, specs []shape.TagSpecification) ([]shape.SecurityGroupRule, error) {
	tags, err := tagsFor("security-group-rule", specs)
	if err != nil {
		return nil, err
	}
	ids := newid.EC2s(call.Random, "sgr", maxRules+1)
	var out []shape.SecurityGroupRule
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		out = nil
		g, err := givenGroup(&tx.Tables, call, id, name)
		if err != nil {
			return err
		}
		rules, err := parsePermissions(&tx.Tables, call, egress, permissions)
		if err != nil {
			return err
		}
		g = g.Clone()
		for n, r := range rules {
			if slices.ContainsFunc(g.Rules, r.Same) {
				return fault.New("InvalidPermission.Duplicate", "the specified rule %q already exists", ruleText(r))
			}
			if n >= maxRules {
				break
			}
			r.ID, r.Tags = ids[n], tags
			g.Rules = append(g.Rules, r)
			out = append(out, answerRule(g, r))
		}
		if side := slices.DeleteFunc(slices.Clone(g.Rules),
			func(r fleet.SecurityRule) bool { return r.Egress != egress }); len(side) > maxRules ||
			len(rules) > maxRules {
			return fault.New("RulesPerSecurityGroupLimitExceeded",
				"The maximum number of rules per security group has been reached.")
		}
		tx.SecurityGroups.Put(g)
		return nil
	})
	return out, err
}

// ruleText names a rule as EC2's message about duplicates does.
func ruleText(r fleet.SecurityRule) string {
	protocol := strings.ToUpper(r.Protocol)
	if r.Protocol == "-1" {
		protocol = "ALL"
	}
	text := "peer: " + r.CIDR4 + r.CIDR6 + r.Group + r.PrefixList + ", " + protocol
	if r.Protocol == "tcp" || r.Protocol == "udp" {
		text += ", from port: " + itoa(r.From) + ", to port: " + itoa(r.To)
	}
	return text + ", ALLOW"
}

func answerRule(g *fleet.SecurityGroup, r fleet.SecurityRule) shape.SecurityGroupRule {
	out := shape.SecurityGroupRule{
		SecurityGroupRuleId: &r.ID, GroupId: &g.ID, GroupOwnerId: &g.Account, IsEgress: &r.Egress,
		IpProtocol: &r.Protocol, FromPort: &r.From, ToPort: &r.To, CidrIpv4: request.Optional(r.CIDR4),
		CidrIpv6: request.Optional(r.CIDR6), PrefixListId: request.Optional(r.PrefixList),
		Description: request.Optional(r.Description),
		Tags:        answerTags(r.Tags),
	}
	if r.Group != "" {
		out.ReferencedGroupInfo = &shape.ReferencedSecurityGroup{GroupId: &r.Group, UserId: &g.Account}
	}
	return out
}

func (a *api) authorizeIngress(
	ctx context.Context, call *awswire.Call, in *shape.AuthorizeSecurityGroupIngressInput,
) (*shape.AuthorizeSecurityGroupIngressOutput, error) {
	permissions := append(short(in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp), in.IpPermissions...)
	rules, err := a.authorize(ctx, call, false, in.GroupId, in.GroupName, permissions, in.TagSpecifications)
	return &shape.AuthorizeSecurityGroupIngressOutput{Return: new(true), SecurityGroupRules: rules}, err
}

func (a *api) authorizeEgress(
	ctx context.Context, call *awswire.Call, in *shape.AuthorizeSecurityGroupEgressInput,
) (*shape.AuthorizeSecurityGroupEgressOutput, error) {
	rules, err := a.authorize(ctx, call, true, in.GroupId, nil, in.IpPermissions, in.TagSpecifications)
	return &shape.AuthorizeSecurityGroupEgressOutput{Return: new(true), SecurityGroupRules: rules}, err
}

// revoke takes rules from a group, by what they allow or by their ids.
func (a *api) revoke(ctx context.Context, call *awswire.Call, egress bool, id, name *string,
	permissions []shape.IpPermission, ruleIDs []string) ([]shape.RevokedSecurityGroupRule, error) {
	var out []shape.RevokedSecurityGroupRule
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		out = nil
		g, err := givenGroup(&tx.Tables, call, id, name)
		if err != nil {
			return err
		}
		gone, err := revoked(&tx.Tables, call, g, egress, permissions, ruleIDs)
		if err != nil {
			return err
		}
		g = g.Clone()
		g.Rules = slices.DeleteFunc(g.Rules, func(r fleet.SecurityRule) bool {
			return slices.ContainsFunc(gone, func(o fleet.SecurityRule) bool { return o.ID == r.ID })
		})
		for _, r := range gone {
			out = append(out, shape.RevokedSecurityGroupRule{SecurityGroupRuleId: &r.ID, GroupId: &g.ID,
				IsEgress: &r.Egress, IpProtocol: &r.Protocol, FromPort: &r.From, ToPort: &r.To,
				CidrIpv4: request.Optional(r.CIDR4), CidrIpv6: request.Optional(r.CIDR6),
				PrefixListId:      request.Optional(r.PrefixList),
				ReferencedGroupId: request.Optional(r.Group), Description: request.Optional(r.Description)})
		}
		tx.SecurityGroups.Put(g)
		return nil
	})
	return out, err
}

// revoked are the rules of g that a call names.
func revoked(t *state.Tables, call *awswire.Call, g *fleet.SecurityGroup, egress bool,
	permissions []shape.IpPermission, ruleIDs []string) ([]fleet.SecurityRule, error) {
	var gone []fleet.SecurityRule
	for _, id := range ruleIDs {
		i := slices.IndexFunc(g.Rules, func(r fleet.SecurityRule) bool { return r.ID == id && r.Egress == egress })
		if i < 0 {
			return nil, fault.New("InvalidSecurityGroupRuleId.NotFound",
				"The security group rule ID '%s' does not exist", id)
		}
		gone = append(gone, g.Rules[i])
	}
	if len(ruleIDs) > 0 && len(permissions) == 0 {
		return gone, nil
	}
	rules, err := parsePermissions(t, call, egress, permissions)
	if err != nil {
		return nil, err
	}
	for _, r := range rules {
		i := slices.IndexFunc(g.Rules, r.Same)
		if i < 0 {
			return nil, fault.New("InvalidPermission.NotFound",
				"The specified rule does not exist in this security group.")
		}
		gone = append(gone, g.Rules[i])
	}
	return gone, nil
}

func (a *api) revokeIngress(
	ctx context.Context, call *awswire.Call, in *shape.RevokeSecurityGroupIngressInput,
) (*shape.RevokeSecurityGroupIngressOutput, error) {
	permissions := append(short(in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp), in.IpPermissions...)
	rules, err := a.revoke(ctx, call, false, in.GroupId, in.GroupName, permissions, in.SecurityGroupRuleIds)
	return &shape.RevokeSecurityGroupIngressOutput{Return: new(true), RevokedSecurityGroupRules: rules}, err
}

func (a *api) revokeEgress(
	ctx context.Context, call *awswire.Call, in *shape.RevokeSecurityGroupEgressInput,
) (*shape.RevokeSecurityGroupEgressOutput, error) {
	rules, err := a.revoke(ctx, call, true, in.GroupId, nil, in.IpPermissions, in.SecurityGroupRuleIds)
	return &shape.RevokeSecurityGroupEgressOutput{Return: new(true), RevokedSecurityGroupRules: rules}, err
}

func (a *api) describeSecurityGroupRules(
	_ context.Context, call *awswire.Call, in *shape.DescribeSecurityGroupRulesInput,
) (*shape.DescribeSecurityGroupRulesOutput, error) {
	type owned struct {
		g *fleet.SecurityGroup
		r fleet.SecurityRule
	}
	var all []owned
	for _, g := range securityGroups(&a.store.View().Tables, call.Region, call.Account) {
		for _, r := range g.Rules {
			all = append(all, owned{g, r})
		}
	}
	l := lister[owned]{
		id: func(o owned) string { return o.r.ID }, sample: owned{g: &fleet.SecurityGroup{}},
		tags: func(o owned) tag.Set { return o.r.Tags },
		missing: func(ids []string) error {
			return fault.New("InvalidSecurityGroupRuleId.NotFound",
				"The security group rule ID '%s' does not exist", ids[0])
		},
		fields: func(o owned) map[string][]string {
			return map[string][]string{"group-id": {o.g.ID}, "security-group-rule-id": {o.r.ID}}
		},
	}
	found, next, err := l.find(call, all,
		query{in.SecurityGroupRuleIds, in.Filters, pages.Ask(in.MaxResults, in.NextToken)})
	out := &shape.DescribeSecurityGroupRulesOutput{NextToken: next}
	for _, o := range found {
		out.SecurityGroupRules = append(out.SecurityGroupRules, answerRule(o.g, o.r))
	}
	return out, err
}
