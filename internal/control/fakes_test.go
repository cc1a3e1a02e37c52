package control_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// fake is a controller of clusters that records its calls. If do is set, Reconcile calls it with the number
// of the call, from 1.
type fake struct {
	do func(ctx context.Context, c call, n int) (time.Duration, error)

	mu    sync.Mutex // guards calls and began
	calls []call
	began time.Time
}

func (f *fake) Keys(c state.Change, _ *state.Snapshot) []string {
	if c, ok := c.(state.Changed[ecs.Cluster]); ok {
		return []string{c.Key}
	}
	return nil
}

func (f *fake) All(s *state.Snapshot) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.began = time.Now()
	var keys []string
	for c := range s.Clusters.All() {
		keys = append(keys, c.ClusterARN)
	}
	return keys
}

func (f *fake) Reconcile(ctx context.Context, key string) (time.Duration, error) {
	f.mu.Lock()
	c := call{key, time.Since(f.began)}
	f.calls = append(f.calls, c)
	n := len(f.calls)
	f.mu.Unlock()
	if f.do == nil {
		return 0, nil
	}
	return f.do(ctx, c, n)
}

func (f *fake) want(t *testing.T, calls ...call) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Equal(f.calls, calls) {
		t.Errorf("calls\n got %v\nwant %v", f.calls, calls)
	}
}

func open(t *testing.T) *state.Store {
	t.Helper()
	s, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// put changes the clusters with the given ARNs.
func put(t *testing.T, s *state.Store, arns ...string) {
	t.Helper()
	err := s.Update(t.Context(), func(tx *state.Tx) error {
		for _, arn := range arns {
			next := ecs.Cluster{ClusterARN: arn}
			if old, ok := tx.Clusters.Get(arn); ok {
				next = *old
			}
			next.Status += "."
			tx.Clusters.Put(&next)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func loop(t *testing.T, s *state.Store, workers int, c control.Controller[string]) control.Loop[string] {
	return control.New(control.System(s, slog.New(slog.NewTextHandler(t.Output(), nil))), "fake", workers, c)
}

// start runs the loop. stop ends it with a cause and returns the result of Run.
func start(t *testing.T, l control.Loop[string]) (stop func(cause error) error) {
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error)
	go func() { done <- l.Run(ctx) }()
	return func(cause error) error {
		cancel(cause)
		return <-done
	}
}

func run(t *testing.T, s *state.Store, workers int, c control.Controller[string]) (stop func(cause error) error) {
	return start(t, loop(t, s, workers, c))
}

// half and zero are sources of random bytes that always give one half, or zero.
type half struct{}

func (half) Read(b []byte) (int, error) {
	clear(b)
	b[len(b)-1] = 0x80
	return len(b), nil
}

type zero struct{}

func (zero) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
