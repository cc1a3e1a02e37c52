package engine

import (
	"context"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/runtime"
)

// pingEvery is how often the runtime's health is checked.
const pingEvery = 30 * time.Second

// watch follows the runtime's events. When they end, it reports the runtime as impaired, waits until it answers
// again, and asks about every container.
func (e *Engine) watch(ctx context.Context) {
	const pause = time.Second
	for ctx.Err() == nil {
		if err := e.follow(ctx); err != nil && ctx.Err() == nil {
			e.setStatus(acs.InstanceImpaired, err.Error(), runtime.Engine{})
			e.log.Warn("the events of the container runtime cannot be read", "error", err)
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

// again makes a task that waits for the runtime try at once.
func (t *task) again() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.retryAt = time.Time{}
	kick(t.step)
}

// handle asks the runtime about the container of an event. It does not use the event's content, which may be
// out of date. It returns false if there was no answer, since there will be no second event.
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

// lookAtAll asks about every container that has not stopped, and reports whether there was an answer for all.
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
