package server

import (
	"testing"

	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// An instance that is launched while a reset or the sweep at the start begins to look for forgotten ones is none: it has its row before it has
// a directory, and the directories are listed before the rows.
func TestKnownIsAskedLate(t *testing.T) {
	s := run(t, nil)
	known := s.known()
	in := &fleet.Instance{ID: "i-0123456789abcdef0", Region: "us-east-1", Account: s.cfg.Account, Desired: fleet.Stopped, State: fleet.Stopped}
	if err := s.store.Update(t.Context(), func(tx *state.Tx) error { tx.Instances.Put(in); return nil }); err != nil {
		t.Fatal(err)
	}
	if !known(in.ID) || known("i-00000000000000000") {
		t.Errorf("known: %v, another one: %v", known(in.ID), known("i-00000000000000000"))
	}
}
