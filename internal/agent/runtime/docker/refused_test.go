package docker_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/berthhq/berth/internal/agent/runtime"
	"github.com/berthhq/berth/internal/agent/runtime/docker"
)

// If this variable names a socket, the test binary acts as a user who may not use Docker.
const socketVariable = "DOCKER_TEST_SOCKET"

func TestMain(m *testing.M) {
	socket := os.Getenv(socketVariable)
	if socket == "" {
		os.Exit(m.Run())
	}
	e, err := docker.New("unix://" + socket)
	if err != nil {
		os.Exit(99)
	}
	if _, err = e.Ping(context.Background()); err != nil && errors.Is(err, runtime.ErrUnavailable) {
		os.Stdout.WriteString(err.Error())
	}
	os.Exit(0)
}

// A user who may not use Docker's socket gets an error that says why, and what to do.
func TestSocketThatIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("another user is needed, and that needs root")
	}
	dir, err := os.MkdirTemp("", "refused")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "test"), program, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "docker.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Chmod(socket, 0o660); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(dir, "test"))
	cmd.Env = []string{socketVariable + "=" + socket}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.Output()
	for _, want := range []string{"Docker refuses user nobody", "permission denied", "usermod -aG docker"} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("it says %q (%v), want %q in it", out, err, want)
		}
	}
}
