package chaos

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

type (
	object = harness.Object
	list   = harness.List
	form   = harness.Form
)

// cluster is where the tests' tasks run, service the name of their one service.
const (
	cluster = "chaos"
	service = "web"
)

// stack is a server with a cluster of instances.
type stack struct{ *harness.Server }

// launch makes the cluster and an Auto Scaling group of so many instances.
func launch(t testing.TB, s *harness.Server, instances int) stack {
	t.Helper()
	s.Launch(t, cluster, instances)
	return stack{s}
}

// instance is a container instance as DescribeContainerInstances returns it.
type instance struct {
	ContainerInstanceARN, EC2InstanceID, Status string
	AgentConnected                              bool
	RunningTasksCount, PendingTasksCount        int
	HealthStatus                                struct {
		OverallStatus string
		Details       []struct{ Type, Status string }
	}
}

func (k stack) instancesOf() ([]instance, error) {
	var arns struct{ ContainerInstanceArns []string }
	if err := k.JSON("ecs", "ListContainerInstances", object{"cluster": cluster}, &arns); err != nil ||
		len(arns.ContainerInstanceArns) == 0 {
		return nil, err
	}
	var out struct{ ContainerInstances []instance }
	err := k.JSON("ecs", "DescribeContainerInstances", object{
		"cluster": cluster, "containerInstances": arns.ContainerInstanceArns,
		"include": list{"CONTAINER_INSTANCE_HEALTH"},
	}, &out)
	return out.ContainerInstances, err
}

// register registers a task definition of one small container; with a port it is published on a dynamic host port.
func (k stack) register(t testing.TB, family, image string, port int, environment ...object) {
	t.Helper()
	container := object{
		"name": "main", "image": image, "cpu": 32, "memory": 64, "essential": true, "environment": environment,
	}
	if port != 0 {
		container["portMappings"] = list{object{"containerPort": port, "hostPort": 0}}
	}
	k.Call(t, "ecs", "RegisterTaskDefinition", object{"family": family, "containerDefinitions": list{container}}, nil)
}

// balanced makes the service behind a load balancer, waits until it answers, and returns its URL.
func (k stack) balanced(t testing.TB, family string, port, tasks int, health string) string {
	t.Helper()
	group := k.TargetGroup(t, "tg", health, nil)
	_, url := k.Balance(t, group)
	k.Call(t, "ecs", "CreateService", object{
		"cluster": cluster, "serviceName": service, "taskDefinition": family, "desiredCount": tasks,
		"loadBalancers":     list{object{"targetGroupArn": group, "containerName": "main", "containerPort": port}},
		"placementStrategy": list{object{"type": "spread", "field": "instanceId"}},
	}, nil)
	k.steady(t, tasks)
	harness.Until(t, 10*time.Second, "the load balancer answers", func() string {
		resp, err := k.Client.Get(url)
		if err != nil {
			return err.Error()
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			return resp.Status
		}
		return ""
	})
	return url
}

type serviceAnswer struct {
	DesiredCount, RunningCount, PendingCount int
	Deployments                              []struct{ RolloutState string }
	Events                                   []struct{ Message string }
}

func (k stack) service() (serviceAnswer, error) {
	var out struct{ Services []serviceAnswer }
	if err := k.JSON("ecs", "DescribeServices",
		object{"cluster": cluster, "services": list{service}}, &out); err != nil {
		return serviceAnswer{}, err
	}
	if len(out.Services) != 1 {
		return serviceAnswer{}, fmt.Errorf("DescribeServices answered %d services", len(out.Services))
	}
	return out.Services[0], nil
}

// steady waits until the service runs so many tasks and no others.
func (k stack) steady(t testing.TB, want int) {
	t.Helper()
	harness.Until(t, 60*time.Second, fmt.Sprintf("the service runs %d tasks", want), func() string {
		s, err := k.service()
		if err != nil {
			return err.Error()
		}
		if s.DesiredCount == want && s.RunningCount == want && s.PendingCount == 0 &&
			len(s.Deployments) == 1 && s.Deployments[0].RolloutState == "COMPLETED" {
			return ""
		}
		last := ""
		if len(s.Events) > 0 {
			last = s.Events[0].Message
		}
		return fmt.Sprintf("desired %d, running %d, pending %d, deployments %v: %s", s.DesiredCount,
			s.RunningCount, s.PendingCount, s.Deployments, last)
	})
}

// task is a task as DescribeTasks returns it.
type task struct {
	TaskARN, LastStatus, DesiredStatus, StartedBy, Group, StoppedReason, StopCode, ContainerInstanceARN string
	Containers                                                                                          []struct {
		Name, LastStatus, RuntimeID, Reason string
		ExitCode                            *int
	}
}

// tasks returns all tasks of the cluster by ARN, stopped ones too.
func (k stack) tasks() (map[string]task, error) {
	all := map[string]task{}
	for _, status := range []string{"RUNNING", "STOPPED"} {
		for next := ""; ; {
			in := object{"cluster": cluster, "desiredStatus": status}
			if next != "" {
				in["nextToken"] = next
			}
			var page struct {
				TaskArns  []string
				NextToken string
			}
			if err := k.JSON("ecs", "ListTasks", in, &page); err != nil {
				return nil, err
			}
			if len(page.TaskArns) > 0 {
				var out struct{ Tasks []task }
				if err := k.JSON("ecs", "DescribeTasks",
					object{"cluster": cluster, "tasks": page.TaskArns}, &out); err != nil {
					return nil, err
				}
				for _, t := range out.Tasks {
					all[t.TaskARN] = t
				}
			}
			if next = page.NextToken; next == "" {
				break
			}
		}
	}
	return all, nil
}

// ofService reports whether the service started the task.
func (t task) ofService() bool { return strings.HasPrefix(t.StartedBy, "ecs-svc/") }

// containers returns the ids of the running containers, by task.
func (k stack) containers(t testing.TB) map[string]string {
	t.Helper()
	all, err := k.Containers()
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for _, c := range all {
		if !strings.HasPrefix(c.Status, "Up") {
			continue
		}
		if other, twice := ids[c.Task]; twice {
			t.Errorf("two containers run for %s: %s and %s", c.Task, other, c.ID)
		}
		ids[c.Task] = c.ID
	}
	return ids
}
