package control_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/state"
)

// script is what happens to a loop: changes at certain times, and the results of the calls of Reconcile, in
// order.
type script struct {
	workers int
	changes []change
	calls   []outcome // further calls succeed at once
}

type change struct {
	wait time.Duration
	key  string
}

type outcome struct {
	lasts  time.Duration
	again  time.Duration
	fails  bool
	panics bool
	writes bool // whether it changes its own key while it runs
}

func scripts(rt *rapid.T) script {
	ms := rapid.Custom(func(rt *rapid.T) time.Duration {
		return time.Duration(rapid.IntRange(0, 500).Draw(rt, "ms")) * time.Millisecond
	})
	return script{
		workers: rapid.IntRange(1, 4).Draw(rt, "workers"),
		changes: rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) change {
			return change{ms.Draw(rt, "wait"), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "key")}
		}), 0, 30).Draw(rt, "changes"),
		calls: rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) outcome {
			return outcome{
				ms.Draw(rt, "lasts"), ms.Draw(rt, "again"),
				rapid.Bool().Draw(rt, "fails"), rapid.IntRange(0, 9).Draw(rt, "panics") == 0,
				rapid.Bool().Draw(rt, "writes"),
			}
		}), 0, 30).Draw(rt, "calls"),
	}
}

// For any script, Reconcile never runs twice at a time for one key. After the last change, the last
// successful call for each key has read the last change of that key, and then no more calls are made.
func TestEveryChangeIsReconciled(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		sc := scripts(rt)
		var err error // a failure inside the bubble would prevent rapid from shrinking the script
		synctest.Test(t, func(t *testing.T) { err = sc.play(t) })
		if err != nil {
			rt.Fatal(err)
		}
	})
}

func (sc script) play(t *testing.T) error {
	s := open(t)
	put(t, s, "a", "b") // these exist at the start, and c does not
	var (
		mu      sync.Mutex // guards what follows
		problem error
		inside  = map[string]bool{}
		seen    = map[string]string{}
		calls   int
	)
	f := &fake{do: func(ctx context.Context, c call, n int) (time.Duration, error) {
		mu.Lock()
		if inside[c.key] {
			problem = fmt.Errorf("key %s runs twice at once", c.key)
		}
		inside[c.key] = true
		calls++
		mu.Unlock()
		defer func() {
			mu.Lock()
			defer mu.Unlock()
			inside[c.key] = false
		}()
		status := statusOf(s.View(), c.key)
		var o outcome
		if n <= len(sc.calls) {
			o = sc.calls[n-1]
		}
		time.Sleep(o.lasts)
		if o.writes {
			put(t, s, c.key)
		}
		if o.panics {
			panic("now and then")
		}
		if o.fails {
			return o.again, errors.New("now and then")
		}
		mu.Lock()
		defer mu.Unlock()
		seen[c.key] = status
		return o.again, nil
	}}
	stop := run(t, s, sc.workers, f)
	for _, c := range sc.changes {
		time.Sleep(c.wait)
		put(t, s, c.key)
	}
	time.Sleep(time.Hour)
	mu.Lock()
	before := calls
	mu.Unlock()
	time.Sleep(time.Hour)
	stop(nil)

	want := map[string]string{}
	for c := range s.View().Clusters.All() {
		want[c.ClusterARN] = c.Status
	}
	switch {
	case problem != nil:
		return problem
	case !maps.Equal(seen, want):
		return fmt.Errorf("seen at last %v, want %v", seen, want)
	case calls != before:
		return fmt.Errorf("%d calls long after the last change", calls-before)
	}
	return nil
}

func statusOf(s *state.Snapshot, key string) string {
	if c, ok := s.Clusters.Get(key); ok {
		return c.Status
	}
	return ""
}
