package adapter

import (
	"context"
	"encoding/json"
	"slices"
	"time"
)

// Saved is what is kept of a client that has gone.
type Saved struct {
	SID, PID string
	Rooms    []string // its own among them
	// Data is the JSON of what SetData was given.
	Data json.RawMessage
	// For is Recovery.MaxDisconnection: how long it is worth keeping, 0 for the keeper's default.
	For time.Duration
	// First and Sent are the offsets of the first and the last event that this server sent to the
	// client, empty if there was none. At is an offset before which nothing was left to be sent when
	// the client went. They are empty when another kind of server has saved the client.
	First, Sent, At string

	// Value is what SetData was given. An adapter that keeps it in the same process need not decode Data.
	Value any
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
	//
	// The offset is empty when the client has received no event. Saved.From returns where to begin.
	Recover(ctx context.Context, pid, offset string, join func(Saved, []Missed)) bool
	// Position is the offset of the last event that was applied, empty when there is none. It does
	// not wait.
	Position() string
}

// From returns where to look for what the client has missed: after an offset, or, if inclusive is
// true, from it on. Before Saved.At only events count that were sent and not received, so that a
// client that has received everything does not depend on how much others were sent since.
// earlier compares offsets. It returns false when the client cannot have missed nothing.
func (s Saved) From(offset string, earlier func(a, b string) bool) (from string, inclusive, ok bool) {
	switch {
	case offset == "" && s.First == "": // nothing was sent
		return s.At, false, s.At != ""
	case offset == "":
		return s.First, true, true
	case s.At == "" || earlier(offset, s.Sent): // something was lost on its way
		return offset, false, true
	case earlier(s.At, offset):
		return offset, false, true
	}
	return s.At, false, true
}

// Wants reports whether a client with these rooms is meant by t.
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
