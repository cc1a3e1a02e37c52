package state_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// TestDraftIsAnUpdateAhead drafts random transactions. The snapshot does not change, and applying the draft
// gives the same state as running the transaction in Update.
func TestDraftIsAnUpdateAhead(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := open(t, mem.New())
		defer s.Close()
		m := model{map[string]ecs.Service{}, map[string]ecs.Task{}}
		for range rapid.IntRange(1, 5).Draw(rt, "transactions") {
			snap, before := s.View(), s.View().Dump()
			next := m.clone()
			fails := rapid.IntRange(0, 4).Draw(rt, "fails") == 0
			draft, err := snap.Draft(func(tx *state.Tx) error {
				for range rapid.IntRange(0, 6).Draw(rt, "steps") {
					step(rt, tx, next)
					compare(rt, &tx.Tables, next)
				}
				if fails {
					return errAbort
				}
				return nil
			})
			if got := snap.Dump(); got != before {
				rt.Fatalf("the snapshot was\n%s\nand is\n%s", before, got)
			}
			if fails {
				if !errors.Is(err, errAbort) || !draft.Empty() {
					rt.Fatalf("a draft that failed: %v, empty %v", err, draft.Empty())
				}
				continue
			}
			withdrawn := rapid.IntRange(0, 4).Draw(rt, "withdrawn") == 0
			more := rapid.IntRange(0, 3).Draw(rt, "more steps")
			err = s.Update(t.Context(), func(tx *state.Tx) error {
				if !tx.Apply(draft) {
					rt.Fatal("the draft does not fit the revision that it was made on")
				}
				for range more {
					step(rt, tx, next)
					compare(rt, &tx.Tables, next)
				}
				if withdrawn {
					return errAbort
				}
				return nil
			})
			if withdrawn {
				if got := s.View().Dump(); !errors.Is(err, errAbort) || got != before {
					rt.Fatalf("an update that failed: %v, the state was\n%s\nand is\n%s", err, before, got)
				}
				update(t, s, func(tx *state.Tx) {
					if compare(rt, &tx.Tables, m); tx.Apply(draft) {
						rt.Fatal("a draft was applied twice")
					}
				})
				continue
			}
			if err != nil {
				rt.Fatal(err)
			}
			compare(rt, &s.View().Tables, next)
			if got := snap.Dump(); got != before {
				rt.Fatalf("the snapshot was\n%s\nand after the draft was applied it is\n%s", before, got)
			}
			if more == 0 && draft.Empty() != (s.View() == snap) {
				rt.Fatalf("empty %v, revision %d after %d", draft.Empty(), s.View().Rev, snap.Rev)
			}
			m = next
		}
	})
}

// A draft cannot be applied once another update was written.
func TestDraftOfAnotherRevision(t *testing.T) {
	s := open(t, mem.New())
	draft, err := s.View().Draft(func(tx *state.Tx) error { tx.Clusters.Put(cluster(1)); return nil })
	if err != nil {
		t.Fatal(err)
	}
	update(t, s, func(tx *state.Tx) { tx.Clusters.Put(cluster(2)) })
	update(t, s, func(tx *state.Tx) {
		if tx.Apply(draft) {
			t.Error("a draft was applied to another revision than its own")
		}
	})
	if got := names(&s.View().Tables); !slices.Equal(got, []string{"c2"}) {
		t.Errorf("clusters %v", got)
	}
}

// Several goroutines make drafts on one snapshot while another goroutine writes. Run it with -race.
func TestDraftsBesideEachOther(t *testing.T) {
	s := open(t, mem.New())
	update(t, s, func(tx *state.Tx) {
		for n := range 100 {
			tx.Clusters.Put(cluster(n))
		}
	})
	snap := s.View()
	var running sync.WaitGroup
	for n := range 8 {
		running.Go(func() {
			for i := range 50 {
				_, err := snap.Draft(func(tx *state.Tx) error {
					v := cluster(i)
					v.Status = string(rune('a' + n))
					tx.Clusters.Put(v)
					if got, _ := tx.Clusters.Get(v.ClusterARN); got != v {
						t.Errorf("draft %d reads a write of another draft", n)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Go(func() {
		for i := range 50 {
			if err := s.Update(context.Background(), func(tx *state.Tx) error {
				v := cluster(i)
				v.Status = "written"
				tx.Clusters.Put(v)
				return nil
			}); err != nil {
				t.Error(err)
			}
		}
	})
	running.Wait()
}

func TestChangesAsText(t *testing.T) {
	old := &ecs.Task{TaskARN: "t", LastStatus: ecs.Pending}
	now := &ecs.Task{TaskARN: "t", LastStatus: ecs.Running, Version: 2, Containers: []ecs.Container{{Name: "web"}}}
	for _, c := range []struct {
		change state.Change
		want   string
	}{
		{state.Changed[ecs.Task]{Key: "t", New: now}, "ecs.Task t: new"},
		{state.Changed[ecs.Task]{Key: "t", Old: now}, "ecs.Task t: deleted"},
		{state.Changed[ecs.Task]{Key: "t", Old: old, New: now}, "ecs.Task t: LastStatus=RUNNING Containers Version=2"},
	} {
		if got := c.change.String(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
