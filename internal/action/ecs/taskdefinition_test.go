package ecs

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

// The article's task definition can be registered unchanged, except for "xxx" in its ARNs, which are first
// read when a task runs.
func TestTheArticlesTaskDefinition(t *testing.T) {
	doc, err := os.ReadFile("testdata/article-task-definition.json")
	if err != nil {
		t.Fatal(err)
	}
	d := newDesk(t)
	status, a := d.post("RegisterTaskDefinition", string(doc))
	if status != 200 {
		t.Fatalf("%v", a.value)
	}
	a.is("taskDefinition.taskDefinitionArn", "'"+prefix+"task-definition/Socket:1'",
		"taskDefinition.revision", "1", "taskDefinition.status", "'ACTIVE'",
		"taskDefinition.networkMode", "'awsvpc'", "taskDefinition.requiresCompatibilities", "['EC2']",
		"taskDefinition.compatibilities", "['EC2']", "taskDefinition.volumes", "[]",
		"taskDefinition.placementConstraints", "[]", "taskDefinition.taskRoleArn", "'arn:aws:iam::xxx'",
		"taskDefinition.registeredBy", "'arn:aws:iam::123456789012:root'", "tags", "[]")
	const c = "taskDefinition.containerDefinitions.0."
	a.is(c+"name", "'socket-container-service'", c+"cpu", "512", c+"memory", "absent",
		c+"memoryReservation", "512", c+"essential", "true",
		c+"portMappings", "[{'containerPort':3000,'hostPort':3000,'protocol':'tcp'}]",
		c+"environment.0.name", "'REDIS_ENDPOINT'", c+"mountPoints", "[]",
		c+"volumesFrom", "[]", c+"systemControls", "[]", c+"logConfiguration.logDriver", "'awslogs'",
		c+"logConfiguration.options.awslogs-stream-prefix", "'Socket'")
	// ecs.md 1.4.22
	for _, want := range []string{"task-eni", "logging-driver.awslogs", "task-iam-role", "execution-role-awslogs"} {
		a.has("taskDefinition.requiresAttributes", want)
	}
}

// ecs.md 1.4.1: a revision number is never used again.
func TestRevisionsGrow(t *testing.T) {
	d := newDesk(t)
	d.define("web", "")
	second := d.define("web", "")
	d.ok("DeregisterTaskDefinition", `{'taskDefinition': 'web:2'}`).is("taskDefinition.status", "'INACTIVE'")
	d.ok("DeleteTaskDefinitions", `{'taskDefinitions': ['web:2']}`).
		is("taskDefinitions.0.status", "'DELETE_IN_PROGRESS'", "failures", "[]")
	d.put(func(tx *state.Tx) { tx.TaskDefinitions.Delete(second) })
	if third := d.define("web", ""); third != prefix+"task-definition/web:3" {
		t.Errorf("%s after web:2 was deleted", third)
	}
	d.put(func(tx *state.Tx) {
		tx.Families.Put(&ecs.Family{Region: region, Account: account, Name: "web", LastRevision: 1_000_000})
	})
	d.refused("ClientException: The family web has 1000000 revisions", "RegisterTaskDefinition",
		`{'family': 'web', 'containerDefinitions': [{'name': 'a', 'image': 'b', 'memory': 9}]}`)
}

// ecs.md 1.4.2, 1.4.3
func TestStatesOfATaskDefinition(t *testing.T) {
	d := newDesk(t)
	d.instance("a", "us-east-1a")
	d.define("web", "")
	d.define("web", "")
	d.ok("DescribeTaskDefinition", `{'taskDefinition': 'web'}`).is("taskDefinition.revision", "2")
	d.ok("DeregisterTaskDefinition", `{'taskDefinition': '%stask-definition/web:2'}`,
		prefix).has("taskDefinition.deregisteredAt", "17")
	d.ok("DescribeTaskDefinition", `{'taskDefinition': 'web'}`).is("taskDefinition.revision", "1") // newest ACTIVE
	d.ok("DescribeTaskDefinition", `{'taskDefinition': 'web:2'}`).is("taskDefinition.status", "'INACTIVE'")
	d.refused("ClientException: TaskDefinition is inactive", "RunTask", `{'taskDefinition': 'web:2'}`)
	d.refused("ClientException: TaskDefinition is inactive", "CreateService",
		`{'serviceName': 's', 'taskDefinition': 'web:2', 'desiredCount': 1}`)
	d.refused("ClientException: TaskDefinition not found.", "RunTask", `{'taskDefinition': 'ghost'}`)
	d.refused("InvalidParameterException: TaskDefinition can not be blank.", "CreateService",
		`{'serviceName': 's', 'desiredCount': 1}`)
	d.refused("ClientException: Invalid revision number.", "DeregisterTaskDefinition", `{'taskDefinition': 'web'}`)
	d.refused("ClientException: Invalid revision number.", "DeregisterTaskDefinition",
		`{'taskDefinition': '%stask-definition/web'}`, prefix)
	d.ok("DeleteTaskDefinitions", `{'taskDefinitions': ['web:1', 'web', 'web:9', 'web:2', 'web:x']}`).is(
		"failures.0.reason", "'The specified task definition is still in ACTIVE status. Please deregister "+
			"the target and try again.'", "failures.1.arn", "'web'", "failures.2.arn", "'web:9'",
		"failures.3.arn", "'web:x'", "taskDefinitions.0.status", "'DELETE_IN_PROGRESS'",
		"taskDefinitions.1", "absent")
	// ecs.md 1.1.7
	d.refused("InvalidParameterException: Task definitions cannot have more than 10 elements.",
		"DeleteTaskDefinitions", `{'taskDefinitions': [%s]}`, many(11))
}

// ecs.md 1.1.10
func TestListTaskDefinitions(t *testing.T) {
	d := newDesk(t)
	for range 10 {
		d.define("web", "")
	}
	d.define("web-b", "")
	d.define("Api", "")
	d.ok("DeregisterTaskDefinition", `{'taskDefinition': 'web:3'}`)
	names := func(input string) string {
		var out []string
		for _, arn := range slices.Concat(d.pages("ListTaskDefinitions", "taskDefinitionArns", input)...) {
			out = append(out, strings.TrimPrefix(arn, prefix+"task-definition/"))
		}
		return strings.Join(out, " ")
	}
	for input, want := range map[string]string{
		`{'maxResults': 4}`: "Api:1 web:1 web:2 web:4 web:5 web:6 web:7 web:8 " +
			"web:9 web:10 web-b:1",
		`{'sort': 'DESC', 'maxResults': 3}`: "web-b:1 web:10 web:9 web:8 web:7 web:6 web:5 web:4 " +
			"web:2 web:1 Api:1",
		`{'status': 'INACTIVE'}`:                   "web:3",
		`{'familyPrefix': 'web-b'}`:                "web-b:1",
		`{'familyPrefix': 'we'}`:                   "",
		`{'familyPrefix': 'web', 'sort': 'DESC'}`:  "web:10 web:9 web:8 web:7 web:6 web:5 web:4 web:2 web:1",
		`{'status': 'DELETE_IN_PROGRESS'}`:         "",
		`{'familyPrefix': 'Api', 'sort': 'ASC'}`:   "Api:1",
		`{'familyPrefix': 'web', 'maxResults': 1}`: "web:1 web:2 web:4 web:5 web:6 web:7 web:8 web:9 web:10",
	} {
		if got := names(input); got != want {
			t.Errorf("%s: %s, want %s", input, got, want)
		}
	}
	d.ok("DeregisterTaskDefinition", `{'taskDefinition': 'Api:1'}`)
	// API_ListTaskDefinitionFamilies: without a status, families of both kinds are listed
	d.ok("ListTaskDefinitionFamilies", `{}`).is("families", "['Api','web','web-b']")
	d.ok("ListTaskDefinitionFamilies", `{'status': 'ACTIVE'}`).is("families", "['web','web-b']")
	d.ok("ListTaskDefinitionFamilies", `{'status': 'INACTIVE'}`).is("families", "['Api']")
	d.ok("ListTaskDefinitionFamilies", `{'status': 'ALL', 'familyPrefix': 'web'}`).is("families", "['web','web-b']")
	d.ok("ListTaskDefinitionFamilies", `{'status': 'ALL'}`).is("families", "['Api','web','web-b']")
}

// Package ecs tests the rules of ecs.md 1.4 one by one. These are only the checks that this package adds.
func TestRegisterRefusals(t *testing.T) {
	d := newDesk(t)
	for _, tt := range []struct{ want, container, more string }{
		// ecs.md 1.4.5
		{"ClientException: Invalid setting for container 'a'. At least one of 'memory' or " +
			"'memoryReservation' must be specified.", `'name': 'a', 'image': 'b'`, ""},
		{"ClientException: containerDefinitions[0].firelensConfiguration is not available yet",
			`'name': 'a', 'image': 'b', 'memory': 9, 'firelensConfiguration': {'type': 'fluentd'}`, ""},
		// ecs.md 1.4.15
		{"ClientException: Invalid setting for container 'a'. 'healthCheck.retries' must not be 0",
			`'name': 'a', 'image': 'b', 'memory': 9, 'healthCheck': {'command': ['CMD', 'x'], 'retries': 0}`, ""},
		// ecs.md 1.4.16
		{"ClientException: Invalid setting for container 'a'. 'restartPolicy.restartAttemptPeriod' " +
			"must not be 0", `'name': 'a', 'image': 'b', 'memory': 9, 'restartPolicy': {'enabled': true, ` +
			`'restartAttemptPeriod': 0}`, ""},
		{"ClientException: secrets are not available yet",
			`'name': 'a', 'image': 'b', 'memory': 9, 'secrets': [{'name': 'S', 'valueFrom': 'arn'}]`,
			`, 'executionRoleArn': 'r'`},
		{`InvalidParameterException: Berth does not support "proxyConfiguration"`,
			`'name': 'a', 'image': 'b', 'memory': 9`, `, 'proxyConfiguration': {'containerName': 'a'}`},
		{"ClientException: volumes[0].efsVolumeConfiguration is not available yet",
			`'name': 'a', 'image': 'b', 'memory': 9`,
			`, 'volumes': [{'name': 'v', 'efsVolumeConfiguration': {'fileSystemId': 'fs'}}]`},
		{"ClientException: Invalid placement constraint: ", `'name': 'a', 'image': 'b', 'memory': 9`,
			`, 'placementConstraints': [{'type': 'memberOf', 'expression': 'nonsense'}]`},
		{"ClientException: constraint.type 'distinctInstance' is not supported.",
			`'name': 'a', 'image': 'b', 'memory': 9`,
			`, 'placementConstraints': [{'type': 'distinctInstance'}]`},
		{"ClientException: A memberOf placement constraint needs an expression.",
			`'name': 'a', 'image': 'b', 'memory': 9`,
			`, 'placementConstraints': [{'type': 'memberOf', 'expression': ''}]`},
		{"InvalidParameterException: Duplicate tag keys", `'name': 'a', 'image': 'b', 'memory': 9`,
			`, 'tags': [{'key': 'x'}, {'key': 'x'}]`},
		// ecs.md 1.4.1
		{"ClientException: The task definition is larger than 64 KiB.",
			`'name': 'a', 'image': 'b', 'memory': 9, 'command': ['` + strings.Repeat("x", 64<<10) + `']`, ""},
		{`InvalidParameterException: Unknown parameter in input: "containerDefinitions[0].memmory"`,
			`'name': 'a', 'image': 'b', 'memmory': 9`, ""},
	} {
		d.refused(tt.want, "RegisterTaskDefinition", `{'family': 'f', 'containerDefinitions': [{%s}]%s}`,
			tt.container, tt.more)
	}
	d.ok("ListTaskDefinitionFamilies", `{'status': 'ALL'}`).is("families", "[]") // the refused calls registered nothing
}

// Deployment tools edit the answer of DescribeTaskDefinition and register it again. So the answer has each
// value that was given, even false or empty, and RegisterTaskDefinition accepts them.
func TestWhatIsSetToZeroComesBack(t *testing.T) {
	d := newDesk(t)
	const container = `{'name': 'a', 'image': 'b', 'memory': 9, 'privileged': false,
		'readonlyRootFilesystem': false, 'command': [], 'credentialSpecs': [], 'dockerLabels': {},
		'environment': [{'name': 'E', 'value': ''}],
		'mountPoints': [{'sourceVolume': 'v', 'containerPath': '/v', 'readOnly': false}],
		'linuxParameters': {'initProcessEnabled': false}, 'restartPolicy': {'enabled': false}}`
	a := d.ok("RegisterTaskDefinition", `{'family': 'f', 'inferenceAccelerators': [], 'volumes': [{'name': `+
		`'v'}], 'containerDefinitions': [%s]}`, container)
	const c = "taskDefinition.containerDefinitions.0."
	for range 2 {
		a.is(c+"privileged", "false", c+"readonlyRootFilesystem", "false", c+"command", "[]",
			c+"credentialSpecs", "[]", c+"dockerLabels", "{}", c+"environment", "[{'name':'E','value':''}]",
			c+"mountPoints.0.readOnly", "false", c+"linuxParameters", "{'initProcessEnabled':false}",
			c+"restartPolicy", "{'enabled':false}", c+"interactive", "absent",
			"taskDefinition.inferenceAccelerators", "[]")
		a = d.ok("DescribeTaskDefinition", `{'taskDefinition': 'f'}`)
	}
}

// What AWS adds to a registered task definition, and what it does not change (ecs.md 1.4.4, 1.4.6, 1.4.8,
// 1.4.15).
func TestRegisterAnswersWhatIsStored(t *testing.T) {
	d := newDesk(t)
	a := d.ok("RegisterTaskDefinition",
		`{'family': 'f', 'cpu': '0.5 vCPU', 'memory': '1 GB', 'tags': [{'key': 'k', 'value': 'v'}],
		'runtimePlatform': {'cpuArchitecture': 'X86_64'},
		'volumes': [{'name': 'v', 'dockerVolumeConfiguration': {'scope': 'shared', 'autoprovision': true}}],
		'containerDefinitions': [{'name': 'a', 'image': 'b',
			'portMappings': [{'containerPort': 53, 'protocol': 'udp'}],
			'healthCheck': {'command': ['CMD', 'true']},
			'mountPoints': [{'sourceVolume': 'v', 'containerPath': '/v', 'readOnly': true}],
			'ulimits': [{'name': 'nofile', 'softLimit': 1, 'hardLimit': 2}],
			'stopTimeout': 3, 'dockerLabels': {'l': 'm'},
			'linuxParameters': {'initProcessEnabled': true, 'capabilities': {'drop': ['ALL']}},
			'user': 'u', 'workingDirectory': '/w', 'entryPoint': ['e']},
			{'name': 'c', 'image': 'b', 'essential': false,
			'dependsOn': [{'containerName': 'a', 'condition': 'HEALTHY'}]}]}`)
	const c = "taskDefinition.containerDefinitions.0."
	a.is("taskDefinition.cpu", "'512'", "taskDefinition.memory", "'1024'",
		"taskDefinition.networkMode", "'bridge'", "tags", "[{'key':'k','value':'v'}]",
		"taskDefinition.runtimePlatform.cpuArchitecture", "'X86_64'",
		"taskDefinition.volumes.0.dockerVolumeConfiguration.autoprovision", "true", c+"cpu", "0",
		c+"essential", "true", c+"portMappings", "[{'containerPort':53,'hostPort':0,'protocol':'udp'}]",
		c+"healthCheck.interval", "30", c+"healthCheck.command", "['CMD','true']", c+"mountPoints.0.readOnly",
		"true", c+"ulimits.0.hardLimit", "2", c+"stopTimeout", "3", c+"dockerLabels.l", "'m'",
		c+"linuxParameters.capabilities.drop", "['ALL']", c+"user", "'u'", c+"workingDirectory", "'/w'",
		c+"entryPoint", "['e']", "taskDefinition.containerDefinitions.1.essential", "false",
		"taskDefinition.containerDefinitions.1.dependsOn.0.condition", "'HEALTHY'")
}
