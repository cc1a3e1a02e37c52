package adapter

import (
	"context"
	"encoding/json"
	"slices"
	"time"
)

// Saved is the session of a client that has disconnected and may be recovered.
type Saved struct {
	// SID is the socket's id. PID is the private id, with which the client asks for recovery.
	SID, PID string
	// Rooms that the socket was in. One of them is SID.
	Rooms []string
	// Data is the JSON of the value that Socket.SetData stored.
	Data json.RawMessage
	// For is how long the session should be kept: Recovery.MaxDisconnection. 0 means the adapter's default.
	For time.Duration
	// First and Sent are the offsets of the first and the last event that this server sent to the client, empty if
	// there was none. At is an offset such that all earlier events had been sent when the client disconnected. All
	// three are empty if a server of another kind has saved the session.
	First, Sent, At string

	// Value is the value that Socket.SetData stored. An adapter that keeps sessions in this process can return it, so
	// that Data need not be decoded.
	Value any
}

// Missed is an event that a client did not get.
type Missed struct {
	Payload Payload
	Offset  string
}

// Recoverer is an Adapter that keeps events for clients that are disconnected. It sets the Offset of each broadcast
// that it applies and keeps.
type Recoverer interface {
	Adapter
	// Save stores a session.
	Save(Saved)
	// Recover finds the session of a private id, and the events after offset that its client has missed. Then it calls
	// join. While join runs, no broadcast is applied, so that the client misses no event and gets none twice. It
	// returns false if the session or the events are not there any more. A session can be recovered only once.
	//
	// offset is the last one that the client has received, or empty if it has received no event. Saved.From returns
	// where the missed events begin.
	Recover(ctx context.Context, pid, offset string, join func(Saved, []Missed)) bool
	// Position returns the offset of the last event that was applied, or an empty string if there is none. It does not
	// wait.
	Position() string
}

// From returns where the events begin that the client may have missed: after the offset from, or, if inclusive is true,
// with it. offset is the last one that the client has received, or empty. earlier reports whether offset a is before b.
//
// If the client has received everything that was sent to it, they begin after At, which may be much later than offset.
// From returns false if it cannot say where they begin.
func (s Saved) From(offset string, earlier func(a, b string) bool) (from string, inclusive, ok bool) {
	switch {
	case offset == "" && s.First == "": // nothing was sent
		return s.At, false, s.At != ""
	case offset == "":
		return s.First, true, true
	case s.At == "" || earlier(offset, s.Sent): // an event was sent and not received
		return offset, false, true
	case earlier(s.At, offset):
		return offset, false, true
	}
	return s.At, false, true
}

// Wants reports whether t selects a socket that is in these rooms.
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
