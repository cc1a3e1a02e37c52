package ec2

import (
	"context"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

// resourceTypes tells what kind of thing an id names, by its prefix.
var resourceTypes = map[string]string{
	"i": "instance", "sg": "security-group", "sgr": "security-group-rule",
	"key": "key-pair", "lt": "launch-template", "vpc": "vpc", "subnet": "subnet", "igw": "internet-gateway",
	"rtb": "route-table", "acl": "network-acl", "eni": "network-interface", "dopt": "dhcp-options",
}

func resourceType(id string) string {
	prefix, _, _ := strings.Cut(id, "-")
	return resourceTypes[prefix]
}

// tagRules are EC2's, which has shorter limits than others.
var tagRules = tag.Rules{
	Code: "InvalidParameterValue", MaxKey: 127, MaxValue: 255,
	Size: "Tag keys must have 1 to 127 characters and values 255 at most: \"{key}\"",
	Reserved: "Value ( {key} ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for " +
		"internal use",
	TooMany: fault.New("TagLimitExceeded", "You have reached the maximum number of tags a resource can have: %d.",
		tag.Max),
}

func parseTags(in []shape.Tag) (tag.Set, error) { return tagRules.New(request.Tags(in)) }

// answerTags gives tags in the order of their keys.
func answerTags(tags tag.Set) []shape.Tag { return request.AnswerTags[shape.Tag](tags.Sorted()) }

func (a *api) createTags(
	ctx context.Context, call *awswire.Call, in *shape.CreateTagsInput,
) (*shape.CreateTagsOutput, error) {
	return nil, a.retag(ctx, call, in.Resources, request.AddTags(&tagRules, request.Tags(in.Tags)))
}

// deleteTags takes tags by key, or by key and value when one is given; no tags take all that callers have set.
func (a *api) deleteTags(
	ctx context.Context, call *awswire.Call, in *shape.DeleteTagsInput,
) (*shape.DeleteTagsOutput, error) {
	return nil, a.retag(ctx, call, in.Resources, func(old tag.Set) (tag.Set, error) {
		return old.Keep(func(has tag.Tag) bool {
			if len(in.Tags) == 0 {
				return tag.Reserved(has.Key)
			}
			return !slices.ContainsFunc(in.Tags, func(t shape.Tag) bool {
				return request.Value(t.Key) == has.Key && (t.Value == nil || *t.Value == has.Value)
			})
		}), nil
	})
}

// retag changes the tags of all resources, or of none.
func (a *api) retag(ctx context.Context, call *awswire.Call, ids []string, change request.Change) error {
	return a.store.Update(ctx, func(tx *state.Tx) error {
		for _, id := range ids {
			find := func(t *state.Tables) (request.Tagged, error) { return findTagged(t, call, id) }
			if _, err := request.RetagIn(tx, find, change); err != nil {
				return err
			}
		}
		return nil
	})
}

// findTagged finds the row that has the tags of the thing with an id.
func findTagged(t *state.Tables, call *awswire.Call, id string) (row request.Tagged, err error) {
	switch resourceType(id) {
	case "instance":
		found, err := named(t, call, []string{id})
		if err != nil {
			return row, err
		}
		return request.TaggedRow(found[0], func(i *fleet.Instance) *tag.Set { return &i.Tags },
			func(tx *state.Tx) state.Writable[fleet.Instance] { return tx.Instances }), nil
	case "security-group":
		g, ok := securityGroup(t, call.Region, call.Account, id)
		if !ok {
			return row, launch.SecurityGroupMissing(id)
		}
		return request.TaggedRow(g, func(g *fleet.SecurityGroup) *tag.Set { return &g.Tags }, groupsIn), nil
	case "security-group-rule":
		return taggedRule(t, call, id)
	case "key-pair":
		k, ok := keyByID(t, call, id)
		if !ok {
			return row, fault.New("InvalidKeyPair.NotFound", "The key pair ID '%s' does not exist", id)
		}
		return request.TaggedRow(k, func(k *fleet.KeyPair) *tag.Set { return &k.Tags },
			func(tx *state.Tx) state.Writable[fleet.KeyPair] { return tx.KeyPairs }), nil
	case "launch-template":
		row, ok := request.FindTagged(&t.LaunchTemplates, fleet.Key(call.Region, call.Account, id),
			func(lt *fleet.LaunchTemplate) *tag.Set { return &lt.Tags },
			func(tx *state.Tx) state.Writable[fleet.LaunchTemplate] { return tx.LaunchTemplates })
		if !ok {
			return row, templateMissing(id, "")
		}
		return row, nil
	}
	if !isFixed(t, call, id) {
		return row, fault.New("InvalidID", "The ID '%s' is not valid", id)
	}
	fixed := &fleet.ResourceTags{Resource: id, Region: call.Region, Account: call.Account, Tags: fixedTags(t, call, id)}
	return request.TaggedRow(fixed, func(r *fleet.ResourceTags) *tag.Set { return &r.Tags },
		func(tx *state.Tx) state.Writable[fleet.ResourceTags] { return tx.ResourceTags }), nil
}

func groupsIn(tx *state.Tx) state.Writable[fleet.SecurityGroup] { return tx.SecurityGroups }

// taggedRule finds a rule, which is a part of its group's row.
func taggedRule(t *state.Tables, call *awswire.Call, id string) (request.Tagged, error) {
	for _, g := range securityGroups(t, call.Region, call.Account) {
		i := slices.IndexFunc(g.Rules, func(r fleet.SecurityRule) bool { return r.ID == id })
		if i >= 0 {
			return request.TaggedRow(g.Clone(), func(g *fleet.SecurityGroup) *tag.Set { return &g.Rules[i].Tags },
				groupsIn), nil
		}
	}
	return request.Tagged{}, fault.New("InvalidSecurityGroupRuleId.NotFound",
		"The security group rule ID '%s' does not exist", id)
}

// isFixed reports whether id is that of a thing that exists without a row.
func isFixed(t *state.Tables, call *awswire.Call, id string) bool {
	vpc := fleet.DefaultVPC(call.Region, call.Account)
	if slices.Contains([]string{vpc.ID, vpc.InternetGateway, vpc.RouteTable, vpc.NetworkACL, vpc.DHCPOptions}, id) {
		return true
	}
	if _, ok := fleet.FindSubnet(call.Region, call.Account, id); ok {
		return true
	}
	for i := range instancesOf(t, call) {
		if nicOf(i).id == id {
			return true
		}
	}
	return false
}

// tagged is a tag with what it is on.
type tagged struct{ resource, key, value string }

func (a *api) describeTags(
	_ context.Context, call *awswire.Call, in *shape.DescribeTagsInput,
) (*shape.DescribeTagsOutput, error) {
	l := lister[tagged]{
		id: func(t tagged) string { return t.resource + "\x00" + t.key },
		fields: func(t tagged) map[string][]string {
			return map[string][]string{"resource-id": {t.resource}, "key": {t.key}, "value": {t.value},
				"resource-type": {resourceType(t.resource)}}
		},
		also: map[string]func(tagged, []string) bool{},
	}
	for _, f := range in.Filters { // "tag:<key>" asks for key and value at once
		if key, ok := strings.CutPrefix(request.Value(f.Name), "tag:"); ok {
			name := request.Value(f.Name)
			l.also[name] = func(t tagged, values []string) bool {
				return t.key == key && matchesAny(values, []string{t.value})
			}
		}
	}
	found, next, err := l.find(call, allTags(&a.store.View().Tables, call),
		query{nil, in.Filters, pages.Ask(in.MaxResults, in.NextToken)})
	out := &shape.DescribeTagsOutput{NextToken: next}
	for _, t := range found {
		out.Tags = append(out.Tags, shape.TagDescription{
			ResourceId: &t.resource, ResourceType: resourceType(t.resource), Key: &t.key, Value: &t.value,
		})
	}
	return out, err
}

func allTags(t *state.Tables, call *awswire.Call) []tagged {
	var all []tagged
	add := func(id string, tags tag.Set) {
		for _, t := range tags {
			all = append(all, tagged{id, t.Key, t.Value})
		}
	}
	prefix := fleet.KeyPrefix(call.Region, call.Account)
	for i := range instancesOf(t, call) {
		add(i.ID, i.Tags)
	}
	for g := range t.SecurityGroups.Prefix(prefix) {
		add(g.ID, g.Tags)
		for _, r := range g.Rules {
			add(r.ID, r.Tags)
		}
	}
	for k := range t.KeyPairs.Prefix(prefix) {
		add(k.ID, k.Tags)
	}
	for lt := range t.LaunchTemplates.Prefix(prefix) {
		add(lt.ID, lt.Tags)
	}
	for r := range t.ResourceTags.Prefix(prefix) {
		add(r.Resource, r.Tags)
	}
	return all
}
