package ecs

import (
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

const (
	deploymentPrefix = prefix + "service-deployment/default/s/"
	revisionPrefix   = prefix + "service-revision/default/s/"
)

// deployments returns the ARNs of the service deployments of a list.
func deployments(a answer, n int) (arns []string) {
	a.t.Helper()
	for i := range n {
		arns = append(arns, a.text("serviceDeployments."+string(rune('0'+i))+".serviceDeploymentArn"))
	}
	a.is("serviceDeployments."+string(rune('0'+n)), "absent")
	return arns
}

// complete makes the latest deployment of service s COMPLETED, as control/service does.
func (d *desk) complete() {
	d.t.Helper()
	d.put(func(tx *state.Tx) {
		p := *tx.Progress(prefix + "service/default/s")
		all := append([]ecs.Deployment(nil), p.Deployments...)
		all[0].RolloutState, all[0].CompletedAt = ecs.RolloutCompleted, *d.now
		p.Deployments = all
		latest := *tx.LatestDeployment(p.ServiceARN)
		latest.Follow(&p, *d.now)
		tx.ServiceProgress.Put(&p)
		tx.ServiceDeployments.Put(&latest)
	})
}

// ecs.md 3.6
func TestHistory(t *testing.T) {
	d := newDesk(t)
	first := d.define("web", "")
	d.ok("CreateService", `{'serviceName': 's', 'taskDefinition': 'web', 'desiredCount': 2}`).
		has("service.currentServiceDeployment", deploymentPrefix).
		has("service.currentServiceRevisions.0.arn", revisionPrefix).
		is("service.currentServiceRevisions.0.requestedTaskCount", "2",
			"service.currentServiceRevisions.0.runningTaskCount", "0")
	d.complete()
	*d.now = d.now.Add(time.Hour)
	second := d.define("web", "")
	d.ok("UpdateService", `{'service': 's', 'taskDefinition': 'web', 'deploymentConfiguration': `+
		`{'deploymentCircuitBreaker': {'enable': true, 'rollback': true}, 'alarms': {'alarmNames': ['slow'], `+
		`'enable': true, 'rollback': false}}}`).
		is("service.deploymentConfiguration.alarms", "{'alarmNames':['slow'],'enable':true,'rollback':false}")

	list := d.ok("ListServiceDeployments", `{'service': 's'}`)
	list.is("serviceDeployments.0.status", "'IN_PROGRESS'", "serviceDeployments.0.finishedAt", "absent",
		"serviceDeployments.0.serviceArn", "'"+prefix+"service/default/s'",
		"serviceDeployments.0.clusterArn", "'"+prefix+"cluster/default'",
		"serviceDeployments.1.status", "'SUCCESSFUL'", "serviceDeployments.1.createdAt", "1782907200",
		"serviceDeployments.1.finishedAt", "1782907200").
		has("serviceDeployments.0.targetServiceRevisionArn", revisionPrefix)
	both := deployments(list, 2)
	d.ok("ListServiceDeployments", `{'service': 's', 'status': ['SUCCESSFUL', 'STOPPED']}`).
		is("serviceDeployments.0.serviceDeploymentArn", "'"+both[1]+"'", "serviceDeployments.1", "absent")
	d.ok("ListServiceDeployments", `{'service': 's', 'createdAt': {'after': 1782907200, 'before': 1782910801}}`).
		is("serviceDeployments.0.serviceDeploymentArn", "'"+both[0]+"'", "serviceDeployments.1", "absent")
	page := d.ok("ListServiceDeployments", `{'service': 's', 'maxResults': 1}`)
	deployments(page, 1)
	rest := d.ok("ListServiceDeployments", `{'service': 's', 'maxResults': 1, 'nextToken': '%s'}`,
		page.text("nextToken"))
	rest.is("serviceDeployments.0.serviceDeploymentArn", "'"+both[1]+"'", "nextToken", "absent")

	shown := d.ok("DescribeServiceDeployments", `{'serviceDeploymentArns': ['%s', '%s', '%sx']}`,
		both[0], both[1], deploymentPrefix)
	shown.is("failures", "[{'arn':'"+deploymentPrefix+"x','reason':'MISSING'}]",
		"serviceDeployments.0.status", "'IN_PROGRESS'", "serviceDeployments.1.status", "'SUCCESSFUL'",
		"serviceDeployments.0.targetServiceRevision.requestedTaskCount", "2",
		"serviceDeployments.0.targetServiceRevision.runningTaskCount", "0",
		"serviceDeployments.0.deploymentCircuitBreaker", "{'failureCount':0,'status':'MONITORING','threshold':3}",
		"serviceDeployments.1.deploymentCircuitBreaker.status", "'DISABLED'",
		"serviceDeployments.0.alarms", "{'alarmNames':['slow'],'status':'MONITORING'}",
		"serviceDeployments.0.deploymentConfiguration.strategy", "'ROLLING'",
		"serviceDeployments.0.sourceServiceRevisions.0.arn", shown.at("serviceDeployments.1.targetServiceRevision.arn"),
		"serviceDeployments.0.rollback", "absent")

	before, after := shown.text("serviceDeployments.1.targetServiceRevision.arn"),
		shown.text("serviceDeployments.0.targetServiceRevision.arn")
	d.ok("DescribeServiceRevisions", `{'serviceRevisionArns': ['%s', '%s', '%s1']}`, before, after, revisionPrefix).
		is("serviceRevisions.0.taskDefinition", "'"+first+"'", "serviceRevisions.1.taskDefinition", "'"+second+"'",
			"serviceRevisions.0.launchType", "'EC2'", "serviceRevisions.0.createdAt", "1782907200",
			"serviceRevisions.0.containerImages", "[{'containerName':'web','image':'web'}]",
			"failures", "[{'arn':'"+revisionPrefix+"1','reason':'MISSING'}]")

	// An update that starts no deployment changes the one in progress, and none that has ended.
	d.ok("UpdateService", `{'service': 's', 'deploymentConfiguration': {'alarms': {'alarmNames': ['slow', 'errors'], `+
		`'enable': true, 'rollback': true}}}`)
	d.ok("DescribeServiceDeployments", `{'serviceDeploymentArns': ['%s', '%s']}`, both[0], both[1]).
		is("serviceDeployments.0.alarms", "{'alarmNames':['slow','errors'],'status':'MONITORING'}",
			"serviceDeployments.0.deploymentConfiguration.alarms.rollback", "true",
			"serviceDeployments.1.alarms", "absent")

	d.ok("DeleteService", `{'service': 's', 'force': true}`)
	d.refused("ConflictException: The service is being deleted.", "StopServiceDeployment",
		`{'serviceDeploymentArn': '%s'}`, both[0])
	d.put(func(tx *state.Tx) {
		s, _ := tx.Services.Get(prefix + "service/default/s")
		gone := *s
		gone.Status = ecs.ServiceInactive
		tx.Services.Put(&gone)
	})
	d.ok("DescribeServiceDeployments", `{'serviceDeploymentArns': ['%s']}`, both[0]).
		is("serviceDeployments", "[]", "failures", "[{'arn':'"+both[0]+"','reason':'MISSING'}]")
}

func TestStopServiceDeployment(t *testing.T) {
	d := newDesk(t)
	d.define("web", "")
	d.ok("CreateService", `{'serviceName': 's', 'taskDefinition': 'web', 'desiredCount': 2}`)
	stop := func() (key, input string) {
		key = d.ok("DescribeServices", `{'services': ['s']}`).text("services.0.currentServiceDeployment")
		return key, "{'serviceDeploymentArn': '" + key + "'"
	}
	_, input := stop()
	d.refused("ConflictException: The service deployment cannot be rolled back: no completed deployment is left "+
		"to return to.", "StopServiceDeployment", "%s}", input)
	d.complete()
	d.refused("ConflictException: The service deployment has ended: it is SUCCESSFUL.", "StopServiceDeployment",
		"%s}", input)
	d.ok("UpdateService", `{'service': 's', 'forceNewDeployment': true}`)
	key, input := stop()
	d.refused("InvalidParameterException: The stop type ABORT is not supported", "StopServiceDeployment",
		"%s, 'stopType': 'ABORT'}", input)
	for range 2 { // the second call changes nothing
		d.ok("StopServiceDeployment", "%s, 'stopType': 'ROLLBACK'}", input).is("serviceDeploymentArn", "'"+key+"'")
		d.ok("DescribeServiceDeployments", `{'serviceDeploymentArns': ['%s']}`, key).
			is("serviceDeployments.0.status", "'ROLLBACK_REQUESTED'", "serviceDeployments.0.finishedAt", "absent").
			has("serviceDeployments.0.statusReason", "requested")
	}
}

func TestHistoryRefusals(t *testing.T) {
	d := newDesk(t)
	d.define("web", "")
	d.ok("CreateService", `{'serviceName': 's', 'taskDefinition': 'web', 'desiredCount': 2}`)
	for _, tt := range []struct{ want, action, input string }{
		{"ServiceNotFoundException", "ListServiceDeployments", `{'service': 'ghost'}`},
		{"ClusterNotFoundException", "ListServiceDeployments", `{'service': 's', 'cluster': 'ghost'}`},
		{"InvalidParameterException: createdAt.before must not be earlier", "ListServiceDeployments",
			`{'service': 's', 'createdAt': {'after': 20, 'before': 10}}`},
		{"InvalidParameterException: maxResults must be between 1 and 100, not 101", "ListServiceDeployments",
			`{'service': 's', 'maxResults': 101}`},
		{"InvalidParameterException: serviceDeploymentArns cannot be empty", "DescribeServiceDeployments",
			`{'serviceDeploymentArns': []}`},
		{"InvalidParameterException: serviceRevisionArns cannot have more than 20", "DescribeServiceRevisions",
			`{'serviceRevisionArns': [` + strings.Repeat("'x', ", 20) + `'x']}`},
		{"InvalidParameterException: Invalid ARN 's': it should look like", "DescribeServiceRevisions",
			`{'serviceRevisionArns': ['s']}`},
		{"InvalidParameterException: Invalid ARN", "DescribeServiceDeployments",
			`{'serviceDeploymentArns': ['` + revisionPrefix + `1']}`},
		{"InvalidParameterException: 'arn:aws:ecs:eu-west-1:", "DescribeServiceDeployments",
			`{'serviceDeploymentArns': ['` + strings.Replace(deploymentPrefix, region, "eu-west-1", 1) + `x']}`},
		{"ServiceDeploymentNotFoundException", "StopServiceDeployment",
			`{'serviceDeploymentArn': '` + deploymentPrefix + `x'}`},
		{"InvalidParameterException: Invalid ARN", "StopServiceDeployment", `{'serviceDeploymentArn': 'x'}`},
	} {
		d.refused(tt.want, tt.action, "%s", tt.input)
	}
}
