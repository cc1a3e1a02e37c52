package fake

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/agent/runtime"
)

// Program is the program of an image. It returns the exit code. When ctx ends, which is SIGKILL, it must return
// soon.
type Program func(ctx context.Context, p *Process) int

// Process is a running container, for its program.
type Process struct {
	// Args are the entry point and the command.
	Args []string
	// Env is the program's environment.
	Env map[string]string
	// Term is closed when the container gets its stop signal.
	Term <-chan struct{}

	write func(text string, stderr bool)
}

// Print writes a line to standard output.
func (p *Process) Print(line string) { p.write(line+"\n", false) }

// PrintError writes a line to standard error.
func (p *Process) PrintError(line string) { p.write(line+"\n", true) }

// Serve is a program that runs until the stop signal, and then exits with 0.
func Serve(ctx context.Context, p *Process) int {
	select {
	case <-p.Term:
		return 0
	case <-ctx.Done():
		return 137
	}
}

// Exit returns a program that exits with the code at once.
func Exit(code int) Program {
	return func(context.Context, *Process) int { return code }
}

// box is one container.
type box struct {
	spec    runtime.Spec
	program Program
	hosts   []string
	view    runtime.Container
	log     []runtime.LogEntry
	changed *sync.Cond // uses Engine.mu; the log or the state has changed
	term    chan struct{}
	termed  bool
	kill    context.CancelFunc
	used    runtime.Sample
}

func environment(env []string) map[string]string {
	out := make(map[string]string, len(env))
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		out[name] = value
	}
	return out
}

// startLocked runs the program in a goroutine. The caller holds Engine.mu.
func (e *Engine) startLocked(b *box, program Program) {
	ctx, kill := context.WithCancel(context.Background())
	b.kill, b.term, b.termed = kill, make(chan struct{}), false
	b.view.State, b.view.StartedAt, b.view.FinishedAt = runtime.Running, time.Now(), time.Time{}
	process := &Process{
		Args: append(append([]string{}, b.spec.EntryPoint...), b.spec.Command...),
		Env:  environment(b.spec.Env),
		Term: b.term,
		write: func(text string, stderr bool) {
			e.mu.Lock()
			defer e.mu.Unlock()
			b.log = append(b.log, runtime.LogEntry{At: time.Now(), Stderr: stderr, Text: []byte(text)})
			b.changed.Broadcast()
		},
	}
	e.emitLocked(runtime.Event{Kind: runtime.EventStarted, ContainerID: b.view.ID})
	e.running.Go(func() {
		code := program(ctx, process)
		if ctx.Err() != nil {
			code = 137
		}
		kill()
		e.mu.Lock()
		defer e.mu.Unlock()
		e.endedLocked(b, code)
	})
}

func (e *Engine) endedLocked(b *box, code int) {
	b.view.State, b.view.ExitCode, b.view.FinishedAt = runtime.Exited, code, time.Now()
	e.emitLocked(runtime.Event{Kind: runtime.EventDied, ContainerID: b.view.ID})
	b.changed.Broadcast()
}
