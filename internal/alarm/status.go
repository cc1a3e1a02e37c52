package alarm

import (
	"time"

	"github.com/berthhq/berth/internal/scaling"
)

// Status is the state of an alarm, with its reason.
type Status struct {
	ARN    string // of the alarm
	Value  scaling.State
	Reason string
	// Data is the reason as JSON, or "" if there is none.
	Data string `json:",omitempty"`
	// UpdatedAt is when Value or Reason was last written; TransitionedAt is when Value last changed.
	UpdatedAt, TransitionedAt time.Time
	// Transitions counts the changes of Value, so that each change has a number.
	Transitions int64
	// RepeatedAt is the time of the last evaluation that made repeated actions due.
	RepeatedAt time.Time `json:",omitzero"`
	// Recent has the values that this evaluation compared, the oldest first; nil if the state was written after it.
	Recent []float64 `json:",omitempty"`
}

// Unchecked is the reason of the state of a new alarm (ecs.md 7.4).
const Unchecked = "Unchecked: Initial alarm creation"

// NewStatus returns the state of a new alarm (ecs.md 7.4).
func NewStatus(arn string, now time.Time) *Status {
	return &Status{ARN: arn, Value: scaling.InsufficientData, Reason: Unchecked, UpdatedAt: now, TransitionedAt: now}
}

// Next returns the state that follows s, with its reason.
func (s *Status) Next(value scaling.State, reason, data string, now time.Time) *Status {
	n := *s
	n.Reason, n.Data, n.UpdatedAt, n.Recent = reason, data, now, nil
	if value != s.Value {
		n.Value, n.TransitionedAt = value, now
		n.Transitions++
	}
	return &n
}
