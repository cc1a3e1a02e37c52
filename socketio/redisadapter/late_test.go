package redisadapter

import "testing"

// The watch over a batch may fire when Redis has answered it already. Nothing is late then, and
// nobody would come to say that Redis keeps up: of the streams format nothing is queued any more
// while Redis counts as slow.
func TestWatchThatFiresAfterTheAnswer(t *testing.T) {
	told := 0
	h := newHub(nil, Options{OnSlow: func() { told++ }, OnCaughtUp: func() { told++ }})
	h.late()
	if h.Slow() || told != 0 {
		t.Errorf("slow: %v, told %d times, with nothing on its way", h.Slow(), told)
	}
}
