package socketio

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
)

// Tasks that block do not keep other tasks from running, however many block.
func TestTasksThatBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r running
		free := make(chan struct{})
		ran := 0
		var mu sync.Mutex
		for range 3 * maxKept {
			r.Go(func() { <-free })
			r.Go(func() { mu.Lock(); ran++; mu.Unlock() })
		}
		synctest.Wait()
		if mu.Lock(); ran != 3*maxKept {
			t.Errorf("%d tasks ran beside those that block, want %d", ran, 3*maxKept)
		}
		mu.Unlock()
		close(free)
		synctest.Wait()
		if len(r.kept) != maxKept {
			t.Errorf("%d goroutines are kept, want %d", len(r.kept), maxKept)
		}
		r.Wait() // and the bubble ends only when no goroutine is left
	})
}

// A task may end its goroutine, start another task, and be added after a call of Wait.
func TestTasksAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r running
		var order []int
		r.Go(func() {
			order = append(order, 1)
			r.Go(func() { order = append(order, 2) })
			runtime.Goexit()
		})
		r.Wait()
		r.Go(func() { order = append(order, 3) })
		r.Wait()
		if len(order) != 3 || order[0] != 1 || order[1] != 2 || order[2] != 3 {
			t.Errorf("tasks ran as %v, want 1, 2, 3", order)
		}
	})
}
