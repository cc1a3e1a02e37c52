package desktest

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// cli returns the path of a working AWS CLI, or "". It looks for one only once, because the CLI takes most of
// a second to start.
var cli = sync.OnceValue(func() string {
	for _, path := range []string{"/usr/bin/aws", "aws"} {
		if out, err := exec.Command(path, "--version").Output(); err == nil &&
			bytes.HasPrefix(out, []byte("aws-cli/")) {
			return path
		}
	}
	return ""
})

// needCLI returns what cli returns. Without an AWS CLI it skips the test, or fails it if BERTH_CI is 1.
func needCLI(t testing.TB) string {
	t.Helper()
	path := cli()
	if path != "" {
		return path
	}
	const missing = "the AWS CLI is missing (apt-get install awscli)"
	if os.Getenv("BERTH_CI") == "1" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

//go:embed cli.py
var forkingCLI string

// forks is a Python process that has loaded the modules of the AWS CLI, which takes most of the time of a
// command, and forks for each command. It ends when the test program does, as its standard input is then closed.
type forks struct {
	mu  sync.Mutex
	in  io.Writer
	out *bufio.Reader
}

// started starts the process on the first call and returns it. It returns nil if the CLI is not a Python script, or
// if that Python cannot load it: the tests then start the CLI for each command.
var started = sync.OnceValue(func() *forks {
	script, err := os.ReadFile(cli())
	line, _, _ := strings.Cut(string(script), "\n")
	python, found := strings.CutPrefix(line, "#!")
	if err != nil || !found || !strings.Contains(python, "python") {
		return nil
	}
	cmd := exec.Command(strings.TrimSpace(python), "-c", forkingCLI)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil
	}
	out, err := cmd.StdoutPipe()
	if err != nil || cmd.Start() != nil {
		return nil
	}
	f := &forks{in: in, out: bufio.NewReader(out)}
	if ready, err := f.out.ReadString('\n'); err != nil || ready != "ready\n" {
		return nil
	}
	return f
})

// run runs a command and returns what it prints on standard output and standard error.
func (f *forks) run(args, env []string) (out []byte, stderr string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	command, err := json.Marshal(map[string][]string{"args": args, "env": env})
	if err != nil {
		return nil, "", err
	}
	if _, err := f.in.Write(append(command, '\n')); err != nil {
		return nil, "", err
	}
	line, err := f.out.ReadBytes('\n')
	if err != nil {
		return nil, "", err
	}
	var answer struct {
		Out, Err string
		Code     int
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		return nil, "", err
	}
	if answer.Code != 0 {
		err = fmt.Errorf("exit status %d", answer.Code)
	}
	return []byte(answer.Out), answer.Err, err
}
