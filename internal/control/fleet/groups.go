package fleet

import (
	"context"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// groups keeps each group at its number of instances.
type groups struct {
	store *state.Store
}

// Keys implements control.Reconciler.
func (r *groups) Keys(c state.Change) []string {
	var keys []string
	for _, v := range []any{c.Old, c.New} {
		switch v := v.(type) {
		case *fleet.AutoScalingGroup:
			keys = append(keys, v.Key())
		case *fleet.Instance:
			if k := v.GroupKey(); k != "" {
				keys = append(keys, k)
			}
		case *fleet.LaunchTemplate:
			// A template that comes back to life does not wake its groups: they look again by themselves.
		}
	}
	return slices.Compact(keys)
}

// All implements control.Reconciler.
func (r *groups) All(s *state.Snapshot) []string {
	var keys []string
	for g := range s.AutoScalingGroups.All() {
		keys = append(keys, g.Key())
	}
	return keys
}

// Reconcile does a group's next step. The step is computed once on a snapshot, to see whether there is anything to do and how many ids that takes,
// and then again within the transaction, on what is true there.
func (r *groups) Reconcile(ctx context.Context, key string) (time.Duration, error) {
	now := time.Now()
	first := newStep(&r.store.View().Tables, key, nil, now)
	if first == nil {
		return 0, nil
	}
	first.run()
	if !first.changed() {
		return first.again(), nil
	}
	ids := mint(first.needed)
	var last *step
	err := r.store.Update(ctx, func(tx *state.Tx) error {
		if last = newStep(&tx.Tables, key, ids, now); last == nil {
			return errNothing
		}
		last.run()
		last.apply(tx)
		return nil
	})
	if err != nil || last == nil {
		return 0, ignoreNothing(err)
	}
	return last.again(), nil
}

// ids are minted before the transaction. A step that needs more than there are does the rest next time, which its own changes bring about.
type ids struct {
	uuids, instances, reservations []string
}

func mint(n int) *ids {
	m := &ids{}
	for range n {
		m.uuids = append(m.uuids, newUUID())
		m.instances = append(m.instances, newID("i"))
		m.reservations = append(m.reservations, newID("r"))
	}
	return m
}
