// Package harness runs Berth for tests of the whole program. It starts a berth process with a new data directory for
// each test, makes signed calls like an AWS client, and checks afterwards that nothing is left on the machine. It uses
// only the program, its APIs and its status page, and the packages that sign calls and make images.
//
// Every server ends with its test and removes everything that it made. A test fails if a container, a process, a
// network, a redirection in the kernel or an image of its server is left on the machine. (With Config.NoDocker only
// the process is checked.)
//
// Tests of a package that use it share a machine's Docker, its loopback addresses and its ports, so they run one after
// another. make test gives each package a machine of its own (scripts/machine). Nothing in it waits for a fixed time:
// Until waits for conditions.
package harness

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// bin is the directory of the programs under test. Main sets it before any test runs.
var bin string

// Main runs a package's tests with the programs that they need. It builds the programs, except those that are in
// $BERTH_BIN. programs maps names to packages, relative to the directory of the test. It returns the exit code.
func Main(m *testing.M, programs map[string]string) int {
	dir, err := os.MkdirTemp("", "berth-test-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // for tests that run a program as another user
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	bin = dir
	defer forgetImages()
	for name, pkg := range programs {
		if err := provide(Program(name), pkg); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// Program returns the path of a program that was passed to Main. All of them are in one directory.
func Program(name string) string { return filepath.Join(bin, name) }

// provide builds a static binary, as images need it, or uses the one that is built already.
func provide(out, pkg string) error {
	if built := filepath.Join(os.Getenv("BERTH_BIN"), filepath.Base(out)); filepath.IsAbs(built) &&
		OnPath(built).There() == nil {
		program, err := os.ReadFile(built)
		if err != nil {
			return err
		}
		return os.WriteFile(out, program, 0o755)
	}
	cmd := exec.Command("go", "build", "-trimpath", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if told, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, told)
	}
	return nil
}

// Part is something that a test needs on the machine. There returns an error that says what is missing, or nil.
type Part struct {
	Name  string
	There func() error
}

// OnPath returns the Part of a program that must be on PATH.
func OnPath(program string) Part {
	return Part{program, func() error { _, err := exec.LookPath(program); return err }}
}

// DockerEngine is the machine's own Docker Engine.
func DockerEngine() Part {
	return Part{"Docker Engine", func() error { return exec.Command("docker", "info").Run() }}
}

// Packages are the npm packages of a directory; they are installed when they are not there yet.
func Packages(dir string) Part {
	return Part{"Node.js with the packages of " + dir, sync.OnceValue(func() error {
		if _, err := os.Stat(filepath.Join(dir, "node_modules")); err == nil {
			return OnPath("node").There()
		}
		cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		cmd.Dir = dir
		if told, err := cmd.CombinedOutput(); err != nil {
			return errors.Join(fmt.Errorf("npm ci: %w", err), errors.New(strings.TrimSpace(string(told))))
		}
		return nil
	})}
}

// Need skips the test when a part is missing, or fails it where everything must be there (BERTH_CI=1).
func Need(t testing.TB, parts ...Part) {
	t.Helper()
	for _, p := range parts {
		err := p.There()
		if err == nil {
			continue
		}
		if os.Getenv("BERTH_CI") == "1" {
			t.Fatalf("%s is missing: %v", p.Name, err)
		}
		t.Skipf("%s is missing: %v", p.Name, err)
	}
}

// Until calls look repeatedly until it returns no reason to wait any longer. When the time is over, it fails the test
// with the last reason. It looks every 20 ms at first and later less often, up to once in 250 ms: a wait becomes longer
// by a twentieth at most, and does not keep the machine busy.
func Until(t testing.TB, limit time.Duration, what string, look func() (reason string)) {
	t.Helper()
	began := time.Now()
	over := time.After(limit)
	for {
		reason := look()
		if reason == "" {
			return
		}
		select {
		case <-over:
			t.Fatalf("%s: not within %v: %s", what, limit, reason)
		case <-time.After(min(max(20*time.Millisecond, time.Since(began)/20), 250*time.Millisecond)):
		}
	}
}

// Lines splits a program's output into its lines, without empty ones.
func Lines(text []byte) (all []string) {
	for scan := bufio.NewScanner(bytes.NewReader(text)); scan.Scan(); {
		if line := strings.TrimSpace(scan.Text()); line != "" {
			all = append(all, line)
		}
	}
	return all
}

// Tail returns the last lines of a text.
func Tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
