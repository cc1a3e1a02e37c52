package awscli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// clidriver takes the place of the AWS CLI's module. Its first argument says what a command does. The variable LOAD has
// code that runs when the module is loaded.
const clidriver = `
import os, signal, sys
server = os.getpid()
def create_clidriver():
    pass
def main():
    what = sys.argv[1]
    if what == "return":
        return eval(sys.argv[2])
    if what == "exit":
        sys.exit(eval(sys.argv[2]))
    if what == "raise":
        raise RuntimeError("a mistake")
    if what == "close":
        os.close(1)
        print("lost")
    if what == "interrupt":
        os.kill(server, signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
exec(os.environ.get("LOAD", ""))
`

// fake starts a process that has clidriver instead of the AWS CLI. It returns the program that uses it.
func fake(t *testing.T, load string) (path string, err error) {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("BERTH_CI") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "awscli"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"__init__.py": "", "clidriver.py": clidriver} {
		if err := os.WriteFile(filepath.Join(dir, "awscli", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PYTHONPATH", dir)
	t.Setenv("TMPDIR", dir)
	t.Setenv("PYTHONUNBUFFERED", "")
	t.Setenv("LOAD", load)
	return start(python)
}

// serving is like fake, and fails the test if the process does not start.
func serving(t *testing.T, load string) string {
	t.Helper()
	path, err := fake(t, load)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// edited returns the program with a change of its text, which uses the same process.
func edited(t *testing.T, path, old, now string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("the program has no %s", old)
	}
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(filepath.Dir(path), "socket"), filepath.Join(dir, "socket")); err != nil {
		t.Fatal(err)
	}
	changed := filepath.Join(dir, "aws")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(text), old, now, 1)), 0o700); err != nil {
		t.Fatal(err)
	}
	return changed
}

// A command exits and prints as a Python program does, however it ends.
func TestExitCodes(t *testing.T) {
	path := serving(t, "")
	elsewhere := edited(t, path, "os.getcwd()", `"/nowhere"`)
	garbled := edited(t, path, "text = marshal.dumps((", "text = marshal.dumps((0, ")
	for _, c := range []struct {
		program string
		args    []string
		code    int
		stderr  string // is in the standard error; "" if it is empty
	}{
		{path, []string{"return", "0"}, 0, ""},
		{path, []string{"return", "None"}, 0, ""},
		{path, []string{"return", "252"}, 252, ""},
		{path, []string{"exit", "None"}, 0, ""},
		{path, []string{"exit", "3"}, 3, ""},
		{path, []string{"exit", "-1"}, 255, ""},
		{path, []string{"exit", "'no such file'"}, 1, "no such file\n"},
		{path, []string{"raise"}, 1, "RuntimeError: a mistake\n"},
		{path, []string{"close"}, 120, ""},
		{elsewhere, []string{"return", "0"}, 1, "No such file or directory: '/nowhere'\n"},
		{garbled, []string{"return", "0"}, 255, "ValueError: too many values to unpack"},
	} {
		got := runs(exec.Command(c.program, c.args...))
		if got.code != c.code || !strings.Contains(got.stderr, c.stderr) || (c.stderr == "") != (got.stderr == "") {
			t.Errorf("%q: %+v, want exit code %d and the standard error %q", c.args, got, c.code, c.stderr)
		}
	}
}

// An interrupt ends a command, and not the process in which the others run. If a command cannot be accepted, it waits;
// if it cannot run, it fails. In both cases the next one runs.
func TestProcessServesOn(t *testing.T) {
	for name, c := range map[string]struct {
		load, args, first string
		code              int
	}{
		"interrupt": {"", "interrupt", "KeyboardInterrupt", 1},
		"fork": {`
fork = os.fork
def once():
    os.fork = fork
    raise BlockingIOError("there are too many processes")
os.fork = once
`, "return 4", "aws: ", 255},
		"accept": {`
import socket
accept = socket.socket.accept
def once(listener):
    socket.socket.accept = accept
    raise OSError("there are too many files")
socket.socket.accept = once
`, "return 4", "", 4},
	} {
		t.Run(name, func(t *testing.T) {
			path := serving(t, c.load)
			got := runs(exec.Command(path, strings.Fields(c.args)...))
			if got.code != c.code || !strings.Contains(got.stderr, c.first) {
				t.Errorf("the first command: %+v, want exit code %d and %q", got, c.code, c.first)
			}
			if got := runs(exec.Command(path, "return", "5")); got.code != 5 || got.stderr != "" {
				t.Errorf("the second command: %+v, want exit code 5", got)
			}
		})
	}
}

// The process that does not start is told, with what it prints, and leaves no files.
func TestProcessThatDoesNotStart(t *testing.T) {
	for load, want := range map[string]string{
		"raise ImportError('no such module')": "ImportError: no such module",
		"print('Hello')":                      `prints "Hello\n"`,
	} {
		began := time.Now()
		_, err := fake(t, load)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", load, err, want)
		}
		if left, _ := filepath.Glob(os.Getenv("TMPDIR") + "/aws-*"); len(left) != 0 || time.Since(began) > time.Minute {
			t.Errorf("%s: it leaves %q after %v", load, left, time.Since(began))
		}
	}
}
