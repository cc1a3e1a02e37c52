package awslogs

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/awscall"
	"github.com/berthhq/berth/internal/agent/checkpoint"
	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime"
)

const (
	// linger is how long a line waits for others to be sent with it.
	linger = 200 * time.Millisecond
	// After moveAfter entries and moveAge, the anchor of a position moves forward, so that a resumed tail need
	// not skip much. Nothing older is written within moveAge.
	moveAfter = 1000
	moveAge   = 10 * time.Second
)

// tail ships one container's log.
type tail struct {
	s      *Shipper
	id     string
	target target
	kick   chan struct{} // token: something about the container has changed
	ended  chan struct{} // closed when it writes nothing more
	end    sync.Once

	at      position
	entries int64     // how many entries were read from the anchor on
	newest  time.Time // the latest time of an entry
	next    anchor    // the anchor after its next move
}

// anchor is an entry that is newer than all before it, and how many entries were read since.
type anchor struct {
	at      time.Time
	entries int64
}

// numbered is an entry with its number and the offset of its first byte that is not shipped.
type numbered struct {
	runtime.LogEntry
	number int64
	offset int
}

func newTail(s *Shipper, id string, t target) *tail {
	return &tail{s: s, id: id, target: t, kick: make(chan struct{}, 1), ended: make(chan struct{})}
}

func (t *tail) stopped() { t.end.Do(func() { close(t.ended) }) }

func (t *tail) wake() {
	select {
	case t.kick <- struct{}{}:
	default:
	}
}

func (t *tail) over() bool {
	select {
	case <-t.ended:
		return true
	default:
		return false
	}
}

// run reads the log again and again, since reading ends with each run of the container.
func (t *tail) run(ctx context.Context) {
	if _, err := t.s.store.Get(checkpoint.Logs, t.id, &t.at); err != nil {
		t.s.log.Error("a log's position cannot be read; it is shipped from its beginning",
			"container", t.id, "error", err)
	}
	t.at = t.at.upgraded()
	const pause = time.Second
	retry := time.NewTimer(pause)
	defer retry.Stop()
	for ctx.Err() == nil {
		over := t.over() // asked before reading, so that everything is read
		err := t.ship(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, runtime.ErrNotFound), err == nil && over:
			t.s.finish(t.id)
			return
		case err != nil:
			t.s.log.Warn("a container's log cannot be read", "container", t.id, "error", err)
			retry.Reset(pause)
		}
		select {
		case <-ctx.Done():
		case <-t.kick: // the container has ended for good, or runs again
		case <-retry.C:
		}
	}
}

// ship reads the log from the position to its present end and sends it.
func (t *tail) ship(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	entries := make(chan runtime.LogEntry)
	t.entries, t.newest, t.next = 0, time.Time{}, anchor{}
	failed := make(chan error, 1)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(entries)
		failed <- t.read(ctx, entries)
	})
	defer func() { cancel(); reader.Wait() }()
	if err := t.send(ctx, entries); err != nil {
		return err
	}
	return <-failed
}

// read passes on the entries at or after the position's anchor.
func (t *tail) read(ctx context.Context, entries chan<- runtime.LogEntry) error {
	for e, err := range t.s.streams.Logs(ctx, t.id, t.at.Anchor, true) {
		if err != nil {
			return err
		}
		select {
		case entries <- e:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// send collects entries into batches and sends them.
func (t *tail) send(ctx context.Context, entries <-chan runtime.LogEntry) error {
	b := &batch{target: t.target, behind: t.at.Shipped}
	late, err := t.settle(ctx, b, entries)
	if err != nil {
		return err
	}
	for _, e := range late {
		if err := t.add(ctx, b, e); err != nil {
			return err
		}
	}
	b.passed(t.entries)
	timer := time.NewTimer(linger)
	defer timer.Stop()
	for {
		select {
		case e, open := <-entries:
			if !open {
				b.closeAll()
				return t.flush(ctx, b)
			}
			n := t.count(e)
			if offset, any := t.at.Shipped.left(n, e); any {
				if err := t.add(ctx, b, numbered{e, n, offset}); err != nil {
					return err
				}
			}
			b.passed(t.entries)
		case <-timer.C:
			if err := t.flush(ctx, b); err != nil {
				return err
			}
			timer.Reset(linger)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// add adds an entry to the batch, after sending it if it is full.
func (t *tail) add(ctx context.Context, b *batch, e numbered) error {
	if b.add(e.number, e.offset, e.LogEntry) {
		return nil
	}
	if err := t.flush(ctx, b); err != nil {
		return err
	}
	b.add(e.number, e.offset, e.LogEntry)
	return nil
}

// settle completes a batch that an earlier agent announced: it is sent unless it is in the stream. It returns
// the entries that it has read beyond the batch.
func (t *tail) settle(ctx context.Context, b *batch, entries <-chan runtime.LogEntry) (late []numbered, err error) {
	if t.at.Sending == nil {
		return nil, nil
	}
	end := *t.at.Sending
	last := max(end[0].Entry, end[1].Entry)
	if end[0].Offset > 0 || end[1].Offset > 0 {
		last++
	}
	for t.entries < last {
		select {
		case e, open := <-entries:
			if !open {
				return late, nil // the log is shorter than before: there is nothing to compare
			}
			n := t.count(e)
			if offset, any := t.at.Shipped.left(n, e); any {
				late = append(late, split(b, numbered{e, n, offset}, end)...)
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	b.closeAll()
	events := b.sorted()
	there, err := t.has(ctx, events)
	if err == nil && !there {
		err = t.put(ctx, events)
	}
	if err != nil {
		return nil, err
	}
	t.at.Shipped, t.at.Sending, b.behind = end, nil, end
	b.reset()
	return late, nil
}

// split adds what comes before end to the batch and returns the rest.
func split(b *batch, e numbered, end places) []numbered {
	at := end[streamOf(e.LogEntry)]
	switch {
	case e.number < at.Entry:
		b.add(e.number, e.offset, e.LogEntry)
		return nil
	case e.number > at.Entry || at.Offset <= e.offset:
		return []numbered{e}
	}
	head := e.LogEntry
	head.Text = head.Text[:at.Offset]
	b.add(e.number, e.offset, head)
	e.offset = at.Offset
	return []numbered{e}
}

// has reports whether the stream ends with these events.
func (t *tail) has(ctx context.Context, events []event) (bool, error) {
	if len(events) == 0 {
		return true, nil
	}
	var out struct {
		Events []event `json:"events"`
	}
	err := t.s.api(t.target.Region).Call(ctx, "GetLogEvents", map[string]any{
		"logGroupName": t.target.Group, "logStreamName": t.target.Stream, "limit": len(events), "startFromHead": false,
	}, &out)
	return slices.Equal(out.Events, events), err
}

// count returns the number of an entry.
func (t *tail) count(e runtime.LogEntry) (number int64) {
	// An anchor must be newer than all entries before it; otherwise the count would be wrong.
	if t.next.at.IsZero() && e.At.After(t.newest) && t.entries >= t.at.Shipped.last() {
		t.next.at = e.At
	}
	if e.At.After(t.newest) {
		t.newest = e.At
	}
	if !t.next.at.IsZero() && !e.At.Before(t.next.at) {
		t.next.entries++
	}
	t.entries++
	return t.entries - 1
}

// flush announces the batch in the checkpoint and sends it until that succeeds. That it was sent is recorded
// with the announcement of the next batch: so a batch costs one write, and an agent that dies in between finds
// it in the stream.
func (t *tail) flush(ctx context.Context, b *batch) error {
	if !b.ready() {
		return nil
	}
	ends := b.ends()
	t.at.Sending = &ends
	if err := t.s.store.Put(checkpoint.Logs, t.id, t.at); err != nil {
		return err
	}
	if events := b.sorted(); len(events) > 0 {
		if err := t.put(ctx, events); err != nil {
			return err
		}
	}
	t.shipped(b, ends)
	return nil
}

// shipped moves the position behind the batch.
func (t *tail) shipped(b *batch, ends places) {
	t.at.Shipped, t.at.Sending = ends, nil
	// The anchor moves only while there is no unfinished line: entries counts what was read, the position what
	// was shipped.
	all := place{Entry: t.entries}
	if ends == (places{all, all}) && t.next.entries >= moveAfter && time.Since(t.next.at) > moveAge {
		all.Entry = t.next.entries
		b.behind = places{all, all}
		t.at = position{Anchor: t.next.at, Shipped: b.behind}
		t.entries, t.next = t.next.entries, anchor{}
	}
	b.reset()
}

// put sends events until they are accepted or can never be.
func (t *tail) put(ctx context.Context, events []event) error {
	wait := acs.Backoff{First: 500 * time.Millisecond, Most: 30 * time.Second, Factor: 2, Jitter: 0.2}
	in := map[string]any{"logGroupName": t.target.Group, "logStreamName": t.target.Stream, "logEvents": events}
	for failures := 0; ; failures++ {
		err := t.s.api(t.target.Region).Call(ctx, "PutLogEvents", in, nil)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !awscall.Retryable(err):
			// The stream or group was deleted. Docker still has the output.
			t.s.log.Error("log events are dropped", "group", t.target.Group, "stream", t.target.Stream,
				"events", len(events), "error", err)
			return nil
		}
		t.s.log.Warn("log events could not be sent and are sent again", "group", t.target.Group, "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait.Wait(failures, rand.Float64())):
		}
	}
}

var _ engine.Logs = (*Shipper)(nil)
