package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/route"
	"github.com/berthhq/berth/internal/state"
)

// Sync waits for every edge that is attached. It stops waiting for an edge that detaches meanwhile, and
// returns at once when no edge is attached.
func TestSyncWaitsForEveryEdge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := open(t)
		p := New(store, slog.New(slog.DiscardHandler))
		quick, slow := &fakeEdge{}, &fakeEdge{took: time.Second}
		end := start(t, p, quick, slow)
		time.Sleep(time.Minute)
		sync := func() time.Duration {
			began := time.Now()
			if err := p.Sync(t.Context(), store.View().Rev); err != nil {
				t.Fatal(err)
			}
			return time.Since(began)
		}
		update(t, store, putTarget("10.0.0.1"))
		if took := sync(); took != time.Second {
			t.Errorf("Sync took %v", took)
		}
		update(t, store, putTarget("10.0.0.2"))
		time.AfterFunc(time.Millisecond, func() { p.edges["b"].Detach() })
		if took := sync(); took != time.Millisecond {
			t.Errorf("Sync took %v although the edge had gone", took)
		}
		update(t, store, putTarget("10.0.0.3"))
		if took := sync(); took != 0 || !quick.has("10.0.0.3") {
			t.Errorf("Sync took %v", took)
		}
		p.edges["a"].Detach()
		update(t, store, putTarget("10.0.0.4"))
		if took := sync(); took != 0 {
			t.Errorf("Sync took %v without an edge", took)
		}
		end()
		store.Close()
	})
}

// A revision that changes nothing in the configuration counts as applied at once.
func TestSyncAfterAnUnrelatedChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := open(t)
		p := New(store, slog.New(slog.DiscardHandler))
		e := &fakeEdge{took: time.Second}
		end := start(t, p, e)
		time.Sleep(time.Minute)
		update(t, store, func(tx *state.Tx) {
			tx.TargetHealth.Put(&elb.TargetHealth{Verdict: elb.Verdict{Key: "k"}})
		})
		if err := p.Sync(t.Context(), store.View().Rev); err != nil || len(e.taken()) != 1 {
			t.Error(err, len(e.taken()))
		}
		end()
		store.Close()
	})
}

// forgetful is an edge that asks for the whole configuration once.
type forgetful struct {
	fakeEdge
	forgot bool
}

func (e *forgetful) Apply(ctx context.Context, c route.Config) error {
	if !e.forgot && c.Since != 0 {
		e.forgot = true
		return route.ErrGap
	}
	return e.fakeEdge.Apply(ctx, c)
}

// An edge gets only what has changed, and the whole configuration when it answers with route.ErrGap. An edge
// that attaches with the id of another one replaces it.
func TestAnEdgeGetsChangesOrTheWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := open(t)
		p := New(store, slog.New(slog.DiscardHandler))
		update(t, store, putTarget("10.0.0.1"))
		e, lost := &fakeEdge{}, &forgetful{}
		end := start(t, p, e, lost)
		synctest.Wait()
		update(t, store, putTarget("10.0.0.2"))
		synctest.Wait()
		update(t, store, func(tx *state.Tx) { tx.Targets.Delete(elb.TargetKey("tg", "10.0.0.1", 80)) })
		synctest.Wait()
		got := e.taken()
		if len(got) != 3 || len(got[0].Targets) != 1 || got[0].Since != 0 || len(got[1].Targets) != 1 ||
			got[1].Since != got[0].Revision ||
			len(got[2].Targets) != 0 || len(got[2].Gone.Targets) != 1 || got[2].Since != got[1].Revision {
			t.Errorf("%+v", got)
		}
		if got := lost.taken(); got[1].Since != 0 || len(got[1].Targets) != 2 || len(got[2].Gone.Targets) != 1 {
			t.Errorf("%+v", got)
		}
		old := p.edges["a"]
		p.Attach("a")
		if !errors.Is(context.Cause(old.ctx), ErrReplaced) || p.edges["a"] == old {
			t.Error("the edge with the same id was not replaced")
		}
		old.Report(route.Report{
			Targets: []elb.Verdict{{Key: elb.TargetKey("tg", "10.0.0.2", 80), Registered: time.Unix(1, 0)}},
		})
		synctest.Wait()
		if store.View().TargetHealth.Len() != 0 {
			t.Error("a report of an edge that was replaced was stored")
		}
		end()
		store.Close()
	})
}

// The size of a configuration update depends on what has changed, and not on how many load balancers and
// targets there are.
func TestUpdatesHoldOnlyWhatHasChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := open(t)
		update(t, store, func(tx *state.Tx) {
			for i := range 300 {
				g := fmt.Sprint("g", i)
				tx.LoadBalancers.Put(&elb.LoadBalancer{ARN: fmt.Sprint("lb", i)})
				tx.TargetGroups.Put(&elb.TargetGroup{ARN: g})
				tx.Targets.Put(&elb.Target{TargetGroupARN: g, ID: "10.0.0.1"})
			}
		})
		e := &fakeEdge{}
		end := start(t, New(store, slog.New(slog.DiscardHandler)), e)
		synctest.Wait()
		update(t, store, putTarget("10.0.0.9"))
		synctest.Wait()
		got := e.taken()
		c := got[len(got)-1]
		if rows := len(c.LoadBalancers) + len(c.Listeners) + len(c.Rules) + len(c.TargetGroups) +
			len(c.Targets) + len(c.Health); rows != 1 {
			t.Errorf("%d rows in the update for one new target, with %d targets before", rows, len(got[0].Targets))
		}
		end()
		store.Close()
	})
}

// Two edges report what they see of one target. The target's row has one verdict that is made from both.
func TestTwoEdgesMakeOneVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := open(t)
		p := New(store, slog.New(slog.DiscardHandler))
		end := start(t, p)
		a := p.Attach("a")
		update(t, store, putTarget("10.0.0.1"))
		update(t, store, func(tx *state.Tx) { tx.Listeners.Put(&elb.Listener{ARN: "l"}) })
		key := elb.TargetKey("tg", "10.0.0.1", 80)
		say := func(by *Attachment, state string, drained bool) {
			by.Report(route.Report{Targets: []elb.Verdict{
				{Key: key, Registered: time.Unix(1, 0), State: state, Drained: drained},
			}})
			synctest.Wait()
		}
		expect := func(state string, drained bool, edges int) {
			t.Helper()
			h, ok := store.View().TargetHealth.Get(key)
			if !ok || h.State != state || h.Drained != drained || len(h.Edges) != edges {
				t.Errorf("%+v, want %s, drained %v, of %d edges", h, state, drained, edges)
			}
		}
		say(a, elb.Healthy, false)
		expect(elb.Healthy, false, 0)
		b := p.Attach("b") // starts with the health that is already known
		synctest.Wait()
		expect(elb.Healthy, false, 0)
		say(b, elb.Unhealthy, false)
		expect(elb.Unhealthy, false, 2)
		say(b, elb.Healthy, false)
		expect(elb.Healthy, false, 2)
		say(a, elb.Healthy, true)
		expect(elb.Healthy, false, 2)
		say(b, elb.Unhealthy, true)
		expect(elb.Unhealthy, true, 2)
		b.Detach()
		synctest.Wait()
		expect(elb.Healthy, true, 0)

		a.Report(route.Report{Listeners: map[string]elb.Bound{"l": {Address: "10.0.0.1:80"}}})
		c := p.Attach("c")
		c.Report(route.Report{Listeners: map[string]elb.Bound{"l": {Address: "10.0.0.2:8080", Reason: "taken"}}})
		synctest.Wait()
		if bound, _ := store.View().BoundListeners.Get("l"); bound.Reason != "taken" || len(bound.Edges) != 2 {
			t.Errorf("%+v", bound)
		}
		c.Detach()
		synctest.Wait()
		if bound, _ := store.View().BoundListeners.Get("l"); bound.Reason != "" ||
			bound.Address != "10.0.0.1:80" || bound.Edges != nil {
			t.Errorf("%+v", bound)
		}
		end()
		store.Close()
	})
}

// A new target becomes healthy when both edges have reported it healthy.
func TestANewTargetWaitsForBothEdges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := open(t)
		p := New(store, slog.New(slog.DiscardHandler))
		end := start(t, p)
		a, b := p.Attach("a"), p.Attach("b")
		update(t, store, putTarget("10.0.0.1"))
		key := elb.TargetKey("tg", "10.0.0.1", 80)
		for _, c := range []struct {
			by   *Attachment
			want string
		}{{a, elb.Initial}, {b, elb.Healthy}} {
			c.by.Report(route.Report{
				Targets: []elb.Verdict{{Key: key, Registered: time.Unix(1, 0), State: elb.Healthy}},
			})
			synctest.Wait()
			if h, _ := store.View().TargetHealth.Get(key); h == nil || h.State != c.want {
				t.Errorf("%+v, want %s", h, c.want)
			}
		}
		end()
		store.Close()
	})
}
