package chaos

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// web creates two instances, and a service with the given number of tasks behind a load balancer.
func web(t testing.TB, tasks int) (stack, string) {
	t.Helper()
	harness.Need(t, harness.DockerEngine())
	k := launch(t, harness.Start(t, harness.Config{}), 2)
	k.register(t, "web", k.Push(t, "web"), 3000)
	k.Connected(t, cluster, 2)
	url := k.balanced(t, "web", 3000, tasks, "/")
	k.See()
	return k, url
}

// killAgents kills every agent and returns their process ids.
func (k stack) killAgents(t *testing.T) map[string]int {
	t.Helper()
	agents := k.Agents(t)
	if len(agents) == 0 {
		t.Fatal("there are no agents")
	}
	for id, pid := range agents {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatalf("agent of %s: %v", id, err)
		}
	}
	return agents
}

// backAgain waits until all agents are new processes and connected.
func (k stack) backAgain(t *testing.T, before map[string]int) {
	t.Helper()
	harness.Until(t, 30*time.Second, "the agents are started again", func() string {
		now := k.Agents(t)
		for id, pid := range before {
			if now[id] == pid || now[id] == 0 {
				return "not yet that of " + id
			}
		}
		return ""
	})
	k.Connected(t, cluster, len(before))
}

// die kills a task's container, as the kernel does when memory is used up.
func (k stack) die(t *testing.T, container string) {
	t.Helper()
	if out, err := k.Docker("kill", container); err != nil {
		t.Fatalf("docker kill: %v: %s", err, out)
	}
}

// reported waits until a task has stopped because its container died.
func (k stack) reported(t *testing.T, arn string) {
	t.Helper()
	harness.Until(t, 30*time.Second, "the death of a container is reported", func() string {
		var out struct{ Tasks []task }
		if err := k.JSON("ecs", "DescribeTasks", object{"cluster": cluster, "tasks": list{arn}},
			&out); err != nil || len(out.Tasks) != 1 {
			return fmt.Sprint(out.Tasks, err)
		}
		x := out.Tasks[0]
		if x.LastStatus != "STOPPED" {
			return "the task is " + x.LastStatus
		}
		if c := x.Containers[0]; x.StoppedReason != "Essential container in task exited" ||
			x.StopCode != "EssentialContainerExited" || c.ExitCode == nil || *c.ExitCode != 137 {
			t.Errorf("the task stopped with %q, %q, %+v", x.StoppedReason, x.StopCode, c)
		}
		return ""
	})
}

// any returns one of the tasks with its container.
func anyOf(containers map[string]string) (arn, container string) {
	for arn, container = range containers {
		break
	}
	return arn, container
}

// same fails the test unless all containers from before are still there, except that of one task.
func (k stack) same(t *testing.T, before map[string]string, but string) {
	t.Helper()
	now := k.containers(t)
	for arn, id := range before {
		if arn != but && now[arn] != id {
			t.Errorf("%s ran in %.12s, now in %.12s", arn, id, now[arn])
		}
	}
}

// Agents are killed. Clients do not notice it, containers go on, the machine driver starts the agents again, and they
// find their containers. A container that ended meanwhile is reported, and only its task is replaced.
func TestAgentsKilled(t *testing.T) {
	k, url := web(t, 4)
	before := k.containers(t)

	v := harness.Visit(url, 4)
	k.backAgain(t, k.killAgents(t))
	end(t, v, nil)
	if now := k.containers(t); !maps.Equal(now, before) {
		t.Errorf("the containers are %v, were %v", now, before)
	}

	arn, container := anyOf(before)
	agents := k.killAgents(t)
	k.die(t, container)
	k.backAgain(t, agents)
	k.reported(t, arn)
	k.steady(t, 4)
	k.same(t, before, arn)
	k.stopsOne(t, before, arn)
}

// Agents are killed and their checkpoints damaged. With one copy damaged, they find every container again. With both
// damaged or cut, they begin anew: their containers are removed, and the service starts all its tasks again.
func TestAgentsWithDamagedCheckpoints(t *testing.T) {
	k, url := web(t, 4)
	damage := func(harm func([]byte) []byte, names ...string) {
		t.Helper()
		for _, name := range names {
			paths, err := filepath.Glob(filepath.Join(k.Data, "instances", "*", "data", name))
			if err != nil || len(paths) != 2 {
				t.Fatalf("%s: %v %v", name, paths, err)
			}
			for _, path := range paths {
				text, err := os.ReadFile(path)
				if err == nil {
					err = os.WriteFile(path, harm(text), 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	zeros := func(text []byte) []byte { return make([]byte, len(text)) }
	for _, copied := range []string{"checkpoint.1", "checkpoint.2"} {
		before := k.containers(t)
		v := harness.Visit(url, 2)
		agents := k.killAgents(t)
		damage(zeros, copied)
		k.backAgain(t, agents)
		harness.Until(t, 30*time.Second, "the agents have mended "+copied, func() string {
			paths, err := filepath.Glob(filepath.Join(k.Data, "instances", "*", "data", copied))
			if err != nil || len(paths) != 2 {
				return fmt.Sprint(paths, err)
			}
			for _, path := range paths {
				if text, err := os.ReadFile(path); err != nil || len(text) == 0 || text[0] == 0 {
					return fmt.Sprintf("not %s: %v", path, err)
				}
			}
			return ""
		})
		end(t, v, nil)
		if now := k.containers(t); !maps.Equal(now, before) {
			t.Errorf("%s damaged: the containers are %v, were %v", copied, now, before)
		}
	}
	for what, harm := range map[string]func([]byte) []byte{
		"zeros":                 zeros,
		"cut to the first line": func(text []byte) []byte { return text[:bytes.IndexByte(text, '\n')+1] },
	} {
		before := k.containers(t)
		agents := k.killAgents(t)
		damage(harm, "checkpoint.1", "checkpoint.2")
		k.backAgain(t, agents)
		harness.Until(t, time.Minute, what+": no container of before is left", func() string {
			for arn, id := range k.containers(t) {
				if before[arn] == id {
					return "that of " + arn + " is"
				}
			}
			return ""
		})
		k.steady(t, 4)
		harness.Until(t, 30*time.Second, what+": the service answers", func() string {
			resp, err := http.Get(url)
			if err != nil {
				return err.Error()
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return resp.Status
			}
			return ""
		})
	}
}

// stopsOne stops one of the tasks from before, because an agent must be able to end a container that it has found
// again.
func (k stack) stopsOne(t *testing.T, before map[string]string, but string) {
	t.Helper()
	rest := maps.Clone(before)
	delete(rest, but)
	arn, container := anyOf(rest)
	k.Call(t, "ecs", "StopTask", object{"cluster": cluster, "task": arn}, nil)
	harness.Until(t, 30*time.Second, "a task that an earlier agent started is stopped", func() string {
		if now := k.containers(t); now[arn] == container {
			return "its container runs"
		}
		all, err := k.tasks()
		if err != nil {
			return err.Error()
		}
		if s := all[arn].LastStatus; s != "STOPPED" {
			return "the task is " + s
		}
		return ""
	})
	k.steady(t, len(before))
}

// Server and agents are killed at once, and a container ends too. The next server starts the agents, and the result is
// as above.
func TestServerAndAgentsKilled(t *testing.T) {
	k, url := web(t, 4)
	before := k.containers(t)
	arn, container := anyOf(before)
	for round := range 3 {
		v := harness.Visit(url, 2)
		from := time.Now()
		k.Kill(t)
		agents := k.killAgents(t)
		if round == 2 {
			k.die(t, container)
		}
		k.Run(t)
		to := time.Now()
		k.backAgain(t, agents)
		if round < 2 {
			end(t, v, []span{{from, to}})
			k.same(t, before, "")
			continue
		}
		k.reported(t, arn)
		k.steady(t, 4)
		end(t, v, []span{{from, time.Now()}}) // until its end is noticed, the container still gets requests
	}
	k.same(t, before, arn)
	k.stopsOne(t, before, arn)
	harness.Until(t, 10*time.Second, "the service says that it is steady", func() string {
		s, err := k.service()
		if err != nil {
			return err.Error()
		}
		if len(s.Events) > 0 && strings.Contains(s.Events[0].Message, "has reached a steady state") {
			return ""
		}
		return fmt.Sprint(s.Events)
	})
}
