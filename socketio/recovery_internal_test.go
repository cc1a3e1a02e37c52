package socketio

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// Sessions whose time is over are forgotten, though not by each that is saved.
func TestSavedSessionsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHistory(Recovery{MaxDisconnection: time.Minute})
		for i := range 600 {
			h.Save(Saved{PID: fmt.Sprint(i)})
			time.Sleep(time.Second)
		}
		if n := len(h.saved); n < 60 || n > 70 {
			t.Fatalf("%d are kept", n)
		}
	})
}

// All clients of a server go at once: what one costs does not depend on how many have gone before.
func BenchmarkSave(b *testing.B) {
	for _, gone := range []int{1000, 20_000} {
		b.Run(fmt.Sprint(gone), func(b *testing.B) {
			h := newHistory(Recovery{})
			for i := range gone {
				h.Save(Saved{PID: fmt.Sprint(i)})
			}
			for b.Loop() {
				h.Save(Saved{PID: "one more"})
			}
		})
	}
}
