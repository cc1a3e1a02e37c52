package awslogs

import (
	"cmp"
	"time"

	"github.com/berthhq/berth/internal/agent/runtime"
)

// streams is the number of output streams of a container.
const streams = 2

func streamOf(e runtime.LogEntry) int {
	if e.Stderr {
		return 1
	}
	return 0
}

// place is a place in one stream of a container's log: before it are the stream's text in entries with numbers
// below Entry, and the first Offset bytes of that entry. Entries of both streams are counted.
type place struct {
	Entry  int64
	Offset int `json:",omitempty"`
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.Entry, q.Entry), cmp.Compare(p.Offset, q.Offset))
}

// places has a place for each stream.
type places [streams]place

// position says how much of a container's log has been shipped. Entries are numbered from the first one at or
// after Anchor. The engine keeps the order of the log, so a number identifies an entry, whatever its time.
type position struct {
	Anchor  time.Time
	Shipped places
	// Sending is the end of a batch that may have been sent; nil if there is none.
	Sending *places `json:",omitempty"`

	// Count and Announced are from agents before version 1.106: how many entries had been shipped, and how
	// many after them were in a batch that may have been sent.
	Count     int64 `json:",omitempty"`
	Announced int64 `json:",omitempty"`
}

// upgraded converts a position of an earlier version.
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

// left returns the offset of the part of entry number n that is after the places, and whether there is any.
func (p places) left(n int64, e runtime.LogEntry) (offset int, any bool) {
	at := p[streamOf(e)]
	if n == at.Entry {
		offset = min(at.Offset, len(e.Text))
	}
	return offset, n >= at.Entry && (offset < len(e.Text) || offset == 0)
}

// last returns the number of the entry up to which both streams have been shipped.
func (p places) last() int64 { return max(p[0].Entry, p[1].Entry) }
