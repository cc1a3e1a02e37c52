package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// leftovers looks for what a server has made on this machine.
type leftovers struct {
	registry  string          // its images have this address before their names
	account   string          // and this number in it; "" when it is not the server's alone
	data      string          // its processes have it in their arguments, environment or directory
	instances map[string]bool // its containers, networks and redirections carry their ids
}

func (s *server) leftovers() leftovers { return leftovers{s.addr, s.account, s.data, s.instances} }

// none fails the test for everything that is left.
func (l leftovers) none(t *testing.T) {
	t.Helper()
	for kind, found := range map[string][]string{
		"container": l.containers(t), "process": l.processes(), "network": l.networks(t), "iptables rule": l.redirections(t), "image": l.images(t),
	} {
		for _, f := range found {
			t.Errorf("a %s is left: %s", kind, f)
		}
	}
}

func (l leftovers) containers(t *testing.T) []string {
	out, err := exec.Command("docker", "ps", "-a", "--filter", "label=com.amazonaws.ecs.task-arn", "--format",
		`{{.ID}} {{.Names}} {{.Status}} {{.Label "com.berthhq.instance"}}`).Output()
	if err != nil {
		t.Fatal(err)
	}
	return l.naming(lines(out))
}

// processes are agents, caches and whatever else was started below the data directory.
func (l leftovers) processes() (found []string) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		about, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		environment, _ := os.ReadFile(filepath.Join(dir, "environ"))
		at, _ := os.Readlink(filepath.Join(dir, "cwd"))
		if bytes.Contains(about, []byte(l.data)) || bytes.Contains(environment, []byte(l.data)) || strings.HasPrefix(at, l.data) {
			found = append(found, filepath.Base(dir)+" "+string(bytes.ReplaceAll(about, []byte{0}, []byte{' '})))
		}
	}
	return found
}

func (l leftovers) networks(t *testing.T) (found []string) {
	out, err := exec.Command("docker", "network", "ls", "--filter", "label=com.berthhq.network", "--format", "{{.Name}}").Output()
	if err != nil {
		t.Fatal(err)
	}
	return l.naming(lines(out))
}

func (l leftovers) redirections(t *testing.T) []string {
	out, err := exec.Command("iptables", "-w", "10", "-t", "nat", "-S").Output()
	if err != nil {
		t.Fatal(err)
	}
	return l.naming(lines(out))
}

// naming picks the lines that name one of the server's instances.
func (l leftovers) naming(all []string) (found []string) {
	for _, line := range all {
		for id := range l.instances {
			if strings.Contains(line, id) {
				found = append(found, line)
			}
		}
	}
	return found
}

// images are those that agents have pulled from the server's registry, by both names they have for them.
func (l leftovers) images(t *testing.T) (found []string) {
	out, err := exec.Command("docker", "images", "--digests", "--format", "{{.Repository}}:{{.Tag}} {{.Digest}} {{.ID}}").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines(out) {
		if strings.HasPrefix(line, l.registry+"/") || l.account != "" && strings.Contains(line, l.account) {
			found = append(found, line)
		}
	}
	return found
}
