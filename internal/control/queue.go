package control

import (
	"container/heap"
	"time"
)

// queue decides which key is next. It must not be used concurrently, starts no goroutine and reads
// no clock.
type queue[K comparable] struct {
	backoff Backoff
	chance  func() float64  // in [0,1)
	entries map[K]*entry[K] // keys that are dirty, running, waiting, or have failed
	ready   []*entry[K]     // dirty and not running, the oldest first
	waiting timers[K]       // keys that become ready at a time
	running int
}

// entry is what is known about a key.
type entry[K comparable] struct {
	key      K
	queued   bool // in ready
	running  bool
	dirty    bool      // became dirty while running
	due      time.Time // when it becomes ready, if it waits
	place    int       // index in waiting, or -1
	failures int       // in a row
	failed   time.Time // time of the last failure
}

func newQueue[K comparable](b Backoff, chance func() float64) *queue[K] {
	return &queue[K]{backoff: b, chance: chance, entries: make(map[K]*entry[K])}
}

// mark makes keys dirty.
func (q *queue[K]) mark(keys ...K) {
	for _, key := range keys {
		e := q.entries[key]
		if e == nil {
			e = &entry[K]{key: key, place: -1}
			q.entries[key] = e
		}
		switch {
		case e.running:
			e.dirty = true
		case e.failures > 0 && !e.queued:
			q.hurry(e)
		default:
			q.enqueue(e)
		}
	}
}

// hurry shortens the delay of a key that failed. A change may have removed the reason, so the key
// need not wait for the whole delay; but a key that becomes dirty by its own failing must not be
// tried in a tight loop.
func (q *queue[K]) hurry(e *entry[K]) {
	if soon := e.failed.Add(q.backoff.First); soon.Before(e.due) {
		q.wait(e, soon)
	}
}

// next returns the next key. Until start is called it returns the same one.
func (q *queue[K]) next(now time.Time) (key K, ok bool) {
	for len(q.waiting) > 0 && !q.waiting[0].due.After(now) {
		q.enqueue(q.waiting[0])
	}
	if len(q.ready) == 0 {
		return key, false
	}
	return q.ready[0].key, true
}

// due returns when next may return a key if nothing else happens.
func (q *queue[K]) due() (time.Time, bool) {
	if len(q.waiting) == 0 {
		return time.Time{}, false
	}
	return q.waiting[0].due, true
}

// start removes the next key from the queue.
func (q *queue[K]) start() {
	e := q.ready[0]
	q.ready = q.ready[1:]
	e.queued, e.running = false, true
	q.running++
}

// finish takes in the result for a key, and returns how long it waits after a failure.
func (q *queue[K]) finish(now time.Time, r result[K]) (delay time.Duration) {
	e := q.entries[r.key]
	dirty := e.dirty
	e.running, e.dirty = false, false
	q.running--
	if r.err != nil {
		e.failures++
		e.failed = now
		delay = q.backoff.delay(e.failures, q.chance())
		if dirty {
			delay = min(delay, q.backoff.First)
		}
		q.wait(e, now.Add(delay))
		return delay
	}
	e.failures = 0
	switch {
	case dirty:
		q.enqueue(e)
	case r.again > 0:
		q.wait(e, now.Add(r.again))
	default:
		delete(q.entries, r.key)
	}
	return 0
}

// enqueue makes a key ready. The key must not be running.
func (q *queue[K]) enqueue(e *entry[K]) {
	if e.place >= 0 {
		heap.Remove(&q.waiting, e.place)
	}
	if !e.queued {
		e.queued = true
		q.ready = append(q.ready, e)
	}
}

// wait makes a key ready at a time. The key must be neither running nor ready.
func (q *queue[K]) wait(e *entry[K], due time.Time) {
	e.due = due
	if e.place < 0 {
		heap.Push(&q.waiting, e)
	} else {
		heap.Fix(&q.waiting, e.place)
	}
}

// timers is a heap with the earliest time first.
type timers[K comparable] []*entry[K]

func (t timers[K]) Len() int           { return len(t) }
func (t timers[K]) Less(i, j int) bool { return t[i].due.Before(t[j].due) }

func (t timers[K]) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].place, t[j].place = i, j
}

func (t *timers[K]) Push(x any) {
	e := x.(*entry[K])
	e.place = len(*t)
	*t = append(*t, e)
}

func (t *timers[K]) Pop() any {
	n := len(*t) - 1
	e := (*t)[n]
	(*t)[n] = nil
	*t = (*t)[:n]
	e.place = -1
	return e
}
