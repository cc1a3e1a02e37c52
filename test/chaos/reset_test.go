package chaos

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// everything creates ten containers, a load balancer and Redis.
func everything(t testing.TB, s *harness.Server) stack {
	t.Helper()
	k := launch(t, s, 2)
	k.Ask(t, "elasticache", "CreateCacheCluster", form{
		"CacheClusterId": "cache", "Engine": "redis", "CacheNodeType": "cache.t3.micro", "NumCacheNodes": "1",
	})
	k.register(t, "web", k.Push(t, "web"), 3000)
	k.Connected(t, cluster, 2)
	k.balanced(t, "web", 3000, 10, "/")
	k.See()
	return k
}

// A reset leaves nothing, and the server goes on like a new one, three times. When the reset answers, no process from
// before it runs any more. Docker removes the containers soon after.
func TestResetLeavesNothing(t *testing.T) {
	harness.Need(t, harness.DockerEngine(), harness.OnPath("redis-server"))
	s := harness.Start(t, harness.Config{})
	for range 3 {
		k := everything(t, s)
		mains := k.mains(t)
		began := time.Now()
		if err := s.Reset(); err != nil {
			t.Fatal(err)
		}
		t.Logf("reset with ten containers took %v", time.Since(began))
		for _, pid := range mains {
			if runs(pid) {
				t.Errorf("process %d of a container runs", pid)
			}
		}
		for _, p := range s.Leftovers().Processes() {
			t.Errorf("a process is left: %s", p)
		}
		s.Empty(t)
		began = time.Now()
		s.Leftovers().Gone(t)
		t.Logf("everything was gone %v later", time.Since(began))
	}
}

// mains returns the first processes of all containers.
func (k stack) mains(t testing.TB) (pids []int) {
	t.Helper()
	containers, err := k.Containers()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range containers {
		out, err := k.Docker("inspect", "--format", "{{.State.Pid}}", c.ID)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	if len(pids) == 0 {
		t.Fatal("no container runs")
	}
	return pids
}

// runs reports whether a process lives and is not a zombie.
func runs(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

// After a reset, new instances and tasks can use the addresses and ports of the old ones at once: instances wait until
// Docker has released them.
func TestResetFreesStaticPorts(t *testing.T) {
	harness.Need(t, harness.DockerEngine())
	s := harness.Start(t, harness.Config{})
	for round := range 4 {
		k := launch(t, s, 2)
		k.Call(t, "ecs", "RegisterTaskDefinition", object{"family": "web", "containerDefinitions": list{object{
			"name": "main", "image": k.Push(t, "web"), "cpu": 32, "memory": 64, "essential": true,
			"portMappings": list{object{"containerPort": 3000, "hostPort": 18321}},
		}}}, nil)
		k.Call(t, "ecs", "CreateService", object{
			"cluster": cluster, "serviceName": service, "taskDefinition": "web", "desiredCount": 2,
		}, nil)
		k.steady(t, 2)
		tasks, err := k.tasks()
		if err != nil {
			t.Fatal(err)
		}
		for arn, task := range tasks {
			if task.LastStatus != "RUNNING" {
				t.Errorf("round %d: %s is %s: %s", round, arn, task.LastStatus, task.StoppedReason)
			}
		}
		k.See()
		if err := s.Reset(); err != nil {
			t.Fatal(err)
		}
	}
}

// A server that is killed during a reset completes it when it is started again, even if the rows were deleted already.
func TestResetCutByKill(t *testing.T) {
	harness.Need(t, harness.DockerEngine(), harness.OnPath("redis-server"))
	r := dice(t)
	s := harness.Start(t, harness.Config{})
	for round := range 4 {
		everything(t, s)
		go s.Reset() // its error is that the server was killed
		moment(r, 300*time.Millisecond)
		s.Kill(t)
		s.Run(t)
		d, err := s.Query("ec2", "DescribeInstances", form{})
		if err != nil {
			t.Fatal(err)
		}
		if rest := d.All("instanceId"); len(rest) > 0 {
			t.Logf("round %d: the reset had not begun", round)
			if err := s.Reset(); err != nil {
				t.Fatal(err)
			}
		}
		s.Leftovers().Gone(t)
		s.Empty(t)
	}
}

// BenchmarkReset measures a reset with ten running containers, two agents and Redis: until it answers, when all of
// them have ended, and until Docker has removed everything. It compares that with the time that docker itself needs to
// remove ten such containers on this machine, and with a second.
func BenchmarkReset(b *testing.B) {
	harness.Need(b, harness.DockerEngine(), harness.OnPath("redis-server"))
	s := harness.Start(b, harness.Config{})
	var reset, gone, docker time.Duration
	for b.Loop() {
		k := everything(b, s)
		remove := k.tenMore(b)
		began := time.Now()
		remove()
		docker += time.Since(began)
		began = time.Now()
		if err := s.Reset(); err != nil {
			b.Fatal(err)
		}
		reset += time.Since(began)
		s.Leftovers().Gone(b)
		gone += time.Since(began)
	}
	ms := func(d time.Duration) float64 { return float64(d.Milliseconds()) / float64(b.N) }
	b.ReportMetric(ms(reset), "ms/reset")
	b.ReportMetric(ms(gone), "ms/gone")
	b.ReportMetric(ms(docker), "ms/docker-rm")
	b.ReportMetric(ms(reset)/ms(docker), "reset/docker-rm")
	b.ReportMetric(ms(gone)/ms(docker), "gone/docker-rm")
	b.ReportMetric(ms(reset)/1000, "reset/second")
}

// tenMore runs ten containers like the service's, without Berth, and returns a function that removes them with one
// docker command.
func (k stack) tenMore(b *testing.B) (remove func()) {
	b.Helper()
	image := k.imageOfAContainer(b)
	args := []string{"rm", "--force"}
	for range 10 {
		id, err := k.Docker("run", "--detach", "--publish", "127.0.0.1::3000", image)
		if err != nil {
			b.Fatal(err)
		}
		args = append(args, strings.TrimSpace(string(id)))
	}
	return func() {
		if out, err := k.Docker(args...); err != nil {
			b.Fatalf("docker rm: %v: %s", err, out)
		}
	}
}

// A reset while everything is being started leaves nothing either: nothing that was about to start, and nothing later.
func TestResetWhileStarting(t *testing.T) {
	harness.Need(t, harness.DockerEngine(), harness.OnPath("redis-server"))
	r := dice(t)
	s := harness.Start(t, harness.Config{})
	for round := range 8 {
		k := launch(t, s, 3)
		k.Ask(t, "elasticache", "CreateCacheCluster", form{"CacheClusterId": "cache", "Engine": "redis",
			"CacheNodeType": "cache.t3.micro", "NumCacheNodes": "1"})
		k.register(t, "web", k.Push(t, "web"), 3000)
		k.Call(t, "ecs", "CreateService", object{
			"cluster": cluster, "serviceName": service, "taskDefinition": "web", "desiredCount": 6,
		}, nil)
		k.See()
		moment(r, time.Second)
		k.See()
		if err := s.Reset(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		s.Leftovers().Gone(t)
		s.Empty(t)
	}
	// At the server's end, when the test looks for leftovers again, the last work of the controllers is done too.
}
