// Package awscli runs commands of the AWS CLI for tests at a fifth of their cost: most of a command's CPU time is spent
// on loading Python modules. A Python process loads them once, and each command runs in a fork of it. Its functions may
// be called concurrently.
package awscli

import (
	"bufio"
	"bytes"
	_ "embed"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
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
var Forking = sync.OnceValue(func() string {
	plain := Plain()
	script, err := os.ReadFile(plain)
	line, _, _ := strings.Cut(string(script), "\n")
	python, found := strings.CutPrefix(line, "#!")
	if err != nil || !found || !strings.Contains(python, "python") {
		return plain
	}
	path, err := start(strings.TrimSpace(python))
	if err != nil {
		return plain
	}
	return path
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
	if err := cmd.Start(); err != nil {
		return "", err
	}
	if ready, err := bufio.NewReader(out).ReadString('\n'); err != nil || ready != "ready\n" {
		return "", errors.Join(err, cmd.Wait())
	}
	go cmd.Wait() // without it, the standard input would be closed when cmd is collected as garbage
	return path, nil
}
