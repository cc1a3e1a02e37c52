// Package awscli runs commands of the AWS CLI for tests at a fifth of their cost: most of a command's CPU time is spent
// on loading Python modules. A Python process loads them once, and each command runs in a fork of it. Its functions may
// be called concurrently.
package awscli

import (
	"bufio"
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Plain returns the path of a working AWS CLI, or "". A CLI whose Python is missing does not count.
var Plain = sync.OnceValue(func() string {
	for _, name := range []string{"/usr/bin/aws", "aws"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		out, err := exec.Command(path, "--version").Output()
		if err == nil && bytes.HasPrefix(out, []byte("aws-cli/")) {
			return path
		}
	}
	return ""
})

// Forking returns the path of a program named aws that behaves like Plain, and runs each command in a fork of one
// process. That process ends with this one. If the CLI is not a Python script, or if that Python cannot load it,
// Forking returns what Plain returns.
func Forking() string {
	path, err := forking()
	if err != nil {
		return Plain()
	}
	return path
}

var forking = sync.OnceValues(func() (string, error) {
	script, err := os.ReadFile(Plain())
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(script), "\n")
	python, found := strings.CutPrefix(line, "#!")
	if !found || !strings.Contains(python, "python") {
		return "", fmt.Errorf("%s is not a Python script", Plain())
	}
	return start(strings.TrimSpace(python))
})

//go:embed serve.py
var serve string

//go:embed run.py
var run string

// start starts the process, and makes the program that uses it.
func start(python string) (path string, err error) {
	dir, err := os.MkdirTemp("", "aws-")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	path = filepath.Join(dir, "aws")
	// -I and -S: without modules of the user or the site, Python starts in half the time.
	if err := os.WriteFile(path, []byte("#!"+python+" -IS\n"+run), 0o755); err != nil {
		return "", err
	}
	cmd := exec.Command(python, "-c", serve, filepath.Join(dir, "socket"))
	if _, err := cmd.StdinPipe(); err != nil {
		return "", err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	var problems bytes.Buffer
	cmd.Stderr, cmd.WaitDelay = &problems, time.Second
	if err := cmd.Start(); err != nil {
		return "", err
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		cmd.Process.Kill() // it may have ended already
		cmd.Wait()         // it was killed
		return "", fmt.Errorf("the process that loads the AWS CLI prints %q, not \"ready\": %s", line, &problems)
	}
	go cmd.Wait() // without it, the standard input would be closed when cmd is collected as garbage
	return path, nil
}
