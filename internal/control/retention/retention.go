// Package retention frees the space of log events that can no longer be read: those older than
// their group's retention, and those of deleted groups. Readers do not depend on it, since actions
// hide expired events at once.
package retention

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/logstore"
	"github.com/berthhq/berth/internal/state"
)

// Every is how often the space is checked. Retention is counted in days.
const Every = time.Hour

// Controller is a control.Controller with one key, for the whole store, which only time makes due.
type Controller struct {
	control.Env
	events *logstore.Store
}

// New makes the controller of a store of events.
func New(env control.Env, events *logstore.Store) *Controller {
	return &Controller{env, events}
}

// Keys implements control.Controller.
func (c *Controller) Keys(state.Change, *state.Snapshot) []struct{} { return nil }

// All implements control.Controller.
func (c *Controller) All(*state.Snapshot) []struct{} { return make([]struct{}, 1) }

// Reconcile checks the whole store once.
func (c *Controller) Reconcile(context.Context, struct{}) (time.Duration, error) {
	// A group's row is durable before its first event. So a directory that has no row in a view
	// taken after the directory was seen belongs to a deleted group.
	known := sync.OnceValue(func() map[string]bool {
		ids := make(map[string]bool)
		for g := range c.Store.View().LogGroups.All() {
			ids[g.ID] = true
		}
		return ids
	})
	errs := []error{c.events.Keep(func(id string) bool { return known()[id] })}
	for g := range c.Store.View().LogGroups.All() {
		if before := g.Expires(c.Now()); !before.IsZero() {
			errs = append(errs, c.events.Expire(g.ID, before))
		}
	}
	return Every, errors.Join(errs...)
}
