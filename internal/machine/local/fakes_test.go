package local

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/machine"
)

// If this variable is set, the test binary acts as the agent, and in one test as the server.
const roleVariable = "LOCAL_TEST_ROLE"

func TestMain(m *testing.M) {
	switch role := os.Getenv(roleVariable); role {
	case "":
		os.Exit(m.Run())
	case "server":
		playServer()
	default:
		playAgent(role)
	}
}

// hello is what an agent sends the test when it runs.
type hello struct {
	PID int
	Env []string
}

// playAgent sends hello and then acts as its role says.
func playAgent(role string) {
	terms := make(chan os.Signal, 1)
	if role == "stubborn" {
		signal.Ignore(syscall.SIGTERM)
	} else {
		signal.Notify(terms, syscall.SIGTERM)
	}
	c, err := net.Dial("unix", os.Getenv("LOCAL_TEST_HELLO"))
	if err != nil {
		os.Exit(99)
	}
	json.NewEncoder(c).Encode(hello{os.Getpid(), os.Environ()})
	c.Close()
	switch role {
	case "exit5":
		os.Exit(ExitTerminal)
	case "exit1":
		fmt.Fprintln(os.Stderr, "berth agent: it cannot start")
		os.Exit(1)
	}
	<-terms
}

// playServer starts one instance and runs until it is killed.
func playServer() {
	d := New(testConfig(os.Getenv("LOCAL_TEST_DIR"), "agent", os.Getenv("LOCAL_TEST_HELLO")))
	if err := d.Start(context.Background(), testInstance("i-00000000000000001", "")); err != nil {
		os.Exit(98)
	}
	select {}
}

// none keeps no instance.
func none(string) bool { return false }

type fixedKey struct{}

func (fixedKey) InstanceKey(_ context.Context, in *fleet.Instance) (AccessKey, error) {
	return AccessKey{ID: "AKIA" + in.ID, Secret: "secret"}, nil
}

func testConfig(dir, role, hello string) Config {
	return Config{
		Dir: dir, Command: []string{os.Args[0]}, ControlPlane: "http://127.0.0.1:4566", Credentials: fixedKey{},
		Env:         []string{"PATH=/usr/bin:/bin", roleVariable + "=" + role, "LOCAL_TEST_HELLO=" + hello},
		Logger:      slog.New(slog.DiscardHandler),
		StopTimeout: 200 * time.Millisecond, RestartMin: time.Millisecond, RestartMax: 2 * time.Millisecond,
	}
}

func testInstance(id, script string) *fleet.Instance {
	subnet := fleet.Subnets("eu-west-2", "123456789012")[1]
	return &fleet.Instance{
		ID: id, Region: "eu-west-2", Account: "123456789012", Zone: subnet.Zone.Name, SubnetID: subnet.ID,
		Address: netip.MustParseAddr("127.0.1.9"), LaunchedAt: time.Unix(1700000000, 0),
		Desired: fleet.Running, State: fleet.Pending,
		Launch: fleet.LaunchData{InstanceType: "t2.micro", ImageID: "ami-0123456789abcdef0",
			UserData: base64.StdEncoding.EncodeToString([]byte(script))},
	}
}

// yard is a directory of instances, with a listener to which its agents send hello. Everything that runs in it ends
// with the test.
type yard struct {
	t      *testing.T
	dir    string
	socket string
	l      net.Listener
}

func newYard(t *testing.T) *yard {
	t.Helper()
	dir := t.TempDir()
	y := &yard{t: t, dir: filepath.Join(dir, "instances"), socket: filepath.Join(dir, "s")}
	var err error
	if y.l, err = net.Listen("unix", y.socket); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		y.l.Close()
		if err := New(testConfig(y.dir, "agent", y.socket)).Clean(context.Background(), none, func() {}); err != nil {
			t.Error(err)
		}
	})
	return y
}

// driver returns a driver, and a function that closes it. It is closed at the end of the test at the latest.
func (y *yard) driver(role string, change ...func(*Config)) (*Driver, func()) {
	cfg := testConfig(y.dir, role, y.socket)
	for _, c := range change {
		c(&cfg)
	}
	d := New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	var ran sync.WaitGroup
	ran.Go(func() { d.Run(ctx) })
	stop := func() { cancel(); ran.Wait() }
	y.t.Cleanup(stop)
	return d, stop
}

// hello waits for an agent to start.
func (y *yard) hello() hello {
	y.t.Helper()
	c, err := y.l.Accept()
	if err != nil {
		y.t.Fatal(err)
	}
	defer c.Close()
	var h hello
	if err := json.NewDecoder(c).Decode(&h); err != nil && err != io.EOF {
		y.t.Fatal(err)
	}
	return h
}

func (h hello) get(name string) string {
	i := slices.IndexFunc(h.Env, func(e string) bool { return strings.HasPrefix(e, name+"=") })
	if i < 0 {
		return "(not set)"
	}
	return strings.TrimPrefix(h.Env[i], name+"=")
}

// until reads reports up to the first one in the given phase.
func until(t *testing.T, d *Driver, phase fleet.Phase) machine.Report {
	t.Helper()
	for {
		r, err := d.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if r.Status.Phase == phase {
			return r
		}
	}
}

func alive(pid int) bool {
	st, err := stat(pid)
	return err == nil && !st.zombie
}

// containers is a Containers whose results the test sets.
type containers struct {
	purge  func(id string, dead func()) error
	shared func(zones map[string]bool) error
}

func (c *containers) Purge(_ context.Context, id string, dead func()) error {
	if c.purge == nil {
		return nil
	}
	return c.purge(id, dead)
}

func (c *containers) RemoveShared(_ context.Context, zones map[string]bool) error {
	if c.shared == nil {
		return nil
	}
	return c.shared(zones)
}

func (c *containers) Bridges(context.Context, string) []string { return nil }
