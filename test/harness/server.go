package harness

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Config says how a server of a test differs from others.
type Config struct {
	Data   string   // data directory; a new one when empty
	Region string   // DefaultRegion when empty
	Edge   string   // address of its load balancers; DefaultEdge when empty
	Listen string   // address of its API; a free port of 127.0.0.1 when empty
	Args   []string // more arguments of the command berth server
	Env    []string // added to the environment of the server and the docker command
	// User, if not nil, runs the server and its commands. Data must belong to this user.
	User *syscall.Credential
	// AsUnit says that the server starts as systemd starts a unit: without a terminal, in /, and with only PATH and
	// Env in its environment.
	AsUnit bool
	// NoDocker says that Docker does not run at the end of the test, so that its containers and networks cannot be
	// checked.
	NoDocker bool
}

// DefaultRegion is the region that tests use.
const DefaultRegion = "us-east-1"

// OwnEdge as Config.Edge lets the server choose the address of its load balancers.
const OwnEdge = "own"

// DefaultEdge is the address at which load balancers of tests listen, so that they do not collide with those of a
// server that a person uses.
const DefaultEdge = "127.0.78.1"

// Server is a berth server that only one test uses. No other server has its account number, so its containers can be
// distinguished from those of others. Calls may be made from any goroutine, even while the server is killed and
// started again.
type Server struct {
	Config
	Account string       // "" if other servers may have the same one; then only instances distinguish them
	Client  *http.Client // for calls of the API

	addr      string
	log       string
	process   *process
	instances map[string]bool // every EC2 instance seen, even if it is terminated
}

// Start starts a server with a new data directory. At the end of the test it is reset and stopped, and then the
// machine must be as before.
func Start(t testing.TB, cfg Config) *Server {
	t.Helper()
	s := New(t, cfg)
	s.Run(t)
	return s
}

// New is Start, but does not start the server. The caller calls Run.
func New(t testing.TB, cfg Config) *Server {
	t.Helper()
	if cfg.Data == "" {
		cfg.Data = t.TempDir()
	}
	s := create(t, cfg)
	s.Account = fmt.Sprintf("9%011d", rand.Int64N(1e11))
	t.Cleanup(func() { s.end(t) })
	return s
}

func create(t testing.TB, cfg Config) *Server {
	cfg.Region, cfg.Edge = cmp.Or(cfg.Region, DefaultRegion), cmp.Or(cfg.Edge, DefaultEdge)
	return &Server{
		Config: cfg, addr: cmp.Or(cfg.Listen, "127.0.0.1:0"), log: filepath.Join(t.TempDir(), "server.log"),
		Client: &http.Client{Timeout: 30 * time.Second}, instances: map[string]bool{},
	}
}

// Spawn starts the process and does not wait for anything.
func (s *Server) Spawn(t testing.TB) {
	t.Helper()
	args := []string{"server", "--dev-credentials", "--data", s.Data, "--listen", s.addr, "--region",
		s.Region, "--account", s.Account}
	if s.Edge != OwnEdge {
		args = append(args, "--edge-addr", s.Edge)
	}
	s.process = s.spawn(t, append(args, s.Args...)...)
}

// Run starts the process and waits until it is ready. It can be called again after the process was stopped or killed.
func (s *Server) Run(t testing.TB) {
	t.Helper()
	s.Spawn(t)
	s.ready(t)
}

// ready waits until the server answers, and sets its address.
func (s *Server) ready(t testing.TB) {
	t.Helper()
	Until(t, 20*time.Second, "the server is ready", func() string {
		if s.process.ended() {
			return "it has ended: " + Tail(s.Log(), 20)
		}
		if strings.HasSuffix(s.addr, ":0") {
			_, rest, said := strings.Cut(s.Log(), "Berth listens on ")
			if !said {
				return "it does not listen yet"
			}
			s.addr, _, _ = strings.Cut(rest, ". ")
		}
		return s.Unhealthy()
	})
}

// Unhealthy returns why the server's health check fails, or "".
func (s *Server) Unhealthy() string {
	resp, err := s.Client.Get(s.URL() + "/_berth/health")
	if err != nil {
		return err.Error()
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return resp.Status
	}
	return ""
}

// URL returns the URL of the API, without a slash at its end.
func (s *Server) URL() string { return "http://" + s.addr }

// Addr returns the host:port of the API.
func (s *Server) Addr() string { return s.addr }

// PID returns the id of the server's process.
func (s *Server) PID() int { return s.process.cmd.Process.Pid }

// Kill ends the process with SIGKILL, and waits until it has ended.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if s.process.ended() {
		t.Fatalf("the server has ended by itself:\n%s", Tail(s.Log(), 40))
	}
	s.process.stop(t, syscall.SIGKILL)
}

// Stop ends the process with SIGTERM. The process must exit without an error.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.process.stop(t, syscall.SIGTERM)
}

// Move makes the server listen on another port from the next Run on.
func (s *Server) Move(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s.addr = l.Addr().String()
}

// Log returns everything that the server has logged so far, over all its starts.
func (s *Server) Log() string {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Command runs another berth command on the server's data directory and returns its output.
func (s *Server) Command(name string, args ...string) (string, error) {
	return s.Berth(append([]string{name, "--data", s.Data, "--listen", s.addr, "--region", s.Region}, args...)...)
}

// Berth runs a berth command line as the server's user and returns its output.
func (s *Server) Berth(args ...string) (string, error) {
	cmd := exec.Command(Program("berth"), args...)
	cmd.Env = append(os.Environ(), s.Env...)
	s.become(cmd)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// become makes a command run as the server's user.
func (s *Server) become(cmd *exec.Cmd) {
	if s.User == nil {
		return
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.User}
	if cmd.Dir == "" {
		cmd.Dir = s.Data // the test's own directory may be closed to them
	}
}

// Reset empties the server.
func (s *Server) Reset() error {
	resp, err := s.Client.Post(s.URL()+"/_berth/reset", "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("reset answered %s", resp.Status)
	}
	return nil
}

// end resets and stops the server, and checks that nothing of it is left on the machine.
func (s *Server) end(t testing.TB) {
	if t.Failed() {
		s.tellLogs(t)
	}
	if s.process == nil {
		return
	}
	if s.process.ended() {
		s.Run(t) // it was killed in the middle of a test that failed
	}
	s.See()
	if err := s.Reset(); err != nil {
		t.Error(err)
	}
	defer s.process.kill()
	s.Stop(t)
	if !s.NoDocker {
		s.Leftovers().None(t)
	}
}

// See records the server's instances, so that what belongs to them is known after they were terminated.
func (s *Server) See() {
	d, err := s.Query("ec2", "DescribeInstances", Form{})
	if err != nil {
		return // the server is down; what was seen before stays
	}
	for _, id := range d.All("instanceId") {
		s.instances[id] = true
	}
}

func (s *Server) tellLogs(t testing.TB) {
	t.Logf("the server's log:\n%s", Tail(s.Log(), 60))
	logs, _ := filepath.Glob(filepath.Join(s.Data, "instances", "*", "*.log"))
	for _, path := range logs {
		if text, err := os.ReadFile(path); err == nil {
			t.Logf("%s:\n%s", path, Tail(string(text), 25))
		}
	}
	containers, _ := s.Containers() // without Docker there are none
	for _, c := range containers {
		if text, err := s.dockerCommand("logs", "--tail", "15", c.ID).CombinedOutput(); err == nil {
			t.Logf("container %.12s of %s, %s:\n%s", c.ID, c.Task, c.Status, text)
		}
	}
}

// process is a berth process whose output goes to a file.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it has ended
}

func (s *Server) spawn(t testing.TB, args ...string) *process {
	t.Helper()
	f, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := &process{cmd: exec.Command(Program("berth"), args...), log: s.log, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Env = f, f, append(os.Environ(), s.Env...)
	if s.AsUnit {
		p.cmd.Dir, p.cmd.Env = "/", append([]string{"PATH=" + os.Getenv("PATH")}, s.Env...)
	}
	s.become(p.cmd)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // the process state says how it ended
		close(p.done)
	}()
	return p
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop ends the process with a signal. Unless that is SIGKILL, the process must exit without an error.
func (p *process) stop(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	if code := p.await(t); signal != syscall.SIGKILL && code != 0 {
		t.Errorf("berth ended with %d after %v:\n%s", code, signal, p.tail())
	}
}

// await waits for the process's end and returns its exit code.
func (p *process) await(t testing.TB) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(60 * time.Second):
		p.kill()
		t.Fatalf("berth did not end within a minute:\n%s", p.tail())
	}
	return p.cmd.ProcessState.ExitCode()
}

// kill ends the process at once, if it still runs.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // an error says that it has ended
	<-p.done
}

func (p *process) tail() string {
	text, _ := os.ReadFile(p.log) // what cannot be read has nothing to tell
	return Tail(string(text), 40)
}
