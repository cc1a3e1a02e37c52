package ecs

import (
	"testing"
	"time"

	"github.com/berthhq/berth/internal/ecs"
)

// ecs.md 1.2.1, 1.2.3, 1.2.5
func TestClusters(t *testing.T) {
	d := newDesk(t)
	d.ok("CreateCluster",
		`{'clusterName': 'c', 'tags': [{'key': 'team', 'value': 'a'}],
		'settings': [{'name': 'containerInsights', 'value': 'enhanced'}],
		'configuration': {'executeCommandConfiguration': {'logging': 'NONE'}}}`).is(
		"cluster.clusterArn", "'"+prefix+"cluster/c'",
		"cluster.clusterName", "'c'", "cluster.status", "'ACTIVE'", "cluster.tags.0.key", "'team'",
		"cluster.registeredContainerInstancesCount", "0", "cluster.runningTasksCount", "0",
		"cluster.pendingTasksCount", "0", "cluster.activeServicesCount", "0", "cluster.statistics", "[]",
		"cluster.capacityProviders", "[]", "cluster.defaultCapacityProviderStrategy", "[]")
	d.ok("CreateCluster", `{'clusterName': 'c'}`).is("cluster.tags.0.key", "'team'") // no effect: the cluster exists
	d.ok("CreateCluster", `{}`).is("cluster.clusterName", "'default'")

	d.ok("DescribeClusters", `{'clusters': ['c', 'ghost', '%scluster/default']}`, prefix).is(
		"clusters.0.clusterName", "'c'", "clusters.0.tags", "[]", "clusters.0.settings", "[]",
		"clusters.0.statistics", "[]", "clusters.0.configuration", "absent", "clusters.1.clusterName",
		"'default'", "failures.0.reason", "'MISSING'", "failures.0.arn", "'"+prefix+"cluster/ghost'")
	d.ok("DescribeClusters", `{'clusters': ['c'], 'include': ['TAGS', 'SETTINGS', 'CONFIGURATIONS', `+
		`'STATISTICS', 'ATTACHMENTS']}`).is(
		"clusters.0.tags.0.value", "'a'", "clusters.0.settings.0.value", "'enhanced'",
		"clusters.0.configuration.executeCommandConfiguration.logging", "'NONE'",
		"clusters.0.statistics.0.name", "'runningEC2TasksCount'", "failures", "[]")
	d.ok("DescribeClusters", `{}`).is("clusters.0.clusterName", "'default'")
	d.ok("ListClusters", `{}`).is("clusterArns", "['"+prefix+"cluster/c','"+prefix+"cluster/default']",
		"nextToken", "absent")

	d.ok("UpdateClusterSettings", `{'cluster': 'c', 'settings': [{'name': 'containerInsights', 'value': `+
		`'disabled'}]}`).is("cluster.settings.0.value", "'disabled'", "cluster.settings.1", "absent")
	d.ok("UpdateCluster",
		`{'cluster': 'c', 'configuration': {'executeCommandConfiguration': {'logging': 'DEFAULT'}}}`).is(
		"cluster.configuration.executeCommandConfiguration.logging", "'DEFAULT'",
		"cluster.settings.0.value", "'disabled'")

	d.ok("DeleteCluster", `{'cluster': 'c'}`).is("cluster.status", "'INACTIVE'")
	d.ok("DescribeClusters", `{'clusters': ['c']}`).is("clusters.0.status", "'INACTIVE'") // can still be described
	d.ok("ListClusters", `{}`).is("clusterArns.1", "absent")
	d.refused("ClusterNotFoundException: The referenced cluster was inactive.", "ListTasks", `{'cluster': 'c'}`)
	d.ok("CreateCluster", `{'clusterName': 'c'}`).is("cluster.status", "'ACTIVE'", "cluster.tags", "[]") // a new one
}

// A new cluster gets Container Insights from the account's settings unless the call gives a value (ecs.md
// 1.1.14).
func TestNewClustersHaveTheAccountsContainerInsights(t *testing.T) {
	d := newDesk(t)
	d.ok("CreateCluster", `{'clusterName': 'before'}`).
		is("cluster.settings", "[{'name':'containerInsights','value':'disabled'}]")
	d.ok("PutAccountSettingDefault", `{'name': 'containerInsights', 'value': 'enabled'}`)
	d.ok("CreateCluster", `{'clusterName': 'after'}`).
		is("cluster.settings", "[{'name':'containerInsights','value':'enabled'}]")
}

func TestClusterRefusals(t *testing.T) {
	d := newDesk(t)
	d.refused("InvalidParameterException: Cluster name 'a b' is not valid", "CreateCluster", `{'clusterName': 'a b'}`)
	// ecs.md 1.1.4
	d.refused("InvalidParameterException: Cluster name 'arn:aws:", "CreateCluster",
		`{'clusterName': '%scluster/c'}`, prefix)
	d.refused("InvalidParameterException: Cluster 'arn:aws:ecs:eu-west-1:", "DescribeClusters",
		`{'clusters': ['arn:aws:ecs:eu-west-1:123456789012:cluster/c']}`)
	d.refused("InvalidParameterException: Invalid cluster ARN", "DescribeClusters",
		`{'clusters': ['%sservice/c']}`, prefix)
	d.refused("InvalidParameterException: Invalid setting 'value': 'on' is not a value of containerInsights",
		"CreateCluster", `{'settings': [{'name': 'containerInsights', 'value': 'on'}]}`)
	d.refused("InvalidParameterException: The capacity provider FARGATE is not available yet",
		"CreateCluster", `{'capacityProviders': ['FARGATE']}`)
	d.refused("ClusterNotFoundException: Cluster not found.", "DeleteCluster", `{'cluster': 'ghost'}`)
	// ecs.md 1.1.7
	d.refused("InvalidParameterException: Clusters cannot have more than 100 elements.", "DescribeClusters",
		`{'clusters': [%s]}`, many(101))
}

// ecs.md 1.2.2
func TestDeleteClusterSaysWhatIsInIt(t *testing.T) {
	d := newDesk(t)
	instance := d.instance("a", "us-east-1a")
	d.define("web", "")
	d.ok("CreateService", `{'serviceName': 's', 'taskDefinition': 'web', 'desiredCount': 0}`)
	task := d.ok("RunTask", `{'taskDefinition': 'web'}`).text("tasks.0.taskArn")

	d.refused("ClusterContainsContainerInstancesException: The Cluster cannot be deleted while Container "+
		"Instances are active or draining.", "DeleteCluster", `{'cluster': 'default'}`)
	d.ok("DeregisterContainerInstance", `{'containerInstance': '%s', 'force': true}`, instance)
	d.refused("ClusterContainsServicesException: The Cluster cannot be deleted while Services are active.",
		"DeleteCluster", `{'cluster': 'default'}`)
	d.ok("DeleteService", `{'service': 's'}`)
	d.refused("ClusterContainsTasksException: The Cluster cannot be deleted while Tasks are active.",
		"DeleteCluster", `{'cluster': 'default'}`)
	d.change(task, func(t *ecs.Task) { *t = *t.Ended(ecs.UserInitiated, "gone", *d.now) })
	d.ok("DeleteCluster", `{'cluster': 'default'}`)
}

// ecs.md 1.2.3
func TestClusterCounts(t *testing.T) {
	d := newDesk(t)
	d.instance("a", "us-east-1a")
	d.instance("b", "us-east-1b", func(i *ecs.ContainerInstance) { i.Status = ecs.InstanceDraining })
	d.instance("c", "us-east-1b", func(i *ecs.ContainerInstance) { i.Status = ecs.InstanceInactive })
	d.define("web", "")
	d.ok("CreateService", `{'serviceName': 's', 'taskDefinition': 'web', 'desiredCount': 1}`)
	task := d.ok("RunTask", `{'taskDefinition': 'web', 'count': 3}`).text("tasks.0.taskArn")
	d.change(task, func(t *ecs.Task) { t.LastStatus = ecs.Running })
	d.ok("DescribeClusters", `{'include': ['STATISTICS']}`).
		is("clusters.0.registeredContainerInstancesCount", "2", "clusters.0.runningTasksCount", "1",
			"clusters.0.pendingTasksCount", "2", "clusters.0.activeServicesCount", "1",
			"clusters.0.statistics.2", "{'name':'pendingEC2TasksCount','value':'2'}")
	d.ok("DescribeContainerInstances", `{'containerInstances': ['a']}`).
		is("containerInstances.0.runningTasksCount", "1", "containerInstances.0.pendingTasksCount", "2")
}

// A region does not see the resources of another one.
func TestRegionsAreApart(t *testing.T) {
	d := newDesk(t)
	d.instance("a", "us-east-1a")
	d.define("web", "")
	there := d.in("eu-west-2")
	there.ok("ListClusters", `{}`).is("clusterArns", "[]")
	there.ok("ListTaskDefinitionFamilies", `{}`).is("families", "[]")
	there.refused("ClientException: Unable to describe task definition.", "DescribeTaskDefinition",
		`{'taskDefinition': 'web'}`)
	there.refused("ClusterNotFoundException", "ListContainerInstances", `{}`)
	there.ok("CreateCluster", `{}`).is("cluster.clusterArn", "'arn:aws:ecs:eu-west-2:123456789012:cluster/default'",
		"cluster.registeredContainerInstancesCount", "0")
	there.ok("ListContainerInstances", `{}`).is("containerInstanceArns", "[]")
	d.ok("ListContainerInstances", `{}`).is("containerInstanceArns.0", "'"+prefix+"container-instance/default/a'")
}

// An ARN is found only in its own region and cluster, also for an account that has resources in others.
func TestARNsOfElsewhereFindNothing(t *testing.T) {
	d := newDesk(t)
	instance := d.instance("a", "us-east-1a")
	d.define("web", "")
	service := d.ok("CreateService", `{'serviceName': 's', 'taskDefinition': 'web', 'desiredCount': 1}`).
		text("service.serviceArn")
	task := d.ok("RunTask", `{'taskDefinition': 'web'}`).text("tasks.0.taskArn")
	d.ok("CreateCluster", `{'clusterName': 'other'}`)
	there := d.in("eu-west-2")
	there.ok("CreateCluster", `{'clusterName': 'other'}`)
	there.define("web", "")
	for _, d := range []*desk{d, there} {
		d.refused("InvalidParameterException: The referenced task was not found.", "StopTask",
			`{'cluster': 'other', 'task': '%s'}`, task)
		d.refused("InvalidParameterException: Referenced container instance a not found.",
			"DeregisterContainerInstance",
			`{'cluster': 'other', 'containerInstance': '%s', 'force': true}`, instance)
		d.refused("ServiceNotFoundException", "DeleteService",
			`{'cluster': 'other', 'service': '%s', 'force': true}`, service)
		d.refused("ServiceNotFoundException", "UpdateService",
			`{'cluster': 'other', 'service': '%s', 'desiredCount': 9}`, service)
		d.refused("ServiceNotFoundException", "ListTasks", `{'cluster': 'other', 'serviceName': '%s'}`, service)
		d.refused("InvalidParameterException: The container instance", "ListTasks",
			`{'cluster': 'other', 'containerInstance': '%s'}`, instance)
		d.refused("TargetNotFoundException", "PutAttributes",
			`{'cluster': 'other', 'attributes': [{'name': 'x', 'targetId': '%s'}]}`, instance)
		d.ok("UpdateContainerInstancesState",
			`{'cluster': 'other', 'containerInstances': ['%s'], 'status': 'DRAINING'}`,
			instance).is("failures.0.reason", "'MISSING'")
		d.ok("UpdateTaskProtection", `{'cluster': 'other', 'tasks': ['%s'], 'protectionEnabled': true}`,
			task).is("failures.0.reason", "'MISSING'")
		d.ok("StartTask", `{'cluster': 'other', 'taskDefinition': 'web', 'containerInstances': ['%s']}`,
			instance).is("failures.0.reason", "'MISSING'")
		d.ok("DescribeTasks", `{'cluster': 'other', 'tasks': ['%s']}`, task).is("failures.0.reason", "'MISSING'")
		d.ok("DescribeServices", `{'cluster': 'other', 'services': ['%s']}`,
			service).is("failures.0.reason", "'MISSING'")
		d.ok("DescribeContainerInstances", `{'cluster': 'other', 'containerInstances': ['%s']}`,
			instance).is("failures.0.reason", "'MISSING'")
	}
	d.ok("DescribeTasks", `{'tasks': ['%s']}`, task).is("tasks.0.desiredStatus", "'RUNNING'")
	d.ok("DescribeServices", `{'services': ['s']}`).is("services.0.status", "'ACTIVE'", "services.0.desiredCount", "1")
	d.ok("DescribeContainerInstances", `{'containerInstances': ['a']}`).is("containerInstances.0.status", "'ACTIVE'")
}

// ecs.md 1.1.6: all pages together are the list, and a token is valid only for the list it comes from.
func TestPaging(t *testing.T) {
	d := newDesk(t)
	for _, name := range []string{"c", "a", "b"} {
		d.ok("CreateCluster", `{'clusterName': '%s'}`, name)
	}
	pages := d.pages("ListClusters", "clusterArns", `{'maxResults': 2}`)
	if len(pages) != 2 || len(pages[0]) != 2 || pages[0][0] != prefix+"cluster/a" || pages[1][0] != prefix+"cluster/c" {
		t.Errorf("pages %v", pages)
	}
	for range 11 {
		d.define("web", "")
	}
	for i := range 11 {
		d.ok("CreateService", `{'cluster': 'a', 'serviceName': 's%02d', 'taskDefinition': 'web', 'desiredCount': 0}`, i)
	}
	token := d.ok("ListServices", `{'cluster': 'a'}`).is("serviceArns.10", "absent").text("nextToken") // 10 by default
	d.ok("ListServices", `{'cluster': 'a', 'nextToken': '%s'}`,
		token).is("serviceArns", "['"+prefix+"service/a/s10']", "nextToken", "absent")
	d.refused("InvalidParameterException: The nextToken is invalid", "ListServices",
		`{'cluster': 'a', 'launchType': 'EC2', 'nextToken': '%s'}`, token)
	d.refused("InvalidParameterException: The nextToken is invalid", "ListServices",
		`{'cluster': 'b', 'nextToken': '%s'}`, token)
	d.refused("InvalidParameterException: The nextToken is invalid", "ListTasks",
		`{'cluster': 'a', 'nextToken': '%s'}`, token)
	d.refused("InvalidParameterException: maxResults must be between 1 and 100", "ListServices",
		`{'cluster': 'a', 'maxResults': 101}`)
	d.refused("InvalidParameterException: maxResults must be between 1 and 100", "ListClusters", `{'maxResults': 0}`)
}

// When an item is deleted between two pages, no other item is missing and none is listed twice.
func TestPagesOverAListThatChanges(t *testing.T) {
	d := newDesk(t)
	for range 12 {
		d.define("web", "")
	}
	for _, sort := range []string{"ASC", "DESC"} {
		first := d.ok("ListTaskDefinitions", `{'sort': '%s', 'maxResults': 5}`, sort)
		d.ok("DeregisterTaskDefinition", `{'taskDefinition': '%s'}`, first.text("taskDefinitionArns.4"))
		want := map[string]string{"ASC": "web:6", "DESC": "web:7"}[sort]
		d.ok("ListTaskDefinitions", `{'sort': '%s', 'maxResults': 5, 'nextToken': '%s'}`, sort,
			first.text("nextToken")).is("taskDefinitionArns.0", "'"+prefix+"task-definition/"+want+"'")
	}
}

// ecs.md 1.1.14
func TestAccountSettings(t *testing.T) {
	d := newDesk(t)
	d.ok("ListAccountSettings", `{}`).is("settings", "[]")
	d.ok("ListAccountSettings", `{'effectiveSettings': true, 'name': 'awsvpcTrunking'}`).
		is("settings.0.value", "'disabled'", "settings.1", "absent")
	d.ok("PutAccountSetting", `{'name': 'awsvpcTrunking', 'value': 'enabled'}`).
		is("setting.name", "'awsvpcTrunking'", "setting.value", "'enabled'",
			"setting.principalArn", "'arn:aws:iam::123456789012:root'")
	d.ok("ListAccountSettings", `{'name': 'awsvpcTrunking', 'value': 'enabled'}`).is("settings.0.value", "'enabled'")
	d.ok("ListAccountSettings", `{'name': 'awsvpcTrunking', 'value': 'disabled'}`).is("settings", "[]")
	d.ok("PutAccountSettingDefault", `{'name': 'fargateTaskRetirementWaitPeriod', 'value': '14'}`)
	d.ok("ListAccountSettings", `{'effectiveSettings': true, 'name': 'fargateTaskRetirementWaitPeriod'}`).
		is("settings.0.value", "'14'")
	d.ok("DeleteAccountSetting", `{'name': 'awsvpcTrunking'}`).is("setting.value", "'enabled'")
	d.ok("ListAccountSettings", `{'name': 'awsvpcTrunking'}`).is("settings", "[]")
	d.ok("ListAccountSettings", `{'effectiveSettings': true}`).is("settings.9.type", "'user'", "settings.10", "absent")
	d.refused("InvalidParameterException: Invalid setting 'value': 'maybe' is not a value of awsvpcTrunking",
		"PutAccountSetting", `{'name': 'awsvpcTrunking', 'value': 'maybe'}`)
	// ecs.md 1.1.2
	d.refused("InvalidParameterException: Invalid setting 'value': 'disabled' is not a value of "+
		"taskLongArnFormat", "PutAccountSetting", `{'name': 'taskLongArnFormat', 'value': 'disabled'}`)
	d.refused("InvalidParameterException: ", "PutAccountSetting", `{'name': 'nothing', 'value': 'x'}`)
	d.refused("InvalidParameterException: Invalid setting 'name'", "ListAccountSettings", `{'value': 'enabled'}`)
}

// ecs.md 1.1.5
func TestTags(t *testing.T) {
	d := newDesk(t)
	instance := d.instance("a", "us-east-1a")
	definition := d.define("web", "")
	service := d.ok("CreateService", `{'serviceName': 's', 'taskDefinition': 'web', 'desiredCount': 0}`).
		text("service.serviceArn")
	task := d.ok("RunTask", `{'taskDefinition': 'web'}`).text("tasks.0.taskArn")
	for _, arn := range []string{prefix + "cluster/default", definition, service, task, instance} {
		d.ok("ListTagsForResource", `{'resourceArn': '%s'}`, arn).is("tags", "[]")
		d.ok("TagResource",
			`{'resourceArn': '%s', 'tags': [{'key': 'a', 'value': '1'}, {'key': 'b', 'value': '2'}]}`, arn)
		d.ok("TagResource", `{'resourceArn': '%s', 'tags': [{'key': 'a', 'value': '3'}]}`, arn)
		d.ok("UntagResource", `{'resourceArn': '%s', 'tagKeys': ['b', 'ghost']}`, arn)
		d.ok("ListTagsForResource", `{'resourceArn': '%s'}`, arn).is("tags", "[{'key':'a','value':'3'}]")
	}
	d.ok("DescribeServices", `{'services': ['s']}`).is("services.0.tags", "absent")
	d.ok("DescribeServices", `{'services': ['s'], 'include': ['TAGS']}`).is("services.0.tags.0.key", "'a'")
	d.ok("DescribeContainerInstances", `{'containerInstances': ['a'], 'include': ['TAGS']}`).
		is("containerInstances.0.tags.0.key", "'a'")
	d.ok("DescribeTaskDefinition", `{'taskDefinition': 'web'}`).is("tags", "absent")
	d.ok("DescribeTaskDefinition", `{'taskDefinition': 'web', 'include': ['TAGS']}`).is("tags.0.key", "'a'")

	d.refused("InvalidParameterException: Tag key 'AWS:x' is not valid", "TagResource",
		`{'resourceArn': '%s', 'tags': [{'key': 'AWS:x'}]}`, task)
	d.refused("InvalidParameterException: Tag key 'aws:x' is not valid", "UntagResource",
		`{'resourceArn': '%s', 'tagKeys': ['aws:x']}`, task)
	d.refused("InvalidParameterException: Duplicate tag keys found: 'a'.", "CreateCluster",
		`{'tags': [{'key': 'a'}, {'key': 'a'}]}`)
	// ecs.md 1.1.2
	d.refused("InvalidParameterException: Long arn format must be used for tagging operations", "TagResource",
		`{'resourceArn': '%sservice/s', 'tags': []}`, prefix)
	d.refused("ClusterNotFoundException", "ListTagsForResource", `{'resourceArn': '%scluster/ghost'}`, prefix)
	d.refused("InvalidParameterException: The specified resource", "ListTagsForResource",
		`{'resourceArn': '%stask/default/ghost'}`, prefix)
	d.refused("InvalidParameterException: 'arn:aws:s3:::b' is not a resource of Amazon ECS",
		"ListTagsForResource", `{'resourceArn': 'arn:aws:s3:::b'}`)
	var tags string
	for i := range 50 {
		if i > 0 {
			tags += ","
		}
		tags += `{'key': 'k` + time.Duration(i).String() + `'}`
	}
	// with the tag that it already has
	d.refused("InvalidParameterException: Too many tags", "TagResource",
		`{'resourceArn': '%s', 'tags': [%s]}`, task, tags)
}

// many returns a JSON list of n names.
func many(n int) string {
	list := "'x0'"
	for range n - 1 {
		list += ",'x'"
	}
	return list
}
