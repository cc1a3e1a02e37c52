package ec2

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// resourceTypes tells what kind of thing an id names, by its prefix.
var resourceTypes = map[string]string{
	"i": "instance", "sg": "security-group", "sgr": "security-group-rule", "key": "key-pair", "lt": "launch-template", "vpc": "vpc", "subnet": "subnet",
	"igw": "internet-gateway", "rtb": "route-table", "acl": "network-acl", "eni": "network-interface", "dopt": "dhcp-options",
}

func resourceType(id string) string {
	prefix, _, _ := strings.Cut(id, "-")
	return resourceTypes[prefix]
}

func (a *api) createTags(ctx context.Context, call *awswire.Call, in *shape.CreateTagsInput) (*shape.CreateTagsOutput, error) {
	tags, err := parseTags(in.Tags)
	if err != nil {
		return nil, err
	}
	return nil, a.retag(ctx, call, in.Resources, func(old map[string]string) error {
		for _, t := range tags {
			old[t.Key] = t.Value
		}
		if len(old) > 50 {
			return fault.New("TagLimitExceeded", "You have reached the maximum number of tags a resource can have: 50.")
		}
		return nil
	})
}

// deleteTags takes tags by key, or by key and value when one is given; no tags take all that callers have set.
func (a *api) deleteTags(ctx context.Context, call *awswire.Call, in *shape.DeleteTagsInput) (*shape.DeleteTagsOutput, error) {
	return nil, a.retag(ctx, call, in.Resources, func(old map[string]string) error {
		maps.DeleteFunc(old, func(k, v string) bool {
			if len(in.Tags) == 0 {
				return !strings.HasPrefix(k, "aws:")
			}
			return slices.ContainsFunc(in.Tags, func(t shape.Tag) bool { return str(t.Key) == k && (t.Value == nil || *t.Value == v) })
		})
		return nil
	})
}

// retag changes the tags of each resource.
func (a *api) retag(ctx context.Context, call *awswire.Call, ids []string, change func(map[string]string) error) error {
	return a.store.Update(ctx, func(tx *state.Tx) error {
		for _, id := range ids {
			if err := retagOne(tx, call, id, change); err != nil {
				return err
			}
		}
		return nil
	})
}

func retagOne(tx *state.Tx, call *awswire.Call, id string, change func(map[string]string) error) error {
	changed := func(old map[string]string) (map[string]string, error) {
		tags := maps.Clone(old)
		if tags == nil {
			tags = map[string]string{}
		}
		return tags, change(tags)
	}
	var err error
	switch kind := resourceType(id); kind {
	case "instance":
		found, err := named(&tx.Tables, call, []string{id})
		if err != nil {
			return err
		}
		c := found[0].Clone()
		if c.Tags, err = changed(c.Tags); err != nil {
			return err
		}
		tx.Instances.Put(c)
	case "security-group":
		g, ok := securityGroup(&tx.Tables, call.Region, call.Account, id)
		if !ok {
			return groupMissing(id)
		}
		c := g.Clone()
		if c.Tags, err = changed(c.Tags); err != nil {
			return err
		}
		tx.SecurityGroups.Put(c)
	case "security-group-rule":
		return retagRule(tx, call, id, changed)
	case "key-pair":
		k, ok := keyByID(&tx.Tables, call, id)
		if !ok {
			return fault.New("InvalidKeyPair.NotFound", "The key pair ID '%s' does not exist", id)
		}
		c := *k
		if c.Tags, err = changed(c.Tags); err != nil {
			return err
		}
		tx.KeyPairs.Put(&c)
	case "launch-template":
		t, ok := tx.LaunchTemplates.Get(fleet.Key(call.Region, call.Account, id))
		if !ok {
			return templateMissing(id, "")
		}
		c := *t
		if c.Tags, err = changed(c.Tags); err != nil {
			return err
		}
		tx.LaunchTemplates.Put(&c)
	default:
		if !isFixed(&tx.Tables, call, id) {
			return fault.New("InvalidID", "The ID '%s' is not valid", id)
		}
		row := &fleet.ResourceTags{Resource: id, Region: call.Region, Account: call.Account}
		if row.Tags, err = changed(fixedTags(&tx.Tables, call, id)); err != nil {
			return err
		}
		tx.ResourceTags.Put(row)
	}
	return nil
}

func retagRule(tx *state.Tx, call *awswire.Call, id string, changed func(map[string]string) (map[string]string, error)) error {
	for _, g := range securityGroups(&tx.Tables, call.Region, call.Account) {
		i := slices.IndexFunc(g.Rules, func(r fleet.SecurityRule) bool { return r.ID == id })
		if i < 0 {
			continue
		}
		c := g.Clone()
		var err error
		if c.Rules[i].Tags, err = changed(c.Rules[i].Tags); err != nil {
			return err
		}
		tx.SecurityGroups.Put(c)
		return nil
	}
	return fault.New("InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%s' does not exist", id)
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

func (a *api) describeTags(_ context.Context, call *awswire.Call, in *shape.DescribeTagsInput) (*shape.DescribeTagsOutput, error) {
	l := lister[tagged]{
		id: func(t tagged) string { return t.resource + "\x00" + t.key },
		fields: func(t tagged) map[string][]string {
			return map[string][]string{"resource-id": {t.resource}, "key": {t.key}, "value": {t.value}, "resource-type": {resourceType(t.resource)}}
		},
		also: map[string]func(tagged, []string) bool{},
	}
	for _, f := range in.Filters { // "tag:<key>" asks for key and value at once
		if key, ok := strings.CutPrefix(str(f.Name), "tag:"); ok {
			name := str(f.Name)
			l.also[name] = func(t tagged, values []string) bool { return t.key == key && matchesAny(values, []string{t.value}) }
		}
	}
	found, next, err := l.find(call, allTags(&a.store.View().Tables, call), query{nil, in.Filters, in.MaxResults, in.NextToken})
	out := &shape.DescribeTagsOutput{NextToken: next}
	for _, t := range found {
		out.Tags = append(out.Tags, shape.TagDescription{ResourceId: &t.resource, ResourceType: resourceType(t.resource), Key: &t.key, Value: &t.value})
	}
	return out, err
}

func allTags(t *state.Tables, call *awswire.Call) []tagged {
	var all []tagged
	add := func(id string, tags map[string]string) {
		for k, v := range tags {
			all = append(all, tagged{id, k, v})
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
