package control

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/berthhq/berth/internal/state"
)

// Moment is what a step gets from outside of the state. If the step runs again, it gets the same.
type Moment struct {
	Now time.Time
	// Random is a source of random bytes, such as for ids. It never ends or fails.
	Random io.Reader
}

// Step is a function of the tables and the moment. It must not wait, do I/O or keep anything, and
// may be called twice.
type Step func(tx *state.Tx, m Moment) error

// Commit runs a step for a key. It runs the step on a snapshot first, which does not hold up other
// updates; if the step changes nothing, there is no update. If nobody has written since, the changes
// are written as they are; otherwise the step runs again in the transaction. Changes are logged at
// debug level.
func (e Env) Commit(ctx context.Context, key any, step Step) error {
	var seed [32]byte
	e.read(seed[:])
	now := e.Now()
	once := func(tx *state.Tx) error { return step(tx, Moment{now, &stream{seed: seed}}) }

	draft, err := e.Store.View().Draft(once)
	if err != nil || draft.Empty() {
		return err
	}
	e.logPlan(ctx, key, draft)
	return e.Store.Update(ctx, func(tx *state.Tx) error {
		if tx.Apply(draft) {
			return nil
		}
		return once(tx)
	})
}

func (e Env) logPlan(ctx context.Context, key any, d state.Draft) {
	if !e.Logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	changes := d.Changes()
	e.Logger.LogAttrs(ctx, slog.LevelDebug, "plan", slog.Any("key", key), slog.Any("changes", changes))
}

// stream returns random bytes from a seed.
type stream struct {
	seed  [32]byte
	bytes *rand.ChaCha8 // nil before the first read: few steps need random bytes
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	if s.bytes == nil {
		s.bytes = rand.NewChaCha8(s.seed)
	}
	return s.bytes.Read(p)
}

// Planner is a controller that only reads and writes the state.
type Planner[K comparable] interface {
	Keys(c state.Change, s *state.Snapshot) []K
	All(s *state.Snapshot) []K

	// Step does what is needed for a key. As a [Step] it may be called twice. It returns how long
	// after m.Now to call it again if nothing changes; 0 means only when the key is dirty.
	Step(tx *state.Tx, key K, m Moment) (again time.Duration, err error)
}

// Planned returns a Controller that runs the steps of a Planner.
func Planned[K comparable](env Env, p Planner[K]) Controller[K] { return planned[K]{p, env} }

type planned[K comparable] struct {
	Planner[K]
	env Env
}

// Reconcile implements Controller.
func (p planned[K]) Reconcile(ctx context.Context, key K) (again time.Duration, err error) {
	err = p.env.Commit(ctx, key, func(tx *state.Tx, m Moment) (err error) {
		again, err = p.Step(tx, key, m)
		return err
	})
	return again, err
}
