package state_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

func open(t testing.TB, j journal.Journal) *state.Store {
	t.Helper()
	s, err := state.Open(t.Context(), j, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func update(t testing.TB, s *state.Store, fn func(tx *state.Tx)) {
	t.Helper()
	err := s.Update(context.Background(), func(tx *state.Tx) error { fn(tx); return nil })
	if err != nil {
		t.Fatal(err)
	}
}

func cluster(n int) *ecs.Cluster {
	name := fmt.Sprintf("c%d", n)
	return &ecs.Cluster{ClusterARN: ecs.ARN("us-east-1", "123456789012", ecs.TypeCluster, name), ClusterName: name}
}

func names(s *state.Tables) []string {
	var out []string
	for c := range s.Clusters.All() {
		out = append(out, c.ClusterName)
	}
	return out
}

func TestUpdateIsVisibleWhenItReturns(t *testing.T) {
	s := open(t, mem.New())
	before := s.View()
	update(t, s, func(tx *state.Tx) {
		tx.Clusters.Put(cluster(1))
		tx.Clusters.Put(cluster(2))
		if got := names(&tx.Tables); !slices.Equal(got, []string{"c1", "c2"}) {
			t.Errorf("inside the transaction: %v", got)
		}
	})
	if got := names(&s.View().Tables); !slices.Equal(got, []string{"c1", "c2"}) {
		t.Errorf("after the update: %v", got)
	}
	if got := names(&before.Tables); got != nil {
		t.Errorf("older snapshot changed: %v", got)
	}
	if got := s.View().Rev; got != 1 {
		t.Errorf("rev = %d, want 1", got)
	}
}

func TestUpdateWithErrorChangesNothing(t *testing.T) {
	s := open(t, mem.New())
	want := errors.New("no")
	err := s.Update(t.Context(), func(tx *state.Tx) error {
		tx.Clusters.Put(cluster(1))
		return want
	})
	if !errors.Is(err, want) || s.View().Clusters.Len() != 0 || s.View().Rev != 0 {
		t.Errorf("err %v, %d clusters at revision %d", err, s.View().Clusters.Len(), s.View().Rev)
	}
}

func TestReopenFindsEverything(t *testing.T) {
	j := mem.New()
	s := open(t, j)
	update(t, s, func(tx *state.Tx) { tx.Clusters.Put(cluster(1)); tx.Clusters.Put(cluster(2)) })
	update(t, s, func(tx *state.Tx) { tx.Clusters.Delete(cluster(1).ClusterARN) })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, j.Reopen())
	if got := names(&s.View().Tables); !slices.Equal(got, []string{"c2"}) || s.View().Rev != 2 {
		t.Errorf("after reopening: %v at revision %d", got, s.View().Rev)
	}
}
