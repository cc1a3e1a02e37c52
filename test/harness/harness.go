// Package harness runs Berth for tests of the whole: a berth process of a test's own on a new data
// directory, the signed calls of an AWS client, and a look at what is left on the machine
// afterwards. It knows no room of the house, only the program, its APIs, what its status tells, how
// to sign a call and how to push an image.
//
// Every server ends with its test, and takes everything with it: a test fails when a container, a
// process, a network, a redirection of the kernel or an image of its server is left on the machine
// (Config.NoDocker says when only the process can be looked at).
//
// Tests of a package that use it share a machine's Docker, its loopback addresses and its ports, so
// they run one after another. make test gives each package a machine of its own (scripts/machine).
// Nothing in it waits for a time: Until waits for conditions.
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

// bin holds the programs under test; Main sets it before any test runs.
var bin string

// Main runs a package's tests with the programs they need, freshly built but for those that are in
// $BERTH_BIN. Programs maps names to packages, relative to the directory of the test. It returns
// the exit code.
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
	for name, pkg := range programs {
		if err := provide(Program(name), pkg); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// Program is the path of a program of Main's. All of them are in one directory.
func Program(name string) string { return filepath.Join(bin, name) }

// provide makes a static binary, as images need it, or takes the one that is built already.
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

// Part is something of the machine that a test needs. There says what is missing, or nil.
type Part struct {
	Name  string
	There func() error
}

// OnPath is a program that must be on PATH.
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

// Until asks look again and again until it gives no reason to wait any longer. It fails the test
// with the last reason when the time is over.
func Until(t testing.TB, limit time.Duration, what string, look func() (reason string)) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	over := time.After(limit)
	for {
		reason := look()
		if reason == "" {
			return
		}
		select {
		case <-over:
			t.Fatalf("%s: not within %v: %s", what, limit, reason)
		case <-tick.C:
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

// Tail is the end of a text, in lines.
func Tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
