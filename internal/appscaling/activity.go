package appscaling

import (
	"fmt"
	"time"

	"github.com/berthhq/berth/internal/scaling"
)

const (
	// KeptActivities is the maximum number of stored activities of one target. AWS documents no number.
	KeptActivities = 200
	// KeptFor is how long an activity can be read, also after its target was deregistered.
	KeptFor = 6 * 7 * 24 * time.Hour
)

// ActivityStatus is the state of an activity.
type ActivityStatus string

// The states of activities.
const (
	Pending     ActivityStatus = "Pending"
	InProgress  ActivityStatus = "InProgress"
	Successful  ActivityStatus = "Successful"
	Overridden  ActivityStatus = "Overridden"
	Unfulfilled ActivityStatus = "Unfulfilled"
	Failed      ActivityStatus = "Failed"
)

// Activity is a change of a target's capacity, or a change that was not made, with the reason.
type Activity struct {
	ID              string // UUID
	Region, Account string
	ResourceID      string
	Sequence        int64 // numbered for each target, from 1
	Description     string
	Cause           string
	Start           time.Time
	End             time.Time `json:",omitzero"`
	Status          ActivityStatus
	StatusMessage   string      `json:",omitempty"`
	NotScaled       []NotScaled `json:",omitempty"`
}

// NotScaled is why a capacity was not changed (ecs.md 6.7). Numbers that do not belong to the reason are nil.
type NotScaled struct {
	Code              scaling.Reason
	Min, Max, Current *int `json:",omitempty"`
}

// Key returns the key of the row. The keys of one target sort by time.
func (a *Activity) Key() string {
	return fmt.Sprintf("%s%016d", Key(a.Region, a.Account, a.ResourceID), a.Sequence)
}

// Follow numbers the activity after the last one of its target, which is nil if there is none.
func (a *Activity) Follow(last *Activity) {
	a.Sequence = 1
	if last != nil {
		a.Sequence = last.Sequence + 1
	}
}

// Forgets returns the key of the activity that is deleted when this one is stored.
func (a *Activity) Forgets() string {
	old := *a
	old.Sequence -= KeptActivities
	return old.Key()
}

// Expired reports whether the activity can no longer be read.
func (a *Activity) Expired(now time.Time) bool { return a.Start.Before(now.Add(-KeptFor)) }
