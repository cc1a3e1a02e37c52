// Package control is the loop in which every controller runs. It works by key, joins changes, looks
// at the state and not at events, and delays what fails.
//
// The loop subscribes to the store, starts with every key dirty, and calls Reconcile for dirty
// keys: never twice at the same time for one key, once for any number of changes in the meantime,
// again when the controller asked for it, and with growing delays while it fails. Start, change,
// retry and failover are the same call. Run lasts as long as its context, which ends when the
// process no longer leads, and returns when all its goroutines have ended. Manual is the loop
// without goroutines and timers, for a simulator and for tests.
//
// A controller that only reads and writes the state is a Planner: its step runs on a snapshot, and
// its changes are written if there are any. One that also starts processes, or waits for others, is
// a Controller and writes with Env.Commit.
//
// The loop does not know what keys mean. Controllers keep nothing between calls except in the
// store, and affect each other only through it.
package control

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/state"
)

// Controller brings what one key names to its desired state. Keys must be independent: what is done
// for one must not be done for another at the same time.
type Controller[K comparable] interface {
	// Keys returns the keys that a change makes dirty; s is the first snapshot that includes the
	// change. It runs on the store's goroutine, so it must be pure and quick.
	Keys(c state.Change, s *state.Snapshot) []K

	// All returns all keys. It is called once, at the start.
	All(s *state.Snapshot) []K

	// Reconcile brings the state of a key closer to the desired one. At any time at most one
	// goroutine calls it for a key. It returns how long to wait before it is called again without a
	// change; 0 means only when the key is dirty. After an error or a panic it is called again with
	// back-off. ctx is cancelled when the loop ends.
	Reconcile(ctx context.Context, key K) (again time.Duration, err error)
}

// Loop is a Controller and what is needed to run it.
type Loop[K comparable] struct {
	Env        Env
	Name       string // of the controller, for logs
	Workers    int    // number of keys worked on at the same time, at least 1
	Controller Controller[K]
	Backoff    Backoff
}

// New returns a loop with the usual back-off.
func New[K comparable](env Env, name string, workers int, c Controller[K]) Loop[K] {
	return Loop[K]{Env: env, Name: name, Workers: workers, Controller: c, Backoff: DefaultBackoff()}
}

// begin subscribes to the store and makes every key dirty.
func (l Loop[K]) begin() (*state.Subscription[K], *queue[K]) {
	sub := state.Subscribe(l.Env.Store, l.Controller.Keys)
	q := newQueue[K](l.Backoff, l.Env.fraction)
	q.mark(l.Controller.All(l.Env.Store.View())...)
	return sub, q
}

// Run reconciles until ctx is cancelled or the store is closed. It then waits for the running
// calls, whose context is cancelled too, and returns the cause.
func (l Loop[K]) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sub, q := l.begin()
	defer sub.Close()

	var (
		running sync.WaitGroup
		dirty   = make(chan []K)
		work    = make(chan K)
		results = make(chan result[K])
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
				results <- result[K]{key, again, err}
			}
		})
	}
	l.serve(ctx, q, dirty, work, results)
	close(work)
	running.Wait()
	return context.Cause(ctx)
}

// result is the result of a call of Reconcile.
type result[K comparable] struct {
	key   K
	again time.Duration
	err   error
}

// watch sends dirty keys to the channel until ctx ends or the store closes.
func watch[K comparable](ctx context.Context, sub *state.Subscription[K], dirty chan<- []K) error {
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

// serve owns the queue: it gives keys to workers and takes their results, until ctx has ended and
// all results are in.
func (l Loop[K]) serve(ctx context.Context, q *queue[K], dirty <-chan []K, work chan<- K, results <-chan result[K]) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	done := ctx.Done()
	for {
		now := l.Env.Now()
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
			l.finish(ctx, q, r)
		case <-timer.C:
		case <-done:
			done = nil
		}
	}
}

// reconcile calls the controller, and returns a panic as an error.
func (l Loop[K]) reconcile(ctx context.Context, key K) (again time.Duration, err error) {
	defer func() {
		if p := recover(); p != nil {
			l.Env.Logger.Error("controller panicked", "controller", l.Name, "key", key, "panic", p,
				"stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return l.Controller.Reconcile(ctx, key)
}

// finish takes in the result for a key, and logs a failure unless the loop is ending.
func (l Loop[K]) finish(ctx context.Context, q *queue[K], r result[K]) {
	delay := q.finish(l.Env.Now(), r)
	if r.err != nil && ctx.Err() == nil {
		l.Env.Logger.Warn("reconcile failed", "controller", l.Name, "key", r.key, "err", r.err, "retry_in", delay)
	}
}
