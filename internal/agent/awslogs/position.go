package awslogs

import (
	"cmp"
	"time"

	"github.com/berthhq/berth/internal/agent/runtime"
)

// streams is how many streams a container writes.
const streams = 2

func streamOf(e runtime.LogEntry) int {
	if e.Stderr {
		return 1
	}
	return 0
}

// place is a place in a stream of a container's log: the stream's text in the entries before number
// Entry is behind it, and so are the first Offset bytes of that entry. Entries of both streams are
// counted.
type place struct {
	Entry  int64
	Offset int `json:",omitempty"`
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.Entry, q.Entry), cmp.Compare(p.Offset, q.Offset))
}

// places are one for each stream.
type places [streams]place

// position is how far a container's log has been shipped. Entries are numbered from the first one at
// or after Anchor. The engine's log keeps its order, so that names a place in it exactly, whatever
// the times of the entries.
type position struct {
	Anchor  time.Time
	Shipped places
	// Sending is where a batch ends that may have been sent; nil if there is none.
	Sending *places `json:",omitempty"`

	// Count and Announced are what agents before version 1.106 wrote: how many entries had been
	// shipped, and how many after them were in a batch that may have been sent.
	Count     int64 `json:",omitempty"`
	Announced int64 `json:",omitempty"`
}

// upgraded returns a position in today's form.
func (p position) upgraded() position {
	both := func(n int64) places { return places{{Entry: n}, {Entry: n}} }
	if p.Count > 0 {
		p.Shipped = both(p.Count)
	}
	if p.Announced > 0 {
		sending := both(p.Count + p.Announced)
		p.Sending = &sending
	}
	p.Count, p.Announced = 0, 0
	return p
}

// left returns the offset from which on the entry with the number n is behind the places, and
// whether anything is.
func (p places) left(n int64, e runtime.LogEntry) (offset int, any bool) {
	at := p[streamOf(e)]
	if n == at.Entry {
		offset = min(at.Offset, len(e.Text))
	}
	return offset, n >= at.Entry && (offset < len(e.Text) || offset == 0)
}

// last is the number of the entry up to which both streams have been shipped.
func (p places) last() int64 { return max(p[0].Entry, p[1].Entry) }
