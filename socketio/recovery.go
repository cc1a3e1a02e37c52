package socketio

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/berthhq/berth/socketio/engineio"
)

// Recovery lets clients that come back in time keep their id, rooms and data, and get what they
// missed. Every event then has one more argument, its offset, at the end.
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

// Saved is what is kept of a client that has gone.
type Saved struct {
	SID, PID string
	Rooms    []string // its own among them
	// Data is the JSON of what SetData was given.
	Data json.RawMessage
	// For is Recovery.MaxDisconnection: how long it is worth keeping, 0 for the keeper's default.
	For time.Duration

	values any // in this process, the value itself
}

// Missed is an event a client did not get.
type Missed struct {
	Payload Payload
	Offset  string
}

// Recoverer is an Adapter that keeps events for clients that are away. Its operations come with the
// offset set.
type Recoverer interface {
	Adapter
	// Save keeps a session for as long as was configured.
	Save(Saved)
	// Recover finds a session and what came after offset, and calls join at a moment at which no
	// broadcast is applied, so that the client misses nothing and gets nothing twice. It returns false
	// when that cannot be done; a session can be recovered once.
	Recover(ctx context.Context, pid, offset string, join func(Saved, []Missed)) bool
}

// Wants tells whether a client with these rooms is meant by t.
func (t Target) Wants(rooms []string) bool {
	for _, r := range t.Except {
		if slices.Contains(rooms, r) {
			return false
		}
	}
	if len(t.Rooms) == 0 {
		return true
	}
	for _, r := range t.Rooms {
		if slices.Contains(rooms, r) {
			return true
		}
	}
	return false
}

// history keeps events and sessions in memory. Broadcasts are applied with its lock held, so that all
// clients see them in the order of their offsets.
type history struct {
	opt    Recovery
	prefix string

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
	target  Target
	payload Payload
}

type savedUntil struct {
	Saved
	until time.Time
}

func newHistory(opt Recovery) *history {
	if opt.MaxDisconnection <= 0 {
		opt.MaxDisconnection = 2 * time.Minute
	}
	if opt.MaxBytes <= 0 {
		opt.MaxBytes = 64 << 20
	}
	return &history{opt: opt, prefix: engineio.NewID()[:8] + ".", saved: make(map[string]savedUntil)}
}

func (h *history) offset(seq uint64) string { return h.prefix + strconv.FormatUint(seq, 36) }

// add keeps an event and calls deliver with its offset.
func (h *history) add(op *Op, deliver func(offset string)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seq++
	h.events = append(h.events, past{h.seq, time.Now(), op.Target, op.Payload})
	h.bytes += op.Payload.size()
	h.trim(time.Now())
	deliver(h.offset(h.seq))
}

func (p Payload) size() int {
	n := len(p.JSON) + 64
	for _, a := range p.Attachments {
		n += len(a)
	}
	return n
}

func (h *history) trim(now time.Time) {
	n := 0
	for n < len(h.events) && (h.bytes > h.opt.MaxBytes || now.Sub(h.events[n].at) > h.opt.MaxDisconnection) {
		h.bytes -= h.events[n].payload.size()
		h.events[n].payload = Payload{}
		n++
	}
	h.events = h.events[n:]
}

// sweep forgets sessions whose time is over. It is not done for each that is saved: when a server's clients all go
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

// Save keeps a session, and now and then forgets those whose time is over.
func (h *history) Save(s Saved) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	h.sweep(now)
	h.saved[s.PID] = savedUntil{s, now.Add(h.opt.MaxDisconnection)}
}

// Recover implements the part of a Recoverer.
func (h *history) Recover(_ context.Context, pid, offset string, join func(Saved, []Missed)) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, ok := h.saved[pid]
	if !ok {
		return false
	}
	delete(h.saved, pid)
	if time.Now().After(s.until) || len(offset) <= len(h.prefix) || offset[:len(h.prefix)] != h.prefix {
		return false
	}
	seq, err := strconv.ParseUint(offset[len(h.prefix):], 36, 64)
	if err != nil || seq > h.seq || seq+1 < h.seq+1-uint64(len(h.events)) {
		return false // never given out, or what followed is not kept any more
	}
	var missed []Missed
	for _, e := range h.events[len(h.events)-int(h.seq-seq):] {
		if e.target.Wants(s.Rooms) {
			missed = append(missed, Missed{e.payload, h.offset(e.seq)})
		}
	}
	join(s.Saved, missed)
	return true
}

// withOffset appends the offset to the arguments.
func (p Payload) withOffset(offset string) Payload {
	text := make([]byte, 0, len(p.JSON)+len(offset)+3)
	text = append(text, p.JSON[:len(p.JSON)-1]...)
	text = append(append(append(text, `,"`...), offset...), `"]`...)
	return Payload{JSON: text, Attachments: p.Attachments}
}

// keeper is who keeps events for clients that are away.
type keeper interface {
	Save(Saved)
	Recover(ctx context.Context, pid, offset string, join func(Saved, []Missed)) bool
}

// keptReasons are those after which a client may come back as the same.
func keptReason(why Reason) bool {
	switch engineio.Reason(why) {
	case engineio.ReasonTransportClose, engineio.ReasonTransportError, engineio.ReasonForcedClose, engineio.ReasonPingTimeout, engineio.ReasonShutdown, engineio.ReasonSlow:
		return true
	}
	return false
}
