package e2e

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/awscli"
	"github.com/berthhq/berth/test/harness"
)

const nodeImage = "node:22-slim"

// A Node.js application of the user's runs, step by step as docs/bring-your-own.md shows it.
func TestBringYourOwn(t *testing.T) {
	harness.Need(t, awsCLI)
	script, err := os.ReadFile("testdata/own.sh")
	if err != nil {
		t.Fatal(err)
	}
	importNode(t)
	t.Cleanup(func() { // after the server's own clean-up, so that nothing uses them any more
		_ = exec.Command("docker", "rmi", "shop:1", "shop:2").Run()
		_ = exec.Command("docker", "volume", "rm", "shop-visits").Run()
	})
	shell := newShell(t, start(t), awscli.Forking())
	wanted := map[string]string{
		"# Both count":           `^web: visit 1\napi: visit 2\n$`,
		"# A job":                `task [0-9a-f]{32}: STOPPED\n(.*\n)*.* app/[0-9a-f]{8} 2 visits\n$`,
		"# A broken deployment":  `(?s)the deployment has failed, as it should.*exit code 3`,
		"# The rollback":         `(?s)^api: visit 3\n.*task-definition/api:1\n$`,
		"# A cluster of one":     `cluster shop: 1 of 1 instances`,
		"# Two services. A depl": `(?s)service web: 1 of 1 running.*service api: 1 of 1 running`,
	}
	for _, step := range strings.Split(strings.TrimSpace(string(script)), "\n\n")[1:] {
		title, _, _ := strings.Cut(step, "\n")
		out := shell.run(t, strings.Replace(step, "url=http://127.0.0.1", "url=http://"+edgeAddr, 1))
		for begin, want := range wanted {
			if strings.HasPrefix(title, begin) {
				delete(wanted, begin)
				if !regexp.MustCompile(want).MatchString(out) {
					t.Fatalf("%s\nprints\n%s\nwant %s", step, out, want)
				}
			}
		}
	}
	if len(wanted) > 0 {
		t.Errorf("steps that are not in the script: %v", wanted)
	}
}

// The page shows each step that the test runs.
func TestBringYourOwnIsOnItsPage(t *testing.T) {
	script, err := os.ReadFile("testdata/own.sh")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/bring-your-own.md")
	if err != nil {
		t.Fatal(err)
	}
	steps, _, _ := strings.Cut(string(script), "# Remove everything.")
	for _, step := range strings.Split(strings.TrimSpace(steps), "\n\n")[1:] {
		if !strings.Contains(string(page), step) {
			t.Errorf("docs/bring-your-own.md does not have this step of testdata/own.sh:\n%s", step)
		}
	}
}

// importNode makes an image of this machine's Node.js with the name that the page uses, unless there is one, because
// tests download nothing.
func importNode(t *testing.T) {
	t.Helper()
	if exec.Command("docker", "image", "inspect", nodeImage).Run() == nil {
		return
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	files := []string{node}
	libraries, err := exec.Command("ldd", node).Output()
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, regexp.MustCompile(`/\S+`).FindAllString(string(libraries), -1)...)
	for _, from := range files {
		copyFile(t, from, filepath.Join(root, from))
	}
	tar := exec.Command("tar", "-C", root, "-c", ".")
	archive, err := tar.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	load := exec.Command("docker", "import", "--change", "ENV PATH="+filepath.Dir(node), "-", nodeImage)
	load.Stdin = archive
	if err := tar.Start(); err != nil {
		t.Fatal(err)
	}
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("docker import: %v\n%s", err, out)
	}
	if err := tar.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = exec.Command("docker", "rmi", nodeImage).Run() }) // a container that still uses it keeps it
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
}
