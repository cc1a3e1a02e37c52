package ec2

import (
	"context"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

// maxSecurityGroups is the quota of a region.
const maxSecurityGroups = 2500

// securityGroup finds a group by its id; the default one exists without a row.
func securityGroup(t *state.Tables, region, account, id string) (*fleet.SecurityGroup, bool) {
	if g, ok := t.SecurityGroups.Get(fleet.Key(region, account, id)); ok {
		return g, true
	}
	if d := fleet.DefaultSecurityGroup(region, account); d.ID == id {
		return d, true
	}
	return nil, false
}

// securityGroups are all groups of a region, the default one among them.
func securityGroups(t *state.Tables, region, account string) []*fleet.SecurityGroup {
	all := slices.Collect(t.SecurityGroups.Prefix(fleet.KeyPrefix(region, account)))
	d := fleet.DefaultSecurityGroup(region, account)
	if !slices.ContainsFunc(all, func(g *fleet.SecurityGroup) bool { return g.ID == d.ID }) {
		all = append(all, d)
	}
	return all
}

func groupName(t *state.Tables, region, account, id string) string {
	if g, ok := securityGroup(t, region, account, id); ok {
		return g.Name
	}
	return ""
}

func (a *api) createSecurityGroup(
	ctx context.Context, call *awswire.Call, in *shape.CreateSecurityGroupInput,
) (*shape.CreateSecurityGroupOutput, error) {
	vpc := fleet.DefaultVPC(call.Region, call.Account)
	if in.VpcId != nil && *in.VpcId != vpc.ID {
		return nil, notFound("InvalidVpcID.NotFound", "vpc ID")([]string{*in.VpcId})
	}
	name := request.Value(in.GroupName)
	if name == "" || len(name) > 255 || strings.HasPrefix(name, "sg-") || name == "default" {
		return nil, invalid("Value (%s) for parameter GroupName is invalid. A name has 1 to 255 "+
			"characters, does not begin with sg- and is not default.", name)
	}
	tags, err := tagsFor("security-group", in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	g := &fleet.SecurityGroup{ID: newid.EC2(call.Random, "sg"), Name: name, Description: request.Value(in.Description),
		Region: call.Region, Account: call.Account, VPC: vpc.ID, Tags: tags,
		Rules: []fleet.SecurityRule{
			{ID: newid.EC2(call.Random, "sgr"), Egress: true, Protocol: "-1", From: -1, To: -1, CIDR4: "0.0.0.0/0"},
		}}
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		all := securityGroups(&tx.Tables, call.Region, call.Account)
		if slices.ContainsFunc(all, func(o *fleet.SecurityGroup) bool { return o.Name == name }) {
			return fault.New("InvalidGroup.Duplicate",
				"The security group '%s' already exists for VPC '%s'", name, vpc.ID)
		}
		if len(all) >= maxSecurityGroups {
			return fault.New("SecurityGroupLimitExceeded",
				"The maximum number of security groups has been reached: %d.", maxSecurityGroups)
		}
		tx.SecurityGroups.Put(g)
		return nil
	})
	return &shape.CreateSecurityGroupOutput{
		GroupId: &g.ID, SecurityGroupArn: new(groupARN(g)), Tags: answerTags(tags),
	}, err
}

func groupARN(g *fleet.SecurityGroup) string {
	return arn.New("ec2", g.Region, g.Account, "security-group/"+g.ID).String()
}

func (a *api) deleteSecurityGroup(
	ctx context.Context, call *awswire.Call, in *shape.DeleteSecurityGroupInput,
) (*shape.DeleteSecurityGroupOutput, error) {
	out := &shape.DeleteSecurityGroupOutput{Return: new(true)}
	return out, a.store.Update(ctx, func(tx *state.Tx) error {
		g, err := givenGroup(&tx.Tables, call, in.GroupId, in.GroupName)
		if err != nil {
			return err
		}
		if g.Name == "default" {
			return fault.New("CannotDelete",
				"the specified group: \"%s\" name: \"default\" cannot be deleted by a user", g.ID)
		}
		if inUse(&tx.Tables, call, g.ID) {
			return fault.New("DependencyViolation", "resource %s has a dependent object", g.ID)
		}
		tx.SecurityGroups.Delete(g.Key())
		out.GroupId = &g.ID
		return nil
	})
}

// inUse reports whether an instance has the group or another group's rule names it.
func inUse(t *state.Tables, call *awswire.Call, id string) bool {
	for i := range instancesOf(t, call) {
		if i.State != fleet.Terminated && slices.Contains(i.Launch.SecurityGroups, id) {
			return true
		}
	}
	for _, g := range securityGroups(t, call.Region, call.Account) {
		if g.ID != id && slices.ContainsFunc(g.Rules, func(r fleet.SecurityRule) bool { return r.Group == id }) {
			return true
		}
	}
	return false
}

// givenGroup finds the group that a call names by id or by name.
func givenGroup(t *state.Tables, call *awswire.Call, id, name *string) (*fleet.SecurityGroup, error) {
	if request.Value(id) == "" && request.Value(name) == "" {
		return nil, fault.New("MissingParameter", "The request must contain the parameter groupName or groupId")
	}
	given := request.Value(id)
	if given == "" {
		given = request.Value(name)
	}
	for _, g := range securityGroups(t, call.Region, call.Account) {
		if g.ID == given || request.Value(id) == "" && g.Name == given {
			return g, nil
		}
	}
	return nil, launch.SecurityGroupMissing(given)
}

func (a *api) describeSecurityGroups(
	_ context.Context, call *awswire.Call, in *shape.DescribeSecurityGroupsInput,
) (*shape.DescribeSecurityGroupsOutput, error) {
	t := &a.store.View().Tables
	all := securityGroups(t, call.Region, call.Account)
	l := lister[*fleet.SecurityGroup]{
		id:      func(g *fleet.SecurityGroup) string { return g.ID },
		missing: func(ids []string) error { return launch.SecurityGroupMissing(ids[0]) },
		sample:  &fleet.SecurityGroup{},
		tags:    func(g *fleet.SecurityGroup) tag.Set { return g.Tags },
		fields: func(g *fleet.SecurityGroup) map[string][]string {
			f := map[string][]string{"group-id": {g.ID}, "group-name": {g.Name},
				"description": {g.Description}, "vpc-id": {g.VPC}, "owner-id": {g.Account}}
			for _, side := range []string{"ip-permission.", "egress.ip-permission."} {
				for _, name := range []string{"cidr", "ipv6-cidr", "from-port", "to-port", "group-id",
					"group-name", "protocol", "prefix-list-id", "user-id"} {
					f[side+name] = nil
				}
			}
			for _, r := range g.Rules {
				addRuleFields(f, t, g, r)
			}
			return f
		},
	}
	ids := slices.Clone(in.GroupIds)
	for _, name := range in.GroupNames {
		i := slices.IndexFunc(all, func(g *fleet.SecurityGroup) bool { return g.Name == name })
		if i < 0 {
			return nil, launch.SecurityGroupMissing(name)
		}
		ids = append(ids, all[i].ID)
	}
	found, next, err := l.find(call, all, query{ids, in.Filters, pages.Ask(in.MaxResults, in.NextToken)})
	out := &shape.DescribeSecurityGroupsOutput{NextToken: next}
	for _, g := range found {
		out.SecurityGroups = append(out.SecurityGroups, shape.SecurityGroup{
			GroupId: &g.ID, GroupName: &g.Name, Description: &g.Description,
			VpcId: &g.VPC, OwnerId: &g.Account, SecurityGroupArn: new(groupARN(g)), Tags: answerTags(g.Tags),
			IpPermissions: answerPermissions(g, false), IpPermissionsEgress: answerPermissions(g, true),
		})
	}
	return out, err
}

func addRuleFields(f map[string][]string, t *state.Tables, g *fleet.SecurityGroup, r fleet.SecurityRule) {
	side := "ip-permission."
	if r.Egress {
		side = "egress.ip-permission."
	}
	add := func(name, v string) {
		if v != "" {
			f[side+name] = append(f[side+name], v)
		}
	}
	add("cidr", r.CIDR4)
	add("ipv6-cidr", r.CIDR6)
	add("protocol", r.Protocol)
	add("prefix-list-id", r.PrefixList)
	add("from-port", itoa(r.From))
	add("to-port", itoa(r.To))
	if r.Group != "" {
		add("group-id", r.Group)
		add("group-name", groupName(t, g.Region, g.Account, r.Group))
		add("user-id", g.Account)
	}
}

// answerPermissions gives one side of a group's rules, those of the same protocol and ports together.
func answerPermissions(g *fleet.SecurityGroup, egress bool) []shape.IpPermission {
	var out []shape.IpPermission
	for _, r := range g.Rules {
		if r.Egress != egress {
			continue
		}
		i := slices.IndexFunc(out, func(p shape.IpPermission) bool {
			return *p.IpProtocol == r.Protocol && (r.Protocol == "-1" || *p.FromPort == r.From && *p.ToPort == r.To)
		})
		if i < 0 {
			i = len(out)
			p := shape.IpPermission{IpProtocol: &r.Protocol}
			if r.Protocol != "-1" {
				p.FromPort, p.ToPort = &r.From, &r.To
			}
			out = append(out, p)
		}
		addPeer(&out[i], g, r)
	}
	return out
}

func addPeer(p *shape.IpPermission, g *fleet.SecurityGroup, r fleet.SecurityRule) {
	switch {
	case r.CIDR4 != "":
		p.IpRanges = append(p.IpRanges, shape.IpRange{CidrIp: &r.CIDR4, Description: request.Optional(r.Description)})
	case r.CIDR6 != "":
		p.Ipv6Ranges = append(p.Ipv6Ranges,
			shape.Ipv6Range{CidrIpv6: &r.CIDR6, Description: request.Optional(r.Description)})
	case r.Group != "":
		p.UserIdGroupPairs = append(p.UserIdGroupPairs,
			shape.UserIdGroupPair{GroupId: &r.Group, UserId: &g.Account, Description: request.Optional(r.Description)})
	case r.PrefixList != "":
		p.PrefixListIds = append(p.PrefixListIds,
			shape.PrefixListId{PrefixListId: &r.PrefixList, Description: request.Optional(r.Description)})
	}
}
