package sim

import (
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/state"
)

// edge simulates what load balancers report about their targets: a new target is healthy after its first check, and a
// deregistered one has drained when its last request has ended. It is a control.Planner whose keys are those of
// targets.
type edge struct {
	// holds reports whether clients are connected to a target that is draining.
	holds func(t *state.Tables, key string) bool
}

// The times of a healthy target on a quiet network.
const (
	firstCheck = time.Second
	lastAnswer = time.Second
	holdsAgain = 10 * time.Second // how often to check whether the last client has left
	edgeName   = "simulated"
)

// Keys implements control.Planner.
func (e *edge) Keys(ch state.Change, _ *state.Snapshot) []string {
	if ch, ok := ch.(state.Changed[elb.Target]); ok && ch.New != nil {
		return []string{ch.Key}
	}
	return nil
}

// All implements control.Planner.
func (e *edge) All(s *state.Snapshot) (keys []string) {
	for t := range s.Targets.All() {
		keys = append(keys, t.Key())
	}
	return keys
}

// Step implements control.Planner.
func (e *edge) Step(tx *state.Tx, key string, m control.Moment) (time.Duration, error) {
	t, ok := tx.Targets.Get(key)
	if !ok {
		return 0, nil
	}
	v := elb.Verdict{Key: key, Registered: t.Registered, State: elb.Healthy, Since: t.Registered.Add(firstCheck)}
	at := v.Since
	if t.IsDraining() {
		at, v.Drained = t.Draining.Add(lastAnswer), true
	}
	if wait := at.Sub(m.Now); wait > 0 {
		return wait, nil
	}
	if t.IsDraining() && m.Now.Before(t.DrainUntil) && e.holds(&tx.Tables, key) {
		return min(holdsAgain, t.DrainUntil.Sub(m.Now)), nil
	}
	old, ok := tx.TargetHealth.Get(key)
	if ok && old.Registered.Equal(v.Registered) && old.State == v.State && old.Drained == v.Drained {
		return 0, nil
	}
	tx.TargetHealth.Put(elb.HealthBy(t, old, []string{edgeName}, map[string]elb.Verdict{edgeName: v}))
	return 0, nil
}
