package fleet

import (
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/state"
)

// activityAge is how long AWS keeps activities. activityCount limits them for a group that never
// settles.
const (
	activityAge   = 42 * 24 * time.Hour
	activityCount = 2000
	activityAgain = time.Hour // how often to look for old ones
)

// activities deletes old activities. It is a control.Planner with one key, which only time makes
// due.
type activities struct{}

// Keys implements control.Planner.
func (activities) Keys(state.Change, *state.Snapshot) []struct{} { return nil }

// All implements control.Planner.
func (activities) All(*state.Snapshot) []struct{} { return make([]struct{}, 1) }

// Step implements control.Planner.
func (activities) Step(tx *state.Tx, _ struct{}, m control.Moment) (time.Duration, error) {
	for _, key := range oldActivities(&tx.Tables, m.Now) {
		tx.Activities.Delete(key)
	}
	return activityAgain, nil
}

// oldActivities returns the keys of activities that are too old, or beyond the newest activityCount
// of their group. Open ones are kept.
func oldActivities(t *state.Tables, now time.Time) []string {
	counts := map[string]int{}
	for a := range t.Activities.All() {
		counts[a.GroupARN]++
	}
	var old []string
	for a := range t.Activities.All() { // the oldest of a group first
		if counts[a.GroupARN]--; !a.Open() && (now.Sub(a.Start) > activityAge || counts[a.GroupARN] >= activityCount) {
			old = append(old, a.Key())
		}
	}
	return old
}
