package fake

import (
	"context"
	"iter"
	"time"

	"github.com/berthhq/berth/internal/agent/runtime"
)

// Watch returns the events from now on.
func (e *Engine) Watch(ctx context.Context) (<-chan runtime.Event, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.upLocked(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	in, out := make(chan runtime.Event, 10_000), make(chan runtime.Event)
	e.watchers[in] = cancel
	e.running.Go(func() {
		defer close(out)
		defer func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			delete(e.watchers, in)
		}()
		for {
			select {
			case event := <-in:
				select {
				case out <- event:
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	})
	return out, nil
}

// Logs yields what the container has written.
func (e *Engine) Logs(ctx context.Context, id string, since time.Time, follow bool) iter.Seq2[runtime.LogEntry, error] {
	return func(yield func(runtime.LogEntry, error) bool) {
		for at := 0; ; at++ {
			entry, ok, err := e.logEntry(ctx, id, at, follow)
			if err != nil {
				yield(runtime.LogEntry{}, err)
			}
			if err != nil || !ok {
				return
			}
			if entry.At.Before(since) {
				continue
			}
			if !yield(entry, nil) {
				return
			}
		}
	}
}

// logEntry returns the entry number at. With follow it waits until there is one.
func (e *Engine) logEntry(ctx context.Context, id string, at int, follow bool) (runtime.LogEntry, bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b, err := e.findLocked(id)
	if err != nil {
		return runtime.LogEntry{}, false, err
	}
	if at < len(b.log) {
		return b.log[at], true, nil
	}
	stop := context.AfterFunc(ctx, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		b.changed.Broadcast()
	})
	defer stop()
	for at >= len(b.log) && follow && b.view.State == runtime.Running && ctx.Err() == nil && !e.down {
		b.changed.Wait()
	}
	if err := ctx.Err(); err != nil {
		return runtime.LogEntry{}, false, err
	}
	if at >= len(b.log) {
		return runtime.LogEntry{}, false, e.upLocked()
	}
	return b.log[at], true, nil
}

// Use sets what a container has used so far. Stats sets At.
func (e *Engine) Use(id string, used runtime.Sample) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if b := e.boxes[id]; b != nil {
		b.used = used
	}
}

// Stats yields one sample a second.
func (e *Engine) Stats(ctx context.Context, id string) iter.Seq2[runtime.Sample, error] {
	return func(yield func(runtime.Sample, error) bool) {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			e.mu.Lock()
			b, err := e.findLocked(id)
			if err != nil {
				e.mu.Unlock()
				yield(runtime.Sample{}, err)
				return
			}
			s, state := b.used, b.view.State
			e.mu.Unlock()
			if state != runtime.Running {
				return
			}
			s.At = time.Now()
			if !yield(s, nil) {
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				yield(runtime.Sample{}, ctx.Err())
				return
			}
		}
	}
}
