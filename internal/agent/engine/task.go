package engine

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/checkpoint"
)

// task executes one record.
type task struct {
	e      *Engine
	arn    string
	step   chan struct{} // token: plan again
	report chan struct{} // token: check whether there is something to report
	steps  sync.WaitGroup

	mu       sync.Mutex // guards what follows
	rec      Record
	inflight map[string]context.CancelFunc // running steps, by container ("" for those of the task)
	retryAt  time.Time                     // after a step that failed, no step before this time
	failures int
	gone     bool // forgotten: there is nothing left to do
}

func newTask(e *Engine, r Record) *task {
	return &task{
		e: e, arn: r.Task.ARN, rec: r, step: make(chan struct{}, 1), report: make(chan struct{}, 1),
		inflight: map[string]context.CancelFunc{},
	}
}

// startLocked starts the task's goroutines; the engine's mutex is held.
func (t *task) startLocked() {
	kick(t.step)
	kick(t.report)
	ctx, cancel := context.WithCancel(t.e.ctx)
	t.e.tasks.Go(func() {
		defer cancel() // the task is forgotten: end the reporter, too
		t.runSteps(ctx)
	})
	t.e.tasks.Go(func() { t.runReports(ctx) })
}

func (t *task) view() Record {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rec.clone()
}

// update changes the record, writes it to the checkpoint, and makes everything look at it again.
func (t *task) update(fn func(*Record)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.updateLocked(fn)
}

func (t *task) updateLocked(fn func(*Record)) error {
	before := t.rec.Status
	fn(&t.rec)
	advance(&t.rec, time.Now())
	err := t.e.store.Put(checkpoint.Tasks, t.arn, &t.rec)
	if before != StatusStopped && t.rec.Status == StatusStopped {
		t.e.free(&t.rec)
		t.e.stopped.add(t)
	}
	kick(t.step)
	kick(t.report)
	return err
}

// change is update for the task's own goroutines. An error of the checkpoint is only logged: after a restart
// the runtime is asked again, and reports are repeated.
func (t *task) change(fn func(*Record)) {
	if err := t.update(fn); err != nil {
		t.e.log.Error("cannot write the checkpoint", "task", t.arn, "error", err)
	}
	t.e.changed()
}

// stop is called with the engine's mutex held.
func (t *task) stop() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rec.Desired == acs.DesiredStopped {
		return nil
	}
	err := t.updateLocked(func(r *Record) { r.Desired = acs.DesiredStopped })
	t.e.changedLocked()
	return err
}

// runSteps plans and acts until the task is forgotten or ctx ends.
func (t *task) runSteps(ctx context.Context) {
	defer t.steps.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.step:
		case <-timer.C:
		}
		wake, forgotten := t.act(ctx)
		if forgotten {
			return
		}
		if !wake.IsZero() {
			timer.Reset(time.Until(wake))
		}
	}
}

// act starts the steps that are due. It returns when to plan again.
func (t *task) act(ctx context.Context) (wake time.Time, forgotten bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if t.gone {
		return time.Time{}, true
	}
	if t.rec.Status == StatusStopped {
		return t.cleanLocked(ctx, now), false
	}
	if !t.rec.wanted() {
		t.cancelPullsLocked()
	}
	if now.Before(t.retryAt) {
		return t.retryAt, false
	}
	steps, wake := plan(&t.rec, now)
	if len(steps) == 1 && steps[0].Kind == Admit {
		t.admitLocked()
		return wake, false
	}
	for _, s := range steps {
		if _, busy := t.inflight[s.Container]; busy {
			continue
		}
		stepCtx, cancel := context.WithCancel(ctx)
		t.inflight[s.Container] = cancel
		t.steps.Go(func() {
			err := t.do(stepCtx, s)
			if stepCtx.Err() != nil {
				err = nil // it is not needed any more; plan again
			}
			cancel()
			t.finished(s, err)
		})
	}
	return wake, false
}

// admitLocked reserves the task's resources. If some are lacking, that is the task's hold; whenever resources
// are released, all tasks are woken.
func (t *task) admitLocked() {
	lacking := t.e.ledger.reserve(t.arn, need(&t.rec))
	if lacking != "" && t.rec.Hold == lacking {
		return
	}
	defer t.e.tasks.Go(t.e.changed) // in a goroutine, because the engine's mutex is locked before the task's
	err := t.updateLocked(func(r *Record) { r.Admitted, r.Hold = lacking == "", lacking })
	if err != nil {
		t.e.log.Error("cannot write the checkpoint", "task", t.arn, "error", err)
	}
}

// cancelPullsLocked cancels pulls that are not needed any more.
func (t *task) cancelPullsLocked() {
	for name, cancel := range maps.All(t.inflight) {
		if i := t.rec.box(name); i >= 0 && t.rec.Containers[i].Phase == Waiting {
			cancel()
		}
	}
}

// finished notes that a step is over. An error means that it should be tried again; permanent failures are in
// the record.
func (t *task) finished(s Step, err error) {
	t.mu.Lock()
	delete(t.inflight, s.Container)
	if err == nil {
		t.failures = 0
	} else {
		t.retryAt = time.Now().Add(retryWait().Wait(t.failures, rand.Float64()))
		t.failures++
	}
	t.mu.Unlock()
	if err != nil {
		t.e.log.Warn("a step is tried again", "task", t.arn, "step", s.Kind, "container", s.Container, "error", err)
		t.hold(err.Error())
	}
	kick(t.step)
}

func retryWait() acs.Backoff {
	return acs.Backoff{First: 500 * time.Millisecond, Most: 5 * time.Second, Factor: 2, Jitter: 0.2}
}

// hold notes why the task has to wait, or "" that it need not.
func (t *task) hold(why string) {
	t.mu.Lock()
	same := t.rec.Hold == why || t.rec.Status != StatusPending
	t.mu.Unlock()
	if !same {
		t.change(func(r *Record) { r.Hold = why })
	}
}

// runReports sends reports until they are delivered.
func (t *task) runReports(ctx context.Context) {
	wait := acs.Backoff{First: time.Second, Most: 10 * time.Second, Factor: 1.3, Jitter: 0.2}
	for failures := 0; ; {
		t.mu.Lock()
		report, confirm := nextReport(&t.rec, time.Now())
		news := t.rec.pullNews()
		t.mu.Unlock()
		if report == nil {
			var later <-chan time.Time
			if !news.IsZero() {
				later = time.After(time.Until(news))
			}
			select {
			case <-ctx.Done():
				return
			case <-t.report:
			case <-later:
			}
			continue
		}
		err := t.send(ctx, *report)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil || errors.Is(err, ErrDropped):
			failures = 0
			t.change(confirm)
			continue
		}
		t.e.log.Warn("a report is sent again", "task", t.arn, "status", report.Status, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait.Wait(failures, rand.Float64())):
			failures++
		}
	}
}

func (t *task) send(ctx context.Context, r Report) error {
	select {
	case t.e.sending <- struct{}{}:
		defer func() { <-t.e.sending }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	r.Cluster = t.e.cfg.Cluster
	return t.e.control.SubmitTaskStateChange(ctx, r)
}
