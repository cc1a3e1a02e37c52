package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// Four tasks of one definition run on two instances, each with a host port of its own, and are spread evenly over
// zones and instances.
func TestDynamicPortsOnTwoInstances(t *testing.T) {
	s := start(t)
	probe := s.Push(t, "probe")
	s.launch(t, 2)
	s.serve(t, "web", s.define(t, "web", answering(probe, "here"), nil), "", 4)
	s.steady(t, "web")

	perInstance, perZone, addresses := map[string]int{}, map[string]int{}, map[string]bool{}
	for _, task := range s.tasks(t) {
		perInstance[task.ContainerInstanceArn]++
		perZone[task.AvailabilityZone]++
		address := s.bound(t, task)
		addresses[address] = true
		if a := get(t, "http://"+address); a.body != "here" {
			t.Errorf("%s answers %q", address, a.body)
		}
	}
	if len(addresses) != 4 {
		t.Errorf("four tasks are at %v", addresses)
	}
	for where, counts := range map[string]map[string]int{"instance": perInstance, "zone": perZone} {
		if len(counts) != 2 {
			t.Errorf("tasks per %s: %v, want two and two", where, counts)
		}
		for name, n := range counts {
			if n != 2 {
				t.Errorf("%s %s runs %d tasks, want 2", where, name, n)
			}
		}
	}
}

// bound is where a task answers: its instance's address with the host port, or in awsvpc mode an
// address of its own without a port.
func (s server) bound(t *testing.T, x task) string {
	t.Helper()
	id := x.TaskArn[strings.LastIndexByte(x.TaskArn, '/')+1:]
	for _, c := range s.Status(t).Clusters {
		all := c.Tasks
		for _, v := range c.Services {
			all = append(all, v.Tasks...)
		}
		for _, y := range all {
			if y.ID == id && y.Address != "" {
				return y.Address
			}
		}
	}
	t.Fatalf("status shows no address of task %s: %+v", id, x)
	return ""
}

// A host port can be used only once on an instance. If no more tasks can be placed, RunTask and a service give that as
// the reason.
func TestStaticPortConflictIsExplained(t *testing.T) {
	s := start(t)
	probe := s.Push(t, "probe")
	s.launch(t, 1)
	static := s.define(t, "static",
		container(probe, object{"portMappings": list{object{"containerPort": 8080, "hostPort": 18080}}}), nil)

	type answer struct {
		Tasks    []task
		Failures []struct{ Arn, Reason string }
	}
	var first, second answer
	s.Call(t, "ecs", "RunTask", object{"cluster": cluster, "taskDefinition": static}, &first)
	s.Call(t, "ecs", "RunTask", object{"cluster": cluster, "taskDefinition": static}, &second)
	if len(first.Tasks) != 1 || len(first.Failures) != 0 {
		t.Fatalf("the first RunTask answers %+v", first)
	}
	if len(second.Tasks) != 0 || len(second.Failures) != 1 || second.Failures[0].Reason != "RESOURCE:PORTS" {
		t.Fatalf("the second RunTask answers %+v, want RESOURCE:PORTS", second)
	}

	s.serve(t, "second", static, "", 1)
	instance := second.Failures[0].Arn[strings.LastIndexByte(second.Failures[0].Arn, '/')+1:]
	harness.Until(t, 20*time.Second, "the service tells of the conflict", func() string {
		return s.service(t, "second").told("(service second) was unable to place a task because no " +
			"container instance met all of its requirements. " +
			"The closest matching (container-instance " + instance + ") is already using a port required by your task.")
	})
	// As soon as the port is free, the service starts its task.
	s.Call(t, "ecs", "StopTask", object{"cluster": cluster, "task": first.Tasks[0].TaskArn}, nil)
	s.steady(t, "second")
}

// A container that is killed is replaced, and the events and the stopped task say so.
func TestKilledContainerIsReplaced(t *testing.T) {
	s := start(t)
	probe := s.Push(t, "probe")
	s.launch(t, 2)
	group := s.TargetGroup(t, "web", "/", nil)
	_, url := s.Balance(t, group)
	s.serve(t, "web", s.define(t, "web", answering(probe, "here"), nil), group, 2)
	s.steady(t, "web")
	victim := s.tasks(t)[0]
	if told, err := exec.Command("docker", "kill", victim.Containers[0].RuntimeID).CombinedOutput(); err != nil {
		t.Fatalf("docker kill: %v: %s", err, told)
	}
	harness.Until(t, 30*time.Second, "the task has stopped", func() string {
		stopped := s.tasks(t, victim.TaskArn)[0]
		if stopped.LastStatus != "STOPPED" {
			return stopped.LastStatus
		}
		if stopped.StoppedReason != "Essential container in task exited" {
			t.Errorf("it stopped because %q", stopped.StoppedReason)
		}
		return ""
	})
	harness.Until(t, 30*time.Second, "another runs", func() string {
		n := 0
		for _, task := range s.tasks(t) {
			if task.LastStatus == "RUNNING" && task.TaskArn != victim.TaskArn {
				n++
			}
		}
		if n != 2 {
			return fmt.Sprintf("%d of 2 run", n)
		}
		return s.service(t, "web").told("(service web) has started 1 tasks: (task ")
	})
	s.steady(t, "web")
	if a := get(t, url); a.body != "here" {
		t.Errorf("the load balancer answers %d %q", a.status, a.body)
	}
}
