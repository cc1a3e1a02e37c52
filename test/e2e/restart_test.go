package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// describedDeployment is a deployment in the answer of DescribeServices.
type describedDeployment struct {
	ID, Status, TaskDefinition, RolloutState, RolloutStateReason string

	FailedTasks, RunningCount int
}

func (s server) deployments(t *testing.T, name string) []describedDeployment {
	t.Helper()
	var out struct {
		Services []struct{ Deployments []describedDeployment }
	}
	s.Call(t, "ecs", "DescribeServices", object{"cluster": cluster, "services": list{name}}, &out)
	return out.Services[0].Deployments
}

// If a program exits at once, its starts are delayed and its deployment fails, while the earlier deployment serves all
// the time. With a circuit breaker the service returns to that one (docs/decisions/0360-early-ends.md).
func TestProgramThatExitsAtOnce(t *testing.T) {
	s := start(t)
	probe := s.Push(t, "probe")
	s.launch(t, 1)
	broken := s.define(t, "broken",
		container(probe, object{"environment": list{object{"name": "PORT", "value": "none"}}}), nil)

	s.serve(t, "broken", broken, "", 1)
	harness.Until(t, 60*time.Second, "the service says that its tasks cannot be started", func() string {
		if why := s.service(t, "broken").
			told("(service broken) is unable to consistently start tasks successfully."); why != "" {
			return why
		}
		return s.service(t, "broken").told("Essential container in task exited (app: exit code 1)")
	})
	if d := s.deployments(t, "broken")[0]; d.FailedTasks < 3 || d.FailedTasks > 4 || d.RolloutState != "IN_PROGRESS" {
		t.Errorf("%+v, want three failed tasks of a deployment that goes on", d)
	}
	if v := s.service(t, "broken"); strings.Count(fmt.Sprint(v.Events), "steady state") > 1 {
		t.Errorf("a service that does not run is steady: %v", v.Events)
	}

	working := s.define(t, "web", container(probe, nil), nil)
	s.Call(t, "ecs", "CreateService",
		object{"cluster": cluster, "serviceName": "web", "taskDefinition": working, "desiredCount": 1,
			"deploymentConfiguration": object{
				"deploymentCircuitBreaker": object{"enable": true, "rollback": true},
			}}, nil)
	s.steady(t, "web")
	s.Call(t, "ecs", "UpdateService", object{"cluster": cluster, "service": "web", "taskDefinition": broken}, nil)
	serves := func() {
		for _, d := range s.deployments(t, "web") {
			if strings.HasSuffix(d.TaskDefinition, working) && d.RunningCount == 1 {
				return
			}
		}
		t.Fatalf("the working task does not run: %+v", s.deployments(t, "web"))
	}
	harness.Until(t, 60*time.Second, "the deployment is rolled back", func() string {
		serves()
		return s.service(t, "web").told("(service web) rolling back to deployment ecs-svc/")
	})
	s.steady(t, "web")
	serves()
	if why := s.service(t, "web").told("deployment failed: tasks failed to start."); why != "" {
		t.Error(why)
	}
	// A wait that begins now reports the failure, and one for the revision that serves succeeds.
	out, err := s.Command("wait", "service", "web", "--timeout", "1m")
	if err == nil || !strings.Contains(out, "service web was rolled back: its deployment of "+broken+" failed") ||
		!strings.Contains(out, "exit code 1") {
		t.Errorf("wait service ends with %v: %s", err, out)
	}
	if out, err := s.Command("wait", "service", "web", "--timeout", "1m", "--task-definition", working); err != nil {
		t.Errorf("wait for %s: %v: %s", working, err, out)
	}
}
