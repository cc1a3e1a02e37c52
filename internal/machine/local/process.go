package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is an agent that runs, or ran when it was last seen: a child of this process, or of an earlier
// process of the server.
type process struct {
	pid int
	fd  *os.File  // pidfd: it means this process, never a later one with the same number
	cmd *exec.Cmd // nil when the process is not our child
}

// record is the content of the pid file. A pid alone may belong to another process later.
type record struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks since boot, field 22 of /proc/<pid>/stat
	Boot  string `json:"boot"`  // the kernel's id of this boot
}

// launch starts the agent in a session of its own, so that signals for this process do not reach it.
func launch(dir string, command, env []string) (*process, error) {
	log, err := openLog(dir)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("the agent cannot be started: %w", err)
	}
	p, err := open(cmd.Process.Pid)
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return nil, err
	}
	p.cmd = cmd
	if err := p.remember(dir); err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		p.release()
		return nil, err
	}
	return p, nil
}

func openLog(dir string) (*os.File, error) {
	return os.OpenFile(logFile(dir), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}

// open opens a pidfd.
func open(pid int) (*process, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	return &process{pid: pid, fd: os.NewFile(uintptr(fd), "pidfd")}, nil
}

func (p *process) release() { p.fd.Close() }

// remember writes the pid file.
func (p *process) remember(dir string) error {
	st, err := stat(p.pid)
	if err != nil {
		return err
	}
	data, err := json.Marshal(record{p.pid, st.start, bootID()})
	if err != nil {
		return err
	}
	return writeFile(pidFile(dir), append(data, '\n'))
}

// errNone means that no agent of the instance runs.
var errNone = errors.New("no agent runs")

// adopt finds a running agent of the instance: by its pid file or, if the server ended between starting it and
// writing that, by its environment.
func adopt(dir, id string) (*process, error) {
	var r record
	data, err := os.ReadFile(pidFile(dir))
	if err == nil && json.Unmarshal(data, &r) == nil && r.Boot == bootID() {
		if p, err := hold(r.PID, func(st procStat) bool { return st.start == r.Start }); err == nil {
			return p, nil
		}
	}
	pid := findByEnvironment(id)
	if pid == 0 {
		return nil, errNone
	}
	p, err := hold(pid, func(procStat) bool { return hasEnvironment(pid, EnvInstanceID, id) })
	if err != nil {
		return nil, err
	}
	if err := p.remember(dir); err != nil {
		p.release()
		return nil, err
	}
	return p, nil
}

// hold opens a process and then checks that it is the right one: in this order, the process that was checked is
// the process that was opened.
func hold(pid int, right func(procStat) bool) (*process, error) {
	p, err := open(pid)
	if err != nil {
		return nil, err
	}
	st, err := stat(pid)
	if err != nil || st.zombie || !right(st) {
		p.release()
		return nil, errNone
	}
	return p, nil
}

// findByEnvironment finds a session leader that was started for the instance.
func findByEnvironment(id string) int {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		pid, err := strconv.Atoi(filepath.Base(d))
		if err == nil && hasEnvironment(pid, EnvInstanceID, id) {
			if st, err := stat(pid); err == nil && st.session == pid && !st.zombie {
				return pid
			}
		}
	}
	return 0
}

// hasEnvironment reports whether a process was started with the value in its environment.
func hasEnvironment(pid int, name, value string) bool {
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	want := []byte(name + "=" + value + "\x00")
	return err == nil && (bytes.HasPrefix(env, want) || bytes.Contains(env, append([]byte{0}, want...)))
}

type procStat struct {
	zombie  bool
	session int
	start   uint64
}

// stat reads /proc/<pid>/stat. It skips the command's name, which may contain anything.
func stat(pid int) (procStat, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return procStat{}, err
	}
	f := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(f) < 20 {
		return procStat{}, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(f))
	}
	session, err1 := strconv.Atoi(f[3])
	start, err2 := strconv.ParseUint(f[19], 10, 64)
	return procStat{f[0] == "Z" || f[0] == "X", session, start}, errors.Join(err1, err2)
}

func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// wait waits until the process has ended. It returns its exit code, or -1 if this process is not its parent.
func (p *process) wait(ctx context.Context) (int, error) {
	p.fd.SetReadDeadline(time.Time{})
	stop := context.AfterFunc(ctx, func() { p.fd.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	conn, err := p.fd.SyscallConn()
	if err != nil {
		return 0, err
	}
	err = conn.Read(func(fd uintptr) bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if err != nil {
		return 0, err
	}
	if p.cmd == nil {
		return -1, nil
	}
	if p.cmd.ProcessState == nil {
		p.cmd.Wait() // its error is the exit code
	}
	return p.cmd.ProcessState.ExitCode(), nil
}

// end stops the process: with SIGTERM, and after grace with SIGKILL.
func (p *process) end(ctx context.Context, grace time.Duration) error {
	for _, step := range []struct {
		sig  unix.Signal
		wait time.Duration
	}{{unix.SIGTERM, grace}, {unix.SIGKILL, time.Minute}} {
		if err := p.signal(step.sig); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("agent %d: %w", p.pid, err)
		}
		limit, cancel := context.WithTimeout(ctx, step.wait)
		_, err := p.wait(limit)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return fmt.Errorf("agent %d survives SIGKILL", p.pid)
}

// signal sends a signal to this process, never to another. (It does not use File.Fd, which may make the
// descriptor blocking.)
func (p *process) signal(sig unix.Signal) error {
	conn, err := p.fd.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	if err := conn.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), sig, nil, 0) }); err != nil {
		return err
	}
	return os.NewSyscallError("pidfd_send_signal", sent)
}
