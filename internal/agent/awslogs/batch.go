package awslogs

import (
	"bytes"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/agent/runtime"
)

// Bounds of one PutLogEvents, in CloudWatch Logs' own counting.
const (
	maxEvents    = 10_000
	maxBytes     = 1 << 20
	eventBytes   = 26 // counted for every event
	maxEvent     = 256<<10 - eventBytes
	maxBatchSpan = 24 * time.Hour
)

// event is one log event as the API has it; Timestamp is milliseconds since 1970.
type event struct {
	Timestamp int64  `json:"timestamp"`
	Message   string `json:"message"`
}

// position is how far a container's log has been shipped: the first Count entries
// at or after Anchor. The engine's log keeps its order, so that names a place in
// it exactly, whatever the times of the entries.
type position struct {
	Anchor time.Time
	Count  int64
	// Announced is how many entries after that a batch holds that may have been sent.
	Announced int64
}

// batch gathers entries into events.
type batch struct {
	target target

	entries int64 // taken in since the batch began
	events  []event
	bytes   int

	line   bytes.Buffer // a line, or several of one event, that may go on
	lineAt time.Time
	lines  int64 // entries in it
	whole  bool  // it ends with a line feed
}

// add takes an entry in. It reports false, and has not taken it, when the batch is full.
func (b *batch) add(e runtime.LogEntry) bool {
	if len(b.events) >= maxEvents-1 || b.bytes+b.line.Len()+len(e.Text)+2*eventBytes > maxBytes || b.spans(e.At) {
		return false
	}
	if b.whole && b.startsEvent(e.Text) {
		b.close()
	}
	if b.line.Len() == 0 {
		b.lineAt = e.At
	}
	b.line.Write(e.Text)
	b.lines++
	b.whole = bytes.HasSuffix(e.Text, []byte("\n"))
	if b.whole && b.target.Begins == nil || b.line.Len() >= maxEvent {
		b.close()
	}
	return true
}

func (b *batch) startsEvent(text []byte) bool {
	return b.target.Begins == nil || b.target.Begins.Match(bytes.TrimSuffix(text, []byte("\n")))
}

// spans reports whether an entry is too far from the batch's first.
func (b *batch) spans(at time.Time) bool {
	return len(b.events) > 0 && at.Sub(time.UnixMilli(b.events[0].Timestamp)) >= maxBatchSpan
}

// close makes an event of what has been gathered. Empty lines are none: CloudWatch
// Logs refuses them.
func (b *batch) close() {
	text := strings.TrimSuffix(b.line.String(), "\n")
	b.entries += b.lines
	b.lines, b.whole = 0, false
	b.line.Reset()
	for len(text) > 0 {
		n := min(len(text), maxEvent)
		b.events = append(b.events, event{Timestamp: b.lineAt.UnixMilli(), Message: strings.ToValidUTF8(text[:n], "\uFFFD")})
		b.bytes += n + eventBytes
		text = text[n:]
	}
}

// ready reports whether there is anything to send or to count.
func (b *batch) ready() bool { return b.entries > 0 }

// reset begins the next batch; a line that may go on is kept.
func (b *batch) reset() { b.entries, b.events, b.bytes = 0, nil, 0 }

// sorted puts the events in the order of their times, as the API wants them; two
// streams of one container may cross by a little.
func (b *batch) sorted() []event {
	for i := 1; i < len(b.events); i++ {
		// Insertion is linear for what is almost always in order.
		for j := i; j > 0 && b.events[j].Timestamp < b.events[j-1].Timestamp; j-- {
			b.events[j], b.events[j-1] = b.events[j-1], b.events[j]
		}
	}
	return b.events
}
