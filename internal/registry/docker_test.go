package registry

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/image"
)

// docker runs the docker command with the machine's Docker Engine.
func docker(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker",
		append([]string{"--config", os.Getenv("BERTH_TEST_DOCKER_CONFIG")}, args...)...).CombinedOutput()
	return string(out), err
}

func mustDocker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := docker(t, args...)
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// need skips the test when the engine is absent; with BERTH_CI=1 absence is a failure.
func need(t *testing.T, ok bool, what string) {
	t.Helper()
	if ok {
		return
	}
	if os.Getenv("BERTH_CI") == "1" {
		t.Fatal(what + " is missing")
	}
	t.Skip(what + " is missing")
}

// hello builds a static program that prints its text.
func hello(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	src := `package main
import ("fmt"; "os")
func main() { wd, _ := os.Getwd(); fmt.Println("hello", os.Getenv("WHO"), os.Getuid(), wd, os.Args[1:]) }`
	if err := os.WriteFile(filepath.Join(dir, "hello.go"), []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "hello")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", bin, filepath.Join(dir, "hello.go"))
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GO111MODULE=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// docker push and docker pull work with the registry, and an image is made without docker's builder (issue 2, section
// 8).
func TestDockerPushAndPull(t *testing.T) {
	_, err := exec.LookPath("docker")
	need(t, err == nil, "the docker client")
	conn, err := net.Dial("unix", "/var/run/docker.sock")
	need(t, err == nil, "a running Docker Engine")
	conn.Close()
	t.Setenv("BERTH_TEST_DOCKER_CONFIG", t.TempDir())

	r := newRig(t, func(c *Config) { c.CreateOnPush = true })
	img, err := image.FromBinary(hello(t),
		image.Config{Env: []string{"WHO=berth"}, User: "nobody", WorkingDir: "/tmp", Cmd: []string{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	ref := r.host + "/berth-registry-test/hello"
	if err := image.Push(t.Context(), ref+":made", img, r.auth()); err != nil {
		t.Fatal(err)
	}
	defer docker(t, "rmi", "-f", ref+":made", ref+":pushed", ref+":imported")

	if out, err := docker(t, "pull", ref+":made"); err == nil || !strings.Contains(out, "no basic auth credentials") {
		t.Errorf("a pull without login: %v\n%s", err, out)
	}
	// as GetAuthorizationToken names it
	login := exec.CommandContext(t.Context(), "docker", "--config", os.Getenv("BERTH_TEST_DOCKER_CONFIG"),
		"login", "-u", User, "--password-stdin", "https://"+r.host)
	login.Stdin = strings.NewReader(r.auth().Password)
	if out, err := login.CombinedOutput(); err != nil {
		t.Fatalf("login: %v\n%s", err, out)
	}
	mustDocker(t, "pull", ref+":made")
	if out := mustDocker(t, "run", "--rm", "--network=none", ref+":made"); out != "hello berth 65534 /tmp [a b]\n" {
		t.Errorf("the container says %q", out)
	}

	mustDocker(t, "tag", ref+":made", ref+":pushed")
	mustDocker(t, "push", ref+":pushed")
	importTar(t, ref+":imported")
	mustDocker(t, "push", ref+":imported")
	mustDocker(t, "rmi", ref+":imported", ref+":pushed", ref+":made")
	mustDocker(t, "pull", ref+":imported")
	if out := mustDocker(t, "pull", ref+":pushed"); !strings.Contains(out, "Downloaded newer image") {
		t.Error(out)
	}
	if out, err := docker(t, "pull", ref+":missing"); err == nil || !strings.Contains(out, "manifest unknown") {
		t.Errorf("a missing tag: %v\n%s", err, out)
	}
	resp, body := r.request(t, "GET", "/v2/berth-registry-test/hello/tags/list", http.Header{}, "")
	if resp.StatusCode != 200 || !strings.Contains(body, `["imported","made","pushed"]`) {
		t.Errorf("tags: %s", body)
	}
}

// importTar makes an image the way `docker import` does, with a docker schema 2 manifest when pushed.
func importTar(t *testing.T, ref string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "data"), bytes.Repeat([]byte("berth "), 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	tarball := filepath.Join(t.TempDir(), "fs.tar")
	if out, err := exec.CommandContext(t.Context(), "tar", "-C", dir, "-cf", tarball,
		".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	mustDocker(t, "import", tarball, ref)
}
