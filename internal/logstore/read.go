package logstore

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"math"
	"slices"
)

// Position is a place in the order of a group's events: by time, and by arrival for equal times.
type Position struct {
	Time int64
	Seq  uint64
}

// Compare orders positions.
func (p Position) Compare(o Position) int {
	return cmp.Or(cmp.Compare(p.Time, o.Time), cmp.Compare(p.Seq, o.Seq))
}

// Position returns the position of e.
func (e Event) Position() Position { return Position{e.Time, e.Seq} }

// Query selects events of a group. Zero fields restrict nothing.
type Query struct {
	Streams  func(id string) bool
	From     int64               // earliest time, inclusive, milliseconds since 1970
	To       int64               // latest time, exclusive; 0 means no end
	After    Position            // only events after it
	Before   Position            // only events before it
	Match    func(m string) bool // called last; nil accepts all messages
	Backward bool                // the latest matching events instead of the earliest
	Limit    int                 // number of events; 0 means 10,000
	MaxBytes int                 // of messages and their overhead, but at least one event is returned; 0 means 1 MiB
}

func (q *Query) complete() {
	if q.Streams == nil {
		q.Streams = func(string) bool { return true }
	}
	if q.Match == nil {
		q.Match = func(string) bool { return true }
	}
	if q.To == 0 {
		q.To = math.MaxInt64
	}
	if q.Before == (Position{}) {
		q.Before = Position{math.MaxInt64, math.MaxUint64}
	}
	if q.Limit == 0 {
		q.Limit = 10000
	}
	if q.MaxBytes == 0 {
		q.MaxBytes = 1 << 20
	}
}

// Read returns the selected events in ascending order, and whether the limits have cut off more events.
func (s *Store) Read(groupID string, q Query) (events []Event, more bool, err error) {
	g, err := s.group(groupID)
	if err != nil {
		return nil, false, err
	}
	q.complete()
	views, err := g.views(&q)
	if err != nil {
		return nil, false, err
	}
	c := collector{q: &q}
	for _, v := range views {
		if c.beyond(v.span) {
			c.more = true
			break
		}
		if err := g.read(v, c.batch); err != nil {
			return nil, false, err
		}
	}
	c.cut()
	if q.Backward {
		slices.Reverse(c.events)
	}
	return c.events, c.more, nil
}

// view is the durable part of a segment at some moment.
type view struct {
	seg  *segment
	size int64
	span span // of the selected streams
}

// views returns the segments that may have selected events, the best ones first.
func (g *group) views(q *Query) ([]view, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.openLocked(); err != nil {
		return nil, err
	}
	var views []view
	for _, s := range g.segments {
		sp := s.span(q.Streams)
		if sp.Events == 0 || sp.Last < q.From || sp.First >= q.To || sp.Last < q.After.Time ||
			sp.First > q.Before.Time {
			continue
		}
		views = append(views, view{s, s.size, sp})
	}
	slices.SortStableFunc(views, func(a, b view) int {
		if q.Backward {
			return cmp.Compare(b.span.Last, a.span.Last)
		}
		return cmp.Compare(a.span.First, b.span.First)
	})
	return views, nil
}

// read calls fn for the batches of a segment. It reads nothing if the file was dropped, and skips damage.
func (g *group) read(v view, fn func(*batch) error) error {
	err := v.seg.each(v.size, fn)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, errDamaged):
		if !v.seg.logged.Swap(true) {
			g.log.Error("a log segment is damaged; the events at these places cannot be read",
				"segment", v.seg.path, "damage", err)
		}
		return nil
	}
	return err
}

// collector stores the best events, the best first, in limited space.
type collector struct {
	q      *Query
	events []Event
	bytes  int
	// the best position that was dropped; nothing at or after it is accepted, as there would be a gap
	end  *Position
	more bool
}

// order is negative if a is better than b.
func (c *collector) order(a, b Position) int {
	if c.q.Backward {
		return b.Compare(a)
	}
	return a.Compare(b)
}

func (c *collector) batch(b *batch) error {
	if !c.q.Streams(b.stream) {
		return nil
	}
	for i, e := range b.events {
		c.add(Event{Entry: e, Stream: b.stream, Ingested: b.ingested, Seq: b.first + uint64(i)})
	}
	return nil
}

func (c *collector) add(e Event) {
	p, q := e.Position(), c.q
	if e.Time < q.From || e.Time >= q.To || p.Compare(q.After) <= 0 && q.After != (Position{}) ||
		p.Compare(q.Before) >= 0 || !q.Match(e.Message) {
		return
	}
	if c.end != nil && c.order(p, *c.end) >= 0 {
		c.more = true
		return
	}
	c.events = append(c.events, e)
	c.bytes += len(e.Message) + Overhead
	if len(c.events) >= 2*q.Limit || c.bytes >= 2*q.MaxBytes {
		c.cut()
	}
}

// cut sorts the events and drops those beyond the limits.
func (c *collector) cut() {
	slices.SortFunc(c.events, func(a, b Event) int { return c.order(a.Position(), b.Position()) })
	n, bytes := 0, 0
	for n < len(c.events) && n < c.q.Limit {
		bytes += len(c.events[n].Message) + Overhead
		if bytes > c.q.MaxBytes && n > 0 {
			bytes -= len(c.events[n].Message) + Overhead
			break
		}
		n++
	}
	if n < len(c.events) {
		c.end, c.more = new(c.events[n].Position()), true
		clear(c.events[n:])
		c.events = c.events[:n]
	}
	c.bytes = bytes
}

// beyond reports whether neither this segment nor those after it can have selected events.
func (c *collector) beyond(sp span) bool {
	if len(c.events) < c.q.Limit && c.end == nil {
		return false
	}
	if c.end == nil {
		c.cut()
		if len(c.events) < c.q.Limit {
			return false
		}
		worst := c.events[len(c.events)-1]
		if c.q.Backward {
			return sp.Last < worst.Time
		}
		return sp.First > worst.Time
	}
	if c.q.Backward {
		return sp.Last < c.end.Time
	}
	return sp.First > c.end.Time
}

// Follow yields events in the order of arrival, after the event with the sequence number seq (0 for all), and
// waits for new ones until ctx ends. It uses only Streams, From, To and Match of q.
func (s *Store) Follow(ctx context.Context, groupID string, seq uint64, q Query) iter.Seq2[Event, error] {
	q.complete()
	return func(yield func(Event, error) bool) {
		for {
			g, err := s.group(groupID)
			if err != nil {
				yield(Event{}, err)
				return
			}
			views, changed, err := g.since(seq)
			if err != nil {
				yield(Event{}, err)
				return
			}
			for _, v := range views {
				if !g.follow(v, &seq, &q, yield) {
					return
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-changed:
			}
		}
	}
}

// since returns the segments with events after seq, and a channel that is closed when there may be more.
func (g *group) since(seq uint64) ([]view, <-chan struct{}, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.openLocked(); err != nil {
		return nil, nil, err
	}
	var views []view
	for _, s := range g.segments {
		if s.last > seq {
			views = append(views, view{seg: s, size: s.size})
		}
	}
	return views, g.changed, nil
}

var errStop = errors.New("stop")

func (g *group) follow(v view, seq *uint64, q *Query, yield func(Event, error) bool) bool {
	err := g.read(v, func(b *batch) error {
		for i, e := range b.events {
			at := b.first + uint64(i)
			if at <= *seq {
				continue
			}
			*seq = at
			if !q.Streams(b.stream) || e.Time < q.From || e.Time >= q.To || !q.Match(e.Message) {
				continue
			}
			if !yield(Event{Entry: e, Stream: b.stream, Ingested: b.ingested, Seq: at}, nil) {
				return errStop
			}
		}
		return nil
	})
	if err != nil && err != errStop {
		yield(Event{}, err)
	}
	return err == nil
}
