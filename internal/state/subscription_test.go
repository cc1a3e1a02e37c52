package state_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// clusterNames maps a change of a cluster to its name.
func clusterNames(c state.Change, _ *state.Snapshot) []string {
	if c, ok := c.(state.Changed[ecs.Cluster]); ok {
		return []string{c.Last().ClusterName}
	}
	return nil
}

func TestSubscriptionCoalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, mem.New())
		update(t, s, func(tx *state.Tx) { tx.Clusters.Put(cluster(7)) })
		sub := state.Subscribe(s, clusterNames) // no key is dirty at first
		for range 1000 {
			update(t, s, func(tx *state.Tx) {
				for n := range 3 {
					v := cluster(2 - n)
					if old, ok := tx.Clusters.Get(v.ClusterARN); ok {
						v.Status = old.Status + "."
					}
					tx.Clusters.Put(v)
				}
			})
		}
		want(t, sub, "c2", "c1", "c0")
		update(t, s, func(tx *state.Tx) { tx.Clusters.Delete(clusterARN(1)) })
		want(t, sub, "c1")

		waiting := make(chan struct{})
		go func() { defer close(waiting); want(t, sub, "c2") }()
		synctest.Wait() // no key is dirty, so Next waits
		update(t, s, func(tx *state.Tx) { tx.Tasks.Put(&ecs.Task{TaskARN: "t"}) })
		synctest.Wait() // and still waits after a change for which it has no key
		update(t, s, func(tx *state.Tx) { tx.Clusters.Delete(clusterARN(2)) })
		<-waiting
	})
}

func want(t *testing.T, sub *state.Subscription[string], keys ...string) {
	t.Helper()
	got, err := sub.Next(t.Context())
	if err != nil || !slices.Equal(got, keys) {
		t.Errorf("Next = %v, %v; want %v", got, err, keys)
	}
}

// A change has the value before the update and the value after it, however many times the update wrote. Where
// there is none, it is nil and not a typed nil pointer.
func TestChangesHaveBothSides(t *testing.T) {
	s := open(t, mem.New())
	var got []state.Change
	state.Subscribe(s, func(c state.Change, now *state.Snapshot) []string {
		got = append(got, c)
		if v, _ := now.Clusters.Get(clusterARN(1)); v != c.(state.Changed[ecs.Cluster]).New {
			t.Errorf("the snapshot of revision %d has another value than its change", now.Rev)
		}
		return nil
	})
	first, second, third := cluster(1), cluster(1), cluster(1)
	second.Status, third.Status = "B", "C"
	update(t, s, func(tx *state.Tx) { tx.Clusters.Put(first) })
	update(t, s, func(tx *state.Tx) { tx.Clusters.Put(second); tx.Clusters.Put(third) })
	update(t, s, func(tx *state.Tx) { tx.Clusters.Delete(clusterARN(1)) })
	s.Close()
	key := clusterARN(1)
	if want := []state.Change{
		state.Changed[ecs.Cluster]{Key: key, Old: nil, New: first},
		state.Changed[ecs.Cluster]{Key: key, Old: first, New: third},
		state.Changed[ecs.Cluster]{Key: key, Old: third, New: nil},
	}; !slices.Equal(got, want) {
		t.Errorf("changes\n got %v\nwant %v", got, want)
	}
}

func TestSubscriptionSeesDurableChangesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		s := open(t, g)
		sub := state.Subscribe(s, clusterNames)
		var seen uint64
		done := make(chan struct{})
		go func() { defer close(done); want(t, sub, "c1"); seen = s.View().Rev }()
		go update(t, s, func(tx *state.Tx) { tx.Clusters.Put(cluster(1)) })
		<-g.began
		synctest.Wait()
		select {
		case <-done:
			t.Error("woken before the change was durable")
		default:
		}
		g.permit <- nil
		<-done
		if seen != 1 {
			t.Errorf("a snapshot taken after Next is at revision %d, want 1", seen)
		}
	})
}

func TestSubscriptionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, mem.New())
		sub := state.Subscribe(s, clusterNames)
		ended := make(chan error)
		go func() { _, err := sub.Next(t.Context()); ended <- err }()
		synctest.Wait()
		sub.Close()
		sub.Close()
		if err := <-ended; !errors.Is(err, state.ErrClosed) {
			t.Errorf("Next: %v, want ErrClosed", err)
		}
		update(t, s, func(tx *state.Tx) { tx.Clusters.Put(cluster(1)) })
	})
}
