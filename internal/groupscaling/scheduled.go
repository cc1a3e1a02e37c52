package groupscaling

import (
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/scaling"
)

// Scheduled is a scheduled action of a group. It sets the sizes that are not nil, once at Start, or repeatedly at the
// times of Recurrence. Actions of the API write it; control/fleet updates Next, and deletes the row after its last
// time.
type Scheduled struct {
	ID                string // UUID in the ARN
	Region, Account   string
	Group, Name       string
	Min, Max, Desired *int      `json:",omitempty"`
	Recurrence        string    `json:",omitempty"` // a cron expression of five fields
	Timezone          string    `json:",omitempty"` // of the IANA; "" is UTC
	Start, End        time.Time `json:",omitzero"`
	Next              time.Time // when it is due
}

// Key returns the key of the row.
func (s *Scheduled) Key() string { return fleet.PartKey(s.Region, s.Account, s.Group, s.Name) }

// ARN returns the ARN of the scheduled action.
func (s *Scheduled) ARN() string {
	return arn.New("autoscaling", s.Region, s.Account, "scheduledUpdateGroupAction:"+s.ID+
		":autoScalingGroupName/"+s.Group+":scheduledActionName/"+s.Name).String()
}

// After returns the first time after t at which the action is due, or the zero time if there is none. The settings of
// the action must be valid.
func (s *Scheduled) After(t time.Time) time.Time {
	if s.Recurrence == "" {
		if s.Start.After(t) {
			return s.Start
		}
		return time.Time{}
	}
	schedule, err := s.Schedule()
	if err != nil {
		return time.Time{}
	}
	if s.Start.After(t) {
		t = s.Start.Add(-1) // so that the start itself counts
	}
	next := schedule.Next(t, s.Start)
	if !s.End.IsZero() && next.After(s.End) {
		return time.Time{}
	}
	return next
}

// Schedule parses the recurrence. The error says what is wrong with it.
func (s *Scheduled) Schedule() (scaling.Schedule, error) {
	zone, err := time.LoadLocation(s.Timezone)
	if err != nil {
		return scaling.Schedule{}, err
	}
	return scaling.ParseUnixCron(s.Recurrence, zone)
}

// Apply sets the sizes of a group, and moves the capacity into its bounds, as scaling.Scheduled does.
func (s *Scheduled) Apply(g *fleet.AutoScalingGroup) {
	if s.Desired != nil {
		g.Desired = *s.Desired
	}
	var b scaling.Bounds
	b, g.Desired = scaling.Scheduled{Min: s.Min, Max: s.Max}.Apply(scaling.Bounds{Min: g.Min, Max: g.Max}, g.Desired)
	g.Min, g.Max = b.Min, b.Max
}
