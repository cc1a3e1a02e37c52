package fleet

import (
	"context"
	"log/slog"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// fullDisk is a journal whose appends fail while it is full.
type fullDisk struct {
	*mem.Journal
	full atomic.Bool
}

func (d *fullDisk) Append(ctx context.Context, entries []journal.Entry) error {
	if d.full.Load() {
		return syscall.ENOSPC
	}
	return d.Journal.Append(ctx, entries)
}

// A full disk does not end the controller, and a report that could not be written is written later.
func TestReportsOutliveAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &fullDisk{Journal: mem.New()}
		s, err := state.Open(t.Context(), disk, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, store: s, driver: newFakeDriver()}
		w.update(func(tx *state.Tx) {
			tx.LaunchConfigurations.Put(&fleet.LaunchConfiguration{Name: "lc", Region: region,
				Account: account, CreatedAt: time.Now(),
				Data: fleet.LaunchData{InstanceType: "t2.micro", ImageID: "ami-0123456789abcdef0"}})
		})
		w.run()
		defer w.close()
		w.group(func(g *fleet.AutoScalingGroup) { g.Desired = 1 })
		w.after(10 * time.Second)
		first := w.members()[0].ID
		disk.full.Store(true)
		w.driver.die(first)
		w.after(3 * time.Hour)
		disk.full.Store(false)
		w.after(time.Hour)
		if got := w.inService(); got == "" || w.members()[0].ID == first {
			t.Errorf("the instance that failed while the disk was full was not replaced: %q in service", got)
		}
	})
}
