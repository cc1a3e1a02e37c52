package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/berthhq/berth/internal/fleet"
)

const (
	testID     = "i-00000000000000001"
	userScript = "#!/bin/bash\necho ECS_CLUSTER=socket-ecs-cluster >> /etc/ecs/ecs.config;echo " +
		"ECS_BACKEND_HOST= >> /etc/ecs/ecs.config;"
)

// An instance is an agent process. It gets its cluster from the article's user data, and its identity from its
// environment.
func TestStartRunsTheAgentOfTheInstance(t *testing.T) {
	y := newYard(t)
	d, _ := y.driver("agent")
	in := testInstance(testID, userScript)
	if err := d.Start(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	h := y.hello()
	dir := filepath.Join(y.dir, testID)
	for name, want := range map[string]string{
		"ECS_CLUSTER": "socket-ecs-cluster", "ECS_BACKEND_HOST": "http://127.0.0.1:4566",
		"ECS_DATADIR": filepath.Join(dir, "data"), "AWS_DEFAULT_REGION": "eu-west-2",
		"AWS_ACCESS_KEY_ID": "(not set)", "AWS_SESSION_TOKEN": "(not set)", EnvCredentials: filepath.Join(dir,
			"credentials.json"), EnvInstanceID: testID, EnvInstanceType: "t2.micro",
		EnvAvailabilityZone: "eu-west-2b", EnvBindAddress: "127.0.1.9", EnvCPU: "1024", EnvMemory: "1024",
	} {
		if got := h.get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	var key struct{ AccessKeyId, SecretAccessKey, Expiration string }
	keyData, err := os.ReadFile(h.get(EnvCredentials))
	if err != nil || json.Unmarshal(keyData, &key) != nil || key.AccessKeyId != "AKIA"+testID ||
		key.SecretAccessKey != "secret" || key.Expiration != "" {
		t.Errorf("credentials %s (%v)", keyData, err)
	}
	var doc map[string]any
	data, err := os.ReadFile(h.get(EnvIdentityDocument))
	if err != nil || json.Unmarshal(data, &doc) != nil || doc["instanceId"] != testID ||
		doc["privateIp"] != "127.0.1.9" {
		t.Errorf("identity document %s (%v)", data, err)
	}
	if st, err := stat(h.PID); err != nil || st.session != h.PID {
		t.Errorf("the agent is not in a session of its own: %+v, %v", st, err)
	}
	if r := until(t, d, fleet.PhaseUp); r.ID != testID {
		t.Errorf("report of %q", r.ID)
	}
	out, _, err := d.ConsoleOutput(testID)
	if err != nil || !strings.Contains(string(out), "part-001 finished") ||
		!strings.Contains(string(out), "agent started") {
		t.Errorf("console %q (%v)", out, err)
	}
}

func TestStartTwiceIsOneAgent(t *testing.T) {
	y := newYard(t)
	d, _ := y.driver("agent")
	in := testInstance(testID, "#!/bin/bash\necho x >> /tmp/boots\n")
	for range 3 {
		if err := d.Start(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	h := y.hello()
	if err := d.Stop(t.Context(), testID); err != nil {
		t.Fatal(err)
	}
	if alive(h.PID) {
		t.Error("the agent outlives Stop")
	}
	// Started again (EC2's stop and start), it has its disk and does not run user data again.
	if err := d.Start(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if again := y.hello(); again.PID == h.PID {
		t.Error("the same process after Stop")
	}
	boots, err := os.ReadFile(filepath.Join(y.dir, testID, "root/tmp/boots"))
	if err != nil || string(boots) != "x\n" {
		t.Errorf("user data ran %q (%v)", boots, err)
	}
}

// A boot that was interrupted, for instance because the server was killed, starts again. Lines that user data appended
// the first time are not there twice.
func TestBootCutShortBeginsAnew(t *testing.T) {
	y := newYard(t)
	dir := filepath.Join(y.dir, testID)
	half := filepath.Join(dir, "root/etc/ecs/ecs.config")
	if err := os.MkdirAll(filepath.Dir(half), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(half, []byte("ECS_CLUSTER=half\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	d, _ := y.driver("agent")
	if err := d.Start(t.Context(), testInstance(testID, userScript)); err != nil {
		t.Fatal(err)
	}
	y.hello()
	if got, err := os.ReadFile(half); err != nil ||
		string(got) != "ECS_CLUSTER=socket-ecs-cluster\nECS_BACKEND_HOST=\n" {
		t.Errorf("ecs.config %q (%v)", got, err)
	}
}

func TestStopRemovesContainersOnceTheAgentIsGone(t *testing.T) {
	y := newYard(t)
	var pid int
	var cleaned []string
	d, _ := y.driver("stubborn", func(c *Config) {
		c.Containers = &containers{purge: func(id string, _ func()) error {
			cleaned = append(cleaned, fmt.Sprintf("%s alive=%v", id, alive(pid)))
			return nil
		}}
	})
	if err := d.Start(t.Context(), testInstance(testID, "")); err != nil {
		t.Fatal(err)
	}
	pid = y.hello().PID
	for range 2 {
		if err := d.Stop(t.Context(), testID); err != nil {
			t.Fatal(err)
		}
	}
	if want := testID + " alive=false"; len(cleaned) != 2 || cleaned[0] != want {
		t.Errorf("cleaned %q, want %q first", cleaned, want)
	}
	if err := d.Forget(t.Context(), testID); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(y.dir, testID)); !os.IsNotExist(err) {
		t.Errorf("the directory is left: %v", err)
	}
	if err := d.Forget(t.Context(), "../x"); err == nil {
		t.Error("a path was accepted as an instance id")
	}
}

func TestNextLifeAdoptsTheAgent(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, pidFile string){
		"by pid file": func(*testing.T, string) {},
		"by environment, without a pid file": func(t *testing.T, f string) {
			if err := os.Remove(f); err != nil {
				t.Fatal(err)
			}
		},
		"by environment, with a pid file of an earlier agent": func(t *testing.T, f string) {
			if err := os.WriteFile(f, []byte(`{"pid":1,"start":7,"boot":"`+bootID()+`"}`), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			y := newYard(t)
			first, stop := y.driver("agent")
			in := testInstance(testID, "")
			if err := first.Start(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			h := y.hello()
			stop()
			if !alive(h.PID) {
				t.Fatal("the agent ended with the driver")
			}
			spoil(t, pidFile(filepath.Join(y.dir, testID)))
			next, _ := y.driver("agent")
			if err := next.Start(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			until(t, next, fleet.PhaseUp)
			p, err := adopt(filepath.Join(y.dir, testID), testID)
			if err != nil || p.pid != h.PID {
				t.Fatalf("the agent is now %+v (%v), was %d", p, err, h.PID)
			}
			p.release()
			// The end of an agent that an earlier server started is noticed too, and the agent is started again.
			syscall.Kill(h.PID, syscall.SIGKILL)
			until(t, next, fleet.PhaseUp)
			if again := y.hello(); again.PID == h.PID {
				t.Error("no new agent")
			}
		})
	}
}

// A server that listens on another address than before ends the agents that use the old address, and starts them with
// the new one.
func TestNextLifeAtAnotherAddress(t *testing.T) {
	y := newYard(t)
	first, stop := y.driver("agent")
	in := testInstance(testID, "")
	if err := first.Start(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	h := y.hello()
	stop()
	const elsewhere = "http://127.0.0.1:4599"
	next, _ := y.driver("agent", func(cfg *Config) { cfg.ControlPlane = elsewhere })
	if err := next.Start(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	again := y.hello()
	if alive(h.PID) || again.PID == h.PID {
		t.Errorf("agent %d goes on beside agent %d", h.PID, again.PID)
	}
	for _, name := range []string{"ECS_BACKEND_HOST", "AWS_ENDPOINT_URL"} {
		if got := again.get(name); got != elsewhere {
			t.Errorf("%s is %q", name, got)
		}
	}
}

// Another process that has the number in a pid file must not be mistaken for the agent, and must not be killed.
func TestReusedPIDIsNotTheAgent(t *testing.T) {
	y := newYard(t)
	dir := filepath.Join(y.dir, testID)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	data, _ := json.Marshal(record{PID: os.Getpid(), Start: 1, Boot: bootID()})
	if err := os.WriteFile(pidFile(dir), data, 0o600); err != nil {
		t.Fatal(err)
	}
	d, _ := y.driver("agent")
	if err := d.Stop(t.Context(), testID); err != nil { // we are still there afterwards
		t.Fatal(err)
	}
	if err := d.Start(t.Context(), testInstance(testID, "")); err != nil {
		t.Fatal(err)
	}
	if h := y.hello(); h.PID == os.Getpid() {
		t.Error("impossible")
	}
}

// When the server is killed, its agent continues to run, and the next server uses it.
func TestServerKilled(t *testing.T) {
	y := newYard(t)
	server := exec.Command(os.Args[0])
	server.Env = []string{roleVariable + "=server", "LOCAL_TEST_DIR=" + y.dir, "LOCAL_TEST_HELLO=" + y.socket}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	h := y.hello()
	server.Process.Kill()
	server.Wait()
	d, _ := y.driver("agent")
	if err := d.Start(t.Context(), testInstance(testID, "")); err != nil {
		t.Fatal(err)
	}
	until(t, d, fleet.PhaseUp)
	p, err := adopt(filepath.Join(y.dir, testID), testID)
	if err != nil || p.pid != h.PID {
		t.Fatalf("agent %+v (%v), want %d", p, err, h.PID)
	}
	p.release()
	if err := d.Stop(t.Context(), testID); err != nil || alive(h.PID) {
		t.Errorf("an adopted agent cannot be stopped: %v", err)
	}
}

func TestAgentThatDies(t *testing.T) {
	t.Run("is started again and again", func(t *testing.T) {
		y := newYard(t)
		d, _ := y.driver("exit1")
		data := "#!/bin/sh\necho ECS_CLUSTER=shop >> /etc/ecs/ecs.config\n"
		if err := d.Start(t.Context(), testInstance(testID, data)); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			y.hello()
		}
		r := until(t, d, fleet.PhaseRestarting)
		if r.Status.Cluster != "shop" {
			t.Errorf("the agent is to join %q", r.Status.Cluster)
		}
		if !strings.HasPrefix(r.Status.Reason, "the agent exited with code 1: it cannot start; it is "+
			"started again in") ||
			r.Status.Restarts == 0 {
			t.Errorf("status %+v", r.Status)
		}
	})
	t.Run("has failed with exit code 5", func(t *testing.T) { // ecs-agent.md 1.7
		y := newYard(t)
		d, _ := y.driver("exit5")
		if err := d.Start(t.Context(), testInstance(testID, "")); err != nil {
			t.Fatal(err)
		}
		y.hello()
		if r := until(t, d, fleet.PhaseFailed); !strings.Contains(r.Status.Reason, "code 5") ||
			r.Status.Cluster != "default" {
			t.Errorf("status %+v", r.Status)
		}
		if err := d.Start(t.Context(), testInstance(testID, "")); err != nil {
			t.Error(err)
		}
		if _, err := adopt(filepath.Join(y.dir, testID), testID); err == nil {
			t.Error("a failed instance was given another try without a stop")
		}
	})
	t.Run("cannot be started at all", func(t *testing.T) {
		y := newYard(t)
		d, _ := y.driver("agent", func(c *Config) { c.Command = []string{"/nonexistent/agent"} })
		if err := d.Start(t.Context(), testInstance(testID, "")); err == nil {
			t.Error("started a program that is not there")
		}
	})
}

// User data sets the agent's own settings. The agent does not get settings that would make it use another runtime,
// program, proxy, control plane or identity, and the console says so.
func TestUserDataCannotRedirectTheAgent(t *testing.T) {
	y := newYard(t)
	d, _ := y.driver("agent", func(c *Config) { c.Env = append(c.Env, "DOCKER_HOST=unix:///run/its.sock") })
	script := `#!/bin/bash
cat >> /etc/ecs/ecs.config <<'END'
ECS_LOGLEVEL=debug
ECS_INSTANCE_ATTRIBUTES={"a":"b"}
AWS_DEFAULT_REGION=eu-west-2
ECS_BACKEND_HOST=http://10.0.0.1
ECS_DATADIR=/data
ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS=true
BERTH_INSTANCE_ID=i-other
BERTH_BIND_ADDR=0.0.0.0
BERTH_NETWORK_PREFIX=other
BERTH_BLOCK_IMDS=false
export DOCKER_HOST=tcp://10.0.0.1:2375
DOCKER_TLS_VERIFY=1
DOCKER_CERT_PATH=/tmp
HTTP_PROXY=http://10.0.0.1
https_proxy=http://10.0.0.1
AWS_ENDPOINT_URL_ECS=http://10.0.0.1
AWS_CA_BUNDLE=/tmp/ca
AWS_ACCESS_KEY_ID=AKIAOTHER
SSL_CERT_FILE=/tmp/ca
PATH=/tmp
LD_PRELOAD=/tmp/evil.so
GODEBUG=http2debug=2
HOME=/root
END
`
	if err := d.Start(t.Context(), testInstance(testID, script)); err != nil {
		t.Fatal(err)
	}
	h := y.hello()
	const unset = "(not set)"
	for name, want := range map[string]string{
		"ECS_LOGLEVEL": "debug", "ECS_INSTANCE_ATTRIBUTES": `{"a":"b"}`,
		"ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS": "true", "ECS_BACKEND_HOST": "http://127.0.0.1:4566",
		"ECS_DATADIR": filepath.Join(y.dir, testID, "data"), EnvInstanceID: testID,
		EnvBindAddress: "127.0.1.9", "DOCKER_HOST": "unix:///run/its.sock", "PATH": "/usr/bin:/bin",
		"HOME": filepath.Join(y.dir, testID), "BERTH_NETWORK_PREFIX": unset, "BERTH_BLOCK_IMDS": unset,
		"DOCKER_TLS_VERIFY": unset, "DOCKER_CERT_PATH": unset, "HTTP_PROXY": unset, "https_proxy": unset,
		"AWS_ENDPOINT_URL_ECS": unset, "AWS_CA_BUNDLE": unset, "AWS_ACCESS_KEY_ID": unset,
		"SSL_CERT_FILE": unset, "LD_PRELOAD": unset, "GODEBUG": unset,
	} {
		if got := h.get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	console, err := os.ReadFile(consoleFile(filepath.Join(y.dir, testID)))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"DOCKER_HOST", "ECS_BACKEND_HOST", "LD_PRELOAD"} {
		if !strings.Contains(string(console), name) {
			t.Errorf("the console does not say that %s is not used:\n%s", name, console)
		}
	}
	if strings.Contains(string(console), "AWS_DEFAULT_REGION") {
		t.Errorf("the console complains about what is true anyway:\n%s", console)
	}
}

// Clean reports when nothing runs any more, and nothing can start before everything is removed.
func TestCleanHoldsBackWhatComesNext(t *testing.T) {
	y := newYard(t)
	const next = "i-00000000000000002"
	var pid int
	dead, removing := make(chan bool, 1), make(chan struct{})
	d, _ := y.driver("agent", func(c *Config) {
		c.Containers = &containers{purge: func(_ string, dead func()) error {
			dead()
			<-removing
			return nil
		}}
	})
	if err := d.Start(t.Context(), testInstance(testID, "")); err != nil {
		t.Fatal(err)
	}
	pid = y.hello().PID
	var cleaned, started sync.WaitGroup
	cleaned.Go(func() {
		if err := d.Clean(t.Context(), none, func() { dead <- !alive(pid) }); err != nil {
			t.Error(err)
		}
	})
	if !<-dead {
		t.Error("the agent is still running")
	}
	// A second clean-up leaves to the first one what that is removing, and does not wait for it.
	again := false
	if err := d.Clean(t.Context(), none, func() { again = true }); err != nil || !again {
		t.Errorf("%v, dead was called: %v", err, again)
	}
	if err := d.boot(t.Context(), testInstance(next, ""), d.dir(next)); err != nil {
		t.Fatal(err)
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Start(impatient, testInstance(next, "")); !errors.Is(err, context.Canceled) {
		t.Errorf("an agent was started while containers were removed (%v)", err)
	}
	started.Go(func() {
		if err := d.Start(t.Context(), testInstance(next, "")); err != nil {
			t.Error(err)
		}
	})
	close(removing)
	cleaned.Wait()
	started.Wait()
	if _, err := os.Stat(filepath.Join(y.dir, testID)); !os.IsNotExist(err) {
		t.Errorf("the directory is left: %v", err)
	}
	y.hello()
}

// An instance that cannot be removed stays. Things that instances share are removed after the instances.
func TestCleanKeeps(t *testing.T) {
	y := newYard(t)
	const stays = "i-00000000000000002"
	shared := errors.New("something shared stays")
	looked := false
	d, _ := y.driver("agent", func(c *Config) {
		c.Zones = func() map[string]bool { return map[string]bool{"us-east-1a": true} }
		c.Containers = &containers{shared: func(zones map[string]bool) error {
			_, err := os.Stat(filepath.Join(y.dir, testID))
			looked = os.IsNotExist(err) && zones["us-east-1a"]
			return shared
		}}
	})
	for _, id := range []string{testID, stays} {
		if err := d.Start(t.Context(), testInstance(id, "")); err != nil {
			t.Fatal(err)
		}
		y.hello()
	}
	if err := d.Clean(t.Context(), func(id string) bool { return id == stays }, func() {}); !errors.Is(err,
		shared) || !looked {
		t.Fatalf("Clean = %v, looked after the instance was gone: %v", err, looked)
	}
	p, err := adopt(filepath.Join(y.dir, stays), stays)
	if err != nil {
		t.Fatalf("the other instance: %v", err)
	}
	p.release()
	if _, err := os.Stat(filepath.Join(y.dir, testID)); !os.IsNotExist(err) {
		t.Errorf("the directory is left: %v", err)
	}
}
