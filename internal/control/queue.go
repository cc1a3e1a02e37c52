package control

import (
	"container/heap"
	"time"
)

// queue decides which key is next. It belongs to one goroutine, starts none of
// its own and does not read the clock.
type queue struct {
	backoff Backoff
	entries map[string]*entry // of the keys that are not at rest
	ready   []*entry          // dirty and not running, oldest first
	waiting timers            // have a time at which they become ready
	running int
}

// entry is what is known about a key.
type entry struct {
	key      string
	queued   bool // in ready
	running  bool
	dirty    bool      // became dirty while running
	due      time.Time // when it becomes ready, while waiting
	place    int       // in waiting, or -1
	failures int       // in a row
	failed   time.Time // the last of them
}

func newQueue(b Backoff) *queue {
	return &queue{backoff: b, entries: make(map[string]*entry)}
}

// mark makes keys dirty.
func (q *queue) mark(keys ...string) {
	for _, key := range keys {
		e := q.entries[key]
		if e == nil {
			e = &entry{key: key, place: -1}
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

// hurry shortens the delay of a key that failed. A change may have removed the
// reason, so the key need not wait for all of a long delay; but a key whose own
// failing makes it dirty must not spin.
func (q *queue) hurry(e *entry) {
	if soon := e.failed.Add(q.backoff.First); soon.Before(e.due) {
		q.wait(e, soon)
	}
}

// next returns the key whose turn it is. It stays the next one until start.
func (q *queue) next(now time.Time) (string, bool) {
	for len(q.waiting) > 0 && !q.waiting[0].due.After(now) {
		q.enqueue(q.waiting[0])
	}
	if len(q.ready) == 0 {
		return "", false
	}
	return q.ready[0].key, true
}

// due returns when next may have a key without anything else happening.
func (q *queue) due() (time.Time, bool) {
	if len(q.waiting) == 0 {
		return time.Time{}, false
	}
	return q.waiting[0].due, true
}

// start takes the next key out of the queue.
func (q *queue) start() {
	e := q.ready[0]
	q.ready = q.ready[1:]
	e.queued, e.running = false, true
	q.running++
}

// finish takes a key back and returns how long it waits after a failure.
func (q *queue) finish(now time.Time, r result) (delay time.Duration) {
	e := q.entries[r.key]
	dirty := e.dirty
	e.running, e.dirty = false, false
	q.running--
	if r.err != nil {
		e.failures++
		e.failed = now
		delay = q.backoff.delay(e.failures)
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

// enqueue makes a key ready that is not running.
func (q *queue) enqueue(e *entry) {
	if e.place >= 0 {
		heap.Remove(&q.waiting, e.place)
	}
	if !e.queued {
		e.queued = true
		q.ready = append(q.ready, e)
	}
}

// wait makes a key ready later that is neither running nor ready.
func (q *queue) wait(e *entry, due time.Time) {
	e.due = due
	if e.place < 0 {
		heap.Push(&q.waiting, e)
	} else {
		heap.Fix(&q.waiting, e.place)
	}
}

// timers is a heap, the earliest first.
type timers []*entry

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].due.Before(t[j].due) }

func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].place, t[j].place = i, j
}

func (t *timers) Push(x any) {
	e := x.(*entry)
	e.place = len(*t)
	*t = append(*t, e)
}

func (t *timers) Pop() any {
	n := len(*t) - 1
	e := (*t)[n]
	(*t)[n] = nil
	*t = (*t)[:n]
	e.place = -1
	return e
}
