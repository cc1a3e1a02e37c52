package appscaling

import (
	"fmt"
	"time"

	"github.com/berthhq/berth/internal/scaling"
)

const (
	// KeptActivities is the maximum number of stored activities of one target. AWS documents no number.
	KeptActivities = 200
	// KeptFor is how long an activity can be read, even if its target is deregistered.
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

// Activity describes a change of a target's capacity, or why a change was not made.
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

// NotScaled is the reason why a capacity was not changed (ecs.md 6.7). Numbers that the reason does not have are nil.
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

// Setting returns the activity of a new desired count, in AWS's words. It is in progress until the service has that
// many running tasks.
func Setting(count int, cause string, now time.Time) *Activity {
	return &Activity{
		Description: fmt.Sprintf("Setting desired count to %d.", count), Cause: cause, Start: now, Status: InProgress,
		StatusMessage: fmt.Sprintf("Successfully set desired count to %d. Waiting for change to be fulfilled by ecs.",
			count),
	}
}

// Fulfilled returns the activity after the service has reached the desired count that it has set.
func (a *Activity) Fulfilled(count int, now time.Time) *Activity {
	return a.ended(Successful, fmt.Sprintf("Successfully set desired count to %d. Change successfully fulfilled "+
		"by ecs.",
		count), now)
}

// OverriddenBy returns the activity after the desired count was changed to later, before the service had count tasks.
func (a *Activity) OverriddenBy(count, later int, now time.Time) *Activity {
	return a.ended(Overridden, fmt.Sprintf("Successfully set desired count to %d. Found it was later changed to %d.",
		count, later), now)
}

func (a *Activity) ended(s ActivityStatus, message string, now time.Time) *Activity {
	c := *a
	c.Status, c.StatusMessage, c.End = s, message, now
	return &c
}

// SettingBounds returns the activity of a scheduled action that has set the bounds, in AWS's words.
func SettingBounds(s *Scheduled, now time.Time) *Activity {
	what := ""
	if s.Action.Min != nil {
		what = fmt.Sprintf("min capacity to %d", *s.Action.Min)
	}
	if s.Action.Max != nil {
		if what != "" {
			what += " and "
		}
		what += fmt.Sprintf("max capacity to %d", *s.Action.Max)
	}
	return &Activity{
		Description: "Setting " + what, Cause: "scheduled action name " + s.Name + " was triggered",
		Start: now, End: now, Status: Successful, StatusMessage: "Successfully set " + what,
	}
}

// NotScaling returns the activity of a decision that changed nothing, or nil if AWS reports none for the reason (ecs.md
// 6.7).
func NotScaling(why scaling.Reason, s scaling.Situation, cause string, now time.Time) *Activity {
	one := NotScaled{Code: why}
	switch why {
	case scaling.AlreadyAtMax:
		one.Max = &s.Bounds.Max
	case scaling.AlreadyAtMin:
		one.Min = &s.Bounds.Min
	case scaling.AlreadyAtDesired:
		one.Current = &s.Current
	case scaling.AnticipatedFlapping, scaling.PutAsUnscalable:
	default:
		return nil
	}
	return &Activity{Description: "Attempting to scale due to alarm triggered", Cause: cause, Start: now, End: now,
		Status: Failed, NotScaled: []NotScaled{one}}
}

// Repeats reports whether an activity that did not change the capacity has the same reason as the last one. Such an
// activity is not stored.
func (a *Activity) Repeats(last *Activity) bool {
	return last != nil && len(a.NotScaled) == 1 && len(last.NotScaled) == 1 && a.Cause == last.Cause &&
		a.NotScaled[0].Code == last.NotScaled[0].Code
}

// ByAlarm returns the cause of an activity that an alarm has caused, in AWS's words.
func ByAlarm(alarm string, state scaling.State, policy string) string {
	return fmt.Sprintf("monitor alarm %s in state %s triggered policy %s", alarm, state, policy)
}

// ByBounds returns the cause of an activity that moves a desired count into the bounds, in AWS's words.
func ByBounds(b scaling.Bounds, current int) string {
	if current < b.Min {
		return fmt.Sprintf("minimum capacity was set to %d", b.Min)
	}
	return fmt.Sprintf("maximum capacity was set to %d", b.Max)
}

// Expired reports whether the activity can no longer be read.
func (a *Activity) Expired(now time.Time) bool { return a.Start.Before(now.Add(-KeptFor)) }
