package fleet

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// A machine whose row is removed while it boots is removed too.
func TestResetDuringABootLeavesNoMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		w.group(func(g *fleet.AutoScalingGroup) { g.Desired = 1 })
		w.after(time.Second) // it takes two seconds to boot
		id := w.members()[0].ID
		w.update(func(tx *state.Tx) { tx.Clear() })
		w.after(10 * time.Second)
		if n := w.driver.runs(); n != 0 || !slices.Contains(w.driver.forgot, id) {
			t.Errorf("%d machines run, forgotten are %q", n, w.driver.forgot)
		}
	})
}
