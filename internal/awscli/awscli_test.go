package awscli

import (
	"bufio"
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// both returns the two programs. Without an AWS CLI that is a Python script, it skips the test, or fails it if BERTH_CI
// is 1.
func both(t *testing.T) []string {
	t.Helper()
	if _, err := forking(); err != nil {
		if os.Getenv("BERTH_CI") == "1" {
			t.Fatalf("the AWS CLI %q does not run in forks: %v", Plain(), err)
		}
		t.Skipf("there is no AWS CLI in Python: %v", err)
	}
	return []string{Plain(), Forking()}
}

// Both programs print the same and exit alike, whatever they read, wherever they run and whatever their environment is.
func TestForkingIsLikePlain(t *testing.T) {
	programs := both(t)
	runtime.GC() // what is collected must not end the process
	for _, c := range []struct {
		args, stdin string
		env         []string
		want        string // in what the first one prints
		code        int
	}{
		{"configure get region", "", nil, "eu-west-9\n", 0},
		{"configure get region", "", []string{"AWS_PROFILE=none"}, "The config profile (none) could not be found", 255},
		{"ecs nothing", "", nil, "Invalid choice", 252},
		{"configure", "a\n\n\n\n", []string{"AWS_SHARED_CREDENTIALS_FILE=./credentials"},
			"Default region name [eu-west-9]: Default output format [None]: ", 0},
	} {
		var results [2]result
		for i, program := range programs {
			dir := t.TempDir()
			text := []byte("[default]\nregion = eu-west-9\n")
			if err := os.WriteFile(filepath.Join(dir, "config"), text, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(program, strings.Fields(c.args)...)
			cmd.Dir, cmd.Stdin = dir, strings.NewReader(c.stdin)
			cmd.Env = append(os.Environ(), append([]string{"AWS_CONFIG_FILE=./config"}, c.env...)...)
			results[i] = runs(cmd)
		}
		if got := results[0]; got.code != c.code || !strings.Contains(got.stdout+got.stderr, c.want) {
			t.Errorf("%s: %+v, want exit code %d and %q", c.args, got, c.code, c.want)
		}
		if results[1] != results[0] {
			t.Errorf("%s: in a fork %+v\nwant %+v", c.args, results[1], results[0])
		}
	}
}

// result is what a command prints and returns.
type result struct {
	stdout, stderr string
	code           int
}

func runs(cmd *exec.Cmd) result {
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run() // the exit code says it too
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// A command that is killed makes no more calls.
func TestKilledCommandEnds(t *testing.T) {
	program := both(t)[1]
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cmd := exec.Command(program, "ecs", "list-clusters", "--endpoint-url", "http://"+l.Addr().String())
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_DEFAULT_REGION=us-east-1",
		"AWS_CONFIG_FILE=/dev/null")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := l.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
		t.Fatalf("the command makes no call: %v; it prints %q", err, &stderr)
	}
	defer conn.Close()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(conn).WriteTo(new(bytes.Buffer)); err != nil {
		t.Errorf("the command waits for the answer of its call: %v", err)
	}
}
