package fleet

import (
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// activityAge is how long AWS keeps activities. activityCount limits them for a group that never
// settles.
const (
	activityAge   = 42 * 24 * time.Hour
	activityCount = 2000
)

// activities deletes old activities. It is a control.Planner; its keys are prefixes from fleet.ActivityPrefix.
type activities struct{}

// Keys implements control.Planner.
func (activities) Keys(c state.Change, _ *state.Snapshot) []string {
	if c, ok := c.(state.Changed[fleet.Activity]); ok && c.New != nil {
		return []string{activitiesOf(c.New)}
	}
	return nil
}

// All implements control.Planner.
func (activities) All(s *state.Snapshot) (keys []string) {
	for a := range s.Activities.All() { // those of a group follow each other
		if key := activitiesOf(a); len(keys) == 0 || keys[len(keys)-1] != key {
			keys = append(keys, key)
		}
	}
	return keys
}

func activitiesOf(a *fleet.Activity) string {
	return fleet.ActivityPrefix(a.Region, a.Account, a.Group)
}

// Step implements control.Planner. It deletes the activities of a group that are too old, or beyond the newest
// activityCount. Open ones are kept. It looks at the oldest ones only.
func (activities) Step(tx *state.Tx, group string, m control.Moment) (time.Duration, error) {
	left := tx.ActivitiesIn(group)
	for a := range tx.Activities.Prefix(group) { // the oldest first
		beyond, end := left > activityCount, a.Start.Add(activityAge)
		left--
		switch {
		case a.Open():
		case beyond || end.Before(m.Now):
			tx.Activities.Delete(a.Key())
		default:
			return max(end.Sub(m.Now), time.Millisecond), nil
		}
	}
	return 0, nil
}
