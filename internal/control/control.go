// Package control is the loop that every controller runs in: keyed,
// coalescing, level-triggered, with back-off.
//
// A controller is a Reconciler. The loop subscribes to the store, begins with
// every key dirty, and calls Reconcile for dirty keys: never twice at the same
// time for one key, once for any number of changes meanwhile, again when the
// controller asked for it, and later and later while it fails. Start, change,
// retry and failover are the same call. Run lasts as long as its context, which
// is the leadership of the process, and returns when nothing of it runs.
//
// The loop refuses to know what the keys mean. Controllers keep no state
// between calls except in the store, and never meet outside of it.
package control

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/state"
)

// Reconciler makes the world of one key as it should be.
type Reconciler interface {
	// Keys names the keys that a change makes dirty. It is called on the
	// store's own goroutine: it must be pure and quick.
	Keys(c state.Change) []string

	// All names every key there is. It is asked once, at the start.
	All(s *state.Snapshot) []string

	// Reconcile takes a snapshot, plans, and does one Update that checks again
	// what the plan relied on. It is called for a key by one goroutine at a
	// time. It returns when to look again without a change; 0 means only when
	// the key is dirty. An error, or a panic, means to try again with
	// back-off. ctx ends when the loop does.
	Reconcile(ctx context.Context, key string) (again time.Duration, err error)
}

// Loop is a Reconciler with all it needs to run.
type Loop struct {
	Store      *state.Store
	Logger     *slog.Logger
	Name       string // of the controller, for logs
	Workers    int    // how many keys at the same time; at least 1
	Reconciler Reconciler
	Backoff    Backoff
}

// Run runs r with the usual back-off until ctx is cancelled. See Loop.Run.
func Run(ctx context.Context, store *state.Store, logger *slog.Logger, name string, workers int, r Reconciler) error {
	l := Loop{Store: store, Logger: logger, Name: name, Workers: workers, Reconciler: r, Backoff: DefaultBackoff()}
	return l.Run(ctx)
}

// Run reconciles until ctx is cancelled or the store is closed, and then waits
// for the calls under way, whose context has ended too. It returns the cause.
func (l Loop) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sub := l.Store.Subscribe(l.Reconciler.Keys)
	defer sub.Close()

	var (
		running sync.WaitGroup
		dirty   = make(chan []string)
		work    = make(chan string)
		results = make(chan result)
	)
	running.Go(func() {
		if err := watch(ctx, sub, dirty); err != nil {
			cancel(err)
		}
	})
	for range max(1, l.Workers) {
		running.Go(func() {
			for key := range work {
				again, err := l.reconcile(ctx, key)
				results <- result{key, again, err}
			}
		})
	}
	q := newQueue(l.Backoff)
	q.mark(l.Reconciler.All(l.Store.View())...)
	l.serve(ctx, q, dirty, work, results)
	close(work)
	running.Wait()
	return context.Cause(ctx)
}

// result is how a call of Reconcile ended.
type result struct {
	key   string
	again time.Duration
	err   error
}

// watch passes on dirty keys until ctx ends or the store closes.
func watch(ctx context.Context, sub *state.Subscription, dirty chan<- []string) error {
	for {
		keys, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		select {
		case dirty <- keys:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// serve owns the queue: it hands keys to workers and takes results back, until
// ctx has ended and every key that was handed out has come back.
func (l Loop) serve(ctx context.Context, q *queue, dirty <-chan []string, work chan<- string, results <-chan result) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	done := ctx.Done()
	for {
		now := time.Now()
		key, ready := q.next(now)
		hand := work
		if !ready || ctx.Err() != nil {
			hand = nil
		}
		if due, ok := q.due(); ok {
			timer.Reset(due.Sub(now))
		} else {
			timer.Stop()
		}
		if ctx.Err() != nil && q.running == 0 {
			return
		}
		select {
		case hand <- key:
			q.start()
		case keys := <-dirty:
			q.mark(keys...)
		case r := <-results:
			delay := q.finish(time.Now(), r)
			l.report(ctx, r, delay)
		case <-timer.C:
		case <-done:
			done = nil
		}
	}
}

// reconcile calls the controller and makes a panic an error.
func (l Loop) reconcile(ctx context.Context, key string) (again time.Duration, err error) {
	defer func() {
		if p := recover(); p != nil {
			l.Logger.Error("controller panicked", "controller", l.Name, "key", key, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return l.Reconciler.Reconcile(ctx, key)
}

// report logs a failure, except those that come from the end of the loop.
func (l Loop) report(ctx context.Context, r result, delay time.Duration) {
	if r.err != nil && ctx.Err() == nil {
		l.Logger.Warn("reconcile failed", "controller", l.Name, "key", r.key, "err", r.err, "retry_in", delay)
	}
}
