package control_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/state"
)

// call is a call of Reconcile: its key, and the time since the start of the test.
type call struct {
	key string
	at  time.Duration
}

func TestEveryKeyIsDirtyAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		put(t, s, "a", "b", "c")
		f := &fake{}
		stop := run(t, s, 1, f)
		synctest.Wait()
		stop(nil)
		f.want(t, call{"a", 0}, call{"b", 0}, call{"c", 0})
	})
}

func TestChangesWhileRunningAreOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		f := &fake{do: func(ctx context.Context, c call, n int) (time.Duration, error) {
			time.Sleep(time.Second)
			return 0, nil
		}}
		defer run(t, s, 4, f)(nil)
		put(t, s, "a")
		synctest.Wait()
		for range 10 {
			put(t, s, "a")
		}
		time.Sleep(time.Hour)
		f.want(t, call{"a", 0}, call{"a", time.Second})
	})
}

func TestOneKeyNeverRunsTwiceAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		var mu sync.Mutex
		inside, most := map[string]int{}, 0
		f := &fake{do: func(ctx context.Context, c call, n int) (time.Duration, error) {
			mu.Lock()
			inside[c.key]++
			if inside[c.key] > 1 {
				t.Errorf("key %s runs %d times at once", c.key, inside[c.key])
			}
			most = max(most, inside["a"]+inside["b"])
			mu.Unlock()
			time.Sleep(7 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			inside[c.key]--
			if n%3 == 0 {
				return 0, errors.New("now and then")
			}
			return time.Millisecond, nil
		}}
		defer run(t, s, 8, f)(nil)
		for range 200 {
			put(t, s, "a", "b")
			time.Sleep(3 * time.Millisecond)
		}
		mu.Lock()
		defer mu.Unlock()
		if most != 2 {
			t.Errorf("at most %d keys ran at once, want both", most)
		}
	})
}

func TestAgainLooksWithoutAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		put(t, s, "a")
		f := &fake{do: func(ctx context.Context, c call, n int) (time.Duration, error) {
			return []time.Duration{10 * time.Second, time.Minute, 0}[n-1], nil
		}}
		defer run(t, s, 1, f)(nil)
		time.Sleep(time.Hour)
		f.want(t, call{"a", 0}, call{"a", 10 * time.Second}, call{"a", 70 * time.Second})
	})
}

func TestAChangeReplacesTheAgainTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		put(t, s, "a")
		f := &fake{do: func(ctx context.Context, c call, n int) (time.Duration, error) {
			return []time.Duration{time.Minute, 0, 0}[n-1], nil
		}}
		defer run(t, s, 1, f)(nil)
		time.Sleep(10 * time.Second)
		put(t, s, "a")
		time.Sleep(time.Hour)
		f.want(t, call{"a", 0}, call{"a", 10 * time.Second})
	})
}

func TestFailuresBackOffUpToTheCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		put(t, s, "a")
		f := &fake{do: func(ctx context.Context, c call, n int) (time.Duration, error) {
			if n == 6 {
				return 0, nil
			}
			if n == 2 {
				panic("a panic is a failure like any other")
			}
			return 0, errors.New("not yet")
		}}
		l := loop(t, s, 1, f)
		l.Backoff = control.Backoff{First: time.Second, Cap: 5 * time.Second}
		l.Env.Random = half{}
		defer start(t, l)(nil)
		time.Sleep(time.Hour)
		// The delays are 1, 2, 4, 5 and 5 s, each less a quarter.
		f.want(t, call{"a", 0}, call{"a", 750 * time.Millisecond}, call{"a", 2250 * time.Millisecond},
			call{"a", 5250 * time.Millisecond}, call{"a", 9 * time.Second}, call{"a", 12750 * time.Millisecond})
	})
}

func TestSuccessEndsTheBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		put(t, s, "a")
		f := &fake{do: func(ctx context.Context, c call, n int) (time.Duration, error) {
			switch n {
			case 3:
				return 10 * time.Second, nil
			case 5:
				return 0, nil
			}
			return 0, errors.New("not yet")
		}}
		l := loop(t, s, 1, f)
		l.Backoff = control.Backoff{First: time.Second, Cap: time.Hour}
		l.Env.Random = zero{}
		defer start(t, l)(nil)
		time.Sleep(time.Hour)
		// 1 and 2 s, then success, then 1 s again.
		f.want(t, call{"a", 0}, call{"a", time.Second}, call{"a", 3 * time.Second},
			call{"a", 13 * time.Second}, call{"a", 14 * time.Second})
	})
}

func TestAChangeShortensTheBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		put(t, s, "a")
		f := &fake{do: func(ctx context.Context, c call, n int) (time.Duration, error) {
			if n > 4 {
				return 0, nil
			}
			return 0, errors.New("not yet")
		}}
		l := loop(t, s, 1, f)
		l.Backoff = control.Backoff{First: time.Second, Cap: time.Hour}
		l.Env.Random = zero{}
		defer start(t, l)(nil)
		time.Sleep(8 * time.Second) // tries at 0, 1, 3 and 7 s; the next would be at 15 s
		put(t, s, "a")
		time.Sleep(time.Hour)
		f.want(t, call{"a", 0}, call{"a", time.Second}, call{"a", 3 * time.Second},
			call{"a", 7 * time.Second}, call{"a", 8 * time.Second})
	})
}

func TestAKeyThatMakesItselfDirtyDoesNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		put(t, s, "a")
		f := &fake{do: func(ctx context.Context, c call, n int) (time.Duration, error) {
			put(t, s, "a")
			return 0, errors.New("and fails")
		}}
		l := loop(t, s, 1, f)
		l.Backoff = control.Backoff{First: time.Second, Cap: time.Hour}
		l.Env.Random = zero{}
		defer start(t, l)(nil)
		time.Sleep(3500 * time.Millisecond)
		f.want(t, call{"a", 0}, call{"a", time.Second}, call{"a", 2 * time.Second}, call{"a", 3 * time.Second})
	})
}

func TestLeadershipLostHalfWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		put(t, s, "a", "b", "c")
		lost := errors.New("leadership lost")
		f := &fake{do: func(ctx context.Context, c call, n int) (time.Duration, error) {
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), lost) {
				t.Errorf("cause = %v", context.Cause(ctx))
			}
			time.Sleep(time.Second) // Run waits until this call has returned
			return time.Millisecond, s.Update(ctx,
				func(*state.Tx) error { t.Error("Update ran after the end"); return nil })
		}}
		stop := run(t, s, 2, f)
		time.Sleep(time.Second)
		if err := stop(lost); !errors.Is(err, lost) {
			t.Errorf("Run returned %v, want the cause", err)
		}
		// Two workers start at once.
		slices.SortFunc(f.calls, func(x, y call) int { return strings.Compare(x.key, y.key) })
		f.want(t, call{"a", 0}, call{"b", 0})
	})
}

func TestRunEndsWithTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		done := make(chan error)
		go func() { done <- loop(t, s, 1, &fake{}).Run(t.Context()) }()
		synctest.Wait()
		s.Close()
		if err := <-done; !errors.Is(err, state.ErrClosed) {
			t.Errorf("Run returned %v, want ErrClosed", err)
		}
	})
}

func TestDeletedThingsAreReconciledToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		f := &fake{}
		defer run(t, s, 1, f)(nil)
		synctest.Wait() // otherwise "a" may be one of the keys at the start, and be dirty as well
		put(t, s, "a")
		synctest.Wait()
		err := s.Update(t.Context(), func(tx *state.Tx) error { tx.Clusters.Delete("a"); return nil })
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		f.want(t, call{"a", 0}, call{"a", 0})
	})
}
