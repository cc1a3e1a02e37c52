package engine

import (
	"context"
	"errors"
	"time"

	"github.com/berthhq/berth/internal/agent/checkpoint"
)

// free releases what only a running task needs; the task's mutex is held. The other tasks are woken from
// another goroutine, because each has a mutex of its own.
func (e *Engine) free(r *Record) {
	for i := range r.Containers {
		e.ports.release(r.Containers[i].Ports)
	}
	if !e.ledger.release(r.Task.ARN) {
		return
	}
	e.tasks.Go(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, t := range e.byARN {
			kick(t.step)
		}
	})
}

// cleanLocked forgets a stopped task when its end is reported, its output is shipped, and it has been kept for
// as long as configured, or there are too many stopped tasks and it is one of the oldest.
func (t *task) cleanLocked(ctx context.Context, now time.Time) (wake time.Time) {
	const again = time.Second
	due := t.rec.StoppedAt.Add(t.e.cfg.CleanupWait)
	switch {
	case now.Before(due) && !t.e.stopped.superfluous(t):
		return due
	case now.Before(t.retryAt):
		return t.retryAt
	case len(t.inflight) > 0:
		return now.Add(again)
	}
	if report, _ := nextReport(&t.rec, time.Now()); report != nil {
		return now.Add(again)
	}
	for _, b := range t.rec.Containers {
		if b.AwslogsOptions() != nil && b.RuntimeID != "" && !t.e.logs.Done(b.RuntimeID) {
			return now.Add(again)
		}
	}
	r := t.rec.clone()
	t.inflight[""] = func() {}
	t.steps.Go(func() {
		err := t.e.forget(ctx, &r)
		if err == nil {
			t.e.stopped.remove(t)
			t.mu.Lock()
			t.gone = true
			t.mu.Unlock()
		}
		t.finished(Step{Kind: "clean"}, err)
	})
	return time.Time{}
}

// forget removes everything of the task from the runtime, and then its record.
func (e *Engine) forget(ctx context.Context, r *Record) error {
	// By label, since there may be a container that was created but not recorded.
	containers, err := e.rt.List(ctx, LabelTask, r.Task.ARN)
	if err != nil {
		return err
	}
	for _, c := range containers {
		if err := e.rt.Remove(ctx, c.ID); err != nil {
			return err
		}
	}
	for _, volume := range ownVolumes(r) {
		if err := e.rt.RemoveVolume(ctx, volume); err != nil {
			return err
		}
	}
	if err := e.redirect.Remove(ctx, r.Task.ARN); err != nil {
		return err
	}
	if err := errors.Join(e.unlimit(r), e.store.Delete(checkpoint.Tasks, r.Task.ARN)); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.byARN, r.Task.ARN)
	e.changedLocked()
	return nil
}
