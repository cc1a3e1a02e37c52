// Package e2e shows the whole of Berth from outside: a berth process, real Docker, Redis and agents, spoken to by the clients that people
// use. It knows no room of the house, only the program, its APIs, and how to sign a call.
//
// The tests run one after another, since they share the machine's Docker, its loopback addresses and its ports.
package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// bin holds the programs under test, berth, chat and probe. TestMain builds them; from $BERTH_BIN it takes those that are there.
var bin string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "berth-e2e-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	for name, pkg := range map[string]string{"berth": "../../cmd/berth", "chat": "../../examples/chat", "probe": "./probe"} {
		if err := provide(filepath.Join(dir, name), pkg); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// provide makes a static binary, as images need it, or takes the one that is built already.
func provide(out, pkg string) error {
	if built := filepath.Join(os.Getenv("BERTH_BIN"), filepath.Base(out)); filepath.IsAbs(built) && onPath(built)() == nil {
		return os.Link(built, out)
	}
	cmd := exec.Command("go", "build", "-trimpath", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if told, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, told)
	}
	return nil
}

// part is something of the machine that a test needs. there says what is missing, or nil.
type part struct {
	name  string
	there func() error
}

var (
	docker   = part{"Docker Engine", func() error { return exec.Command("docker", "info").Run() }}
	redis    = part{"redis-server", onPath("redis-server")}
	awsCLI   = part{"the AWS CLI (/usr/bin/aws)", onPath("/usr/bin/aws")}
	chromium = part{"Chromium (/usr/bin/chromium)", onPath("/usr/bin/chromium")}
	nodeJS   = part{"Node.js with the packages of test/e2e/js", packages("js")}
	chatNode = part{"Node.js with the packages of examples/chat-node", packages("../../examples/chat-node")}
)

func onPath(program string) func() error {
	return func() error { _, err := exec.LookPath(program); return err }
}

// packages installs a directory's npm packages when they are not there yet.
func packages(dir string) func() error {
	return sync.OnceValue(func() error {
		if _, err := os.Stat(filepath.Join(dir, "node_modules")); err == nil {
			return onPath("node")()
		}
		cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		cmd.Dir = dir
		if told, err := cmd.CombinedOutput(); err != nil {
			return errors.Join(fmt.Errorf("npm ci: %w", err), errors.New(strings.TrimSpace(string(told))))
		}
		return nil
	})
}

// need skips the test when a part is missing, or fails it where everything must be there (BERTH_CI=1).
func need(t *testing.T, parts ...part) {
	t.Helper()
	for _, p := range parts {
		err := p.there()
		if err == nil {
			continue
		}
		if os.Getenv("BERTH_CI") == "1" {
			t.Fatalf("%s is missing: %v", p.name, err)
		}
		t.Skipf("%s is missing: %v", p.name, err)
	}
}
