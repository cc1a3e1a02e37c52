// Package retention gives back the space of log events that nobody can read any more: those past their group's retention, and those of
// groups that are gone. Readers do not depend on it; actions hide what has expired at once.
package retention

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/berthhq/berth/internal/logstore"
	"github.com/berthhq/berth/internal/state"
)

// Every is how often the space is looked through. Retention is counted in days.
const Every = time.Hour

// Run looks through the space at once and then again and again until ctx ends. What fails is logged and tried again.
func Run(ctx context.Context, store *state.Store, events *logstore.Store, now func() time.Time, logger *slog.Logger) error {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		if err := Sweep(store, events, now()); err != nil {
			logger.Warn("space of old log events could not be given back; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Sweep looks through the space once.
func Sweep(store *state.Store, events *logstore.Store, now time.Time) error {
	// A group's row is durable before its first event, so a directory without a row in a view taken after it was seen is nobody's.
	err := events.Keep(func(id string) bool {
		for g := range store.View().LogGroups.All() {
			if g.ID == id {
				return true
			}
		}
		return false
	})
	errs := []error{err}
	for g := range store.View().LogGroups.All() {
		if before := g.Expires(now); !before.IsZero() {
			errs = append(errs, events.Expire(g.ID, before))
		}
	}
	return errors.Join(errs...)
}
