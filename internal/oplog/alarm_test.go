package oplog

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// One line tells a change of an alarm's state. A new alarm, and a reason that changes alone, are no lines.
func TestAlarms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		var out bytes.Buffer
		log := New(store, slog.New(slog.NewTextHandler(&out, nil)))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- log.Run(ctx) }()
		synctest.Wait()
		a := &alarm.Alarm{ARN: alarm.ARN("us-east-1", "123456789012", "busy"), Name: "busy"}
		set := func(value scaling.State, reason string) {
			t.Helper()
			if err := store.Update(t.Context(), func(tx *state.Tx) error {
				if _, ok := tx.Alarms.Get(a.ARN); !ok {
					tx.PutAlarm(a, time.Now())
				}
				s := tx.StatusOf(a)
				tx.SetAlarmStatus(a, s, s.Next(value, reason, "", time.Now()))
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		set(scaling.InsufficientData, "new")
		set(scaling.InsufficientData, "still")
		set(scaling.InAlarm, "too much")
		set(scaling.OK, "quiet")
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], `level=WARN msg="alarm changed its state" alarm=busy `+
			`state=ALARM `+
			`before=INSUFFICIENT_DATA reason="too much"`) || !strings.Contains(lines[1],
			`level=INFO msg="alarm changed its state" alarm=busy state=OK before=ALARM reason=quiet`) {
			t.Errorf("%q", lines)
		}
		cancel()
		<-ended
	})
}
