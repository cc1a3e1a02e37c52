package ecs

import (
	"fmt"
	"testing"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

// group makes an Auto Scaling group of up to 10 instances and returns its ARN.
func (d *desk) group(name string, edit ...func(*fleet.AutoScalingGroup)) string {
	d.t.Helper()
	g := &fleet.AutoScalingGroup{Name: name, ID: "0000-" + name, Region: d.region, Account: account, Max: 10,
		CreatedAt: *d.now, Tags: tag.Set{{Key: "team", Value: "a", Propagate: true}}}
	for _, e := range edit {
		e(g)
	}
	d.put(func(tx *state.Tx) { tx.AutoScalingGroups.Put(g) })
	return g.ARN()
}

// provider makes a capacity provider of a group of the same name, with managed scaling.
func (d *desk) provider(name string) string {
	d.t.Helper()
	return d.ok("CreateCapacityProvider", `{'name': '%s', 'autoScalingGroupProvider': {'autoScalingGroupArn': '%s',
		'managedScaling': {'status': 'ENABLED', 'targetCapacity': 80}}}`, name, d.group(name)).
		text("capacityProvider.capacityProviderArn")
}

// associate makes the default cluster with the capacity providers, whose names are JSON, and a default strategy.
func (d *desk) associate(names, strategy string) answer {
	d.t.Helper()
	d.ok("CreateCluster", `{}`)
	return d.ok("PutClusterCapacityProviders", `{'cluster': 'default', 'capacityProviders': [%s],
		'defaultCapacityProviderStrategy': [%s]}`, names, strategy)
}

// member registers an instance of a group of a capacity provider, as dispatch does.
func (d *desk) member(id, provider string) string {
	d.t.Helper()
	return d.instance(id, "us-east-1a", func(i *ecs.ContainerInstance) { i.CapacityProviderName = provider })
}

// ecs.md 4.1: the settings and their defaults.
func TestCapacityProviders(t *testing.T) {
	d := newDesk(t)
	groupARN := d.group("g")
	d.ok("CreateCapacityProvider", `{'name': 'plain', 'autoScalingGroupProvider': {'autoScalingGroupArn': '%s'},
		'tags': [{'key': 'k', 'value': 'v'}]}`, groupARN).is(
		"capacityProvider.capacityProviderArn", "'"+prefix+"capacity-provider/plain'",
		"capacityProvider.name", "'plain'", "capacityProvider.status", "'ACTIVE'",
		"capacityProvider.type", "'EC2_AUTOSCALING'", "capacityProvider.updateStatus", "absent",
		"capacityProvider.autoScalingGroupProvider", "{'autoScalingGroupArn':'"+groupARN+"',"+
			"'managedDraining':'ENABLED','managedScaling':{'instanceWarmupPeriod':300,"+
			"'maximumScalingStepSize':10000,'minimumScalingStepSize':1,'status':'DISABLED','targetCapacity':0},"+
			"'managedTerminationProtection':'DISABLED'}",
		"capacityProvider.tags.0.key", "'k'")

	d.ok("UpdateCapacityProvider", `{'name': 'plain', 'autoScalingGroupProvider': {'managedScaling': {
		'status': 'ENABLED', 'minimumScalingStepSize': 2, 'maximumScalingStepSize': 5,
		'instanceWarmupPeriod': 0}}}`).is(
		"capacityProvider.updateStatus", "'UPDATE_COMPLETE'",
		"capacityProvider.autoScalingGroupProvider.managedScaling", "{'instanceWarmupPeriod':0,"+
			"'maximumScalingStepSize':5,'minimumScalingStepSize':2,'status':'ENABLED','targetCapacity':100}")
	d.ok("UpdateCapacityProvider", `{'name': '%s', 'autoScalingGroupProvider': {'managedScaling': {
		'targetCapacity': 50}}}`, prefix+"capacity-provider/plain").is(
		"capacityProvider.autoScalingGroupProvider.managedScaling.minimumScalingStepSize", "2",
		"capacityProvider.autoScalingGroupProvider.managedScaling.targetCapacity", "50")

	// Tags only with include; also through the tagging calls (ecs.md 1.1.5).
	d.ok("TagResource", `{'resourceArn': '%s', 'tags': [{'key': 'l', 'value': 'w'}]}`, prefix+"capacity-provider/plain")
	d.ok("DescribeCapacityProviders", `{'capacityProviders': ['plain', 'ghost']}`).is(
		"capacityProviders.0.name", "'plain'", "capacityProviders.0.tags", "[]",
		"failures", "[{'arn':'ghost','reason':'MISSING'}]")
	d.ok("DescribeCapacityProviders", `{'include': ['TAGS']}`).is("capacityProviders.0.tags.1.key", "'l'",
		"failures", "[]")

	// CDK gives the group's name in place of its ARN.
	other := d.group("other")
	d.ok("CreateCapacityProvider", `{'name': 'byname', 'autoScalingGroupProvider': {'autoScalingGroupArn': 'other'}}`).
		is("capacityProvider.autoScalingGroupProvider.autoScalingGroupArn", "'"+other+"'")
}

// ecs.md 1.1.6: pages of at most 10.
func TestCapacityProvidersInPages(t *testing.T) {
	d := newDesk(t)
	for i := range 12 {
		d.provider(fmt.Sprintf("p%02d", i))
	}
	first := d.ok("DescribeCapacityProviders", `{}`)
	first.is("capacityProviders.9.name", "'p09'", "capacityProviders.10", "absent")
	d.ok("DescribeCapacityProviders", `{'nextToken': '%s'}`, first.text("nextToken")).is(
		"capacityProviders.0.name", "'p10'", "capacityProviders.1.name", "'p11'", "nextToken", "absent")
	d.ok("DescribeCapacityProviders", `{'maxResults': 1}`).is("capacityProviders.1", "absent")
	d.refused("InvalidParameterException: maxResults must be between 1 and 10, not 11.", "DescribeCapacityProviders",
		`{'maxResults': 11}`)
	d.refused("InvalidParameterException: capacityProviders cannot have more than 100 elements.",
		"DescribeCapacityProviders", `{'capacityProviders': [%s]}`, many(101))
	d.in("eu-west-2").ok("DescribeCapacityProviders", `{}`).is("capacityProviders", "[]")
}

func TestCapacityProviderRefusals(t *testing.T) {
	d := newDesk(t)
	groupARN := d.group("g")
	d.group("never", func(g *fleet.AutoScalingGroup) { g.Max = 0 })
	d.group("leaving", func(g *fleet.AutoScalingGroup) { g.Status = fleet.DeleteInProgress })
	d.provider("taken")
	const name = "ClientException: The specified capacity provider name is invalid"
	of := `'autoScalingGroupProvider': {'autoScalingGroupArn': '` + groupARN + `'`
	for input, want := range map[string]string{
		`'name': 'awsome', ` + of + `}`:   name, // ecs.md 1.1.4
		`'name': 'ECS-mine', ` + of + `}`: name,
		`'name': 'FARGATE', ` + of + `}`:  name,
		`'name': 'a b', ` + of + `}`:      name,
		`'name': 'taken', ` + of + `}`:    "ClientException: The specified capacity provider already exists.",
		`'name': 'p'`: "InvalidParameterException: The capacity provider needs an " +
			"autoScalingGroup",
		`'name': 'p', 'cluster': 'c', ` + of + `}`: `InvalidParameterException: Berth does not support "cluster"`,
		`'name': 'p', 'autoScalingGroupProvider': {'autoScalingGroupArn': 'ghost'}`: "ClientException: The specified " +
			"Auto Scaling group was not found: ghost.",
		`'name': 'p', 'autoScalingGroupProvider': {'autoScalingGroupArn': '` + groupARN + `x'}`: "ClientException: " +
			"The specified Auto Scaling group was not found",
		`'name': 'p', 'autoScalingGroupProvider': {'autoScalingGroupArn': 'arn:aws:s3:::b'}`: "ClientException: The " +
			"specified Auto Scaling group ARN is not valid",
		`'name': 'p', 'autoScalingGroupProvider': {'autoScalingGroupArn': 'leaving'}`: "ClientException: The " +
			"specified " +
			"Auto Scaling group was not found",
		// ecs.md 4.1
		`'name': 'p', 'autoScalingGroupProvider': {'autoScalingGroupArn': 'never'}`: "ClientException: The Auto " +
			"Scaling group never has a maximum size of 0",
		`'name': 'p', 'autoScalingGroupProvider': {'autoScalingGroupArn': 'taken'}`: "ClientException: The specified " +
			"Auto Scaling group ARN is already being used by another capacity provider.",
		`'name': 'p', ` + of + `, 'managedScaling': {'status': 'ENABLED', 'targetCapacity': 101}}`: "InvalidParameter" +
			"Exception: The managed scaling settings of the capacity provider are not valid: targetCapacity",
		`'name': 'p', ` + of + `, 'managedScaling': {'minimumScalingStepSize': 9, 'maximumScalingStepSize': 8}}`: "" +
			"InvalidParameterException: The managed scaling settings",
		`'name': 'p', ` + of + `, 'managedTerminationProtection': 'ENABLED'}`: "ClientException: The managed " +
			"termination protection setting for the capacity provider is invalid. To enable managed termination " +
			"protection for a capacity provider, managed scaling must be enabled.", // ecs.md 4.1
		`'name': 'p', ` + of + `, 'managedTerminationProtection': 'ENABLED', 'managedScaling': {}}`: "" +
			"ClientException: The managed termination protection setting for the capacity provider is invalid. To " +
			"enable managed termination protection for a capacity provider, the Auto Scaling group must have " +
			"instance protection from scale in enabled.",
		`'name': 'p', ` + of + `}, 'tags': [{'key': 'aws:x', 'value': ''}]`: "InvalidParameterException: Tag key " +
			"'aws:x'",
	} {
		d.refused(want, "CreateCapacityProvider", "{%s}", input)
	}
	const missing = "ClientException: The specified capacity provider does not exist. Specify a valid name or ARN " +
		"and " +
		"try again."
	d.refused(missing, "UpdateCapacityProvider", `{'name': 'ghost', 'autoScalingGroupProvider': {}}`)
	d.refused(missing, "DeleteCapacityProvider", `{'capacityProvider': 'ghost'}`)
	d.refused("InvalidParameterException: Name what to change", "UpdateCapacityProvider", `{'name': 'taken'}`)
	d.refused("ClientException: The FARGATE capacity provider is reserved and cannot be deleted.",
		"DeleteCapacityProvider", `{'capacityProvider': 'FARGATE'}`)
	d.put(func(tx *state.Tx) { tx.AutoScalingGroups.Delete(fleet.Key(region, account, "taken")) })
	d.refused("ClientException: The Auto Scaling group of the capacity provider does not exist any more.",
		"UpdateCapacityProvider", `{'name': 'taken', 'autoScalingGroupProvider': {}}`)
}

// The deletion is asked for here; control/capacity ends it.
func TestDeleteCapacityProvider(t *testing.T) {
	d := newDesk(t)
	d.provider("p")
	d.associate("'p'", "")
	d.refused("ClientException: Cannot delete a capacity provider while it is associated with a cluster.",
		"DeleteCapacityProvider", `{'capacityProvider': 'p'}`)
	d.associate("", "")
	d.ok("DeleteCapacityProvider", `{'capacityProvider': 'p'}`).is("capacityProvider.status", "'ACTIVE'",
		"capacityProvider.updateStatus", "'DELETE_IN_PROGRESS'")
	const deleting = "UpdateInProgressException: The capacity provider p is being deleted."
	d.refused(deleting, "DeleteCapacityProvider", `{'capacityProvider': 'p'}`)
	d.refused(deleting, "UpdateCapacityProvider", `{'name': 'p', 'autoScalingGroupProvider': {}}`)
	d.refused("InvalidParameterException: The specified capacity provider was not found.",
		"PutClusterCapacityProviders",
		`{'cluster': 'default', 'capacityProviders': ['p'], 'defaultCapacityProviderStrategy': []}`)
}

// ecs.md 1.2.4, 4.6: with managed scaling, an association makes a policy and two alarms; without it they go.
func TestClusterCapacityProviders(t *testing.T) {
	d := newDesk(t)
	d.provider("a")
	d.provider("b")
	out := d.associate("'a', '"+prefix+"capacity-provider/b'", "{'capacityProvider': 'a', 'base': 2, 'weight': 1}")
	out.is("cluster.capacityProviders", "['a','b']", "cluster.defaultCapacityProviderStrategy",
		"[{'base':2,'capacityProvider':'a','weight':1}]", "cluster.attachmentsStatus", "'UPDATE_COMPLETE'",
		"cluster.attachments.0.type", "'managed_draining'", "cluster.attachments.0.details.1",
		"{'name':'autoScalingLifecycleHookName','value':'ecs-managed-draining-termination-hook'}",
		"cluster.attachments.1.type", "'as_policy'", "cluster.attachments.1.status", "'CREATED'",
		"cluster.attachments.1.details.0", "{'name':'capacityProviderName','value':'a'}",
		"cluster.attachments.1.details.1.name", "'scalingPolicyName'", "cluster.attachments.4", "absent")
	out.has("cluster.attachments.1.details.1.value", "ECSManagedAutoScalingPolicy-")
	d.ok("DescribeClusters", `{}`).is("clusters.0.attachments", "absent", "clusters.0.capacityProviders", "['a','b']")
	d.ok("DescribeClusters", `{'include': ['ATTACHMENTS']}`).is("clusters.0.attachments.3.type", "'as_policy'")
	d.ok("DescribeCapacityProviders", `{'cluster': 'default'}`).is("capacityProviders.1.name", "'b'")

	d.alarms("CapacityProviderReservation a: GreaterThanThreshold 80 1",
		"CapacityProviderReservation a: LessThanThreshold 80 15",
		"CapacityProviderReservation b: GreaterThanThreshold 80 1",
		"CapacityProviderReservation b: LessThanThreshold 80 15")
	g, _ := d.store.View().AutoScalingGroups.Get(fleet.Key(region, account, "a"))
	if mark, ok := g.Tags.Get("AmazonECSManaged"); !ok || mark != "" || len(g.Tags.Propagated()) != 2 {
		t.Errorf("the group's tags are %v", g.Tags)
	}

	d.ok("UpdateCapacityProvider", `{'name': 'a', 'autoScalingGroupProvider': {'managedScaling': {'status': 'ENABLED',
		'targetCapacity': 100}}}`)
	d.ok("UpdateCapacityProvider",
		`{'name': 'b', 'autoScalingGroupProvider': {'managedScaling': {'status': 'DISABLED'}}}`)
	d.alarms("CapacityProviderReservation a: GreaterThanThreshold 100 1",
		"CapacityProviderReservation a: LessThanThreshold 100 15")
	if g, _ = d.store.View().AutoScalingGroups.Get(fleet.Key(region, account, "b")); len(g.Tags) != 1 {
		t.Errorf("the tags of a group that ECS does not scale any more are %v", g.Tags)
	}
	d.associate("'b'", "")
	d.alarms()
	d.ok("DescribeClusters", `{'include': ['ATTACHMENTS']}`).is("clusters.0.attachments.0.type", "'managed_draining'",
		"clusters.0.attachments.1", "absent", "clusters.0.attachmentsStatus", "'UPDATE_COMPLETE'")
	d.associate("", "")
	d.ok("DescribeClusters", `{'include': ['ATTACHMENTS']}`).is("clusters.0.attachments", "absent",
		"clusters.0.attachmentsStatus", "absent")
}

// ecs.md 4.10: the lifecycle hook of managed draining is there while the capacity provider drains and a cluster has it.
func TestHookOfManagedDraining(t *testing.T) {
	d := newDesk(t)
	hooks := func() (all []fleet.Hook) {
		for h := range d.store.View().LifecycleHooks.All() {
			all = append(all, *h)
		}
		return all
	}
	none := func(when string) {
		t.Helper()
		if got := hooks(); len(got) != 0 {
			t.Errorf("%s there are the hooks %+v", when, got)
		}
	}
	d.provider("a")
	none("without a cluster")
	d.associate("'a'", "")
	want := fleet.Hook{Region: region, Account: account, Group: "a", Name: "ecs-managed-draining-termination-hook",
		Transition: fleet.WhenTerminating, Heartbeat: 3600, Default: fleet.Continue}
	if got := hooks(); len(got) != 1 || got[0] != want {
		t.Errorf("the hooks are %+v, want %+v", got, want)
	}
	switchTo := func(value string) {
		d.ok("UpdateCapacityProvider", `{'name': 'a', 'autoScalingGroupProvider': {'managedDraining': '%s'}}`, value).
			is("capacityProvider.autoScalingGroupProvider.managedDraining", "'"+value+"'",
				"capacityProvider.autoScalingGroupProvider.managedScaling.targetCapacity", "80")
	}
	waiting := &fleet.Instance{ID: "i-1", Region: region, Account: account, Scaling: fleet.Membership{Group: "a",
		Lifecycle: fleet.LifecycleTerminatingWait, Actions: []fleet.LifecycleAction{{Hook: want.Name}}}}
	d.put(func(tx *state.Tx) { tx.Instances.Put(waiting) })
	switchTo("DISABLED")
	none("without draining")
	if i, _ := d.store.View().Instances.Get(waiting.ARN()); i.Scaling.WaitsFor(want.Name) {
		t.Error("an instance waits for a hook that does not exist any more")
	}
	switchTo("ENABLED")

	// What a user has set for the hook stays.
	mine := want
	mine.Heartbeat = 60
	d.put(func(tx *state.Tx) { tx.LifecycleHooks.Put(&mine) })
	d.ok("UpdateCapacityProvider", `{'name': 'a', 'autoScalingGroupProvider': {}}`)
	if got := hooks(); len(got) != 1 || got[0] != mine {
		t.Errorf("the hooks are %+v, want %+v", got, mine)
	}
	d.associate("", "")
	none("after the cluster has lost the capacity provider")
}

// ecs.md 4.1: managed termination protection needs managed scaling, and the group's own setting.
func TestManagedTerminationProtection(t *testing.T) {
	d := newDesk(t)
	arn := d.group("g", func(g *fleet.AutoScalingGroup) { g.NewProtected = true })
	d.ok("CreateCapacityProvider", `{'name': 'p', 'autoScalingGroupProvider': {'autoScalingGroupArn': '%s',
		'managedScaling': {'status': 'ENABLED'}, 'managedTerminationProtection': 'ENABLED'}}`, arn).is(
		"capacityProvider.autoScalingGroupProvider.managedTerminationProtection", "'ENABLED'")
	update := func(settings string) answer {
		t.Helper()
		return d.ok("UpdateCapacityProvider", `{'name': 'p', 'autoScalingGroupProvider': {%s}}`, settings)
	}
	const invalid = "ClientException: The managed termination protection setting for the capacity provider is invalid."
	d.refused(invalid, "UpdateCapacityProvider",
		`{'name': 'p', 'autoScalingGroupProvider': {'managedScaling': {'status': 'DISABLED'}}}`)
	update("'managedTerminationProtection': 'DISABLED', 'managedScaling': {'status': 'DISABLED'}").is(
		"capacityProvider.autoScalingGroupProvider.managedTerminationProtection", "'DISABLED'")
	d.refused(invalid, "UpdateCapacityProvider",
		`{'name': 'p', 'autoScalingGroupProvider': {'managedTerminationProtection': 'ENABLED'}}`)
	update("'managedTerminationProtection': 'ENABLED', 'managedScaling': {'status': 'ENABLED'}").is(
		"capacityProvider.autoScalingGroupProvider.managedTerminationProtection", "'ENABLED'")
	d.group("g")
	d.refused(invalid, "UpdateCapacityProvider",
		`{'name': 'p', 'autoScalingGroupProvider': {'managedTerminationProtection': 'ENABLED'}}`)
}

// alarms checks the alarms of managed scaling: metric and provider, comparison, threshold and periods.
func (d *desk) alarms(want ...string) {
	d.t.Helper()
	var got []string
	for a := range d.store.View().Alarms.All() {
		got = append(got, fmt.Sprintf("%s %s: %s %v %d", a.Measure.Metric.Name, a.Measure.Metric.Dimensions[0].Value,
			a.Condition.Comparison, a.Condition.Threshold, a.Condition.Periods))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		d.t.Errorf("the alarms are %q, want %q", got, want)
	}
}

func TestClusterCapacityProviderRefusals(t *testing.T) {
	d := newDesk(t)
	d.provider("a")
	d.ok("CreateCluster", `{}`)
	put := func(want, providers, strategy string) {
		t.Helper()
		d.refused(want, "PutClusterCapacityProviders", `{'cluster': 'default', 'capacityProviders': [%s],
			'defaultCapacityProviderStrategy': [%s]}`, providers, strategy)
	}
	const unknown = "InvalidParameterException: The specified capacity provider was not found. Specify a valid " +
		"capacity " +
		"provider and try again."
	put(unknown, "'ghost'", "")
	put(unknown, "'arn:aws:ecs:eu-west-1:"+account+":capacity-provider/a'", "")
	put("InvalidParameterException: The capacity provider FARGATE_SPOT is not available yet", "'a', 'FARGATE_SPOT'", "")
	put("InvalidParameterException: The capacity provider a is in the list twice.", "'a', 'a'", "")
	put("InvalidParameterException: The default capacity provider strategy cannot contain", "'a'",
		"{'capacityProvider': 'b', 'weight': 1}")
	put("InvalidParameterException: The capacity provider strategy is not valid: the weight", "'a'",
		"{'capacityProvider': 'a', 'weight': 1001}") // ecs.md 2.9
	put("InvalidParameterException: A cluster can have at most 20 capacity providers, not 21.", many(21),
		"") // ecs.md 9.1
	d.refused("ClusterNotFoundException", "PutClusterCapacityProviders",
		`{'cluster': 'ghost', 'capacityProviders': [], 'defaultCapacityProviderStrategy': []}`)

	// One cluster only with managed scaling (ecs.md 4.1).
	d.associate("'a'", "")
	const one = "InvalidParameterException: The capacity provider a has managed scaling and can be associated with one"
	d.refused(one, "CreateCluster", `{'clusterName': 'second', 'capacityProviders': ['a']}`)
	d.ok("UpdateCapacityProvider",
		`{'name': 'a', 'autoScalingGroupProvider': {'managedScaling': {'status': 'DISABLED'}}}`)
	d.ok("CreateCluster", `{'clusterName': 'second', 'capacityProviders': ['a'], 'defaultCapacityProviderStrategy':
		[{'capacityProvider': 'a', 'weight': 1}]}`).is("cluster.capacityProviders", "['a']",
		"cluster.defaultCapacityProviderStrategy.0.weight", "1")
	d.refused(one, "UpdateCapacityProvider", `{'name': 'a', 'autoScalingGroupProvider': {'managedScaling': {'status':
		'ENABLED'}}}`)
	d.refused("InvalidParameterException: Arguments on this idempotent request are inconsistent", "CreateCluster",
		`{'clusterName': 'second', 'capacityProviders': ['a']}`)
	d.ok("DeleteCluster", `{'cluster': 'second'}`).is("cluster.capacityProviders", "[]")
}

// ecs.md 1.6.4, 2.9: strategies of services.
func TestServiceStrategies(t *testing.T) {
	d := newDesk(t)
	d.provider("a")
	d.provider("b")
	d.associate("'a', 'b'", "{'capacityProvider': 'b', 'weight': 3}")
	d.define("web", "")
	create := func(name, more string) answer {
		t.Helper()
		return d.ok("CreateService", `{'serviceName': '%s', 'taskDefinition': 'web', 'desiredCount': 1%s}`, name, more)
	}
	const ab = "[{'base':1,'capacityProvider':'a','weight':1},{'base':0,'capacityProvider':'b','weight':2}]"
	create("own", `, 'capacityProviderStrategy': [{'capacityProvider': 'a', 'base': 1, 'weight': 1},
		{'capacityProvider': 'b', 'weight': 2}]`).is("service.capacityProviderStrategy", ab, "service.launchType",
		"absent",
		"service.deployments.0.capacityProviderStrategy", ab, "service.deployments.0.launchType", "absent",
		"service.availabilityZoneRebalancing", "'DISABLED'")
	create("default", "").is("service.capacityProviderStrategy", "[{'base':0,'capacityProvider':'b','weight':3}]",
		"service.launchType", "absent", "service.availabilityZoneRebalancing", "'ENABLED'")
	create("ec2", ", 'launchType': 'EC2'").is("service.capacityProviderStrategy", "absent", "service.launchType",
		"'EC2'")
	d.ok("CreateService", `{'serviceName': 'daemon', 'taskDefinition': 'web', 'schedulingStrategy': 'DAEMON'}`).is(
		"service.capacityProviderStrategy", "absent", "service.launchType", "'EC2'")

	// ecs.md 3.1.2: a change of the strategy starts no deployment.
	update := func(name, more string) answer {
		t.Helper()
		return d.ok("UpdateService", `{'service': '%s'%s}`, name, more)
	}
	update("ec2", `, 'capacityProviderStrategy': [{'capacityProvider': 'a', 'weight': 1}]`).is(
		"service.capacityProviderStrategy.0.capacityProvider", "'a'", "service.launchType", "absent",
		"service.deployments.1", "absent")
	update("ec2", ", 'desiredCount': 2").is("service.capacityProviderStrategy.0.capacityProvider", "'a'")
	update("ec2", `, 'capacityProviderStrategy': [], 'forceNewDeployment': true`).is(
		"service.capacityProviderStrategy", "absent", "service.launchType", "'EC2'",
		"service.deployments.0.launchType", "'EC2'", "service.deployments.1.status", "'ACTIVE'")

	inUse := `{'cluster': 'default', 'capacityProviders': ['b'], 'defaultCapacityProviderStrategy': []}`
	d.refused("ResourceInUseException: The specified capacity provider is in use and cannot be removed.",
		"PutClusterCapacityProviders", inUse)
	update("own", `, 'capacityProviderStrategy': [{'capacityProvider': 'b', 'weight': 2}]`)
	d.ok("PutClusterCapacityProviders", inUse)
}

func TestStrategyRefusals(t *testing.T) {
	d := newDesk(t)
	d.provider("a")
	d.provider("elsewhere")
	d.associate("'a'", "{'capacityProvider': 'a'}")
	d.define("web", "")
	const unassociated = "InvalidParameterException: The specified capacity provider strategy cannot contain a " +
		"capacity " +
		"provider that is not associated with the cluster."
	for more, want := range map[string]string{
		`, 'launchType': 'EC2', 'capacityProviderStrategy': [{'capacityProvider': 'a', 'weight': 1}]`: "Invalid" +
			"ParameterException: Specifying both a launch type and capacity provider strategy is not supported.",
		`, 'capacityProviderStrategy': [{'capacityProvider': 'elsewhere', 'weight': 1}]`: unassociated,
		`, 'capacityProviderStrategy': [{'capacityProvider': 'ghost', 'weight': 1}]`:     unassociated,
		`, 'capacityProviderStrategy': [{'capacityProvider': 'FARGATE', 'weight': 1}]`: "InvalidParameterException: " +
			"The capacity provider FARGATE is not available yet",
		`, 'capacityProviderStrategy': [{'capacityProvider': 'a', 'base': 3}]`: "InvalidParameterException: The " +
			"capacity " +
			"provider strategy must have at least one capacity provider with a weight of more than 0.",
		"": "InvalidParameterException: The capacity provider strategy must have at least one", // the cluster's own
		`, 'capacityProviderStrategy': [{'capacityProvider': 'a', 'weight': 1}, {'capacityProvider': 'a'}]`: "Invalid" +
			"ParameterException: The capacity provider strategy is not valid: the capacity provider a is in",
	} {
		d.refused(want, "RunTask", `{'taskDefinition': 'web'%s}`, more)
		d.refused(want, "CreateService", `{'serviceName': 's', 'taskDefinition': 'web', 'desiredCount': 1%s}`, more)
	}
	strategy := `'capacityProviderStrategy': [{'capacityProvider': 'a', 'weight': 1}]`
	d.refused("InvalidParameterException: The daemon scheduling strategy does not support capacity provider strategies",
		"CreateService", `{'serviceName': 's', 'taskDefinition': 'web', 'schedulingStrategy': 'DAEMON', %s}`, strategy)
	d.ok("CreateService",
		`{'serviceName': 'out', 'taskDefinition': 'web', 'desiredCount': 0, 'launchType': 'EXTERNAL'}`)
	d.refused("InvalidParameterException: A service with the launch type EXTERNAL cannot have", "UpdateService",
		`{'service': 'out', %s}`, strategy)
	d.ok("ListTasks", `{}`).is("taskArns", "[]")
}

// Tasks run on the instances of their capacity provider; those that find no room there wait (ecs.md 1.5.1, 2.9, 4.11).
func TestRunTaskByStrategy(t *testing.T) {
	d := newDesk(t)
	d.provider("a")
	d.provider("b")
	d.associate("'a', 'b'", "{'capacityProvider': 'a', 'weight': 1}")
	d.define("web", "")
	d.instance("free", "us-east-1a")
	onA := d.member("a1", "a")

	out := d.ok("RunTask", `{'taskDefinition': 'web', 'count': 5}`) // 4 fit
	out.is("failures", "[]", "tasks.0.containerInstanceArn", "'"+onA+"'", "tasks.0.capacityProviderName", "'a'",
		"tasks.0.launchType", "'EC2'", "tasks.0.lastStatus", "'PENDING'", "tasks.3.containerInstanceArn", "'"+onA+"'",
		"tasks.5", "absent")
	waiting := map[bool]int{}
	for i := range 5 {
		waiting[out.at(fmt.Sprintf("tasks.%d.lastStatus", i)) == `"PROVISIONING"`]++
	}
	if waiting[true] != 1 {
		t.Fatalf("%d tasks wait, want 1", waiting[true])
	}

	b := d.ok("RunTask", `{'taskDefinition': 'web', 'capacityProviderStrategy': [{'capacityProvider': 'a', 'weight': 1},
		{'capacityProvider': 'b', 'base': 1, 'weight': 1}], 'count': 3}`)
	providers := map[string]int{}
	for i := range 3 {
		providers[b.text(fmt.Sprintf("tasks.%d.capacityProviderName", i))]++
		b.is(fmt.Sprintf("tasks.%d.lastStatus", i), "'PROVISIONING'", fmt.Sprintf("tasks.%d.containerInstanceArn", i),
			"absent", fmt.Sprintf("tasks.%d.availabilityZone", i), "absent")
	}
	if providers["a"] != 1 || providers["b"] != 2 {
		t.Errorf("the tasks were divided as %v", providers)
	}
	d.ok("DescribeClusters", `{}`).is("clusters.0.pendingTasksCount", "8")

	// Who waits can be stopped, and keeps the capacity provider in the cluster until then.
	d.refused("ResourceInUseException", "PutClusterCapacityProviders",
		`{'cluster': 'default', 'capacityProviders': ['a'], 'defaultCapacityProviderStrategy': []}`)
	for i := range 3 {
		d.ok("StopTask", `{'task': '%s'}`, b.text(fmt.Sprintf("tasks.%d.taskArn", i))).is("task.lastStatus",
			"'STOPPED'",
			"task.stopCode", "'UserInitiated'")
	}
	d.ok("PutClusterCapacityProviders",
		`{'cluster': 'default', 'capacityProviders': ['a'], 'defaultCapacityProviderStrategy': []}`)

	// A launch type uses any instance, and StartTask the named one.
	d.ok("RunTask", `{'taskDefinition': 'web', 'launchType': 'EC2'}`).is("tasks.0.capacityProviderName", "absent",
		"tasks.0.containerInstanceArn", "'"+prefix+"container-instance/default/free'")
	d.ok("StartTask", `{'taskDefinition': 'web', 'containerInstances': ['free']}`).is(
		"tasks.0.capacityProviderName", "absent", "failures", "[]")
	d.ok("DescribeContainerInstances", `{'containerInstances': ['a1']}`).is(
		"containerInstances.0.capacityProviderName", "'a'")
}

// Without managed scaling nothing would ever make room, so a task that finds none is a failure.
func TestTasksDoNotWaitWithoutManagedScaling(t *testing.T) {
	d := newDesk(t)
	d.group("g")
	d.ok("CreateCapacityProvider", `{'name': 'p', 'autoScalingGroupProvider': {'autoScalingGroupArn': 'g'}}`)
	d.associate("'p'", "{'capacityProvider': 'p', 'weight': 1}")
	d.define("web", "")
	d.ok("RunTask", `{'taskDefinition': 'web'}`).is("tasks", "[]", "failures.0.reason",
		"'No Container Instances were found in your capacity provider.'")
	d.member("a", "p")
	d.ok("RunTask", `{'taskDefinition': 'web', 'count': 5}`).is("tasks.4", "absent", "failures.0.reason",
		"'RESOURCE:CPU'")
}

// ecs.md 1.5.1, 4.11: at most 500 tasks of a cluster wait.
func TestAtMost500TasksWait(t *testing.T) {
	d := newDesk(t)
	d.provider("p")
	d.associate("'p'", "{'capacityProvider': 'p', 'weight': 1}")
	d.define("web", "")
	for range 50 {
		d.ok("RunTask", `{'taskDefinition': 'web', 'count': 10}`)
	}
	d.refused("ClientException: The tasks provisioning capacity limit was exceeded", "RunTask",
		`{'taskDefinition': 'web'}`)
	d.ok("DescribeClusters", `{}`).is("clusters.0.pendingTasksCount", "500")
}
