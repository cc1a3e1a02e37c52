package redisadapter

import "testing"

// The timer of a batch may fire after Redis has answered it. Then Redis must not count as slow, because nothing would
// end that: while Redis counts as slow, the streams format queues no entries.
func TestWatchThatFiresAfterTheAnswer(t *testing.T) {
	told := 0
	h := newHub(nil, Options{OnSlow: func() { told++ }, OnCaughtUp: func() { told++ }})
	h.late()
	if h.Slow() || told != 0 {
		t.Errorf("slow: %v, told %d times, with nothing on its way", h.Slow(), told)
	}
}
