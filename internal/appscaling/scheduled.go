package appscaling

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // time zones for machines that do not have them
	"unicode"
	"unicode/utf8"

	"github.com/berthhq/berth/internal/scaling"
)

// Scheduled is a scheduled action of a target. It sets the bounds at the times of its schedule (ecs.md 6.13).
type Scheduled struct {
	ID              string // UUID in the ARN
	Region, Account string
	ResourceID      string
	Name            string
	Schedule        string    // at(…), rate(…) or cron(…)
	Timezone        string    `json:",omitempty"` // "" means UTC
	Start           time.Time `json:",omitzero"`
	End             time.Time `json:",omitzero"`
	Action          scaling.Scheduled
	CreatedAt       time.Time
	ChangedAt       time.Time // when it was last put: only later times of the schedule count
}

// Key returns the key of the row.
func (s *Scheduled) Key() string { return ScheduledKey(s.Region, s.Account, s.ResourceID, s.Name) }

// ScheduledKey returns the key of the scheduled action with a name, for a resource.
func ScheduledKey(region, account, resourceID, name string) string {
	return Key(region, account, resourceID) + name
}

// ARN returns the ARN of the scheduled action.
func (s *Scheduled) ARN() string {
	return partARN(s.Region, s.Account, "scheduledAction", s.ID, s.ResourceID, "scheduledActionName", s.Name)
}

// Due returns the first time after a given time at which the action is due, or the zero time if there is
// none. A schedule that repeats is due only between the start and the end. A rate counts from the start, or
// without one from the creation of the action. An error comes from ParseSchedule.
func (s *Scheduled) Due(after time.Time) (time.Time, error) {
	schedule, err := ParseSchedule(s.Schedule, s.Timezone)
	if err != nil {
		return time.Time{}, err
	}
	from := s.CreatedAt
	if !s.Start.IsZero() {
		from = s.Start
		if before := s.Start.Add(-1); after.Before(before) { // the start itself may be due
			after = before
		}
	}
	at := schedule.Next(after, from)
	if !s.End.IsZero() && at.After(s.End) {
		return time.Time{}, nil
	}
	return at, nil
}

// ParseSchedule parses a schedule for a time zone of the IANA database; "" is UTC.
func ParseSchedule(text, zone string) (scaling.Schedule, error) {
	location, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return scaling.Schedule{}, fmt.Errorf("%q is not a time zone of the IANA, such as Europe/Paris", zone)
	}
	return scaling.ParseSchedule(text, location)
}

// ValidScheduledName reports whether a text can be the name of a scheduled action: 1 to 256 characters
// without control characters, colons, slashes and vertical bars, and without a space at either end.
func ValidScheduledName(name string) bool {
	n := utf8.RuneCountInString(name)
	return n >= 1 && n <= 256 && utf8.ValidString(name) && strings.Trim(name, " ") == name &&
		!strings.ContainsAny(name, ":/|") && !strings.ContainsFunc(name, unicode.IsControl)
}
