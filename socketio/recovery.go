package socketio

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/socketio/adapter"
	"github.com/berthhq/berth/socketio/engineio"
)

// Recovery lets clients that come back in time keep their id, rooms and data, and get what they
// missed. Every event then has one more argument at the end: its offset, which the client keeps. A
// volatile event cannot be recovered and has no offset; when it ends with a string, or has no argument
// at all, it gets a null instead, because the client would take the string for an offset.
//
// Without an Adapter that is a Recoverer a client has to come back to the same server.
type Recovery struct {
	// MaxDisconnection is how long a client may stay away. Default 2 min; an Adapter that is a Recoverer may have
	// an option of its own that goes before.
	MaxDisconnection time.Duration
	// MaxBytes is how much is kept for clients that are away, for each namespace. Default 64 MiB.
	MaxBytes int
	// Middlewares runs them again for a client that has come back.
	Middlewares bool
}

// history stores events and sessions in memory. Broadcasts are applied with its lock held, so that all
// clients see them in the order of their offsets.
type history struct {
	opt    Recovery
	keep   time.Duration // how long events are kept
	prefix string
	last   atomic.Uint64 // the offset of the last event that was applied

	mu     sync.Mutex
	seq    uint64
	events []past // in order of seq, the oldest first
	bytes  int
	saved  map[string]savedUntil
	swept  time.Time
}

type past struct {
	seq     uint64
	at      time.Time
	target  adapter.Target
	payload adapter.Payload
}

type savedUntil struct {
	adapter.Saved
	until time.Time
}

// newHistory makes a history. unnoticed is how long a server may take to notice that a client has
// gone: what was sent meanwhile was not received.
func newHistory(opt Recovery, unnoticed time.Duration) *history {
	if opt.MaxDisconnection <= 0 {
		opt.MaxDisconnection = 2 * time.Minute
	}
	if opt.MaxBytes <= 0 {
		opt.MaxBytes = 64 << 20
	}
	return &history{
		opt: opt, keep: opt.MaxDisconnection + unnoticed,
		prefix: engineio.NewID()[:8] + ".", saved: make(map[string]savedUntil),
	}
}

func (h *history) offset(seq uint64) string { return h.prefix + strconv.FormatUint(seq, 36) }

// parse returns the number of an offset that was given out here.
func (h *history) parse(offset string) (seq uint64, ok bool) {
	digits, ok := strings.CutPrefix(offset, h.prefix)
	if !ok {
		return 0, false
	}
	seq, err := strconv.ParseUint(digits, 36, 64)
	return seq, err == nil
}

// earlier compares offsets that were given out here.
func (h *history) earlier(a, b string) bool {
	m, _ := h.parse(a)
	n, _ := h.parse(b)
	return m < n
}

// Position implements the part of a Recoverer.
func (h *history) Position() string { return h.offset(h.last.Load()) }

// add keeps an event and calls deliver with its offset.
func (h *history) add(op *adapter.Op, deliver func(offset string)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seq++
	h.events = append(h.events, past{h.seq, time.Now(), op.Target, op.Payload})
	h.bytes += op.Payload.Size()
	h.trim(time.Now())
	deliver(h.offset(h.seq))
	h.last.Store(h.seq)
}

func (h *history) trim(now time.Time) {
	n := 0
	for n < len(h.events) && (h.bytes > h.opt.MaxBytes || now.Sub(h.events[n].at) > h.keep) {
		h.bytes -= h.events[n].payload.Size()
		h.events[n].payload = adapter.Payload{}
		n++
	}
	h.events = h.events[n:]
}

// sweep deletes sessions that have expired. It is not done for each that is saved: when a server's clients all go
// at once, each would look at all of them.
func (h *history) sweep(now time.Time) {
	if now.Sub(h.swept) < h.opt.MaxDisconnection/8 {
		return
	}
	h.swept = now
	for pid, old := range h.saved {
		if now.After(old.until) {
			delete(h.saved, pid)
		}
	}
}

// Save stores a session, and from time to time deletes those that have expired.
func (h *history) Save(s adapter.Saved) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	h.sweep(now)
	h.saved[s.PID] = savedUntil{s, now.Add(h.opt.MaxDisconnection)}
}

// Recover implements the part of a Recoverer.
func (h *history) Recover(_ context.Context, pid, offset string, join func(adapter.Saved, []adapter.Missed)) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, ok := h.saved[pid]
	if !ok {
		return false
	}
	delete(h.saved, pid)
	if _, known := h.parse(offset); time.Now().After(s.until) || offset != "" && !known {
		return false
	}
	from, inclusive, ok := s.From(offset, h.earlier)
	if !ok {
		return false
	}
	seq, _ := h.parse(from)
	if inclusive {
		seq--
	}
	if seq > h.seq || h.seq-seq > uint64(len(h.events)) {
		return false // never given out, or what followed is not kept any more
	}
	var missed []adapter.Missed
	for _, e := range h.events[len(h.events)-int(h.seq-seq):] {
		if e.target.Wants(s.Rooms) {
			missed = append(missed, adapter.Missed{Payload: e.payload, Offset: h.offset(e.seq)})
		}
	}
	join(s.Saved, missed)
	return true
}

// withOffset appends the offset to the arguments.
func withOffset(p adapter.Payload, offset string) adapter.Payload {
	text := make([]byte, 0, len(p.JSON)+len(offset)+3)
	text = append(text, p.JSON[:len(p.JSON)-1]...)
	text = append(append(append(text, `,"`...), offset...), `"]`...)
	return adapter.Payload{JSON: text, Attachments: p.Attachments}
}

// withoutOffset returns the payload of an event that has no offset. The official client takes the last argument of
// any event, or even its name, for an offset if it is a string.
func withoutOffset(p adapter.Payload) adapter.Payload {
	end := len(p.JSON) - 1
	if end < 1 || p.JSON[end-1] != '"' {
		return p
	}
	text := append(make([]byte, 0, len(p.JSON)+5), p.JSON[:end]...)
	return adapter.Payload{JSON: append(text, ",null]"...), Attachments: p.Attachments}
}

// keeper keeps events for clients that are away.
type keeper interface {
	Save(adapter.Saved)
	Recover(ctx context.Context, pid, offset string, join func(adapter.Saved, []adapter.Missed)) bool
	Position() string
}

// sent has the offsets of the events that were sent to a socket, with recovery.
type sent struct{ first, last atomic.Pointer[string] }

func (t *sent) add(offset *string) {
	if t.first.Load() == nil {
		t.first.Store(offset)
	}
	t.last.Store(offset)
}

func (t *sent) offsets() (first, last string) {
	if p := t.first.Load(); p != nil {
		first, last = *p, *t.last.Load()
	}
	return first, last
}

// keptReasons are those after which a client may come back as the same.
func keptReason(why Reason) bool {
	switch engineio.Reason(why) {
	case engineio.ReasonTransportClose, engineio.ReasonTransportError, engineio.ReasonForcedClose,
		engineio.ReasonPingTimeout, engineio.ReasonShutdown, engineio.ReasonSlow:
		return true
	}
	return false
}
