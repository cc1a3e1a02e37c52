package userdata

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// machine is what a script runs on.
type machine struct {
	disk    *disk
	tmp     string // directory of the host for named pipes, out of the script's sight
	in      Instance
	console *limited
}

// maxDepth is how many shells may be nested in each other.
const maxDepth = 16

type depthKey struct{}

// script runs a whole script file as cloud-init does: as root, in /, with little in its environment.
func (m *machine) script(ctx context.Context, name string, data []byte) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the shell gave up: %v", r)
		}
	}()
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "USER=root", "LOGNAME=root",
		"SHELL=/bin/bash", "LANG=C.UTF-8", "UID=0", "EUID=0", "GID=0",
		"HOSTNAME=" + m.in.Hostname, "INSTANCE_ID=" + m.in.ID, "AWS_DEFAULT_REGION=" + m.in.Region,
	}
	defer m.sweep()
	return m.shell(ctx, env, shellCall{dir: "/", name: name, source: data, options: shebangOptions(data),
		stdout: m.console, stderr: m.console})
}

// shellCall is one start of a shell.
type shellCall struct {
	dir            string
	name           string // of the script, for messages and $0
	source         []byte
	options        []string // -e, -x, …
	args           []string // $1, $2, …
	stdin          io.Reader
	stdout, stderr io.Writer
}

// shell interprets one script. Everything that touches files or programs is ours.
func (m *machine) shell(ctx context.Context, env []string, c shellCall) error {
	depth, _ := ctx.Value(depthKey{}).(int)
	if depth >= maxDepth {
		return fmt.Errorf("more than %d shells inside each other", maxDepth)
	}
	ctx = context.WithValue(ctx, depthKey{}, depth+1)
	runner, err := interp.New(
		interp.Env(expand.ListEnviron(append(env, "TMPDIR="+m.tmp)...)),
		interp.Dir("/"),
		interp.Params(append(append(c.options, "--"), c.args...)...),
		interp.StdIO(c.stdin, c.stdout, c.stderr),
		interp.CallHandler(m.call),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return m.exec }),
		interp.OpenHandler(m.open),
		interp.ReadDirHandler2(func(ctx context.Context, name string) ([]fs.DirEntry, error) {
			return m.disk.readDir(interp.HandlerCtx(ctx).Dir, name)
		}),
		interp.StatHandler(func(ctx context.Context, name string, follow bool) (fs.FileInfo, error) {
			return m.disk.stat(interp.HandlerCtx(ctx).Dir, name, follow)
		}),
		interp.AccessHandler(m.access),
	)
	if err != nil {
		return err
	}
	// The interpreter has noted TMPDIR; the script must not see a path of the host.
	if err := run(ctx, runner, "unset TMPDIR; cd "+quote(c.dir)); err != nil {
		return err
	}
	return m.run(ctx, runner, c)
}

func run(ctx context.Context, r *interp.Runner, text string) error {
	f, err := syntax.NewParser().Parse(strings.NewReader(text), "")
	if err != nil {
		return err
	}
	for _, s := range f.Stmts {
		if err := r.Run(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// run parses as far as the script is good, runs that far, and then reports the syntax error, as bash does.
func (m *machine) run(ctx context.Context, r *interp.Runner, c shellCall) error {
	file := &syntax.File{Name: c.name}
	var broken error
	for stmt, err := range syntax.NewParser().StmtsSeq(bytes.NewReader(c.source)) {
		if err != nil {
			broken = err
			break
		}
		if m.redirectsShell(stmt) {
			m.console.notef("%s: line %d: a redirection of the whole script into a command was left out: "+
				"everything it prints is kept here", c.name, stmt.Pos().Line())
			continue
		}
		file.Stmts = append(file.Stmts, stmt)
	}
	err := r.Run(ctx, file)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if broken != nil && !r.Exited() {
		fmt.Fprintf(c.stderr, "%s: %v\n", c.name, broken)
		return interp.ExitStatus(2)
	}
	return err
}

// redirectsShell finds the "exec > >(tee /var/log/user-data.log|logger …) 2>&1" that many scripts
// begin with. The pipe would have no end before the interpreter itself ends, and what it is for,
// the output on the console, happens anyway.
func (m *machine) redirectsShell(stmt *syntax.Stmt) bool {
	call, ok := stmt.Cmd.(*syntax.CallExpr)
	if !ok || len(call.Args) != 1 || call.Args[0].Lit() != "exec" {
		return false
	}
	for _, redirect := range stmt.Redirs {
		if redirect.Word == nil {
			continue
		}
		for _, p := range redirect.Word.Parts {
			if _, ok := p.(*syntax.ProcSubst); ok {
				return true
			}
		}
	}
	return false
}

func (m *machine) open(ctx context.Context, name string, flag int, perm fs.FileMode) (io.ReadWriteCloser, error) {
	return m.openFile(interp.HandlerCtx(ctx), name, flag, perm)
}

// openFile opens a file of the instance's disk, or the named pipe of a process substitution, which
// is the interpreter's own and not on that disk.
func (m *machine) openFile(
	hc interp.HandlerContext, name string, flag int, perm fs.FileMode,
) (io.ReadWriteCloser, error) {
	if dir, base := filepath.Split(name); filepath.Clean(dir) == filepath.Clean(m.tmp) &&
		strings.HasPrefix(base, pipePrefix) {
		return os.OpenFile(name, flag&^os.O_CREATE, 0)
	}
	return m.disk.open(hc, m.console, name, flag, perm)
}

// pipePrefix begins the names of the interpreter's named pipes.
const pipePrefix = "sh-interp-"

// access answers test -r, -w, -x and cd: the script is root, so all that matters is that the file
// is there, and for a file that somebody may execute it.
func (m *machine) access(ctx context.Context, name string, mode interp.AccessMode) error {
	info, err := m.disk.stat(interp.HandlerCtx(ctx).Dir, name, true)
	if err != nil {
		return seen("access", name, err)
	}
	if mode&interp.AccessExec != 0 && !info.IsDir() && info.Mode()&0o111 == 0 {
		return seen("access", name, syscall.EACCES)
	}
	return nil
}

// call keeps the shell's own look-up of programs, which would ask the host's directories, away from
// the script: "command -v" and "type" know our commands only.
func (m *machine) call(ctx context.Context, args []string) ([]string, error) {
	lookup := len(args) == 3 && args[0] == "command" && (args[1] == "-v" || args[1] == "-V") ||
		len(args) == 2 && args[0] == "type"
	if !lookup {
		return args, nil
	}
	name := args[len(args)-1]
	hc := interp.HandlerCtx(ctx)
	if _, ours := commands()[name]; ours && !interp.IsBuiltin(name) {
		return []string{"echo", "/usr/bin/" + name}, nil
	}
	if _, err := interp.LookPathDir(hc.Dir, hc.Env, name); err == nil && !interp.IsBuiltin(name) {
		return []string{"false"}, nil
	}
	return args, nil
}

// exec runs what is neither a function nor a builtin: one of our commands, a script on the instance's disk, or nothing.
func (m *machine) exec(ctx context.Context, args []string) error {
	hc := interp.HandlerCtx(ctx)
	name := args[0]
	if dir := path.Dir(name); strings.Contains(name, "/") {
		if info, err := m.disk.stat(hc.Dir, name, true); err == nil {
			return m.execFile(ctx, hc, args, info)
		}
		switch dir {
		case "/bin", "/usr/bin", "/sbin", "/usr/sbin", "/usr/local/bin":
			name = path.Base(name)
		default:
			return m.complain(hc, 127, "%s: No such file or directory", args[0])
		}
	}
	if run, ok := commands()[name]; ok {
		return run(&command{m: m, ctx: ctx, hc: hc, name: name, args: args[1:]})
	}
	if interp.IsBuiltin(name) {
		return hc.Builtin(ctx, append([]string{name}, args[1:]...))
	}
	return m.complain(hc, 127, "%s: command not found", args[0])
}

// execFile runs a file that a script has put on the disk.
func (m *machine) execFile(ctx context.Context, hc interp.HandlerContext, args []string, info fs.FileInfo) error {
	if info.IsDir() {
		return m.complain(hc, 126, "%s: Is a directory", args[0])
	}
	if info.Mode()&0o111 == 0 {
		return m.complain(hc, 126, "%s: Permission denied", args[0])
	}
	data, err := m.disk.readFile(hc.Dir, args[0])
	if err != nil {
		return m.complain(hc, 126, "%v", err)
	}
	// As under bash, a text that names no interpreter is a script of the shell's own.
	first, _, _ := bytes.Cut(data, []byte("\n"))
	if bytes.IndexByte(first, 0) >= 0 ||
		bytes.HasPrefix(first, []byte("#!")) && refuseInterpreter(string(first)) != "" {
		return m.complain(hc, 126, "%s: cannot execute: only bash and sh scripts run here", args[0])
	}
	return exitOf(m.shell(ctx, exported(hc.Env),
		shellCall{dir: hc.Dir, name: args[0], source: data, options: shebangOptions(data),
			args: args[1:], stdin: hc.Stdin, stdout: hc.Stdout, stderr: hc.Stderr}))
}

func (m *machine) complain(hc interp.HandlerContext, status uint8, format string, args ...any) error {
	fmt.Fprintf(hc.Stderr, "bash: line %d: "+format+"\n", append([]any{hc.Pos.Line()}, args...)...)
	return interp.ExitStatus(status)
}

// exitOf keeps the error of an inner shell from ending the outer one.
func exitOf(err error) error {
	var status interp.ExitStatus
	if err == nil || errors.As(err, &status) {
		return err
	}
	return interp.ExitStatus(1)
}

// shebangOptions are the options on a script's first line, as in "#!/bin/bash -xe".
func shebangOptions(data []byte) []string {
	first, _, _ := strings.Cut(string(data[:min(len(data), 256)]), "\n")
	var options []string
	for _, w := range strings.Fields(first) {
		if strings.HasPrefix(w, "-") && len(w) > 1 && strings.Trim(w[1:], "efunvx") == "" {
			options = append(options, splitFlags(w)...)
		}
	}
	return options
}

// splitFlags turns -xe into -x -e; verbose mode has nothing to show here.
func splitFlags(w string) []string {
	var flags []string
	for _, f := range w[1:] {
		if f != 'v' {
			flags = append(flags, "-"+string(f))
		}
	}
	return flags
}

func exported(env expand.Environ) []string {
	var list []string
	for name, v := range env.Each {
		if v.Exported && v.IsSet() {
			list = append(list, name+"="+v.String())
		}
	}
	return list
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// sweep wakes commands that still wait at the other end of a pipe that a process substitution has left.
func (m *machine) sweep() {
	pipes, _ := filepath.Glob(filepath.Join(m.tmp, pipePrefix+"*"))
	for _, p := range pipes {
		if f, err := os.OpenFile(p, os.O_RDWR|syscall.O_NONBLOCK, 0); err == nil {
			os.Remove(p)
			f.Close()
		}
	}
}
