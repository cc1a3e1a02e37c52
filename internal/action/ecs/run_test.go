package ecs

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/role"
	"github.com/berthhq/berth/internal/state"
)

func TestRunTask(t *testing.T) {
	d := newDesk(t)
	instance := d.instance("a", "us-east-1a")
	definition := d.define("web", "")
	a := d.ok("RunTask", `{'taskDefinition': 'web', 'startedBy': 'me', 'enableExecuteCommand': true}`)
	a.has("tasks.0.taskArn", prefix+"task/default/").is("failures", "[]",
		"tasks.0.clusterArn", "'"+prefix+"cluster/default'",
		"tasks.0.taskDefinitionArn", "'"+definition+"'", "tasks.0.containerInstanceArn", "'"+instance+"'",
		"tasks.0.lastStatus", "'PENDING'", "tasks.0.desiredStatus", "'RUNNING'",
		"tasks.0.group", "'family:web'", "tasks.0.startedBy", "'me'", "tasks.0.launchType", "'EC2'",
		"tasks.0.cpu", "'256'", "tasks.0.memory", "'256'", "tasks.0.availabilityZone", "'us-east-1a'",
		"tasks.0.healthStatus", "'UNKNOWN'",
		"tasks.0.version", "1", "tasks.0.tags", "[]", "tasks.0.attachments", "[]", "tasks.0.attributes",
		"[{'name':'ecs.cpu-architecture','value':'arm64'}]", "tasks.0.enableExecuteCommand", "true",
		"tasks.0.createdAt", "1782907200", "tasks.0.startedAt", "absent",
		"tasks.0.overrides", "{'containerOverrides':[{'name':'web'}]}", "tasks.0.containers.0.name", "'web'",
		"tasks.0.containers.0.lastStatus", "'PENDING'", "tasks.0.containers.0.networkBindings", "[]",
		"tasks.0.containers.0.networkInterfaces", "[]", "tasks.0.containers.0.cpu", "'256'",
		"tasks.0.containers.0.memory", "'256'", "tasks.0.containers.0.exitCode", "absent")
	// ecs.md 1.1.2
	if id := strings.TrimPrefix(a.text("tasks.0.taskArn"), prefix+"task/default/"); len(id) != 32 ||
		strings.Contains(id, "-") {
		t.Errorf("task id %s", id)
	}
	d.ok("DescribeTasks", `{'tasks': ['%s', 'ghost']}`,
		a.text("tasks.0.taskArn")).is("tasks.0.taskArn", a.at("tasks.0.taskArn"),
		"failures", "[{'arn':'"+prefix+"task/default/ghost','reason':'MISSING'}]") // ecs.md 1.1.8
	d.refused("ClusterNotFoundException: Cluster not found.", "DescribeTasks", `{'cluster': 'ghost', 'tasks': ['x']}`)
}

// ecs.md 1.2.5, 1.6.2: the first use of the default cluster creates it. It then has no instances.
func TestTheDefaultClusterIsMadeByItsFirstUse(t *testing.T) {
	d := newDesk(t)
	d.define("web", "")
	d.refused("ClusterNotFoundException: Cluster not found.", "ListTasks", `{}`)
	d.refused("ClusterNotFoundException: Cluster not found.", "RunTask", `{'cluster': 'c', 'taskDefinition': 'web'}`)
	d.refused("InvalidParameterException: No Container Instances were found in your cluster.", "RunTask",
		`{'taskDefinition': 'web'}`)
	d.refused("ClusterNotFoundException: Cluster not found.", "ListTasks", `{}`) // a refused call creates nothing
	d.ok("CreateService", `{'serviceName': 's', 'taskDefinition': 'web', 'desiredCount': 1}`)
	d.ok("ListTasks", `{}`).is("taskArns", "[]")
}

func TestRunTaskRefusals(t *testing.T) {
	d := newDesk(t)
	d.instance("a", "us-east-1a")
	d.define("web", "")
	d.define("vpc", `'networkMode': 'awsvpc'`)
	for input, want := range map[string]string{
		// ecs.md 1.1.7
		`'taskDefinition': 'web', 'count': 0`:  "InvalidParameterException: count must be between 1 and 10, not 0.",
		`'taskDefinition': 'web', 'count': 11`: "InvalidParameterException: count must be between 1 and 10, not 11.",
		`'taskDefinition': 'web', 'launchType': 'FARGATE'`: "InvalidParameterException: The launch type " +
			"FARGATE is not available",
		// ecs.md 1.1.5
		`'taskDefinition': 'web', 'propagateTags': 'SERVICE'`: "InvalidParameterException: propagateTags " +
			"must be TASK_DEFINITION or NONE",
		`'taskDefinition': 'web', 'group': 'service:x'`: "InvalidParameterException: group and startedBy " +
			"must not begin with service:",
		`'taskDefinition': 'web', 'startedBy': 'ecs-svc/1'`: "InvalidParameterException: group and " +
			"startedBy must not begin",
		// ecs.md 1.6.5
		`'taskDefinition': 'web', 'group': '` + strings.Repeat("x", 256) +
			`'`: "InvalidParameterException: group may have at most 255 characters",
		`'taskDefinition': 'web', 'referenceId': 'x'`: `InvalidParameterException: Berth does not support ` +
			`"referenceId" in RunTask.`,
		// ecs.md 1.1.11
		`'taskDefinition': 'web', 'clientToken': '` + strings.Repeat("x", 65) +
			`'`: "InvalidParameterException: clientToken may have at most 64",
		`'taskDefinition': 'web', 'placementConstraints': [{'type': 'memberOf', 'expression': ` +
			`'attribute:x =='}]`: "InvalidParameterException: Invalid placement constraint: invalid " +
			"expression: at position 15 ",
		// ecs.md 2.5
		`'taskDefinition': 'web', 'placementConstraints': [{'type': 'distinctInstance', 'expression': ` +
			`'attribute:x exists'}]`: "InvalidParameterException: Invalid placement constraint: a " +
			"distinctInstance placement constraint takes no expression",
		// ecs.md 2.3
		`'taskDefinition': 'web', 'placementStrategy': [{'type': 'random', ` +
			`'field': 'cpu'}]`: "InvalidParameterException: Invalid placement strategy: the random " +
			"placement strategy takes no field",
		// ecs.md 2.5
		`'taskDefinition': 'web', 'placementConstraints': [{'type': 'distinctInstance', ` +
			`'expression': ''}]`: "InvalidParameterException: Invalid placement constraint: a " +
			"distinctInstance placement constraint takes no expression",
		`'taskDefinition': 'web', 'placementConstraints': [{'type': 'memberOf'}]`: "InvalidParameterException: " +
			"Invalid placement constraint: invalid expression",
		`'taskDefinition': 'web', 'placementConstraints': [{'type': 'memberOf', ` +
			`'expression': ' '}]`: "InvalidParameterException: Invalid placement constraint: invalid expression",
		`'taskDefinition': 'web', 'placementConstraints': [{'expression': ` +
			`'agentConnected == true'}]`: "InvalidParameterException: Invalid placement constraint: " +
			"unknown placement constraint type",
		// ecs.md 2.3
		`'taskDefinition': 'web', 'placementStrategy': [{'type': 'random', ` +
			`'field': ''}]`: "InvalidParameterException: Invalid placement strategy: the random placement " +
			"strategy takes no field",
		`'taskDefinition': 'web', 'placementStrategy': [{'type': 'spread'}]`: "InvalidParameterException: " +
			"Invalid placement strategy: unknown field",
		`'taskDefinition': 'web', 'placementStrategy': [{'type': 'spread', 'field': ` +
			`'attribute:'}]`: "InvalidParameterException: Invalid placement strategy: unknown field",
		`'taskDefinition': 'web', 'placementStrategy': [{'type': 'binpack', ` +
			`'field': ''}]`: "InvalidParameterException: Invalid placement strategy: unknown field",
		`'taskDefinition': 'web', 'placementStrategy': [{'field': 'cpu'}]`: "InvalidParameterException: " +
			"Invalid placement strategy: unknown placement strategy type",
		`'taskDefinition': 'web', 'placementStrategy': [{'type': 'spread', ` +
			`'field': 'moon'}]`: "InvalidParameterException: Invalid placement strategy: unknown field \"moon\"",
		// ecs.md 2.2
		`'taskDefinition': 'web', 'placementStrategy': [` +
			strings.TrimSuffix(strings.Repeat(`{'type': 'random'},`, 6), ",") +
			`]`: "InvalidParameterException: At most 10 placement constraints and 5 placement strategies",
		// ecs.md 1.6.3
		`'taskDefinition': 'web', 'networkConfiguration': {'awsvpcConfiguration': {'subnets': ` +
			`['subnet-x']}}`: "InvalidParameterException: Network Configuration is not valid for the given " +
			"networkMode of this task definition.",
		`'taskDefinition': 'vpc'`: "InvalidParameterException: Network Configuration must be provided when " +
			"networkMode 'awsvpc' is specified.",
		`'taskDefinition': 'vpc', 'networkConfiguration': {'awsvpcConfiguration': {'subnets': ` +
			`['subnet-x']}}`: "InvalidParameterException: Error retrieving subnet information for [subnet-x]",
		`'taskDefinition': 'vpc', 'networkConfiguration': {'awsvpcConfiguration': {'subnets': [` + many(17) +
			`]}}`: "InvalidParameterException: An awsvpc configuration may name at most 16 subnets",
		`'taskDefinition': 'vpc', 'networkConfiguration': {'awsvpcConfiguration': {'subnets': ['x'], ` +
			`'assignPublicIp': 'ENABLED'}}`: "InvalidParameterException: Assign public IP is not supported " +
			"for this launch type.",
		// ecs.md 1.4.23
		`'taskDefinition': 'web', 'overrides': {'containerOverrides': ` +
			`[{'name': 'ghost'}]}`: "InvalidParameterException: Override for container named ghost is not " +
			"a container in the TaskDefinition.",
		`'taskDefinition': 'web', 'overrides': {'containerOverrides': [{'name': 'web', 'command': ['` +
			strings.Repeat("x", 8192) + `']}]}`: "InvalidParameterException: The overrides are longer " +
			"than 8192 characters.",
		`'taskDefinition': 'web', 'overrides': {'containerOverrides': [{'name': ` +
			`'web', 'cpu': -1}]}`: "InvalidParameterException: With these overrides the task cannot run: " +
			"Invalid setting for container 'web'. 'cpu'",
		`'taskDefinition': 'web', 'overrides': {'containerOverrides': [{'name': 'web', ` +
			`'memory': 1}]}`: "InvalidParameterException: With these overrides the task cannot run",
		`'taskDefinition': 'web', 'overrides': {'cpu': '1'}`: "InvalidParameterException: Invalid 'cpu' override '1'.",
		`'taskDefinition': 'web', 'overrides': {'memory': 'lots'}`: "InvalidParameterException: Invalid " +
			"'memory' override 'lots'.",
		`'taskDefinition': 'web', 'overrides': {'ephemeralStorage': ` +
			`{'sizeInGiB': 21}}`: `InvalidParameterException: Berth does not support "overrides.ephemeralStorage"`,
	} {
		d.refused(want, "RunTask", "{%s}", input)
	}
	d.ok("ListTasks", `{}`).is("taskArns", "[]")
}

// ecs.md 1.6: some tasks start and others fail. There is one failure for each task that found no instance,
// and it lists the reason for each instance.
func TestPlacementFailuresSayWhy(t *testing.T) {
	d := newDesk(t)
	a := d.instance("a", "us-east-1a")
	d.instance("b", "us-east-1b", func(i *ecs.ContainerInstance) { i.AgentConnected = false })
	d.define("web", "")
	d.ok("RegisterTaskDefinition", `{'family': 'fixed', 'containerDefinitions': [{'name': 'web', 'image': `+
		`'web', 'memory': 64, 'portMappings': [{'containerPort': 80, 'hostPort': 8080}]}]}`)

	d.ok("RunTask", `{'taskDefinition': 'web', 'count': 6}`).is("tasks.3.group", "'family:web'",
		"tasks.4", "absent", "failures.0.reason", "'RESOURCE:CPU'",
		"failures.0.arn", "'"+a+"'", "failures.1.reason", "'RESOURCE:CPU'", "failures.2", "absent",
		"failures.0.detail", "'container-instance a: needs 256 CPU units, 0 are free; container-instance "+
			"b: the agent is not connected'")

	d.ok("RunTask", `{'taskDefinition': 'fixed', 'group': 'first'}`).is("failures", "[]")
	d.ok("RunTask", `{'taskDefinition': 'fixed'}`).is("tasks", "[]", "failures.0.reason", "'RESOURCE:PORTS'").
		has("failures.0.detail", "container-instance a: needs host port 8080/tcp, which first uses")
	// The instance that fails for the fewest reasons is listed first.
	// ecs.md 2.5
	d.ok("RunTask", `{'taskDefinition': 'fixed', 'group': 'first', 'placementConstraints': [{'type': `+
		`'distinctInstance'}]}`).is("failures.0.reason", "'AGENT'").
		has("failures.0.detail", "container-instance b: the agent is not connected; container-instance a: "+
			"needs an instance without tasks of first, this one has 1, and needs host port 8080/tcp")
	d.ok("RunTask", `{'taskDefinition': 'web', 'placementConstraints': [{'type': 'memberOf', 'expression': `+
		`'attribute:ecs.availability-zone == us-east-1c'}]}`).is(
		"failures.0.reason", "'MemberOf placement constraint unsatisfied.'").
		has("failures.0.detail", "does not satisfy memberOf(")
	d.define("needy", `'placementConstraints': [{'type': 'memberOf', 'expression': 'attribute:gpu exists'}]`)
	d.ok("RunTask", `{'taskDefinition': 'needy'}`).
		is("failures.0.reason", "'MemberOf placement constraint unsatisfied.'")
	d.ok("RegisterTaskDefinition", `{'family': 'logs', 'containerDefinitions': [{'name': 'web', 'image': `+
		`'web', 'memory': 64, 'logConfiguration': {'logDriver': 'gelf'}}]}`)
	d.ok("RunTask", `{'taskDefinition': 'logs'}`).is("failures.0.reason", "'ATTRIBUTE'").
		has("failures.0.detail", "lacks required attribute com.amazonaws.ecs.capability.logging-driver.gelf")
}

// Tasks of launch type EXTERNAL run on machines outside EC2. The failure names them if there is none.
func TestExternalTasks(t *testing.T) {
	d := newDesk(t)
	d.instance("a", "us-east-1a")
	d.define("web", "")
	d.define("vpc", `'networkMode': 'awsvpc'`)
	d.ok("RunTask", `{'taskDefinition': 'web', 'launchType': 'EXTERNAL'}`).
		is("failures.0.reason", "'MemberOf placement constraint unsatisfied.'").
		has("failures.0.detail", "ecs.capability.external exists")
	away := d.instance("mi", "",
		func(i *ecs.ContainerInstance) { i.Attributes[0] = ecs.Attribute{Name: ecs.AttributeExternal} })
	d.ok("RunTask", `{'taskDefinition': 'web', 'launchType': 'EXTERNAL'}`).
		is("tasks.0.containerInstanceArn", "'"+away+"'", "tasks.0.launchType", "'EXTERNAL'")
	d.refused("InvalidParameterException: The launch type EXTERNAL supports neither the awsvpc network "+
		"mode nor load balancers.", "RunTask", `{'taskDefinition': 'vpc', 'launchType': 'EXTERNAL'}`)
}

// ecs.md 1.3.7: a task that begins to stop frees its resources at once; 1.3.5: remaining resources count them
// as free.
func TestStoppingATaskLeavesItsRoom(t *testing.T) {
	d := newDesk(t)
	d.instance("a", "us-east-1a")
	d.ok("RegisterTaskDefinition", `{'family': 'fixed', 'containerDefinitions': [{'name': 'web', 'image': `+
		`'web', 'cpu': 1000, 'memory': 64, 'portMappings': [{'containerPort': 80, 'hostPort': 8080}, `+
		`{'containerPort': 53, 'hostPort': 53, 'protocol': 'udp'}]}]}`)
	task := d.ok("RunTask", `{'taskDefinition': 'fixed', 'tags': [{'key': 'k', 'value': 'v'}]}`).
		is("tasks.0.tags.0.key", "'k'").text("tasks.0.taskArn")
	d.ok("DescribeContainerInstances", `{'containerInstances': ['a']}`).is(
		"containerInstances.0.registeredResources.0", "{'doubleValue':0,'integerValue':1024,'longValue':0,"+
			"'name':'CPU','type':'INTEGER'}", "containerInstances.0.remainingResources.0.integerValue", "24",
		"containerInstances.0.remainingResources.1.integerValue", "1984",
		"containerInstances.0.registeredResources.2.stringSetValue", "['22','2375','2376','51678','51679']",
		"containerInstances.0.remainingResources.2.stringSetValue", "['22','2375','2376','51678','51679','8080']",
		"containerInstances.0.remainingResources.3.stringSetValue", "['53']")
	d.ok("RunTask", `{'taskDefinition': 'fixed'}`).is("tasks", "[]")
	d.ok("StopTask", `{'task': '%s', 'reason': 'no more'}`, task).is("task.desiredStatus", "'STOPPED'",
		"task.lastStatus", "'STOPPING'", "task.stopCode", "'UserInitiated'",
		"task.stoppedReason", "'no more'", "task.tags", "[]") // ecs.md 1.5.3, 1.5.4, 1.5.5
	d.ok("StopTask", `{'task': '%s', 'reason': 'again'}`, task).is("task.stoppedReason", "'no more'")
	d.ok("RunTask", `{'taskDefinition': 'fixed'}`).is("failures", "[]")
	d.refused("InvalidParameterException: The referenced task was not found.", "StopTask", `{'task': 'ghost'}`)
	d.refused("InvalidParameterException: reason may have at most 1024 characters.", "StopTask",
		`{'task': '%s', 'reason': '%s'}`, task, strings.Repeat("x", 1025))
}

// ecs.md 1.6.3: each task has an address of its own, from the subnet in the zone of its instance.
func TestAwsvpcTasksHaveAddresses(t *testing.T) {
	d := newDesk(t)
	d.instance("a", "us-east-1a")
	d.instance("c", "us-east-1c")
	d.define("vpc", `'networkMode': 'awsvpc'`)
	subnets, first := fleet.Subnets(region, account), netip.MustParsePrefix("172.31.0.0/20")
	a := d.ok("RunTask", `{'taskDefinition': 'vpc', 'count': 5, 'networkConfiguration': `+
		`{'awsvpcConfiguration': {'subnets': ['%s', '%s'], 'securityGroups': ['sg-1']}}}`,
		subnets[0].ID, subnets[1].ID)
	seen := make(map[string]bool)
	for i := range 4 {
		task := fmt.Sprintf("tasks.%d.", i)
		a.is(task+"availabilityZone", "'us-east-1a'", task+"attachments.0.type", "'ElasticNetworkInterface'",
			task+"attachments.0.status", "'ATTACHED'",
			task+"attachments.0.details.0", "{'name':'subnetId','value':'"+subnets[0].ID+"'}")
		ip := a.text(task + "containers.0.networkInterfaces.0.privateIpv4Address")
		if seen[ip] || !first.Contains(netip.MustParseAddr(ip)) {
			t.Errorf("address %s is not in %s or was used before (%v)", ip, first, seen)
		}
		seen[ip] = true
		a.is(task+"attachments.0.details.4", "{'name':'privateIPv4Address','value':'"+ip+"'}",
			task+"containers.0.networkInterfaces.0.attachmentId", a.at(task+"attachments.0.id"))
	}
	a.is("tasks.4", "absent", "failures.0.reason", "'RESOURCE:CPU'").
		has("failures.0.detail", "container-instance c: needs zone us-east-1a or us-east-1b")
	d.ok("RunTask", `{'taskDefinition': 'vpc', 'networkConfiguration': {'awsvpcConfiguration': `+
		`{'subnets': ['%s']}}}`, subnets[1].ID).is("tasks", "[]", "failures.0.reason", "'LOCATION'")
}

// When a subnet is full, only the tasks that need an address of that subnet fail (ecs.md 1.6, 1.6.2).
func TestFullSubnetFailsItsOwnTasks(t *testing.T) {
	d := newDesk(t)
	d.instance("a", "us-east-1a")
	b := d.instance("b", "us-east-1b")
	d.define("vpc", `'networkMode': 'awsvpc'`)
	subnets := fleet.Subnets(region, account)
	if err := d.store.Update(t.Context(), func(tx *state.Tx) error {
		full := netip.MustParsePrefix("172.31.0.0/20")
		ip := full.Addr()
		for i := 0; full.Contains(ip); i, ip = i+1, ip.Next() {
			tx.Tasks.Put(&ecs.Task{TaskARN: fmt.Sprintf("%stask/other/%d", prefix, i),
				LastStatus: ecs.Running, Attachments: []ecs.Attachment{
					{Type: "ElasticNetworkInterface",
						Details: []ecs.KeyValuePair{{Name: "privateIPv4Address", Value: ip.String()}}}}})
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	network := fmt.Sprintf(`'networkConfiguration': {'awsvpcConfiguration': {'subnets': ['%s', '%s']}}`,
		subnets[0].ID, subnets[1].ID)
	d.ok("RunTask", `{'taskDefinition': 'vpc', 'count': 4, 'placementStrategy': [{'type': 'spread', `+
		`'field': 'attribute:ecs.availability-zone'}], `+network+`}`).is(
		"tasks.0.containerInstanceArn", "'"+b+"'",
		"tasks.1.containerInstanceArn", "'"+b+"'", "tasks.2", "absent", "failures.0.reason", "'RESOURCE:ENI'",
		"failures.0.detail", "'The subnet "+subnets[0].ID+" has no free address left.'",
		"failures.1.reason", "'RESOURCE:ENI'", "failures.2", "absent")
	d.ok("StartTask", `{'taskDefinition': 'vpc', 'containerInstances': ['a', 'b'], `+network+`}`).
		is("tasks.0.containerInstanceArn", "'"+b+"'", "failures.0.reason", "'RESOURCE:ENI'")
}

// A task in network mode host uses the ports of the machine, which the machine's other instances cannot use then.
func TestStartTaskOnAMachineWithOtherInstances(t *testing.T) {
	d := newDesk(t)
	on := func(address string) func(*ecs.ContainerInstance) {
		return func(i *ecs.ContainerInstance) { i.Address = address }
	}
	d.instance("a", "us-east-1a", on("127.0.1.1"))
	d.instance("b", "us-east-1b", on("127.0.1.2"))
	c := d.instance("c", "us-east-1c", on("192.0.2.1"))
	d.instance("gone", "us-east-1c", func(i *ecs.ContainerInstance) { i.Status = ecs.InstanceInactive })
	d.ok("RegisterTaskDefinition", `{'family': 'host', 'networkMode': 'host', 'containerDefinitions': [{'name': 'a', `+
		`'image': 'a', 'memory': 16, 'portMappings': [{'containerPort': 8080}]}]}`)
	d.ok("StartTask", `{'taskDefinition': 'host', 'containerInstances': ['a']}`).is("failures", "[]")
	d.ok("StartTask", `{'taskDefinition': 'host', 'containerInstances': ['b', 'c', 'ghost', 'gone', 'gone']}`).
		is("tasks.0.containerInstanceArn", "'"+c+"'", "tasks.1", "absent", "failures.0.reason", "'RESOURCE:PORTS'",
			"failures.0.arn", "'"+prefix+"container-instance/default/b'", "failures.1.reason", "'MISSING'",
			"failures.2.reason", "'INACTIVE'", "failures.3.reason", "'INACTIVE'")
}

func TestStartTask(t *testing.T) {
	d := newDesk(t)
	a := d.instance("a", "us-east-1a")
	d.instance("b", "us-east-1b", func(i *ecs.ContainerInstance) { i.Status = ecs.InstanceInactive })
	d.instance("c", "us-east-1b", func(i *ecs.ContainerInstance) { i.AgentConnected = false })
	d.define("web", "")
	d.ok("StartTask", `{'taskDefinition': 'web', 'containerInstances': ['a', 'b', 'c', 'ghost', '%s'], `+
		`'startedBy': 'me', 'group': 'g'}`, a).is(
		"tasks.0.containerInstanceArn", "'"+a+"'", "tasks.1.containerInstanceArn", "'"+a+"'",
		"tasks.2", "absent", "tasks.0.startedBy", "'me'", "tasks.0.group", "'g'",
		"failures.0.reason", "'INACTIVE'", "failures.0.arn", "'"+prefix+"container-instance/default/b'",
		"failures.1.reason", "'AGENT'", "failures.2.reason", "'MISSING'")
	d.ok("StartTask", `{'taskDefinition': 'web', 'containerInstances': ['a', 'a', 'a']}`).
		is("tasks.1.launchType", "'EC2'", "tasks.2", "absent", "failures.0.reason", "'RESOURCE:CPU'",
			"failures.0.detail", "'needs 256 CPU units, 0 are free'")
	// ecs.md 1.1.7
	d.refused("InvalidParameterException: Container instances cannot have more than 10 elements.",
		"StartTask", `{'taskDefinition': 'web', 'containerInstances': [%s]}`, many(11))
	d.refused("InvalidParameterException: Container instances cannot be empty.", "StartTask",
		`{'taskDefinition': 'web', 'containerInstances': []}`)
	d.refused(`InvalidParameterException: Berth does not support "referenceId" in StartTask.`, "StartTask",
		`{'taskDefinition': 'web', 'containerInstances': ['a'], 'referenceId': 'r'}`)
}

// ecs.md 1.4.23
func TestOverrides(t *testing.T) {
	d := newDesk(t)
	d.instance("a", "us-east-1a")
	d.define("web", "")
	const overridden = `{'taskDefinition': 'web', 'overrides': {'taskRoleArn': 'arn:aws:iam::123456789012:role/r'}}`
	d.refused("ClientException: ECS was unable to assume the role 'arn:aws:iam::123456789012:role/r' that "+
		"was provided for this task.", "RunTask", overridden)
	d.refused("ClientException: ECS was unable to assume the role 'execution'", "RunTask",
		`{'taskDefinition': 'web', 'overrides': {'executionRoleArn': 'execution'}}`)
	d.role("r", "/path/")
	d.refused("ClientException: ECS was unable to assume the role 'arn:aws:iam::123456789012:role/r'",
		"RunTask", overridden)
	d.role("r", "/")
	a := d.ok("RunTask",
		`{'taskDefinition': 'web', 'overrides': {'cpu': '0.5 vCPU', 'memory': '1 GB',
		'taskRoleArn': 'arn:aws:iam::123456789012:role/r', 'containerOverrides': [
		{'name': 'web', 'command': ['c'], 'environment': [{'name': 'A', 'value': 'b'}],
		'cpu': 128, 'memory': 512, 'memoryReservation': 100}]}}`)
	a.is("tasks.0.cpu", "'512'", "tasks.0.memory", "'1024'", "tasks.0.overrides.cpu", "'512'",
		"tasks.0.overrides.taskRoleArn", "'arn:aws:iam::123456789012:role/r'",
		"tasks.0.overrides.containerOverrides.0.command", "['c']", "tasks.0.containers.0.cpu", "'128'",
		"tasks.0.containers.0.memory", "'512'", "tasks.0.containers.0.memoryReservation", "'100'")
	d.ok("DescribeContainerInstances", `{'containerInstances': ['a']}`).
		is("containerInstances.0.remainingResources.0.integerValue", "512",
			"containerInstances.0.remainingResources.1.integerValue", "1024")
	task, _ := d.store.View().Tasks.Get(a.text("tasks.0.taskArn"))
	if task.CredentialsID == "" || task.ExecutionCredentialsID != "" {
		t.Errorf("credentials %q and %q, want only the task role's", task.CredentialsID, task.ExecutionCredentialsID)
	}
}

// A value that the caller gives comes back, even an empty one.
func TestEmptyValuesOfOverrides(t *testing.T) {
	d := newDesk(t)
	d.instance("a", "us-east-1a")
	d.define("web", "")
	a := d.ok("RunTask",
		`{'taskDefinition': 'web', 'overrides': {'taskRoleArn': '',
		'inferenceAcceleratorOverrides': [], 'containerOverrides': [
		{'name': 'web', 'command': [], 'environment': [{'name': 'A', 'value': ''}], 'cpu': 0}]}}`)
	for _, answer := range []answer{a, d.ok("DescribeTasks", `{'tasks': ['%s']}`, a.text("tasks.0.taskArn"))} {
		answer.is("tasks.0.overrides.taskRoleArn", "''",
			"tasks.0.overrides.inferenceAcceleratorOverrides", "[]", "tasks.0.overrides.containerOverrides",
			"[{'command':[],'cpu':0,'environment':[{'name':'A','value':''}],'name':'web'}]",
			"tasks.0.overrides.cpu", "absent")
	}
}

// ecs.md 1.1.5
func TestTagsOfTasks(t *testing.T) {
	d := newDesk(t)
	d.instance("a", "us-east-1a")
	d.define("web", `'tags': [{'key': 'from', 'value': 'definition'}, {'key': 'both', 'value': 'definition'}]`)
	d.ok("RunTask", `{'taskDefinition': 'web'}`).is("tasks.0.tags", "[]")
	task := d.ok("RunTask", `{'taskDefinition': 'web', 'propagateTags': 'TASK_DEFINITION', `+
		`'enableECSManagedTags': true, 'tags': [{'key': 'both', 'value': 'call'}]}`).is("tasks.0.tags",
		"[{'key':'from','value':'definition'},{'key':'both','value':'call'},{'key':'aws:ecs:clusterName',"+
			"'value':'default'}]").text("tasks.0.taskArn")
	d.ok("DescribeTasks", `{'tasks': ['%s']}`, task).is("tasks.0.tags", "[]")
	d.ok("DescribeTasks", `{'tasks': ['%s'], 'include': ['TAGS']}`, task).is("tasks.0.tags.0.key", "'from'")
}

// ecs.md 1.1.11
func TestRunTaskIsIdempotentByItsToken(t *testing.T) {
	d := newDesk(t)
	d.instance("a", "us-east-1a")
	d.define("web", "")
	const call = `{'taskDefinition': 'web', 'count': 2, 'clientToken': 'once'}`
	first := d.ok("RunTask", call)
	d.ok("DeregisterTaskDefinition", `{'taskDefinition': 'web:1'}`) // has no effect on a call that was answered before
	again := d.ok("RunTask", call)
	again.is("tasks.0.taskArn", first.at("tasks.0.taskArn"), "tasks.1.taskArn", first.at("tasks.1.taskArn"),
		"failures", "[]", "tasks.2", "absent")
	d.refused("ConflictException: The clientToken once was used before with other parameters.", "RunTask",
		`{'taskDefinition': 'web', 'count': 1, 'clientToken': 'once'}`).is(
		"resourceIds", "["+first.at("tasks.0.taskArn")+","+first.at("tasks.1.taskArn")+"]")

	d.change(first.text("tasks.0.taskArn"), func(t *ecs.Task) { *t = *t.Ended(ecs.UserInitiated, "gone", *d.now) })
	d.ok("RunTask", call).is("tasks.0", "{'desiredStatus':'STOPPED','lastStatus':'STOPPED','taskArn':"+
		first.at("tasks.0.taskArn")+"}", "tasks.1.lastStatus", "'PENDING'")
	d.change(first.text("tasks.1.taskArn"), func(t *ecs.Task) { *t = *t.Ended(ecs.UserInitiated, "gone", *d.now) })
	*d.now = d.now.Add(59 * time.Minute)
	d.ok("RunTask", call).is("tasks.1.lastStatus", "'STOPPED'")
	// An hour after its last task has stopped the token is forgotten, and the call counts as new.
	*d.now = d.now.Add(time.Minute)
	d.refused("ClientException: TaskDefinition not found.", "RunTask", call)
	d.define("web", "")
	if id := d.ok("RunTask", call).at("tasks.0.taskArn"); id == first.at("tasks.0.taskArn") {
		t.Error("a call with a forgotten token returned its earlier tasks")
	}
	*d.now = d.now.Add(25 * time.Hour) // after a day the token is forgotten too, even if its tasks run
	d.ok("RunTask", call).is("failures", "[]").is("tasks.1.createdAt", fmt.Sprint(d.now.Unix()))
	// The scope of a token is the cluster.
	d.ok("CreateCluster", `{'clusterName': 'c'}`)
	d.refused("InvalidParameterException: No Container Instances were found in your cluster.", "RunTask",
		`{'cluster': 'c', 'taskDefinition': 'web', 'clientToken': 'once'}`)
}

// ecs.md 1.1.9
func TestListTasks(t *testing.T) {
	d := newDesk(t)
	d.instance("a", "us-east-1a")
	d.define("web", "")
	d.define("job", "")
	d.ok("CreateService", `{'serviceName': 's', 'taskDefinition': 'web', 'desiredCount': 1}`)
	web := d.ok("RunTask", `{'taskDefinition': 'web', 'startedBy': 'me'}`).text("tasks.0.taskArn")
	job := d.ok("RunTask", `{'taskDefinition': 'job'}`).text("tasks.0.taskArn")
	d.change(job, func(t *ecs.Task) { t.ServiceARN = prefix + "service/default/s" })
	gone := d.ok("RunTask", `{'taskDefinition': 'job', 'startedBy': 'me'}`).text("tasks.0.taskArn")
	d.ok("StopTask", `{'task': '%s'}`, gone)
	for input, want := range map[string][]string{
		`{}`:                                                 {web, job},
		`{'desiredStatus': 'RUNNING'}`:                       {web, job},
		`{'desiredStatus': 'STOPPED'}`:                       {gone},
		`{'desiredStatus': 'PENDING'}`:                       {},
		`{'family': 'job'}`:                                  {job},
		`{'family': 'jo'}`:                                   {},
		`{'serviceName': 's'}`:                               {job},
		`{'startedBy': 'me'}`:                                {web},
		`{'containerInstance': 'a'}`:                         {web, job},
		`{'launchType': 'EXTERNAL'}`:                         {},
		`{'cluster': 'default'}`:                             {web, job},
		`{'serviceName': '` + prefix + `service/default/s'}`: {job},
	} {
		got := d.pages("ListTasks", "taskArns", input)[0]
		if len(got) != len(want) || len(want) > 0 && !strings.Contains(strings.Join(got, " "), want[0]) ||
			len(want) > 1 && !strings.Contains(strings.Join(got, " "), want[1]) {
			t.Errorf("%s: %v, want %v", input, got, want)
		}
	}
	d.refused("InvalidParameterException: startedBy must be the only filter", "ListTasks",
		`{'startedBy': 'me', 'family': 'web'}`)
	d.refused("InvalidParameterException: startedBy must be the only filter", "ListTasks",
		`{'startedBy': 'me', 'launchType': 'EC2'}`)
	d.refused("ServiceNotFoundException: Service not found.", "ListTasks", `{'serviceName': 'ghost'}`)
	d.refused("InvalidParameterException: The container instance 'ghost' was not found", "ListTasks",
		`{'containerInstance': 'ghost'}`)
	d.refused("InvalidParameterException: Tasks cannot have more than 100 elements.", "DescribeTasks",
		`{'tasks': [%s]}`, many(101))
	d.refused("InvalidParameterException: Tasks cannot be empty.", "DescribeTasks", `{'tasks': []}`)
	if pages := d.pages("ListTasks", "taskArns", `{'maxResults': 1}`); len(pages) != 2 {
		t.Errorf("pages %v", pages)
	}
}

// ecs.md 1.6.6, 3.10
func TestTaskProtection(t *testing.T) {
	d := newDesk(t)
	d.instance("a", "us-east-1a")
	d.define("web", "")
	service := d.ok("CreateService", `{'serviceName': 's', 'taskDefinition': 'web', 'desiredCount': 1}`).
		text("service.serviceArn")
	a := d.ok("RunTask", `{'taskDefinition': 'web', 'count': 3}`)
	alone := a.text("tasks.2.taskArn")
	for _, task := range []string{a.text("tasks.0.taskArn"), a.text("tasks.1.taskArn")} {
		d.change(task, func(t *ecs.Task) { t.ServiceARN = service })
	}
	d.ok("GetTaskProtection", `{'cluster': 'default', 'tasks': ['%s', '%s', 'ghost']}`, a.text("tasks.0.taskArn"),
		alone).is("protectedTasks", "[{'protectionEnabled':false,'taskArn':"+a.at("tasks.0.taskArn")+"}]",
		"failures.0.reason", "'TASK_NOT_VALID'", "failures.1.reason", "'MISSING'")
	d.ok("UpdateTaskProtection", `{'cluster': 'default', 'tasks': ['%s', '%s'], 'protectionEnabled': true}`,
		a.text("tasks.0.taskArn"), a.text("tasks.1.taskArn")).is(
		"protectedTasks.0.protectionEnabled", "true",
		"protectedTasks.0.expirationDate", fmt.Sprint(d.now.Add(2*time.Hour).Unix()),
		"protectedTasks.1", "absent", "failures.0.reason", "'DEPLOYMENT_BLOCKED'",
		"failures.0.detail", "'The service is to have 1 task, and 2 would be protected.'")
	d.ok("UpdateTaskProtection", `{'cluster': 'default', 'tasks': ['%s'], 'protectionEnabled': true, `+
		`'expiresInMinutes': 1}`, a.text("tasks.0.taskArn")).is(
		"protectedTasks.0.expirationDate", fmt.Sprint(d.now.Add(time.Minute).Unix()))
	*d.now = d.now.Add(2 * time.Minute)
	d.ok("GetTaskProtection", `{'cluster': 'default', 'tasks': ['%s']}`, a.text("tasks.0.taskArn")).
		is("protectedTasks.0.protectionEnabled", "false", "protectedTasks.0.expirationDate", "absent")
	d.ok("UpdateTaskProtection", `{'cluster': 'default', 'tasks': ['%s'], 'protectionEnabled': true}`,
		a.text("tasks.1.taskArn")).is("failures", "[]")
	d.ok("UpdateTaskProtection", `{'cluster': 'default', 'tasks': ['%s'], 'protectionEnabled': false}`,
		a.text("tasks.1.taskArn")).is("protectedTasks.0.protectionEnabled", "false")
	d.refused("InvalidParameterException: expiresInMinutes must be between 1 and 2880, not 2881.",
		"UpdateTaskProtection", `{'cluster': 'default', 'tasks': ['x'], 'protectionEnabled': true, `+
			`'expiresInMinutes': 2881}`)
	d.refused("InvalidParameterException: Tasks cannot have more than 10 elements.", "UpdateTaskProtection",
		`{'cluster': 'default', 'tasks': [%s], 'protectionEnabled': true}`, many(11))
	d.refused("InvalidParameterException: Tasks cannot have more than 100 elements.", "GetTaskProtection",
		`{'cluster': 'default', 'tasks': [%s]}`, many(101))
}

// ecs.md 1.3.9
func TestAttributes(t *testing.T) {
	d := newDesk(t)
	a := d.instance("a", "us-east-1a")
	d.instance("b", "us-east-1b")
	d.ok("PutAttributes", `{'attributes': [{'name': 'stack', 'value': 'prod', 'targetId': '%s'}, {'name': `+
		`'fast', 'targetId': 'a', 'targetType': 'container-instance'}]}`, a).is(
		"attributes", "[{'name':'stack','targetId':'"+a+"','targetType':'container-instance',"+
			"'value':'prod'},{'name':'fast','targetId':'"+a+"','targetType':'container-instance'}]")
	d.ok("PutAttributes", `{'attributes': [{'name': 'stack', 'value': 'test', 'targetId': 'a'}]}`)
	d.ok("ListAttributes", `{'targetType': 'container-instance', 'attributeName': 'stack'}`).
		is("attributes.0.value", "'test'", "attributes.1", "absent")
	d.ok("ListAttributes", `{'targetType': 'container-instance', 'attributeName': 'ecs.availability-zone', `+
		`'attributeValue': 'us-east-1b'}`).has("attributes.0.targetId", "/b").is("attributes.1", "absent")
	token := d.ok("ListAttributes", `{'targetType': 'container-instance', 'maxResults': 9}`).
		is("attributes.9", "absent").text("nextToken")
	d.ok("ListAttributes", `{'targetType': 'container-instance', 'nextToken': '%s'}`,
		token).is("attributes.3.name", "absent", "attributes.2.name", "'ecs.cpu-architecture'"+"")
	d.ok("ListContainerInstances", `{'filter': 'attribute:stack == test'}`).is("containerInstanceArns", "['"+a+"']")
	d.ok("DeleteAttributes", `{'attributes': [{'name': 'stack', 'targetId': 'a'}, {'name': 'ghost', `+
		`'targetId': 'a'}]}`).is("attributes.0.value", "'test'", "attributes.1", "absent")
	d.refused("TargetNotFoundException: ", "PutAttributes", `{'attributes': [{'name': 'x', 'targetId': 'ghost'}]}`)
	d.refused("InvalidParameterException: Attribute name 'a b' is not valid", "PutAttributes",
		`{'attributes': [{'name': 'a b', 'targetId': 'a'}]}`)
	d.refused("InvalidParameterException: Attribute value ' x' is not valid", "PutAttributes",
		`{'attributes': [{'name': 'a', 'value': ' x', 'targetId': 'a'}]}`)
	d.refused("InvalidParameterException: Attribute name 'ecs.x' is reserved", "PutAttributes",
		`{'attributes': [{'name': 'ecs.x', 'targetId': 'a'}]}`)
	// ecs.md 1.3.8: without its built-in attributes an instance would never be chosen by placement.
	d.refused("InvalidParameterException: Attribute name 'ecs.availability-zone' is reserved",
		"DeleteAttributes", `{'attributes': [{'name': 'ecs.availability-zone', 'targetId': 'a'}]}`)
	d.refused("InvalidParameterException: attributeValue needs an attributeName.", "ListAttributes",
		`{'targetType': 'container-instance', 'attributeValue': 'x'}`)
	d.refused("InvalidParameterException: Attributes cannot have more than 10 elements.", "PutAttributes",
		`{'attributes': [%s{'name': 'x', 'targetId': 'a'}]}`,
		strings.Repeat(`{'name': 'x', 'targetId': 'a'},`, 10))
	for i := range 9 {
		d.ok("PutAttributes", `{'attributes': [{'name': 'n%d', 'targetId': 'a'}]}`, i)
	}
	d.refused("AttributeLimitExceededException: ", "PutAttributes",
		`{'attributes': [{'name': 'eleventh', 'targetId': 'a'}]}`)
}

// ecs.md 1.3.3, 1.3.6
func TestGPUs(t *testing.T) {
	d := newDesk(t)
	d.instance("a", "us-east-1a",
		func(i *ecs.ContainerInstance) { i.Registered.GPUs, i.Registered.GPUIDs = 1, []string{"GPU-1"} })
	d.ok("RegisterTaskDefinition", `{'family': 'gpu', 'containerDefinitions': [{'name': 'a', 'image': 'b', `+
		`'memory': 9, 'resourceRequirements': [{'type': 'GPU', 'value': '1'}]}]}`)
	d.ok("DescribeContainerInstances", `{'containerInstances': ['a']}`).
		is("containerInstances.0.registeredResources.4.stringSetValue", "['GPU-1']",
			"containerInstances.0.registeredResources.4.name", "'GPU'")
	d.ok("RunTask", `{'taskDefinition': 'gpu', 'count': 2}`).is("tasks.0.group", "'family:gpu'",
		"tasks.1", "absent", "failures.0.reason", "'RESOURCE:GPU'")
}

func TestContainerInstances(t *testing.T) {
	d := newDesk(t)
	a := d.instance("a", "us-east-1a")
	b := d.instance("b", "us-east-1b")
	d.define("web", "")
	d.ok("DescribeContainerInstances", `{'containerInstances': ['a', 'ghost']}`).is(
		"containerInstances.0.containerInstanceArn", "'"+a+"'", "containerInstances.0.ec2InstanceId", "'i-a'",
		"containerInstances.0.status", "'ACTIVE'", "containerInstances.0.agentConnected", "true",
		"containerInstances.0.version", "1", "containerInstances.0.versionInfo.agentVersion", "'1.99.0'",
		"containerInstances.0.tags", "[]", "containerInstances.0.attachments", "[]",
		"containerInstances.0.healthStatus", "absent", "containerInstances.0.runningTasksCount", "0",
		"containerInstances.0.attributes.0", "{'name':'ecs.availability-zone','value':'us-east-1a'}",
		"failures.0.reason", "'MISSING'")
	d.ok("DescribeContainerInstances", `{'containerInstances': ['a'], 'include': `+
		`['CONTAINER_INSTANCE_HEALTH']}`).is("containerInstances.0.healthStatus.overallStatus", "'OK'",
		"containerInstances.0.healthStatus.details.0.type", "'CONTAINER_RUNTIME'") // ecs.md 1.3.11

	d.ok("UpdateContainerInstancesState", `{'containerInstances': ['a', 'ghost'], 'status': 'DRAINING'}`).
		is("containerInstances.0.status", "'DRAINING'", "containerInstances.0.version", "2",
			"failures.0.reason", "'MISSING'")
	d.ok("UpdateContainerInstancesState",
		`{'containerInstances': ['a'], 'status': 'DRAINING'}`).is("containerInstances.0.version", "2")
	// ecs.md 1.3.12
	d.ok("RunTask", `{'taskDefinition': 'web', 'count': 5}`).is("tasks.0.containerInstanceArn", "'"+b+"'",
		"tasks.4", "absent", "failures.0.arn", "'"+b+"'")
	d.ok("ListContainerInstances", `{'status': 'DRAINING'}`).is("containerInstanceArns", "['"+a+"']")
	d.ok("ListContainerInstances", `{'filter': 'task:group == family:web'}`).is("containerInstanceArns", "['"+b+"']")
	d.ok("UpdateContainerInstancesState",
		`{'containerInstances': ['a'], 'status': 'ACTIVE'}`).is("containerInstances.0.status", "'ACTIVE'")

	// ecs.md 1.3.10
	d.refused("InvalidParameterException: Found running tasks on the instance.",
		"DeregisterContainerInstance", `{'containerInstance': 'b'}`)
	d.ok("DeregisterContainerInstance", `{'containerInstance': 'b', 'force': true}`).
		is("containerInstance.status", "'INACTIVE'", "containerInstance.agentConnected", "false")
	d.refused("InvalidParameterException: Referenced container instance b not found.",
		"DeregisterContainerInstance", `{'containerInstance': '%s'}`, b)
	d.ok("DescribeContainerInstances", `{'containerInstances': ['b']}`).is("containerInstances.0.status", "'INACTIVE'")
	d.ok("ListContainerInstances", `{}`).is("containerInstanceArns", "['"+a+"']")
	// ecs.md 1.3.1
	d.refused("InvalidParameterException: Container instance "+b+" is INACTIVE",
		"UpdateContainerInstancesState", `{'containerInstances': ['b'], 'status': 'ACTIVE'}`)
	d.refused("InvalidParameterException: Container instance status can only be set to ACTIVE or DRAINING",
		"UpdateContainerInstancesState", `{'containerInstances': ['a'], 'status': 'DEREGISTERING'}`)
	d.refused("InvalidParameterException: Invalid filter: ", "ListContainerInstances", `{'filter': 'attribute:x =='}`)
	d.refused("InvalidParameterException: Container instances cannot have more than 10",
		"UpdateContainerInstancesState", `{'containerInstances': [%s], 'status': 'ACTIVE'}`, many(11))
	d.refused("InvalidParameterException: Container instances cannot have more than 100",
		"DescribeContainerInstances", `{'containerInstances': [%s]}`, many(101))
}

// role creates a role.
func (d *desk) role(name, path string) {
	d.t.Helper()
	err := d.store.Update(d.t.Context(), func(tx *state.Tx) error {
		tx.Roles.Put(&role.Role{Account: "123456789012", Name: name, Path: path})
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
}
