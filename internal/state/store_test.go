package state_test

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

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

func TestReopenFindsEverything(t *testing.T) {
	j := mem.New()
	s := open(t, j)
	update(t, s, func(tx *state.Tx) { tx.Clusters.Put(cluster(1)); tx.Clusters.Put(cluster(2)) })
	update(t, s, func(tx *state.Tx) { tx.Clusters.Delete(clusterARN(1)) })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, j.Reopen())
	if got := names(&s.View().Tables); !slices.Equal(got, []string{"c2"}) || s.View().Rev != 2 {
		t.Errorf("after reopening: %v at revision %d", got, s.View().Rev)
	}
}

func TestOpenRefusesATableItDoesNotKnow(t *testing.T) {
	j := mem.New()
	e := journal.Entry{Rev: 1, Term: 1, Data: []byte(`[{"t":"ecs.quantum","k":"a","v":{}}]`)}
	if err := j.Append(t.Context(), []journal.Entry{e}); err != nil {
		t.Fatal(err)
	}
	_, err := state.Open(t.Context(), j, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "ecs.quantum") || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("open: %v, want an error that names the table and the reason", err)
	}
}

func TestANewerStoreTakesOver(t *testing.T) {
	j := mem.New()
	old := open(t, j)
	update(t, old, func(tx *state.Tx) { tx.Clusters.Put(cluster(1)) })
	newer := open(t, j)
	update(t, newer, func(tx *state.Tx) { tx.Clusters.Put(cluster(2)) })

	for range 2 {
		err := old.Update(t.Context(), func(tx *state.Tx) error { tx.Clusters.Put(cluster(3)); return nil })
		if !errors.Is(err, journal.ErrFenced) {
			t.Errorf("update of the replaced store: %v, want ErrFenced inside", err)
		}
	}
	if got := names(&old.View().Tables); !slices.Equal(got, []string{"c1"}) {
		t.Errorf("the replaced store still reads %v, want c1", got)
	}
	update(t, newer, func(tx *state.Tx) { tx.Clusters.Put(cluster(4)) })
}

func TestCloseEndsEverything(t *testing.T) {
	s := open(t, mem.New())
	sub := state.Subscribe(s, func(state.Change, *state.Snapshot) []string { return nil })
	update(t, s, func(tx *state.Tx) { tx.Clusters.Put(cluster(1)) })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := sub.Next(t.Context()); !errors.Is(err, state.ErrClosed) {
		t.Errorf("Next: %v, want ErrClosed", err)
	}
	if err := s.Update(t.Context(), func(*state.Tx) error { return nil }); !errors.Is(err, state.ErrClosed) {
		t.Errorf("Update: %v, want ErrClosed", err)
	}
	if err := s.Close(); !errors.Is(err, state.ErrClosed) {
		t.Errorf("second Close: %v, want ErrClosed", err)
	}
	if got := s.View().Clusters.Len(); got != 1 {
		t.Errorf("after Close View has %d clusters, want 1", got)
	}
}

// The types of a snapshot have no methods for writing. A write to a transaction that has ended panics.
func TestWritesOfEndedTransactionsPanic(t *testing.T) {
	s := open(t, mem.New())
	var escaped *state.Tx
	update(t, s, func(tx *state.Tx) { tx.Clusters.Put(cluster(1)); escaped = tx })
	var failed *state.Tx
	s.Update(t.Context(), func(tx *state.Tx) error { failed = tx; return errAbort })
	for _, c := range []struct {
		what string
		do   func()
		want string
	}{
		{"write after the transaction", func() { escaped.Clusters.Put(cluster(2)) }, "snapshots are read-only"},
		{"write after a failure", func() { failed.Clusters.Put(cluster(2)) }, "after its transaction ended"},
		{"value without a key", func() {
			update(t, s, func(tx *state.Tx) { tx.Clusters.Put(new(ecs.Cluster)) })
		}, "without a key"},
	} {
		if got := panicOf(c.do); !strings.Contains(got, c.want) {
			t.Errorf("%s: panic %q, want one with %q", c.what, got, c.want)
		}
	}
	if got := names(&s.View().Tables); !slices.Equal(got, []string{"c1"}) {
		t.Errorf("afterwards: %v", got)
	}
}

func panicOf(do func()) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text, _ = p.(string)
		}
	}()
	do()
	return ""
}

// A store that was loaded can be read. It writes nothing before Lead.
func TestLoadedStoreWritesNothing(t *testing.T) {
	j := mem.New()
	leader := open(t, j)
	update(t, leader, func(tx *state.Tx) { tx.Clusters.Put(cluster(1)) })
	c := &counter{Journal: j.Reopen()}
	s, err := state.Load(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if got := names(&s.View().Tables); !slices.Equal(got, []string{"c1"}) {
		t.Errorf("read %v", got)
	}
	put := func(n int) error {
		return s.Update(t.Context(), func(tx *state.Tx) error { tx.Clusters.Put(cluster(n)); return nil })
	}
	if err := put(2); !errors.Is(err, fault.New("ServerException", "")) || c.appends != 0 {
		t.Errorf("an update before Lead: %v, %d appends", err, c.appends)
	}
	if err := s.Lead(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := put(3); err != nil || c.appends != 1 {
		t.Errorf("an update after Lead: %v, %d appends", err, c.appends)
	}
	if err := s.Lead(t.Context()); err == nil {
		t.Error("a second Lead succeeded")
	}
	s.Close()
	if err := s.Lead(t.Context()); !errors.Is(err, state.ErrClosed) {
		t.Errorf("Lead after Close: %v", err)
	}
}
