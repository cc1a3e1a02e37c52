package fleet

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/machine"
	"github.com/berthhq/berth/internal/state"
)

// groups keeps each group at its number of instances.
type groups struct {
	store     *state.Store
	addresses machine.Addresses
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
		case *elb.Target:
			keys = append(keys, targetsKey+v.TargetGroupARN)
		case *elb.TargetHealth:
			keys = append(keys, targetsKey+elb.GroupOfTargetKey(v.Key))
		}
	}
	return slices.Compact(keys)
}

// targetsKey begins the key that stands for the Auto Scaling groups of one target group.
const targetsKey = "targets "

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
	arn, ok := strings.CutPrefix(key, targetsKey)
	if !ok {
		return r.group(ctx, key)
	}
	var next time.Duration
	for g := range r.store.View().AutoScalingGroups.All() {
		if !slices.Contains(g.TargetGroups, arn) && !r.leaves(g, arn) {
			continue
		}
		again, err := r.group(ctx, g.Key())
		if err != nil {
			return 0, err
		}
		if again > 0 && (next == 0 || again < next) {
			next = again
		}
	}
	return next, nil
}

// leaves reports whether members of g are still targets of a group that g is no longer attached to.
func (r *groups) leaves(g *fleet.AutoScalingGroup, arn string) bool {
	for m := range r.store.View().Instances.By(state.ByAutoScalingGroup, g.Key()) {
		if slices.ContainsFunc(m.Scaling.Targets, func(key string) bool { return elb.GroupOfTargetKey(key) == arn }) {
			return true
		}
	}
	return false
}

// group does the next step of one group. Two may be at it at the same time: the transaction decides.
func (r *groups) group(ctx context.Context, key string) (time.Duration, error) {
	now := time.Now()
	first := r.newStep(&r.store.View().Tables, key, nil, now)
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
		if last = r.newStep(&tx.Tables, key, ids, now); last == nil {
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
