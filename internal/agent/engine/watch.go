package engine

import (
	"context"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/runtime"
)

// pingEvery is how often the runtime is asked whether it is well.
const pingEvery = 30 * time.Second

// watch follows the runtime's events; when they break off it says that the runtime
// is impaired, waits for its return and asks after every container.
func (e *Engine) watch(ctx context.Context) {
	const pause = time.Second
	for ctx.Err() == nil {
		if err := e.follow(ctx); err != nil && ctx.Err() == nil {
			e.setStatus(acs.InstanceImpaired, err.Error(), runtime.Engine{})
			e.log.Warn("the container runtime cannot be followed", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// follow handles one stream of events to its end.
func (e *Engine) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events, err := e.rt.Watch(ctx)
	if err != nil {
		return err
	}
	engine, err := e.rt.Ping(ctx)
	if err != nil {
		return err
	}
	e.setStatus(acs.InstanceOK, "", engine)
	seen := e.lookAtAll(ctx)
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		select {
		case event, open := <-events:
			if !open {
				return runtime.ErrUnavailable
			}
			seen = e.handle(ctx, event) && seen
		case <-ping.C:
			if _, err := e.rt.Ping(ctx); err != nil {
				return err
			}
			if !seen {
				seen = e.lookAtAll(ctx)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (e *Engine) setStatus(status, reason string, engine runtime.Engine) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.status.Status != status {
		e.status.Status, e.status.Since = status, time.Now()
		e.changedLocked()
	}
	if e.status.Reason != reason {
		e.status.Reason = reason
		e.changedLocked()
	}
	if engine.Version != "" {
		e.status.Version, e.status.cgroups = engine.Version, engine
	}
	if status == acs.InstanceOK {
		for _, t := range e.byARN {
			t.again()
		}
	}
}

// again lets a task that waits for the runtime try at once.
func (t *task) again() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.retryAt = time.Time{}
	kick(t.step)
}

// handle looks at the container an event is about. What the event says is not
// used: asking is always right, even for events that come late. It reports whether
// there was an answer; there is no second event.
func (e *Engine) handle(ctx context.Context, event runtime.Event) bool {
	t, i := e.find(event.ContainerID)
	if t == nil {
		return true
	}
	return e.lookAt(ctx, t, i, event.ContainerID)
}

func (e *Engine) lookAt(ctx context.Context, t *task, i int, containerID string) bool {
	err := t.look(ctx, i, containerID)
	if err != nil {
		e.log.Warn("cannot inspect a container", "container", containerID, "error", err)
	}
	return err == nil
}

func (e *Engine) find(containerID string) (*task, int) {
	e.mu.Lock()
	tasks := make([]*task, 0, len(e.byARN))
	for _, t := range e.byARN {
		tasks = append(tasks, t)
	}
	e.mu.Unlock()
	for _, t := range tasks {
		t.mu.Lock()
		for i := range t.rec.Containers {
			if t.rec.Containers[i].RuntimeID == containerID && t.rec.Containers[i].Phase != Stopped {
				t.mu.Unlock()
				return t, i
			}
		}
		t.mu.Unlock()
	}
	return nil, 0
}

// lookAtAll asks after every container that has not stopped, and reports whether
// all were answered for.
func (e *Engine) lookAtAll(ctx context.Context) (all bool) {
	all = true
	for _, r := range e.Tasks() {
		e.mu.Lock()
		t := e.byARN[r.Task.ARN]
		e.mu.Unlock()
		for i, b := range r.Containers {
			if t == nil || b.RuntimeID == "" || b.Phase == Stopped {
				continue
			}
			all = e.lookAt(ctx, t, i, b.RuntimeID) && all
		}
	}
	return all
}
