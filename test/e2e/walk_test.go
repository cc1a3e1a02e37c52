package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/awscli"
	"github.com/berthhq/berth/test/harness"
)

// The article step by step with Debian's AWS CLI, as docs/tour.md shows it.
func TestWalkThroughTheArticle(t *testing.T) {
	harness.Need(t, redis, awsCLI)
	script, err := os.ReadFile("testdata/walk.sh")
	if err != nil {
		t.Fatal(err)
	}
	s := startIn(t, "eu-west-2")
	shell := newShell(t, s, awscli.Forking())
	steps := strings.Split(strings.TrimSpace(string(script)), "\n\n")[1:] // without the head comment
	after := map[string]func(){
		"# Look at the result": func() {
			if page := get(t, "http://"+edgeAddr); page.status != http.StatusOK ||
				!strings.Contains(page.body, "Berth chat") {
				t.Errorf("the load balancer answers %d: %s", page.status, page.body)
			}
		},
		"# Follow the logs": func() {
			harness.Until(t, 60*time.Second, "aws logs tail prints the lines of four tasks", func() string {
				printed, _ := os.ReadFile(filepath.Join(shell.dir, "tail.txt"))
				if n := strings.Count(string(printed), "chat listens"); n != 4 {
					return fmt.Sprintf("%d lines say that a chat server listens:\n%s", n, printed)
				}
				return ""
			})
		},
	}
	for _, step := range steps {
		title, _, _ := strings.Cut(step, "\n")
		began := time.Now()
		shell.run(t, step)
		t.Logf("%5.1fs %s", time.Since(began).Seconds(), title)
		for begin, check := range after {
			if strings.HasPrefix(title, begin) {
				check()
			}
		}
		s.See()
	}
	harness.Until(t, 20*time.Second, "everything is deleted", func() string {
		return strings.Join(s.Leftovers().Containers(), ", ")
	})
}

// shell is a bash that gets commands, like a person's terminal.
type shell struct {
	dir string
	in  io.Writer
	out *bufio.Reader
}

// newShell starts a shell whose command aws is an AWS CLI that uses the server.
func newShell(t *testing.T, s server, cli string) *shell {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	sh := &shell{dir: t.TempDir()}
	cmd := exec.Command("/bin/bash")
	cmd.Dir, cmd.Env = sh.dir, append(os.Environ(), "AWS_CONFIG_FILE=/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_PAGER=")
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	// A command that bash has left running in the background has bash's output open too. When a step fails, bash ends,
	// and Wait must not wait for that command.
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if sh.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		in.CloseWithError(fmt.Errorf("bash has ended: %w", cmd.Wait()))
		close(done)
	}()
	t.Cleanup(func() {
		// Bash and what it has left running. After a success nothing is left, so an error is no news.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		out.Close()
		<-done
	})
	sh.out = bufio.NewReader(out)
	sh.run(t, fmt.Sprintf(`set -eu -o pipefail
eval "$(%[1]s/berth env --data %[2]s --listen %[3]s --region %[4]s)"
# Debian's version does not read AWS_ENDPOINT_URL.
aws() { %[6]s --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }
ln -s %[1]s bin
mkdir test && ln -s %[5]s test/e2e`, filepath.Dir(harness.Program("berth")), s.Data, s.Addr(), s.Region, here, cli))
	return sh
}

// run runs commands and returns what they print. If a command fails, the test fails.
func (sh *shell) run(t *testing.T, commands string) string {
	t.Helper()
	const prompt = "-- this was all --"
	if _, err := fmt.Fprintf(sh.in, "%s\necho '%s'\n", commands, prompt); err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	for {
		line, err := sh.out.ReadString('\n')
		if strings.TrimSuffix(line, "\n") == prompt {
			return printed.String()
		}
		printed.WriteString(line)
		if err != nil {
			t.Fatalf("%v\n%s\n---\n%s", err, commands, printed.String())
		}
	}
}
