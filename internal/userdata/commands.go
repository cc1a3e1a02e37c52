package userdata

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mvdan.cc/sh/v3/interp"
)

// command is one call of a program that we bring along.
type command struct {
	m    *machine
	ctx  context.Context
	hc   interp.HandlerContext
	name string
	args []string
}

// commands are the programs there are. They do what their namesakes do for the options they know,
// and refuse the other options by name.
func commands() map[string]func(*command) error {
	return map[string]func(*command) error{
		"bash": runShell, "sh": runShell, "sudo": runSudo, "env": runEnv,
		"cat": runCat, "tee": runTee, "mkdir": runMkdir, "touch": runTouch, "rm": runRemove, "mv": runMove,
		"cp": runCopy, "chmod": runChmod, "chown": runNothing, "sync": runNothing, "ls": runList,
		"head": runHead, "sleep": runSleep, "date": runDate, "hostname": runHostname, "whoami": runWhoami,
		"logger": runLogger, "which": runWhich, "basename": runBasename, "dirname": runDirname,
	}
}

// fail prints "name: message" as programs do and returns exit status 1.
func (c *command) fail(format string, args ...any) error {
	fmt.Fprintf(c.hc.Stderr, c.name+": "+format+"\n", args...)
	return interp.ExitStatus(1)
}

// options takes flags out of the arguments; allowed holds the letters, and single long options map to a letter.
func (c *command) options(allowed string, long map[string]rune) (flags map[rune]bool, err error) {
	flags = map[rune]bool{}
	var rest []string
	for i, a := range c.args {
		switch {
		case a == "--":
			c.args = append(rest, c.args[i+1:]...)
			return flags, nil
		case strings.HasPrefix(a, "--"):
			f, ok := long[a]
			if !ok {
				return nil, c.fail("option %s is not supported here", a)
			}
			flags[f] = true
		case strings.HasPrefix(a, "-") && len(a) > 1:
			for _, f := range a[1:] {
				if !strings.ContainsRune(allowed, f) {
					return nil, c.fail("option -%c is not supported here", f)
				}
				flags[f] = true
			}
		default:
			rest = append(rest, a)
		}
	}
	c.args = rest
	return flags, nil
}

// stdin is the command's input; reading it ends when the script's time is over.
func (c *command) stdin() io.Reader {
	if f, ok := c.hc.Stdin.(*os.File); ok {
		if f == nil {
			return strings.NewReader("")
		}
		context.AfterFunc(c.ctx, func() { f.SetReadDeadline(time.Unix(1, 0)) })
	}
	if c.hc.Stdin == nil {
		return strings.NewReader("")
	}
	return c.hc.Stdin
}

func (c *command) path(name string) string { return rel(c.hc.Dir, name) }

// inputs calls fn for each file named, or for the input when there is none or the name is a dash.
func (c *command) inputs(fn func(io.Reader) error) (failed error) {
	if len(c.args) == 0 {
		c.args = []string{"-"}
	}
	for _, name := range c.args {
		if err := c.input(name, fn); errors.Is(err, syscall.EPIPE) {
			return interp.ExitStatus(nobodyReads)
		} else if err != nil {
			failed = c.fail("%s: %v", name, reason(err))
		}
	}
	return failed
}

func (c *command) input(name string, fn func(io.Reader) error) error {
	if name == "-" {
		return fn(c.stdin())
	}
	f, err := c.m.openFile(c.hc, name, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return fn(f)
}

// nobodyReads is the exit status of a program whose output goes to a pipe without a reader: SIGPIPE
// ends it, and the script continues.
const nobodyReads = 128 + uint8(syscall.SIGPIPE)

// reason is the last part of a file error.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func runCat(c *command) error {
	if _, err := c.options("u", nil); err != nil {
		return err
	}
	return c.inputs(func(r io.Reader) error {
		_, err := io.Copy(c.hc.Stdout, r)
		return err
	})
}

func runHead(c *command) error {
	lines := 10
	if len(c.args) > 0 && strings.HasPrefix(c.args[0], "-") {
		n := strings.TrimPrefix(strings.TrimPrefix(c.args[0], "-"), "n")
		c.args = c.args[1:]
		if n == "" && len(c.args) > 0 {
			n, c.args = c.args[0], c.args[1:]
		}
		var err error
		if lines, err = strconv.Atoi(n); err != nil {
			return c.fail("invalid number of lines: %q", n)
		}
	}
	return c.inputs(func(r io.Reader) error {
		b := bufio.NewReader(r)
		for range lines {
			line, err := b.ReadString('\n')
			io.WriteString(c.hc.Stdout, line)
			if err != nil {
				break
			}
		}
		return nil
	})
}

func runTee(c *command) error {
	flags, err := c.options("a", map[string]rune{"--append": 'a'})
	if err != nil {
		return err
	}
	mode := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	if flags['a'] {
		mode = os.O_CREATE | os.O_WRONLY | os.O_APPEND
	}
	outputs := []io.Writer{c.hc.Stdout}
	var failed error
	for _, name := range c.args {
		f, err := c.m.openFile(c.hc, name, mode, 0o644)
		if err != nil {
			failed = c.fail("%s: %v", name, reason(err))
			continue
		}
		defer f.Close()
		outputs = append(outputs, f)
	}
	if _, err := io.Copy(io.MultiWriter(outputs...), c.stdin()); errors.Is(err, syscall.EPIPE) {
		return interp.ExitStatus(nobodyReads)
	} else if err != nil {
		return c.fail("%v", reason(err))
	}
	return failed
}

// runLogger writes to the instance's /var/log/messages, and with -s to standard error too.
func runLogger(c *command) error {
	tag, toStderr, words := "root", false, []string(nil)
	for i := 0; i < len(c.args); i++ {
		switch a := c.args[i]; {
		case a == "-t" && i+1 < len(c.args):
			i++
			tag = c.args[i]
		case a == "-s":
			toStderr = true
		case strings.HasPrefix(a, "-"):
			return c.fail("option %s is not supported here", a)
		default:
			words = append(words, a)
		}
	}
	f, err := c.m.openFile(c.hc, "/var/log/messages", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return c.fail("%v", err)
	}
	defer f.Close()
	log := func(line string) {
		fmt.Fprintf(f, "%s: %s\n", tag, line)
		if toStderr {
			fmt.Fprintf(c.hc.Stderr, "%s: %s\n", tag, line)
		}
	}
	if len(words) > 0 {
		log(strings.Join(words, " "))
		return nil
	}
	for s := bufio.NewScanner(c.stdin()); s.Scan(); {
		log(s.Text())
	}
	return nil
}

func runSleep(c *command) error {
	var total time.Duration
	for _, a := range c.args {
		if strings.TrimRight(a, "0123456789.") == "" {
			a += "s"
		}
		d, err := time.ParseDuration(a)
		if err != nil {
			return c.fail("invalid time interval %q", a)
		}
		total += d
	}
	select {
	case <-time.After(total):
		return nil
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
}

func runDate(c *command) error {
	now := time.Now()
	formats := map[string]string{
		"": "Mon Jan _2 15:04:05 UTC 2006", "+%s": "", "+%Y-%m-%d": "2006-01-02", "+%F": "2006-01-02",
		"+%T": "15:04:05", "+%Y%m%d": "20060102", "+%Y-%m-%dT%H:%M:%SZ": "2006-01-02T15:04:05Z",
		"+%Y-%m-%d %H:%M:%S": "2006-01-02 15:04:05",
	}
	if _, err := c.options("u", nil); err != nil {
		return err
	}
	want := strings.Join(c.args, " ")
	format, ok := formats[want]
	if !ok {
		return c.fail("the format %q is not supported here", want)
	}
	if want == "+%s" {
		fmt.Fprintln(c.hc.Stdout, now.Unix())
		return nil
	}
	fmt.Fprintln(c.hc.Stdout, now.UTC().Format(format))
	return nil
}

func runHostname(c *command) error {
	fmt.Fprintln(c.hc.Stdout, c.m.in.Hostname)
	return nil
}

func runWhoami(c *command) error {
	fmt.Fprintln(c.hc.Stdout, "root")
	return nil
}

// runNothing is for what has no meaning on a disk that one user owns.
func runNothing(*command) error { return nil }

func runBasename(c *command) error {
	if len(c.args) == 0 {
		return c.fail("missing operand")
	}
	name := path.Base(c.args[0])
	if len(c.args) > 1 && name != c.args[1] {
		name = strings.TrimSuffix(name, c.args[1])
	}
	fmt.Fprintln(c.hc.Stdout, name)
	return nil
}

func runDirname(c *command) error {
	if len(c.args) == 0 {
		return c.fail("missing operand")
	}
	fmt.Fprintln(c.hc.Stdout, path.Dir(c.args[0]))
	return nil
}

func runWhich(c *command) error {
	var failed error
	for _, name := range c.args {
		if _, ok := commands()[name]; ok {
			fmt.Fprintln(c.hc.Stdout, "/usr/bin/"+name)
		} else {
			failed = interp.ExitStatus(1)
		}
	}
	return failed
}
