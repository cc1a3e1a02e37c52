package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// edgeAddr is where load balancers of these tests listen, so that they do not meet those of a server in use.
const edgeAddr = "127.0.77.1"

// server is a berth server of one test's own. Its account number is like no other's: that tells its images from everybody else's.
type server struct {
	data, account, region, addr string
	client                      *http.Client
	process                     *process
	instances                   map[string]bool // every EC2 instance seen, also those that are gone
}

// start starts a server on a new data directory. At the test's end it is reset and stopped, and the machine must be as before.
func start(t *testing.T) *server { t.Helper(); return startIn(t, "us-east-1") }

// startIn is start in a region.
func startIn(t *testing.T, region string) *server {
	t.Helper()
	need(t, docker)
	s := &server{
		data: t.TempDir(), account: fmt.Sprintf("9%011d", rand.Int64N(1e11)), region: region, addr: "127.0.0.1:0",
		client: &http.Client{Timeout: 30 * time.Second}, instances: map[string]bool{},
	}
	t.Cleanup(func() { s.end(t) })
	s.run(t)
	return s
}

// run starts the process, again when it was stopped or killed before, and waits until it is ready.
func (s *server) run(t *testing.T) {
	t.Helper()
	s.process = spawn(t, filepath.Join(t.TempDir(), "server.log"), "server", "--dev-credentials", "--data", s.data, "--listen", s.addr, "--region", s.region, "--account", s.account, "--edge-addr", edgeAddr)
	s.ready(t)
}

// ready waits until the server answers, and learns its address.
func (s *server) ready(t *testing.T) {
	t.Helper()
	until(t, 20*time.Second, "the server is ready", func() string {
		if s.process.ended() {
			return "it has ended: " + s.process.output()
		}
		_, rest, said := strings.Cut(s.process.output(), "Berth listens on ")
		if !said {
			return "it does not listen yet"
		}
		s.addr, _, _ = strings.Cut(rest, ". ")
		resp, err := s.client.Get(s.url() + "/_berth/health")
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

func (s *server) url() string { return "http://" + s.addr }

// end resets and stops the server, and looks whether anything of it is left on the machine.
func (s *server) end(t *testing.T) {
	s.see()
	if t.Failed() {
		s.tellLogs(t)
	}
	if s.process.ended() {
		s.run(t) // a test has killed it; only a server knows what is to be removed
	}
	defer s.process.kill()
	if resp, err := s.client.Post(s.url()+"/_berth/reset", "", nil); err != nil {
		t.Errorf("reset: %v", err)
	} else if resp.Body.Close(); resp.StatusCode != http.StatusNoContent {
		t.Errorf("reset answered %s", resp.Status)
	}
	s.process.stop(t, syscall.SIGTERM)
	s.leftovers().none(t)
}

// see remembers the server's instances, so that what belongs to them is known when they are gone.
func (s *server) see() {
	d, err := s.query("ec2", "DescribeInstances", form{})
	if err != nil {
		return // the server is down; what was seen before stays
	}
	for _, id := range d.all("instanceId") {
		s.instances[id] = true
	}
}

func (s *server) tellLogs(t *testing.T) {
	t.Logf("the server's log:\n%s", tail(s.process.output(), 60))
	logs, _ := filepath.Glob(filepath.Join(s.data, "instances", "*", "*.log"))
	for _, path := range logs {
		if text, err := os.ReadFile(path); err == nil {
			t.Logf("%s:\n%s", path, tail(string(text), 25))
		}
	}
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// process is a berth process whose output goes to a file.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it has ended
}

// spawn starts berth with arguments. The caller sees to its end.
func spawn(t *testing.T, log string, args ...string) *process {
	t.Helper()
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := &process{cmd: exec.Command(filepath.Join(bin, "berth"), args...), log: log, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = f, f
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is told by the state
		close(p.done)
	}()
	return p
}

func (p *process) output() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// kill ends the process at once, if it still runs.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // an error says that it has ended
	<-p.done
}

// stop ends the process with a signal. After SIGTERM and SIGINT it must end well.
func (p *process) stop(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.done:
	case <-time.After(60 * time.Second):
		t.Fatalf("berth did not end within a minute of %v:\n%s", signal, tail(p.output(), 40))
	}
	if code := p.cmd.ProcessState.ExitCode(); signal != syscall.SIGKILL && code != 0 {
		t.Errorf("berth ended with %d after %v:\n%s", code, signal, tail(p.output(), 20))
	}
}

// lines splits a program's output into its lines, without empty ones.
func lines(text []byte) (all []string) {
	for scan := bufio.NewScanner(bytes.NewReader(text)); scan.Scan(); {
		if line := strings.TrimSpace(scan.Text()); line != "" {
			all = append(all, line)
		}
	}
	return all
}
