//go:build statecheck

package state_test

import (
	"strings"
	"syscall"
	"testing"

	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

func TestValueChangedInPlaceIsFound(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(s *state.Store)
	}{
		{"out of a snapshot", func(s *state.Store) {
			c, _ := s.View().Clusters.Get(clusterARN(1))
			c.Status = "CHANGED"
		}},
		{"after it was put", func(s *state.Store) {
			c := cluster(2)
			update(t, s, func(tx *state.Tx) { tx.Clusters.Put(c) })
			c.Status = "CHANGED"
		}},
		{"inside a transaction", func(s *state.Store) {
			update(t, s, func(tx *state.Tx) {
				c, _ := tx.Clusters.Get(clusterARN(1))
				c.Status = "CHANGED"
				tx.Clusters.Put(c)
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, mem.New())
			update(t, s, func(tx *state.Tx) { tx.Clusters.Put(cluster(1)) })
			c.change(s)
			got := panicOf(func() { update(t, s, func(*state.Tx) {}) })
			if !strings.Contains(got, "changed in place") || !strings.Contains(got, "CHANGED") {
				t.Errorf("panic %q", got)
			}
			if got := panicOf(func() { s.Close() }); !strings.Contains(got, "changed in place") {
				t.Errorf("Close: panic %q", got)
			}
		})
	}
}

func TestValueOutOfTheJournalIsSealedToo(t *testing.T) {
	j := mem.New()
	s := open(t, j)
	update(t, s, func(tx *state.Tx) { tx.Clusters.Put(cluster(1)) })
	s.Close()
	s = open(t, j.Reopen())
	c, _ := s.View().Clusters.Get(clusterARN(1))
	c.Status = "CHANGED"
	if got := panicOf(func() { s.Close() }); !strings.Contains(got, "changed in place") {
		t.Errorf("Close: panic %q", got)
	}
}

// After Put was refused, the caller may change the value again, and the value in the table is still sealed.
func TestRefusedValueIsFree(t *testing.T) {
	g := newGate()
	s := open(t, g)
	go func() { g.permit <- nil }()
	update(t, s, func(tx *state.Tx) { tx.Clusters.Put(cluster(1)) })
	refused := cluster(1)
	refused.Status = "NEW"
	go func() { g.permit <- syscall.ENOSPC }()
	if err := s.Update(t.Context(), func(tx *state.Tx) error { tx.Clusters.Put(refused); return nil }); err == nil {
		t.Fatal("not refused")
	}
	refused.Status = "FREE"
	update(t, s, func(*state.Tx) {})
	old, _ := s.View().Clusters.Get(clusterARN(1))
	old.Status = "CHANGED"
	if got := panicOf(func() { s.Close() }); !strings.Contains(got, "CHANGED") {
		t.Errorf("Close: panic %q", got)
	}
}
