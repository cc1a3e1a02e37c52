package state_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal"
	"github.com/berthhq/berth/internal/state/journal/file"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// gate is a journal in which each append waits until the test sends to permit. It fails with what was sent
// unless that is nil.
type gate struct {
	*mem.Journal
	permit chan error
	began  chan int // receives the number of entries of each append that waits
}

func newGate() *gate {
	return &gate{mem.New(), make(chan error), make(chan int, 100)}
}

func (g *gate) Append(ctx context.Context, entries []journal.Entry) error {
	g.began <- len(entries)
	if err := <-g.permit; err != nil {
		return err
	}
	return g.Journal.Append(ctx, entries)
}

// counter is a journal that counts appends and entries.
type counter struct {
	journal.Journal
	mu      sync.Mutex // guards the counts
	appends int
	entries int
}

func (c *counter) Append(ctx context.Context, entries []journal.Entry) error {
	c.mu.Lock()
	c.appends++
	c.entries += len(entries)
	c.mu.Unlock()
	return c.Journal.Append(ctx, entries)
}

func open(t testing.TB, j journal.Journal) *state.Store {
	t.Helper()
	s, err := state.Open(t.Context(), j, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func openDir(dir string) (*state.Store, error) {
	j, err := file.Open(dir)
	if err != nil {
		return nil, err
	}
	return state.Open(context.Background(), j, slog.New(slog.DiscardHandler))
}

func update(t testing.TB, s *state.Store, fn func(tx *state.Tx)) {
	t.Helper()
	err := s.Update(context.Background(), func(tx *state.Tx) error { fn(tx); return nil })
	if err != nil {
		t.Error(err) // not Fatal, since this also runs in other goroutines
	}
}

func clusterARN(n int) string {
	return ecs.ARN("us-east-1", "123456789012", ecs.TypeCluster, fmt.Sprintf("c%d", n))
}

func cluster(n int) *ecs.Cluster {
	return &ecs.Cluster{ClusterARN: clusterARN(n), ClusterName: fmt.Sprintf("c%d", n)}
}

// names lists the clusters.
func names(s *state.Tables) []string {
	var out []string
	for c := range s.Clusters.All() {
		out = append(out, c.ClusterName)
	}
	return out
}
