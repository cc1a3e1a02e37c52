package ecs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/state"
)

func TestCreateService(t *testing.T) {
	d := newDesk(t)
	definition := d.define("web", "")
	a := d.ok("CreateService", `{'serviceName': 's', 'taskDefinition': 'web', 'desiredCount': 2, 'tags': `+
		`[{'key': 'k', 'value': 'v'}]}`)
	a.is("service.serviceArn", "'"+prefix+"service/default/s'", "service.serviceName", "'s'",
		"service.clusterArn", "'"+prefix+"cluster/default'", "service.status", "'ACTIVE'",
		"service.desiredCount", "2", "service.runningCount", "0", "service.pendingCount", "0",
		"service.taskDefinition", "'"+definition+"'", "service.launchType", "'EC2'",
		"service.schedulingStrategy", "'REPLICA'", "service.deploymentController", "{'type':'ECS'}",
		"service.loadBalancers", "[]", "service.serviceRegistries", "[]",
		"service.placementConstraints", "[]", "service.placementStrategy", "[]",
		"service.events", "[]", "service.propagateTags", "'NONE'", "service.enableECSManagedTags", "false",
		"service.enableExecuteCommand", "false", "service.createdBy", "'arn:aws:iam::123456789012:root'",
		"service.createdAt", "1782907200", "service.tags.0.key", "'k'",
		"service.availabilityZoneRebalancing", "'ENABLED'", "service.healthCheckGracePeriodSeconds", "absent",
		"service.deploymentConfiguration", "{'deploymentCircuitBreaker':{'enable':false,'rollback':false},"+
			"'maximumPercent':200,'minimumHealthyPercent':100,'strategy':'ROLLING'}")
	// ecs.md 1.1.3
	a.is("service.deployments.0.status", "'PRIMARY'", "service.deployments.0.rolloutState", "'IN_PROGRESS'",
		"service.deployments.0.desiredCount", "2", "service.deployments.0.pendingCount", "0",
		"service.deployments.0.runningCount", "0", "service.deployments.0.failedTasks", "0",
		"service.deployments.0.taskDefinition", "'"+definition+"'", "service.deployments.1", "absent").
		has("service.deployments.0.id", "ecs-svc/").has("service.deployments.0.rolloutStateReason", "in progress.")
	// ecs.md 1.1.2, 1.1.8
	d.ok("DescribeServices", `{'services': ['s', '%sservice/default/s', '%sservice/s', 'ghost']}`,
		prefix, prefix).is("services.0.serviceName", "'s'", "services.1.serviceName", "'s'",
		"services.2.serviceName", "'s'",
		"services.3", "absent", "failures", "[{'arn':'"+prefix+"service/default/ghost','reason':'MISSING'}]")
	d.ok("ListServices", `{'launchType': 'EC2', 'schedulingStrategy': 'REPLICA'}`).
		is("serviceArns", "['"+prefix+"service/default/s']")
	d.ok("ListServices", `{'schedulingStrategy': 'DAEMON'}`).is("serviceArns", "[]")
	// ecs.md 1.1.7
	d.refused("InvalidParameterException: Services cannot have more than 10 elements.", "DescribeServices",
		`{'services': [%s]}`, many(11))
	d.refused("InvalidParameterException: Services cannot be empty.", "DescribeServices", `{'services': []}`)
}

func TestCreateServiceRefusals(t *testing.T) {
	d := newDesk(t)
	d.define("web", "")
	d.define("vpc", `'networkMode': 'awsvpc'`)
	d.ok("CreateCluster", `{}`)
	for input, want := range map[string]string{
		// ecs.md 1.1.4
		`'serviceName': 'a b', 'taskDefinition': 'web', 'desiredCount': 1`: "InvalidParameterException: " +
			"Invalid service name 'a b'",
		`'taskDefinition': 'web'`:                     "InvalidParameterException: The desired count must be given",
		`'taskDefinition': 'web', 'desiredCount': -1`: "InvalidParameterException: Invalid desired count -1",
		// ecs.md 1.6.3
		`'taskDefinition': 'vpc', 'desiredCount': 1`: "InvalidParameterException: Network Configuration " +
			"must be provided when networkMode 'awsvpc' is specified.",
		`'taskDefinition': 'web', 'desiredCount': 1, 'launchType': 'FARGATE'`: "InvalidParameterException: " +
			"The launch type FARGATE is not available",
		// ecs.md 1.1.11
		`'taskDefinition': 'web', 'desiredCount': 1, 'clientToken': '` + strings.Repeat("x", 37) +
			`'`: "InvalidParameterException: clientToken may have at most 36",
		`'taskDefinition': 'web', 'desiredCount': 1, 'deploymentController': {'type': ` +
			`'CODE_DEPLOY'}`: "InvalidParameterException: The deployment controller CODE_DEPLOY is " +
			"not available yet",
		`'taskDefinition': 'web', 'desiredCount': 1, ` +
			`'healthCheckGracePeriodSeconds': 5`: "InvalidParameterException: Health check grace period is " +
			"only valid for services configured to use load balancers",
		// ecs.md 3.2.5
		`'taskDefinition': 'web', 'desiredCount': 1, ` +
			`'healthCheckGracePeriodSeconds': -5`: "InvalidParameterException: " +
			"healthCheckGracePeriodSeconds must be between 0",
		// ecs.md 3.2.1
		`'taskDefinition': 'web', 'desiredCount': 1, 'deploymentConfiguration': ` +
			`{'maximumPercent': 100}`: "InvalidParameterException: Both maximumPercent and " +
			"minimumHealthyPercent cannot be 100 as this will block deployments.",
		`'taskDefinition': 'web', 'desiredCount': 1, 'deploymentConfiguration': ` +
			`{'maximumPercent': 99}`: "InvalidParameterException: maximumPercent must be at least 100, not 99.",
		`'taskDefinition': 'web', 'desiredCount': 1, 'deploymentConfiguration': ` +
			`{'minimumHealthyPercent': 101}`: "InvalidParameterException: minimumHealthyPercent must be " +
			"between 0 and 100, not 101.",
		`'taskDefinition': 'web', 'desiredCount': 1, 'deploymentConfiguration': {'strategy': ` +
			`'BLUE_GREEN'}`: "InvalidParameterException: The deployment strategy BLUE_GREEN is not available yet",
		`'taskDefinition': 'web', 'desiredCount': 1, 'deploymentConfiguration': {'alarms': {'alarmNames': ` +
			`[], 'enable': true, 'rollback': true}}`: "InvalidParameterException: " +
			"deploymentConfiguration.alarms.alarmNames cannot be empty when alarms are enabled.",
		`'taskDefinition': 'web', 'desiredCount': 1, 'deploymentConfiguration': {'deploymentCircuitBreaker': ` +
			`{'enable': true, 'rollback': true, 'thresholdConfiguration': {'type': 'COUNT', ` +
			`'value': 0}}}`: "InvalidParameterException: The circuit breaker's threshold value",
		`'taskDefinition': 'web', 'desiredCount': 1, 'serviceRegistries': ` +
			`[{'registryArn': 'r'}]`: `InvalidParameterException: Berth does not support ` +
			`"serviceRegistries" in CreateService.`,
		`'taskDefinition': 'web', 'desiredCount': 1, 'loadBalancers': ` +
			`[{'targetGroupArn': 'x'}]`: "InvalidParameterException: A load balancer needs targetGroupArn, " +
			"containerName and containerPort.",
		`'taskDefinition': 'web', 'desiredCount': 1, 'placementConstraints': [{'type': 'memberOf', ` +
			`'expression': 'nonsense'}]`: "InvalidParameterException: ",
		// ecs.md 3.3
		`'taskDefinition': 'web', 'desiredCount': 1, ` +
			`'schedulingStrategy': 'DAEMON'`: "InvalidParameterException: The daemon scheduling strategy " +
			"does not support a desired count for services. Remove the desired count value and try again",
		`'taskDefinition': 'web', 'schedulingStrategy': 'DAEMON', 'placementStrategy': ` +
			`[{'type': 'random'}]`: "InvalidParameterException: The daemon scheduling strategy does not " +
			"support placement strategies",
		`'taskDefinition': 'web', 'schedulingStrategy': 'DAEMON', 'deploymentConfiguration': ` +
			`{'maximumPercent': 150}`: "InvalidParameterException: The daemon scheduling strategy requires " +
			"a maximumPercent of 100, not 150.",
		// ecs.md 2.8
		`'taskDefinition': 'web', 'schedulingStrategy': 'DAEMON', ` +
			`'availabilityZoneRebalancing': 'ENABLED'`: "InvalidParameterException: The service does not " +
			"support availability zone rebalancing: the daemon",
		`'taskDefinition': 'web', 'desiredCount': 1, 'launchType': 'EXTERNAL', ` +
			`'availabilityZoneRebalancing': 'ENABLED'`: "InvalidParameterException: The service does not " +
			"support availability zone rebalancing: the launch type EXTERNAL",
		`'taskDefinition': 'web', 'desiredCount': ` +
			`1, 'availabilityZoneRebalancing': 'ENABLED', 'deploymentConfiguration': {'maximumPercent': ` +
			`100, 'minimumHealthyPercent': 50}`: "InvalidParameterException: The service does not support " +
			"availability zone rebalancing: a maximumPercent of 100",
		`'taskDefinition': 'web', 'desiredCount': 1, 'availabilityZoneRebalancing': 'ENABLED', ` +
			`'placementStrategy': [{'type': 'spread', 'field': 'instanceId'}]`: "InvalidParameterException: " +
			"The service does not support availability zone rebalancing: the first placement strategy",
		`'taskDefinition': 'web', 'desiredCount': 1, 'availabilityZoneRebalancing': 'ENABLED', ` +
			`'placementConstraints': [{'type': 'memberOf', 'expression': 'attribute:ecs.availability-zone ` +
			`== us-east-1a'}]`: "InvalidParameterException: The service does not support availability zone " +
			"rebalancing: a placement constraint",
	} {
		if !strings.Contains(input, "serviceName") {
			input = "'serviceName': 's', " + input
		}
		d.refused(want, "CreateService", "{%s}", input)
	}
	d.ok("ListServices", `{}`).is("serviceArns", "[]")
}

// ecs.md 2.8: the default is ENABLED where the service allows it. An update does not change it.
func TestRebalancingDefaults(t *testing.T) {
	d := newDesk(t)
	d.define("web", "")
	for i, tt := range []struct{ input, want string }{
		{`'desiredCount': 1`, "ENABLED"},
		{`'desiredCount': 1, 'placementStrategy': [{'type': 'spread', 'field': ` +
			`'attribute:ecs.availability-zone'}, {'type': 'binpack', 'field': 'cpu'}]`, "ENABLED"},
		{`'desiredCount': 1, 'availabilityZoneRebalancing': 'DISABLED'`, "DISABLED"},
		{`'desiredCount': 1, 'placementStrategy': [{'type': 'binpack', 'field': 'cpu'}]`, "DISABLED"},
		{`'desiredCount': 1, 'deploymentConfiguration': {'maximumPercent': 100, 'minimumHealthyPercent': 0}`,
			"DISABLED"},
		{`'desiredCount': 1, 'launchType': 'EXTERNAL'`, "DISABLED"},
		{`'desiredCount': 1, 'placementConstraints': [{'type': 'memberOf', 'expression': ` +
			`'attribute:ecs.availability-zone == us-east-1a'}]`, "DISABLED"},
		{`'schedulingStrategy': 'DAEMON'`, "DISABLED"},
	} {
		d.ok("CreateService", `{'serviceName': 's%d', 'taskDefinition': 'web', %s}`, i,
			tt.input).is("service.availabilityZoneRebalancing", "'"+tt.want+"'")
		d.ok("UpdateService", `{'service': 's%d', 'enableExecuteCommand': true}`,
			i).is("service.availabilityZoneRebalancing", "'"+tt.want+"'")
	}
	d.ok("UpdateService", `{'service': 's0', 'availabilityZoneRebalancing': 'DISABLED'}`).
		is("service.availabilityZoneRebalancing", "'DISABLED'", "service.deployments.1", "absent")
	d.ok("UpdateService", `{'service': 's0', 'availabilityZoneRebalancing': 'ENABLED'}`).
		is("service.availabilityZoneRebalancing", "'ENABLED'", "service.deployments.1", "absent")
	d.ok("UpdateService", `{'service': 's0', 'deploymentConfiguration': {'maximumPercent': 100, `+
		`'minimumHealthyPercent': 0}}`).is("service.availabilityZoneRebalancing", "'ENABLED'")
	d.refused("InvalidParameterException: The service does not support availability zone rebalancing: a "+
		"maximumPercent of 100", "UpdateService", `{'service': 's0', 'availabilityZoneRebalancing': 'ENABLED'}`)
}

// ecs.md 1.1.11, 1.1.12
func TestCreateServiceIsIdempotentByItsToken(t *testing.T) {
	d := newDesk(t)
	d.define("web", "")
	const call = `{'serviceName': 's', 'taskDefinition': 'web', 'desiredCount': 1, 'clientToken': 'once'}`
	first := d.ok("CreateService", call)
	d.ok("CreateService", call).is("service.deployments.0.id", first.at("service.deployments.0.id"))
	d.refused("ConflictException: The clientToken once was used before with other parameters.", "CreateService",
		`{'serviceName': 's', 'taskDefinition': 'web', 'desiredCount': 2, 'clientToken': 'once'}`).
		is("resourceIds", "['"+prefix+"service/default/s']")
	d.refused("ConflictException: ", "CreateService",
		`{'serviceName': 'other', 'taskDefinition': 'web', 'desiredCount': 1, 'clientToken': 'once'}`)
	d.refused("InvalidParameterException: Creation of service was not idempotent.", "CreateService",
		`{'serviceName': 's', 'taskDefinition': 'web', 'desiredCount': 1}`)
	d.refused("InvalidParameterException: Creation of service was not idempotent.", "CreateService",
		`{'serviceName': 's', 'taskDefinition': 'web', 'desiredCount': 1, 'clientToken': 'twice'}`)
	d.ok("DeleteService", `{'service': 's', 'force': true}`)
	d.refused("InvalidParameterException: Unable to Start a service that is still Draining.", "CreateService", call)
	d.end("s")
	if id := d.ok("CreateService", call).at("service.deployments.0.id"); id == first.at("service.deployments.0.id") {
		t.Error("the deleted service came back")
	}
}

// end does what the controller does after the last task of a deleted service has stopped.
func (d *desk) end(name string) {
	d.t.Helper()
	d.put(func(tx *state.Tx) {
		s, _ := tx.Services.Get(prefix + "service/default/" + name)
		n := *s
		n.Status = ecs.ServiceInactive
		tx.Services.Put(&n)
	})
}

// ecs.md 3.1.1
func TestDeleteService(t *testing.T) {
	d := newDesk(t)
	d.define("web", "")
	d.ok("CreateService", `{'serviceName': 's', 'taskDefinition': 'web', 'desiredCount': 1}`)
	d.refused("InvalidParameterException: The service cannot be stopped while it is scaled above 0.",
		"DeleteService", `{'service': 's'}`)
	d.ok("DeleteService", `{'service': 's', 'force': true}`).is("service.status", "'DRAINING'",
		"service.desiredCount", "0", "service.deployments.0.desiredCount", "0")
	d.ok("DeleteService", `{'service': 's'}`).is("service.status", "'DRAINING'")
	d.ok("ListServices", `{}`).is("serviceArns", "[]")
	d.ok("DescribeServices", `{'services': ['s']}`).is("services.0.status", "'DRAINING'")
	d.refused("ServiceNotActiveException: Service was not ACTIVE.", "UpdateService",
		`{'service': 's', 'desiredCount': 1}`)
	d.end("s")
	d.ok("DescribeServices", `{'services': ['s']}`).is("services.0.status", "'INACTIVE'",
		"services.0.deployments", "[]")
	d.refused("ServiceNotActiveException: Service was not ACTIVE.", "UpdateService",
		`{'service': 's', 'desiredCount': 1}`)
	d.refused("ServiceNotFoundException: Service not found.", "DeleteService", `{'service': 's'}`)
	// ecs.md 3.3
	d.ok("CreateService", `{'serviceName': 'd', 'taskDefinition': 'web', 'schedulingStrategy': 'DAEMON'}`).
		is("service.deploymentConfiguration.minimumHealthyPercent", "0",
			"service.deploymentConfiguration.maximumPercent", "100")
	d.ok("DeleteService", `{'service': 'd'}`).is("service.status", "'DRAINING'") // force is for REPLICA services
	d.refused("ServiceNotFoundException: Service not found.", "UpdateService", `{'service': 'ghost'}`)
}

// ecs.md 3.1.2, 3.1.3, 3.1.4
func TestUpdateServiceDeploysOnlyWhatNeedsIt(t *testing.T) {
	d := newDesk(t)
	d.define("web", "")
	d.define("web", "")
	d.ok("CreateService", `{'serviceName': 's', 'taskDefinition': 'web:1', 'desiredCount': 1}`)
	first := d.ok("DescribeServices", `{'services': ['s']}`).at("services.0.deployments.0.id")
	for _, input := range []string{
		`'desiredCount': 3`, `'deploymentConfiguration': {'minimumHealthyPercent': 50}`,
		`'placementStrategy': [{'type': 'random'}]`, `'placementConstraints': [{'type': 'distinctInstance'}]`,
		`'propagateTags': 'SERVICE'`, `'enableECSManagedTags': true`, `'enableExecuteCommand': true`,
		`'taskDefinition': 'web:1'`, `'loadBalancers': []`, `'healthCheckGracePeriodSeconds': 0`,
		`'deploymentConfiguration': {'deploymentCircuitBreaker': {'enable': true, 'rollback': true, ` +
			`'resetOnHealthyTask': false, 'thresholdConfiguration': {'type': 'COUNT', 'value': 2}}}`,
	} {
		d.ok("UpdateService", `{'service': 's', %s}`, input).is("service.deployments.0.id", first,
			"service.deployments.1", "absent")
	}
	d.ok("DescribeServices", `{'services': ['s']}`).is("services.0.desiredCount", "3",
		"services.0.deployments.0.desiredCount", "3", "services.0.placementStrategy", "[{'type':'random'}]",
		"services.0.placementConstraints", "[{'type':'distinctInstance'}]",
		"services.0.propagateTags", "'SERVICE'", "services.0.enableECSManagedTags", "true",
		"services.0.enableExecuteCommand", "true", "services.0.healthCheckGracePeriodSeconds", "0",
		"services.0.deploymentConfiguration.minimumHealthyPercent", "50",
		"services.0.deploymentConfiguration.maximumPercent", "200",
		"services.0.deploymentConfiguration.deploymentCircuitBreaker", "{'enable':true,"+
			"'resetOnHealthyTask':false,'rollback':true,'thresholdConfiguration':{'type':'COUNT','value':2}}")

	second := d.ok("UpdateService", `{'service': 's', 'forceNewDeployment': true}`).
		is("service.deployments.0.status", "'PRIMARY'", "service.deployments.1.status", "'ACTIVE'",
			"service.deployments.1.id", first, "service.deployments.2", "absent").at("service.deployments.0.id")
	d.ok("UpdateService", `{'service': 's', 'taskDefinition': 'web'}`).is(
		"service.taskDefinition", "'"+prefix+"task-definition/web:2'", "service.deployments.0.taskDefinition",
		"'"+prefix+"task-definition/web:2'", "service.deployments.0.rolloutState", "'IN_PROGRESS'",
		"service.deployments.1.id", second, "service.deployments.1.status", "'ACTIVE'")
	for input, want := range map[string]string{
		`'taskDefinition': 'ghost'`: "ClientException: TaskDefinition not found.",
		`'desiredCount': -1`:        "InvalidParameterException: Invalid desired count -1",
		`'deploymentConfiguration': {'maximumPercent': 100, ` +
			`'minimumHealthyPercent': 100}`: "InvalidParameterException: Both maximumPercent",
		`'networkConfiguration': {'awsvpcConfiguration': {'subnets': ['s']}}`: "InvalidParameterException: " +
			"Network Configuration is not valid for the given networkMode",
		`'healthCheckGracePeriodSeconds': 9`: "InvalidParameterException: Health check grace " +
			"period is only valid",
		`'deploymentController': {'type': 'EXTERNAL'}`: "InvalidParameterException: The deployment controller EXTERNAL",
		`'vpcLatticeConfigurations': [{'roleArn': 'r', 'targetGroupArn': ` +
			`'t', 'portName': 'p'}]`: `InvalidParameterException: Berth does not support ` +
			`"vpcLatticeConfigurations" in UpdateService.`,
		`'placementStrategy': [{'type': 'x'}]`: "InvalidParameterException: ",
	} {
		d.refused(want, "UpdateService", `{'service': 's', %s}`, input)
	}
	d.ok("CreateService", `{'serviceName': 'd', 'taskDefinition': 'web', 'schedulingStrategy': 'DAEMON'}`)
	d.refused("InvalidParameterException: The daemon scheduling strategy does not support a desired count",
		"UpdateService", `{'service': 'd', 'desiredCount': 1}`)
	d.refused("InvalidParameterException: The daemon scheduling strategy does not support placement strategies",
		"UpdateService", `{'service': 'd', 'placementStrategy': [{'type': 'random'}]}`)
}

// Running tasks are counted by deployment. A service with the name of a deleted one has only its own events.
func TestServiceCounts(t *testing.T) {
	d := newDesk(t)
	d.instance("a", "us-east-1a")
	d.define("web", "")
	a := d.ok("CreateService", `{'serviceName': 's', 'taskDefinition': 'web', 'desiredCount': 2}`)
	tasks := d.ok("RunTask", `{'taskDefinition': 'web', 'count': 3}`)
	for i, last := range []ecs.TaskStatus{ecs.Running, ecs.Pending, ecs.Stopping} {
		d.change(tasks.text(fmt.Sprintf("tasks.%d.taskArn", i)), func(t *ecs.Task) {
			t.ServiceARN, t.StartedBy, t.LastStatus = a.text("service.serviceArn"),
				a.text("service.deployments.0.id"), last
		})
	}
	d.ok("DescribeServices", `{'services': ['s']}`).is("services.0.runningCount", "1",
		"services.0.pendingCount", "1", "services.0.deployments.0.runningCount", "1",
		"services.0.deployments.0.pendingCount", "1")

	d.put(func(tx *state.Tx) {
		tx.ServiceEvents.Put(&ecs.Event{
			ServiceARN: a.text("service.serviceArn"), Sequence: 1, ID: "1", Message: "long ago",
		})
	})
	d.ok("DeleteService", `{'service': 's', 'force': true}`)
	d.end("s")
	d.ok("CreateService", `{'serviceName': 's', 'taskDefinition': 'web', 'desiredCount': 2}`).is("service.events", "[]")
}

// ecs.md 1.4.2: a service keeps running an INACTIVE task definition, but cannot be deployed to one.
func TestServiceOfAnInactiveTaskDefinition(t *testing.T) {
	d := newDesk(t)
	d.define("web", "")
	d.ok("CreateService", `{'serviceName': 's', 'taskDefinition': 'web', 'desiredCount': 1}`)
	d.ok("DeregisterTaskDefinition", `{'taskDefinition': 'web:1'}`)
	d.ok("UpdateService", `{'service': 's', 'desiredCount': 2}`).is("service.desiredCount", "2")
	d.refused("ClientException: TaskDefinition is inactive", "UpdateService",
		`{'service': 's', 'forceNewDeployment': true}`)
	d.refused("ClientException: TaskDefinition is inactive", "UpdateService",
		`{'service': 's', 'taskDefinition': 'web:1'}`)
}

// ecs.md 3.11
func TestServicesAndLoadBalancers(t *testing.T) {
	d := newDesk(t)
	d.define("web", "")
	d.define("vpc", `'networkMode': 'awsvpc'`)
	d.define("none", `'networkMode': 'bridge'`)
	group := func(name, targetType string, used bool) string {
		g := &elb.TargetGroup{ARN: "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/" + name +
			"/1", Name: name, TargetType: targetType}
		d.put(func(tx *state.Tx) {
			tx.TargetGroups.Put(g)
			if used {
				tx.Rules.Put(&elb.Rule{ARN: "arn:rule/" + name, Actions: []elb.Action{{Type: "forward",
					Forward: &elb.Forward{TargetGroups: []elb.WeightedGroup{{ARN: g.ARN, Weight: 1}}}}}})
			}
		})
		return g.ARN
	}
	good, unused, addresses := group("good", "instance", true), group("unused", "instance", false),
		group("addresses", "ip", true)
	lb := func(arn, container string, port int) string {
		return fmt.Sprintf(`'loadBalancers': [{'targetGroupArn': '%s', 'containerName': '%s', `+
			`'containerPort': %d}]`, arn, container, port)
	}
	for input, want := range map[string]string{
		lb(strings.Replace(good, "us-east-1", "eu-west-1", 1), "web", 80): "InvalidParameterException: The " +
			"specified target group arn:aws:elasticloadbalancing:eu-west-1",
		lb("ghost", "web", 80): "InvalidParameterException: The specified target group ghost does not exist.",
		lb(unused, "web", 80): "InvalidParameterException: The target group with targetGroupArn " + unused +
			" does not have an associated load balancer.",
		lb(good, "ghost", 80): "InvalidParameterException: The container ghost does not exist in the task definition.",
		lb(good, "web", 81):   "InvalidParameterException: The container web did not have a container port 81 defined.",
		lb(addresses, "web", 80): "InvalidParameterException: The provided target group " + addresses +
			" has target type ip, which is incompatible with the bridge network mode specified in " +
			"the task definition.",
		`'loadBalancers': [` + strings.TrimSuffix(
			strings.Repeat(`{'targetGroupArn': 'x', 'containerName': 'web', 'containerPort': 80},`, 6), ",") +
			`]`: "InvalidParameterException: load balancers can have at most 5 items.",
		`'loadBalancers': [{'loadBalancerName': 'classic', 'containerName': 'web', ` +
			`'containerPort': 80}]`: `InvalidParameterException: Berth does not support ` +
			`"loadBalancers[0].loadBalancerName"`,
	} {
		d.refused(want, "CreateService", `{'serviceName': 's', 'taskDefinition': 'web', 'desiredCount': 1, %s}`, input)
	}
	d.ok("RegisterTaskDefinition", `{'family': 'dns', 'containerDefinitions': [{'name': 'web', 'image': 'x',
		'memory': 64, 'portMappings': [{'containerPort': 53, 'protocol': 'tcp'},
		{'containerPort': 53, 'protocol': 'udp'}]}]}`) // ecs.md 1.4.8
	d.refused("InvalidParameterException: Container port 53 is used in more than one port mapping for container web",
		"CreateService", `{'serviceName': 's', 'taskDefinition': 'dns', 'desiredCount': 1, %s}`, lb(good, "web", 53))
	d.refused("InvalidParameterException: The provided target group "+good+
		" has target type instance, which is incompatible with the awsvpc network mode", "CreateService",
		`{'serviceName': 's', 'taskDefinition': 'vpc', 'desiredCount': 1, %s}`, lb(good, "web", 80))
	d.ok("CreateService", `{'serviceName': 's', 'taskDefinition': 'web', 'desiredCount': 1, `+
		`'healthCheckGracePeriodSeconds': 9, 'role': 'r', %s}`, lb(good, "web", 80)).is(
		"service.loadBalancers", "[{'containerName':'web','containerPort':80,'targetGroupArn':'"+good+"'}]",
		"service.healthCheckGracePeriodSeconds", "9", "service.roleArn", "'r'")
	twice := strings.TrimSuffix(lb(good, "web", 80), "]")
	d.refused("InvalidParameterException: loadBalancers names container web, port 80, twice", "CreateService",
		`{'serviceName': 't', 'taskDefinition': 'web', 'desiredCount': 1, %s,%s}`,
		twice, strings.TrimPrefix(lb(good, "web", 80), "'loadBalancers': ["))
	// ecs.md 3.2.5: when all load balancers are removed, the grace period stays, for load balancers to come.
	// Setting it on a service without load balancers is refused.
	d.ok("UpdateService", `{'service': 's', 'loadBalancers': []}`).is("service.loadBalancers", "[]",
		"service.healthCheckGracePeriodSeconds", "9")
	d.ok("UpdateService", `{'service': 's', 'desiredCount': 2}`).is("service.desiredCount", "2")
	d.refused("InvalidParameterException: Health check grace period is only valid", "UpdateService",
		`{'service': 's', 'healthCheckGracePeriodSeconds': 9}`)
	d.ok("UpdateService", `{'service': 's', %s}`, lb(good, "web", 80)).is("service.healthCheckGracePeriodSeconds", "9")
	d.ok("UpdateService", `{'service': 's', 'loadBalancers': [], 'healthCheckGracePeriodSeconds': 0}`).
		is("service.loadBalancers", "[]", "service.deployments.0.status", "'PRIMARY'",
			"service.deployments.1.status", "'ACTIVE'")
}

// ecs.md 1.7.4: the newest event first, at most a hundred.
func TestServiceEvents(t *testing.T) {
	d := newDesk(t)
	d.define("web", "")
	service := d.ok("CreateService", `{'serviceName': 's', 'taskDefinition': 'web', 'desiredCount': 1}`).
		text("service.serviceArn")
	d.put(func(tx *state.Tx) {
		for i := range int64(103) {
			tx.ServiceEvents.Put(&ecs.Event{ServiceARN: service, Sequence: i + 1, ID: fmt.Sprint(i + 1),
				CreatedAt: *d.now, Message: fmt.Sprintf("event %d", i+1)})
		}
	})
	d.ok("DescribeServices", `{'services': ['s']}`).
		is("services.0.events.0", "{'createdAt':1782907200,'id':'103','message':'event 103'}",
			"services.0.events.99.id", "'4'", "services.0.events.100", "absent")
}

// An action that is not built yet is refused by name, with a code that clients know. Lists of things that
// Berth cannot have are empty.
func TestLaterActions(t *testing.T) {
	d := newDesk(t)
	for action, input := range map[string]string{
		"CreateTaskSet":               `{'cluster': 'c', 'service': 's', 'taskDefinition': 't'}`,
		"UpdateTaskSet":               `{'cluster': 'c', 'service': 's', 'taskSet': 't', 'scale': {'value': 1}}`,
		"DeleteTaskSet":               `{'cluster': 'c', 'service': 's', 'taskSet': 't'}`,
		"DescribeTaskSets":            `{'cluster': 'c', 'service': 's'}`,
		"UpdateServicePrimaryTaskSet": `{'cluster': 'c', 'service': 's', 'primaryTaskSet': 't'}`,
		"ContinueServiceDeployment":   `{'serviceDeploymentArn': 'x', 'hookId': 'h'}`,
		"ExecuteCommand":              `{'command': 'sh', 'interactive': true, 'task': 't'}`,
		"UpdateContainerAgent":        `{'containerInstance': 'i'}`,
		"CreateDaemon": `{'daemonName': 'd', 'daemonTaskDefinitionArn': 't', ` +
			`'capacityProviderArns': ['p']}`,
		"UpdateDaemon": `{'daemonArn': 'd', 'daemonTaskDefinitionArn': 't', ` +
			`'capacityProviderArns': ['p']}`,
		"DeleteDaemon":                  `{'daemonArn': 'd'}`,
		"DescribeDaemon":                `{'daemonArn': 'd'}`,
		"ListDaemons":                   `{}`,
		"DescribeDaemonDeployments":     `{'daemonDeploymentArns': ['d']}`,
		"ListDaemonDeployments":         `{'daemonArn': 'd'}`,
		"DescribeDaemonRevisions":       `{'daemonRevisionArns': ['r']}`,
		"RegisterDaemonTaskDefinition":  `{'family': 'f', 'containerDefinitions': [{'name': 'c', 'image': 'i'}]}`,
		"DeleteDaemonTaskDefinition":    `{'daemonTaskDefinition': 't'}`,
		"DescribeDaemonTaskDefinition":  `{'daemonTaskDefinition': 't'}`,
		"ListDaemonTaskDefinitions":     `{}`,
		"DeleteExpressGatewayService":   `{'serviceArn': 's'}`,
		"DescribeExpressGatewayService": `{'serviceArn': 's'}`,
		"DeleteGateway":                 `{'gateway': 'g'}`,
		"DescribeGateway":               `{'gateway': 'g'}`,
		"ListGateways":                  `{}`,
		"AssociateGatewayWithCluster":   `{'gateway': 'g', 'cluster': 'c'}`,
	} {
		d.refused("UnsupportedFeatureException: Berth does not support ", action, "%s", input)
	}
	d.ok("DescribeCapacityProviders", `{}`).is("capacityProviders", "[]", "failures", "[]")
	d.ok("DescribeCapacityProviders", `{'capacityProviders': ['FARGATE']}`).is("capacityProviders", "[]",
		"failures", "[{'arn':'FARGATE','reason':'MISSING'}]")
	d.refused("ClusterNotFoundException", "DescribeCapacityProviders", `{'cluster': 'ghost'}`)
	d.refused("NamespaceNotFoundException", "ListServicesByNamespace", `{'namespace': 'n'}`)
	d.refused("UnknownOperationException", "MakeCoffee", `{}`)
}
