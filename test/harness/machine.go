package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Docker runs the docker command on the Docker Engine of the server's machine.
func (s *Server) Docker(args ...string) ([]byte, error) { return s.dockerCommand(args...).Output() }

func (s *Server) dockerCommand(args ...string) *exec.Cmd {
	cmd := exec.Command("docker", args...)
	cmd.Env = append(os.Environ(), s.Env...)
	return cmd
}

// Container is one container of a task of the server.
type Container struct{ ID, Task, Status string }

// Containers returns the containers of the server's tasks, even those that have ended. These are the containers of its
// account, if no other server has it, and of the instances that it has seen.
func (s *Server) Containers() (found []Container, err error) {
	out, err := s.Docker("ps", "-a", "--no-trunc", "--filter", "label=com.amazonaws.ecs.task-arn", "--format",
		`{{.ID}}|{{.Label "com.amazonaws.ecs.task-arn"}}|{{.Label "com.berthhq.instance"}}|{{.Status}}`)
	for _, line := range Lines(out) {
		f := strings.SplitN(line, "|", 4)
		if s.Account != "" && strings.Contains(f[1], ":"+s.Account+":") || s.instances[f[2]] {
			found = append(found, Container{ID: f[0], Task: f[1], Status: f[3]})
		}
	}
	return found, err
}

// Agents returns the process ids of the agents, by EC2 instance.
func (s *Server) Agents(t testing.TB) map[string]int {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(s.Data, "instances", "*", "agent.pid"))
	pids := map[string]int{}
	for _, f := range files {
		var record struct{ PID int }
		data, err := os.ReadFile(f)
		if err != nil {
			continue // an agent that is just being started again
		}
		if err := json.Unmarshal(data, &record); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		pids[filepath.Base(filepath.Dir(f))] = record.PID
	}
	return pids
}

// Leftovers finds what a server has made on this machine.
type Leftovers struct{ s *Server }

// Leftovers returns the Leftovers of this server.
func (s *Server) Leftovers() Leftovers { return Leftovers{s} }

// None fails the test if anything is left.
func (l Leftovers) None(t testing.TB) {
	t.Helper()
	for _, found := range l.all(t) {
		t.Errorf("left is a %s", found)
	}
}

// Gone waits until Docker has removed the containers that a reset has killed.
func (l Leftovers) Gone(t testing.TB) {
	t.Helper()
	Until(t, 20*time.Second, "nothing is left", func() string { return strings.Join(l.all(t), "\n") })
}

func (l Leftovers) all(t testing.TB) (all []string) {
	t.Helper()
	for kind, found := range map[string][]string{
		"container": l.Containers(), "process": l.Processes(), "network": l.networks(t),
		"iptables rule": l.rules(t), "image": l.images(t),
	} {
		for _, f := range found {
			all = append(all, kind+": "+f)
		}
	}
	return all
}

// Containers returns those that Server.Containers finds.
func (l Leftovers) Containers() (found []string) {
	all, err := l.s.Containers()
	if err != nil {
		return []string{err.Error()}
	}
	for _, c := range all {
		found = append(found, c.ID+" "+c.Task+" "+c.Status)
	}
	return found
}

// Processes returns agents, caches and all other processes that were started below the data directory, except the
// server.
func (l Leftovers) Processes() (found []string) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	server := fmt.Sprint(l.s.PID())
	for _, dir := range all {
		about, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		environment, _ := os.ReadFile(filepath.Join(dir, "environ"))
		at, _ := os.Readlink(filepath.Join(dir, "cwd"))
		data := []byte(l.s.Data)
		if filepath.Base(dir) == server {
			continue
		}
		if bytes.Contains(about, data) || bytes.Contains(environment, data) || strings.HasPrefix(at, l.s.Data) {
			found = append(found, filepath.Base(dir)+" "+string(bytes.ReplaceAll(about, []byte{0}, []byte{' '})))
		}
	}
	return found
}

func (l Leftovers) networks(t testing.TB) []string {
	out, err := l.s.Docker("network", "ls", "--filter", "label=com.berthhq.network", "--format", "{{.Name}}")
	if err != nil {
		t.Fatal(err)
	}
	return l.naming(Lines(out))
}

// rules returns the redirections and fences of agents, which name instances, and the fences of caches, which name the
// data directory.
func (l Leftovers) rules(t testing.TB) (found []string) {
	for _, table := range []string{"iptables nat", "iptables filter", "ip6tables filter"} {
		program, name, _ := strings.Cut(table, " ")
		out, err := exec.Command(program, "-w", "10", "-t", name, "-S").Output()
		if _, noIPv6 := os.Stat("/proc/net/if_inet6"); err != nil && program == "ip6tables" && noIPv6 != nil {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range Lines(out) {
			if strings.Contains(line, "berth:"+l.s.Data+"/") {
				found = append(found, line)
			}
		}
		found = append(found, l.naming(Lines(out))...)
	}
	return found
}

// images returns the images that agents have pulled from the server's registry, by both names that they may have.
func (l Leftovers) images(t testing.TB) (found []string) {
	out, err := l.s.Docker("images", "--digests", "--format", "{{.Repository}}:{{.Tag}} {{.Digest}} {{.ID}}")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range Lines(out) {
		if strings.HasPrefix(line, l.s.addr+"/") || l.s.Account != "" && strings.Contains(line, l.s.Account) {
			found = append(found, line)
		}
	}
	return found
}

// naming returns the lines that name one of the server's instances.
func (l Leftovers) naming(all []string) (found []string) {
	for _, line := range all {
		for id := range l.s.instances {
			if strings.Contains(line, id) {
				found = append(found, line)
			}
		}
	}
	return found
}

// Empty fails the test if the server still has anything that a reset should have removed.
func (s *Server) Empty(t testing.TB) {
	t.Helper()
	out, err := s.Command("status")
	if err != nil || !strings.Contains(out, "Nothing is here yet.") {
		t.Errorf("status says (%v):\n%s", err, out)
	}
	for _, q := range []struct{ service, action, element string }{
		{"ec2", "DescribeInstances", "instanceId"}, {
			"autoscaling", "DescribeAutoScalingGroups", "AutoScalingGroupName",
		}, {"elasticloadbalancing", "DescribeTargetGroups", "TargetGroupArn"},
		{"elasticache", "DescribeCacheClusters", "CacheClusterId"},
	} {
		if left := s.Ask(t, q.service, q.action, Form{}).All(q.element); len(left) > 0 {
			t.Errorf("%s answers %q", q.action, left)
		}
	}
}
