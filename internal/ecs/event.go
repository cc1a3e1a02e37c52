package ecs

import (
	"crypto/sha256"
	"fmt"
	"time"
)

// Event is one line of a service's story (ecs.md 1.7.4).
type Event struct {
	ServiceARN string
	Sequence   int64
	ID         string
	CreatedAt  time.Time
	Message    string
}

const (
	// KeptEvents is how many events of a service are kept and shown (ecs.md 1.7.4).
	KeptEvents = 100
	// RepeatAfter is after how long a message about a condition that still holds is repeated (ecs.md 1.7.4).
	RepeatAfter = 6 * time.Hour
)

// NextEvent makes the event of a service that follows the last one, which is nil if there is none.
func NextEvent(serviceARN string, last *Event, message string, now time.Time) *Event {
	e := &Event{ServiceARN: serviceARN, Sequence: 1, CreatedAt: now, Message: message}
	if last != nil {
		e.Sequence = last.Sequence + 1
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s", e.Key(), now))
	e.ID = fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
	return e
}

// Forgets is the key of the event that this one pushes out of the service's story.
func (e *Event) Forgets() string {
	return (&Event{ServiceARN: e.ServiceARN, Sequence: e.Sequence - KeptEvents}).Key()
}
