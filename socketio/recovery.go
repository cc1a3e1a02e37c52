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

// Recovery lets clients that reconnect in time keep their id, rooms and data, and get the events that they missed.
// Every event then has one more argument at the end: its offset, which the client remembers. A volatile event has no
// offset and cannot be recovered. If its last argument is a string, or if it has no arguments, a null is added, because
// the client would take the string, or the event's name, for an offset.
//
// If the server has no Adapter that is a Recoverer, a client can be recovered only by the server that it was connected
// to.
type Recovery struct {
	// MaxDisconnection is how long a client may be disconnected. Default 2 min. An Adapter that is a Recoverer may
	// have an option of its own, which is used instead.
	MaxDisconnection time.Duration
	// MaxBytes limits the memory for the events of one namespace that are kept. The oldest are dropped first. Default
	// 64 MiB. It has no effect if the Adapter is a Recoverer.
	MaxBytes int
	// Middlewares makes the middlewares run also for a client that is recovered. By default they do not.
	Middlewares bool
}

// history keeps events and sessions in memory. Broadcasts are applied while its lock is held, so that all clients get
// them in the order of their offsets.
type history struct {
	opt    Recovery
	keep   time.Duration // how long events are kept
	prefix string        // of offsets, different in each process
	last   atomic.Uint64 // the offset of the last event that was applied

	mu     sync.Mutex
	seq    uint64
	events []keptEvent           // the oldest first
	bytes  int                   // size of events
	saved  map[string]savedUntil // by private id
	swept  time.Time
}

// keptEvent is a broadcast that a client may have missed.
type keptEvent struct {
	seq     uint64
	at      time.Time
	target  adapter.Target
	payload adapter.Payload
}

type savedUntil struct {
	adapter.Saved
	until time.Time
}

// newHistory returns an empty history. unnoticed is how long a server may take to notice that a client has gone. Events
// that were sent during that time were not received, so they must be kept too.
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

// parse returns the number in an offset. It returns false if the offset was not made by this history.
func (h *history) parse(offset string) (seq uint64, ok bool) {
	digits, ok := strings.CutPrefix(offset, h.prefix)
	if !ok {
		return 0, false
	}
	seq, err := strconv.ParseUint(digits, 36, 64)
	return seq, err == nil
}

// earlier reports whether offset a is before b. Both must have been made by this history.
func (h *history) earlier(a, b string) bool {
	m, _ := h.parse(a)
	n, _ := h.parse(b)
	return m < n
}

// Position implements keeper.
func (h *history) Position() string { return h.offset(h.last.Load()) }

// add keeps an event and calls deliver with its offset.
func (h *history) add(op *adapter.Op, deliver func(offset string)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seq++
	h.events = append(h.events, keptEvent{h.seq, time.Now(), op.Target, op.Payload})
	h.bytes += op.Payload.Size()
	h.trim(time.Now())
	deliver(h.offset(h.seq))
	h.last.Store(h.seq)
}

// trim drops events that are too old, and the oldest ones while there are too many bytes.
func (h *history) trim(now time.Time) {
	n := 0
	for n < len(h.events) && (h.bytes > h.opt.MaxBytes || now.Sub(h.events[n].at) > h.keep) {
		h.bytes -= h.events[n].payload.Size()
		h.events[n].payload = adapter.Payload{}
		n++
	}
	h.events = h.events[n:]
}

// sweep deletes sessions that have expired, if it has not done so lately. It does not look at all sessions whenever one
// is saved: when all clients of a server disconnect at once, the work would grow with the square of their number.
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

// Save implements keeper.
func (h *history) Save(s adapter.Saved) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	h.sweep(now)
	h.saved[s.PID] = savedUntil{s, now.Add(h.opt.MaxDisconnection)}
}

// Recover implements keeper.
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
		return false // the offset was never used, or events after it have been dropped
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

// withOffset returns the payload of an event with its offset as one more argument.
func withOffset(p adapter.Payload, offset string) adapter.Payload {
	text := make([]byte, 0, len(p.JSON)+len(offset)+3)
	text = append(text, p.JSON[:len(p.JSON)-1]...)
	text = append(append(append(text, `,"`...), offset...), `"]`...)
	return adapter.Payload{JSON: text, Attachments: p.Attachments}
}

// withoutOffset returns the payload of an event that has no offset. If the last argument is a string, or if there are
// no arguments, it adds a null, because the official client takes the last element of an event, even its name, for an
// offset if it is a string.
func withoutOffset(p adapter.Payload) adapter.Payload {
	end := len(p.JSON) - 1
	if end < 1 || p.JSON[end-1] != '"' {
		return p
	}
	text := append(make([]byte, 0, len(p.JSON)+5), p.JSON[:end]...)
	return adapter.Payload{JSON: append(text, ",null]"...), Attachments: p.Attachments}
}

// keeper keeps sessions and events for clients that may be recovered. Its methods are those of adapter.Recoverer.
type keeper interface {
	Save(adapter.Saved)
	Recover(ctx context.Context, pid, offset string, join func(adapter.Saved, []adapter.Missed)) bool
	Position() string
}

// sent has the offsets of the first and the last event that were sent to a socket.
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

// keptReason reports whether a client that was disconnected for this reason may be recovered.
func keptReason(why Reason) bool {
	switch engineio.Reason(why) {
	case engineio.ReasonTransportClose, engineio.ReasonTransportError, engineio.ReasonForcedClose,
		engineio.ReasonPingTimeout, engineio.ReasonShutdown, engineio.ReasonSlow:
		return true
	}
	return false
}
