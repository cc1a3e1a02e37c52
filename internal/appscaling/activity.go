package appscaling

import (
	"fmt"
	"time"

	"github.com/berthhq/berth/internal/scaling"
)

const (
	// KeptActivities is how many activities of a target are kept at most. AWS gives no figure.
	KeptActivities = 200
	// KeptFor is how long an activity can be read, also when its target is gone.
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

// Activity is one change of a target's capacity, or one that was not made and says why.
type Activity struct {
	ID              string // UUID
	Region, Account string
	ResourceID      string
	Sequence        int64 // from 1, of the target
	Description     string
	Cause           string
	Start           time.Time
	End             time.Time `json:",omitzero"`
	Status          ActivityStatus
	StatusMessage   string      `json:",omitempty"`
	NotScaled       []NotScaled `json:",omitempty"`
}

// NotScaled is why a capacity was not changed (ecs.md 6.7). A number that the reason does not have is nil.
type NotScaled struct {
	Code              scaling.Reason
	Min, Max, Current *int `json:",omitempty"`
}

// Key returns the key of the row. Keys of a target are in the order of time.
func (a *Activity) Key() string {
	return fmt.Sprintf("%s%016d", Key(a.Region, a.Account, a.ResourceID), a.Sequence)
}

// Follow gives the activity its place behind the last one of its target, which is nil if there is none.
func (a *Activity) Follow(last *Activity) {
	a.Sequence = 1
	if last != nil {
		a.Sequence = last.Sequence + 1
	}
}

// Forgets returns the key of the activity that is no longer kept because of this one.
func (a *Activity) Forgets() string {
	old := *a
	old.Sequence -= KeptActivities
	return old.Key()
}

// Expired reports whether the activity can no longer be read.
func (a *Activity) Expired(now time.Time) bool { return a.Start.Before(now.Add(-KeptFor)) }
