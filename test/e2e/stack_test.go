package e2e

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

const cluster = "e2e"

// launch makes the cluster and that many container instances over two zones, and waits until they have registered.
func (s server) launch(t *testing.T, instances int) {
	t.Helper()
	s.Launch(t, cluster, instances)
	s.Connected(t, cluster, instances)
}

// container returns a container definition "app" with an image that listens on port 8080, and with changes.
func container(image string, changes object) object {
	c := object{
		"name": "app", "image": image, "essential": true, "cpu": 64, "memoryReservation": 32,
		"portMappings": list{object{"containerPort": 8080}},
	}
	maps.Copy(c, changes)
	return c
}

// define registers a task definition of one container and returns FAMILY:REVISION.
func (s server) define(t *testing.T, family string, containerDefinition, changes object) string {
	t.Helper()
	in := object{"family": family, "containerDefinitions": list{containerDefinition}}
	maps.Copy(in, changes)
	var out struct {
		TaskDefinition struct{ TaskDefinitionArn string }
	}
	s.Call(t, "ecs", "RegisterTaskDefinition", in, &out)
	return out.TaskDefinition.TaskDefinitionArn[strings.LastIndexByte(out.TaskDefinition.TaskDefinitionArn, '/')+1:]
}

// serve creates a service behind a target group, or behind none if group is "".
func (s server) serve(t *testing.T, name, taskDefinition, targetGroup string, desired int) {
	t.Helper()
	in := object{
		"cluster": cluster, "serviceName": name, "taskDefinition": taskDefinition, "desiredCount": desired,
		"placementStrategy": list{object{"type": "spread", "field": "attribute:ecs.availability-zone"}},
	}
	if targetGroup != "" {
		in["loadBalancers"] = list{object{"targetGroupArn": targetGroup, "containerName": "app", "containerPort": 8080}}
	}
	s.Call(t, "ecs", "CreateService", in, nil)
}

// service is a service as DescribeServices returns it.
type service struct {
	RunningCount, DesiredCount int
	Deployments                []struct {
		RolloutState, TaskDefinition string
		RunningCount                 int
	}
	Events []struct{ Message string }
}

func (s server) service(t *testing.T, name string) service {
	t.Helper()
	var out struct{ Services []service }
	s.Call(t, "ecs", "DescribeServices", object{"cluster": cluster, "services": list{name}}, &out)
	if len(out.Services) != 1 {
		t.Fatalf("DescribeServices answers %d services for %s", len(out.Services), name)
	}
	return out.Services[0]
}

// told returns "" if an event contains a text, or otherwise a reason with all events.
func (v service) told(text string) (reason string) {
	for _, e := range v.Events {
		if strings.Contains(e.Message, text) {
			return ""
		}
		reason += "\n  " + e.Message
	}
	return "no event says " + text + ":" + reason
}

// steady waits until a service's only deployment is complete.
func (s server) steady(t *testing.T, name string) {
	t.Helper()
	harness.Until(t, 60*time.Second, "service "+name+" is steady", func() string {
		v := s.service(t, name)
		if len(v.Deployments) == 1 && v.Deployments[0].RolloutState == "COMPLETED" && v.RunningCount == v.DesiredCount {
			return ""
		}
		return fmt.Sprintf("%d of %d run, deployments %v, events %v", v.RunningCount, v.DesiredCount,
			v.Deployments, v.Events)
	})
}

// task is a task as DescribeTasks returns it.
type task struct {
	TaskArn, LastStatus, StoppedReason, AvailabilityZone, ContainerInstanceArn string

	Containers []struct {
		RuntimeID       string
		NetworkBindings []struct {
			BindIP   string
			HostPort int
		}
		NetworkInterfaces []struct{ PrivateIpv4Address string }
	}
}

// tasks describes tasks. Without names, it describes all those that should run.
func (s server) tasks(t *testing.T, arns ...string) []task {
	t.Helper()
	if len(arns) == 0 {
		var out struct{ TaskArns []string }
		s.Call(t, "ecs", "ListTasks", object{"cluster": cluster}, &out)
		arns = out.TaskArns
	}
	if len(arns) == 0 {
		return nil
	}
	var out struct{ Tasks []task }
	s.Call(t, "ecs", "DescribeTasks", object{"cluster": cluster, "tasks": arns}, &out)
	return out.Tasks
}
