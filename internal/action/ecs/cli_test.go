package ecs

import (
	"testing"
	"time"

	"github.com/berthhq/berth/internal/action/desktest"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

// The article's steps in ECS, with the AWS CLI: create a cluster, a task definition and a service, and look
// at them. Other tests send the same requests without the CLI, which takes a second to start.
func TestFromTheCLI(t *testing.T) {
	store := desktest.Store(t)
	desk := desktest.New(t, Service(store))
	answer := func(words ...string) answer { return answer{t, desk.AWS(t, words...)} }

	answer("ecs create-cluster --cluster-name chat --tags key=team,value=a").is("cluster.clusterName", "'chat'")
	answer("ecs register-task-definition --cli-input-json file://testdata/article-task-definition.json").
		is("taskDefinition.family", "'Socket'", "taskDefinition.revision", "1")
	err := store.Update(t.Context(), func(tx *state.Tx) error {
		tx.ContainerInstances.Put(&ecs.ContainerInstance{ContainerInstanceARN: prefix +
			"container-instance/chat/a", ClusterARN: prefix + "cluster/chat", Status: ecs.InstanceActive,
			AgentConnected: true, Registered: ecs.Resources{CPU: 2048, Memory: 1024},
			RegisteredAt: time.Now(), Attributes: []ecs.Attribute{{
				Name: ecs.AttributeZone, Value: "us-east-1a",
			}, {Name: "com.amazonaws.ecs.capability.docker-remote-api.1.18"}}})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	answer("ecs", "register-task-definition", "--family", "plain", "--container-definitions",
		`[{"name":"web","image":"web","memory":64,"portMappings":[{"containerPort":3000}]}]`)
	answer("ecs create-service --cluster chat --service-name socket --task-definition "+
		"plain --desired-count 2 --placement-strategy type=spread,field=attribute:ecs.availability-zone "+
		"type=spread,field=instanceId").
		is("service.desiredCount", "2", "service.placementStrategy.1.field", "'instanceId'")
	answer("ecs describe-services --cluster chat --services socket ghost").is("services.0.status", "'ACTIVE'",
		"failures.0.reason", "'MISSING'")
	desk.Refused(t, "An error occurred (InvalidParameterException) when calling the RunTask operation: "+
		"Network Configuration must be provided when networkMode 'awsvpc' is specified.",
		"ecs run-task --cluster chat --task-definition Socket")
	answer("ecs run-task --cluster chat --task-definition plain --count 2").is("failures", "[]",
		"tasks.1.group", "'family:plain'")
	// The CLI itself asks for the second page.
	answer("ecs list-tasks --cluster chat --family plain --page-size 1").has("taskArns.1", "task/chat/").
		is("taskArns.2", "absent")
	desk.Refused(t, "(UnsupportedFeatureException) when calling the DescribeTaskSets operation",
		"ecs describe-task-sets --service socket --cluster chat")
}
