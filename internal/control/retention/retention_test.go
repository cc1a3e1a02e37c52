package retention

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/loggroup"
	"github.com/berthhq/berth/internal/logstore"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quiet := slog.New(slog.DiscardHandler)
		store, err := state.Open(context.Background(), mem.New(), quiet)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		dir := t.TempDir()
		events, err := logstore.Open(dir, logstore.Limits{Segment: 1}, quiet) // every batch gets its own file
		if err != nil {
			t.Fatal(err)
		}
		defer events.Close()
		put := func(group string) {
			if err := events.Append(group, "s", time.Now(),
				[]logstore.Entry{{Time: time.Now().UnixMilli(), Message: "x"}}); err != nil {
				t.Fatal(err)
			}
		}
		files := func(group string) int {
			found, _ := filepath.Glob(filepath.Join(dir, group, "*.seg"))
			return len(found)
		}
		err = store.Update(t.Context(), func(tx *state.Tx) error {
			tx.LogGroups.Put(&loggroup.Group{ARN: "day", ID: "day", RetentionDays: 1})
			tx.LogGroups.Put(&loggroup.Group{ARN: "ever", ID: "ever"})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			put("day")
			put("ever")
			put("orphan")
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		env := control.System(store, quiet)
		go func() { done <- control.New(env, "retention", 1, New(env, events)).Run(ctx) }()
		synctest.Wait()
		if _, err := os.Stat(filepath.Join(dir, "orphan")); !os.IsNotExist(err) {
			t.Errorf("the events of a deleted group are still there: %v", err)
		}
		time.Sleep(20 * time.Hour)
		put("day")
		if files("day") != 3 || files("ever") != 2 {
			t.Errorf("something was removed too early: %d, %d files left", files("day"), files("ever"))
		}
		time.Sleep(6 * time.Hour)
		synctest.Wait()
		if files("day") != 1 || files("ever") != 2 {
			t.Errorf("a day and two hours later: %d, %d files", files("day"), files("ever"))
		}
		cancel()
		<-done
	})
}
