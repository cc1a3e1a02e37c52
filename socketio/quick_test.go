package socketio

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// A handler counts as quick after many short calls, and no longer after one long call.
func TestQuickHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newListener("x", nil)
		call := func(n int, took time.Duration) {
			for range n {
				start := time.Now()
				time.Sleep(took)
				l.noteSince(start)
			}
		}
		for _, step := range []struct {
			calls int
			took  time.Duration
			quick bool
		}{
			{0, 0, false}, {10, time.Microsecond, false}, {40, time.Microsecond, true},
			{1000, 20 * time.Microsecond, true},
			{1, time.Second, false}, {60, time.Microsecond, true}, {100, 200 * time.Microsecond, false},
		} {
			if call(step.calls, step.took); l.quick() != step.quick {
				t.Errorf("after %d calls of %v it is quick: %v", step.calls, step.took, l.quick())
			}
		}
	})
}

// A socket whose next event has a quick handler waits for a reader that has begun. If the reader is replaced, a
// goroutine handles its events instead.
func TestTasksOfReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := &Namespace{srv: &Server{}}
		r := &ns.srv.wg
		ns.hooks.Store(&hooks{})
		calls := make(chan string, 10)
		add := func(name string, f func()) {
			s := &Socket{ns: ns, running: true, started: true}
			l := &listener{event: name, handler: func(*Socket, *Event) { f(); calls <- name }} // quick so far
			ns.change(func(h *hooks) { h.events = map[string]*listener{name: l} })
			s.head = &Event{Name: name, listener: l, socket: s}
			s.tail, s.queued = s.head, 1
			r.addQuick(s)
		}
		add("no reader", func() {})
		if got := <-calls; got != "no reader" {
			t.Fatal(got)
		}
		w := &reader{running: r}
		w.Begin()
		add("read", func() {})
		synctest.Wait()
		if len(calls) > 0 {
			t.Error("a goroutine has taken a task of a reader")
		}
		w.Work()
		if got := <-calls; got != "read" {
			t.Fatal(got)
		}

		w.Begin()
		free := make(chan struct{})
		add("blocks", func() { <-free })
		slow := ns.hooks.Load().events["blocks"]
		go w.Work()
		synctest.Wait()
		add("behind", func() {})
		w.Replaced()
		if got := <-calls; got != "behind" || slow.quick() {
			t.Errorf("%s was called; the handler that blocks is quick: %v", got, slow.quick())
		}
		close(free)
		if got := <-calls; got != "blocks" {
			t.Fatal(got)
		}
		synctest.Wait()

		last := &reader{running: r}
		last.Begin()
		add("ends its goroutine", runtime.Goexit)
		go last.Work()
		r.Wait()
		if r.readers != 0 || r.n != 0 {
			t.Errorf("%d readers and %d tasks are left", r.readers, r.n)
		}
	})
}
