package state_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

func TestUpdateWithErrorChangesNothing(t *testing.T) {
	s := open(t, mem.New())
	want := errors.New("no")
	err := s.Update(t.Context(), func(tx *state.Tx) error {
		tx.Clusters.Put(cluster(1))
		return want
	})
	if !errors.Is(err, want) || s.View().Clusters.Len() != 0 || s.View().Rev != 0 {
		t.Errorf("err %v, %d clusters at revision %d", err, s.View().Clusters.Len(), s.View().Rev)
	}
}

func TestUpdateThatPanicsChangesNothing(t *testing.T) {
	s := open(t, mem.New())
	got := panicOf(func() {
		update(t, s, func(tx *state.Tx) {
			tx.Clusters.Put(cluster(1))
			panic("out of here")
		})
	})
	if got != "out of here" {
		t.Errorf("panic %q did not reach the caller", got)
	}
	update(t, s, func(tx *state.Tx) { tx.Clusters.Put(cluster(2)) }) // the lock was released
	if got := names(&s.View().Tables); !slices.Equal(got, []string{"c2"}) {
		t.Errorf("afterwards: %v", got)
	}
}

func TestUpdateWithoutChangeTouchesNoJournal(t *testing.T) {
	c := &counter{Journal: mem.New()}
	s := open(t, c)
	update(t, s, func(tx *state.Tx) { tx.Clusters.Put(cluster(1)) })
	for name, fn := range map[string]func(tx *state.Tx){
		"nothing":           func(tx *state.Tx) {},
		"same value":        func(tx *state.Tx) { tx.Clusters.Put(cluster(1)) },
		"delete of nothing": func(tx *state.Tx) { tx.Clusters.Delete(clusterARN(9)) },
		"put and delete":    func(tx *state.Tx) { tx.Clusters.Put(cluster(2)); tx.Clusters.Delete(clusterARN(2)) },
		"delete and put":    func(tx *state.Tx) { tx.Clusters.Delete(clusterARN(1)); tx.Clusters.Put(cluster(1)) },
		"change and restore": func(tx *state.Tx) {
			v := *cluster(1)
			v.Status = "X"
			tx.Clusters.Put(&v)
			tx.Clusters.Put(cluster(1))
		},
	} {
		update(t, s, fn)
		if c.appends != 1 || s.View().Rev != 1 {
			t.Errorf("%s: %d appends, revision %d; want 1 and 1", name, c.appends, s.View().Rev)
		}
	}
}

// All updates that wait while the journal is busy share its next append.
func TestUpdatesThatWaitShareAnAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		s := open(t, g)
		var all sync.WaitGroup
		start := func(n int) {
			all.Go(func() { update(t, s, func(tx *state.Tx) { tx.Clusters.Put(cluster(n)) }) })
		}
		start(0)
		if n := <-g.began; n != 1 {
			t.Fatalf("first append has %d entries", n)
		}
		for n := range 32 {
			start(n + 1)
		}
		synctest.Wait()
		if got := s.View().Rev; got != 0 {
			t.Errorf("View shows revision %d before it is durable", got)
		}
		g.permit <- nil
		if n := <-g.began; n != 32 {
			t.Errorf("second append has %d entries, want 32", n)
		}
		if got := s.View().Rev; got != 1 {
			t.Errorf("View shows revision %d, want 1", got)
		}
		g.permit <- nil
		all.Wait()
		if got := s.View(); got.Rev != 33 || got.Clusters.Len() != 33 {
			t.Errorf("at the end: revision %d, %d clusters", got.Rev, got.Clusters.Len())
		}
	})
}

// An update that changed nothing may have read what is not durable yet. It is answered when that is durable,
// and fails when that is refused.
func TestNoAnswerBeforeItIsDurable(t *testing.T) {
	for _, lost := range []error{nil, syscall.EIO} {
		t.Run(fmt.Sprint(lost), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				s := open(t, g)
				exists := errors.New("it exists")
				answers := make(chan error, 3)
				create := func(ifThere error) {
					answers <- s.Update(t.Context(), func(tx *state.Tx) error {
						if _, ok := tx.Clusters.Get(clusterARN(1)); ok {
							return ifThere
						}
						tx.Clusters.Put(cluster(1))
						return nil
					})
				}
				go create(nil)
				<-g.began
				go create(nil)    // succeeds, because the cluster exists
				go create(exists) // fails, because the cluster exists
				synctest.Wait()
				if n := len(answers); n != 0 {
					t.Fatalf("%d updates answered before the disk did", n)
				}
				g.permit <- lost
				refused, existed := 0, 0
				for range 3 {
					err := <-answers
					if errors.Is(err, syscall.EIO) {
						refused++
					}
					if errors.Is(err, exists) {
						existed++
					}
				}
				if want := map[bool]int{true: 3, false: 0}[lost != nil]; refused != want || existed != 1 {
					t.Errorf("%d failed in the journal, %d because it exists; want %d and 1", refused, existed, want)
				}
			})
		})
	}
}

func TestJournalRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		s := open(t, g)
		go func() { <-g.began; g.permit <- nil }()
		update(t, s, func(tx *state.Tx) { tx.Clusters.Put(cluster(0)) })

		answers := make(chan error, 3)
		start := func(n int) {
			go func() {
				answers <- s.Update(t.Context(), func(tx *state.Tx) error { tx.Clusters.Put(cluster(n)); return nil })
			}()
			synctest.Wait()
		}
		start(1)
		<-g.began
		start(2) // staged on top of the first one
		start(3)
		g.permit <- syscall.ENOSPC
		for range 3 {
			err := <-answers
			f, ok := errors.AsType[*fault.Error](err)
			if !ok || f.Code != "ServerException" || f.HTTPStatus() != 500 ||
				!strings.Contains(f.Message, "disk is full") || !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("refused with %v; want a ServerException of status 500 that says the disk is full", err)
			}
		}
		if got := names(&s.View().Tables); !slices.Equal(got, []string{"c0"}) {
			t.Errorf("a read after the failure: got %v, want c0", got)
		}

		// The disk has space again: later updates see nothing of what was refused.
		go func() { <-g.began; g.permit <- nil }()
		update(t, s, func(tx *state.Tx) {
			if got := names(&tx.Tables); !slices.Equal(got, []string{"c0"}) {
				t.Errorf("the next update sees %v, want c0", got)
			}
			tx.Clusters.Put(cluster(4))
		})
		s.Close()
		s = open(t, g.Reopen())
		if got := names(&s.View().Tables); !slices.Equal(got, []string{"c0", "c4"}) || s.View().Rev != 2 {
			t.Errorf("reopened: %v at revision %d, want c0 and c4 at 2", got, s.View().Rev)
		}
	})
}

func TestCancelledUpdates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		s := open(t, g)
		gone := errors.New("client is gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		answer := make(chan error)
		go func() {
			answer <- s.Update(ctx, func(tx *state.Tx) error { tx.Clusters.Put(cluster(1)); return nil })
		}()
		<-g.began
		cancel(gone)
		if err := <-answer; !errors.Is(err, state.ErrUnknown) || !errors.Is(err, gone) {
			t.Errorf("cancelled while waiting: %v, want ErrUnknown and the cause", err)
		}
		g.permit <- nil
		synctest.Wait()
		if got := names(&s.View().Tables); !slices.Equal(got, []string{"c1"}) {
			t.Errorf("the update was made after its caller was cancelled: %v", got)
		}
		err := s.Update(ctx, func(*state.Tx) error { t.Error("fn ran"); return nil })
		if !errors.Is(err, gone) || errors.Is(err, state.ErrUnknown) {
			t.Errorf("cancelled before: %v, want the cause alone", err)
		}
	})
}

// Close waits for the updates that were staged before it.
func TestCloseWaitsForUpdates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		s := open(t, g)
		answers := make(chan error, 2)
		for n := range 2 {
			go func() {
				answers <- s.Update(t.Context(), func(tx *state.Tx) error { tx.Clusters.Put(cluster(n)); return nil })
			}()
			synctest.Wait()
		}
		closed := make(chan error)
		go func() { closed <- s.Close() }()
		synctest.Wait()
		g.permit <- nil
		g.permit <- nil
		if err := errors.Join(<-closed, <-answers, <-answers); err != nil {
			t.Error(err)
		}
		if got := s.View().Rev; got != 2 {
			t.Errorf("revision %d, want 2", got)
		}
	})
}

// A value that is read back must equal what was stored, and JSON cannot store text that is not UTF-8.
func TestTextThatIsNotUTF8IsRefused(t *testing.T) {
	s := open(t, mem.New())
	put := func(status string) error {
		return s.Update(t.Context(), func(tx *state.Tx) error {
			c := cluster(1)
			c.Status = status
			tx.Clusters.Put(c)
			return nil
		})
	}
	for _, good := range []string{"\ufffd", `\ufffd`, `\\ufffd`, "\u2028<&>\x00", `"\`} {
		if err := put(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"\xff", `\ufffd` + "\xff", "a\xc3"} {
		if err := put(bad); !errors.Is(err, fault.New("ValidationError", "")) {
			t.Errorf("%q: %v, want ValidationError", bad, err)
		}
	}
}
