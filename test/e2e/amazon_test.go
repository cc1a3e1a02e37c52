package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// An unmodified Amazon ECS agent joins a cluster and runs the tasks of a service in bridge mode behind a load
// balancer. When it is drained, an instance of Berth's own gets the tasks, and no request fails.
// BERTH_AMAZON_ECS_AGENT is the path of the agent's executable, which is in no package.
func TestAmazonAgentServesAndIsDrained(t *testing.T) {
	program := os.Getenv("BERTH_AMAZON_ECS_AGENT")
	if program == "" {
		t.Skip("BERTH_AMAZON_ECS_AGENT does not name an Amazon ECS agent")
	}
	s := start(t)
	s.Push(t, "probe")
	s.Call(t, "ecs", "CreateCluster", object{"clusterName": cluster}, nil)
	s.amazonAgent(t, program)
	s.Connected(t, cluster, 1)
	var theirs struct{ ContainerInstanceArns []string }
	s.Call(t, "ecs", "ListContainerInstances", object{"cluster": cluster}, &theirs)

	// The task definition is for both kinds of agents: an image of ECR, and logs that Docker itself sends for Amazon's
	// agent.
	probe := fmt.Sprintf("%s.dkr.ecr.%s.amazonaws.com/probe:latest", s.Account, s.Region)
	s.Call(t, "logs", "CreateLogGroup", object{"logGroupName": "web"}, nil)
	logged := answering(probe, "here")
	logged["logConfiguration"] = object{"logDriver": "awslogs", "options": object{
		"awslogs-group": "web", "awslogs-region": s.Region, "awslogs-stream-prefix": "app",
	}}
	s.Ask(t, "iam", "CreateRole", form{"RoleName": "execution", "AssumeRolePolicyDocument": `{"Statement":[]}`})
	role := object{"executionRoleArn": "arn:aws:iam::" + s.Account + ":role/execution"}
	group := s.TargetGroup(t, "web", "/", nil)
	_, url := s.Balance(t, group)
	s.serve(t, "web", s.define(t, "web", logged, role), group, 2)
	s.steady(t, "web")
	for _, x := range s.tasks(t) {
		if x.ContainerInstanceArn != theirs.ContainerInstanceArns[0] || x.Containers[0].RuntimeID == "" ||
			len(x.Containers[0].NetworkBindings) == 0 {
			t.Errorf("a task runs as %+v", x)
		}
		s.logged(t, x)
	}
	if a := get(t, url); a.body != "here" {
		t.Fatalf("the load balancer answers %d %q", a.status, a.body)
	}

	s.Launch(t, cluster, 1)
	s.Connected(t, cluster, 2)
	load := harness.Visit(url, 4)
	s.Call(t, "ecs", "UpdateContainerInstancesState", object{
		"cluster": cluster, "containerInstances": theirs.ContainerInstanceArns, "status": "DRAINING",
	}, nil)
	harness.Until(t, time.Minute, "the Amazon agent is drained", func() string {
		var out struct {
			ContainerInstances []struct{ RunningTasksCount int }
		}
		s.Call(t, "ecs", "DescribeContainerInstances",
			object{"cluster": cluster, "containerInstances": theirs.ContainerInstanceArns}, &out)
		if n := out.ContainerInstances[0].RunningTasksCount; n > 0 {
			return fmt.Sprintf("%d tasks run", n)
		}
		return ""
	})
	s.steady(t, "web")
	answers := load.LosesNothing(t)
	if answers["here"] == 0 {
		t.Error("no request was sent meanwhile")
	}
	for _, x := range s.tasks(t) {
		if x.ContainerInstanceArn == theirs.ContainerInstanceArns[0] {
			t.Errorf("task %s is still on the drained instance", x.TaskArn)
		}
		s.logged(t, x)
	}
}

// logged waits until the log stream of a task of the service has the line that its container begins with.
func (s server) logged(t *testing.T, x task) {
	t.Helper()
	stream := "app/app/" + x.TaskArn[strings.LastIndexByte(x.TaskArn, '/')+1:]
	harness.Until(t, 30*time.Second, "logs of "+stream, func() string {
		var out struct{ Events []struct{ Message string } }
		s.Call(t, "logs", "GetLogEvents",
			object{"logGroupName": "web", "logStreamName": stream, "startFromHead": true}, &out)
		if len(out.Events) == 0 || !strings.Contains(out.Events[0].Message, "probe here listens") {
			return fmt.Sprint(out.Events)
		}
		return ""
	})
}

// amazonAgent runs the agent until the test's end and then removes the containers it leaves.
func (s server) amazonAgent(t *testing.T, program string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	// Docker gets the execution role's credentials, to send logs, as Amazon's ecs-init arranges it.
	credentials := []string{"OUTPUT", "-d", "169.254.170.2/32", "-p", "tcp", "--dport", "80", "-j",
		"REDIRECT", "--to-ports", "51679"}
	if out, err := exec.Command("iptables",
		append([]string{"-w", "10", "-t", "nat", "-A"}, credentials...)...).CombinedOutput(); err != nil {
		t.Fatalf("iptables: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("iptables",
			append([]string{"-w", "10", "-t", "nat", "-D"}, credentials...)...).CombinedOutput(); err != nil {
			t.Errorf("iptables: %v: %s", err, out)
		}
	})
	cmd := exec.Command(program)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir,
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_DEFAULT_REGION=" + s.Region,
		"ECS_CLUSTER=" + cluster, "ECS_BACKEND_HOST=" + s.URL(), "ECS_EXTERNAL=true", "ECS_LOGLEVEL=info",
		"ECS_ENABLE_TASK_IAM_ROLE=true", "ECS_AVAILABLE_LOGGING_DRIVERS=[\"json-file\",\"awslogs\"]",
		"ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE=true", "ECS_DATADIR=" + filepath.Join(dir, "data"),
		"ECS_HOST_DATA_DIR=" + dir, "ECS_LOGFILE=" + filepath.Join(dir, "agent.log"),
		"ECS_AUDIT_LOGFILE=" + filepath.Join(dir, "audit.log"), "ECS_DYNAMIC_HOST_PORT_RANGE=18500-18599",
		"ECS_DISABLE_IMAGE_CLEANUP=true",
	}
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		left, err := s.Containers()
		if err != nil {
			t.Error(err)
		}
		for _, c := range left {
			if out, err := s.Docker("rm", "-f", c.ID); err != nil {
				t.Errorf("docker rm: %v: %s", err, out)
			}
		}
	})
}
