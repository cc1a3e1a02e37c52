package capacity

import (
	"context"
	"fmt"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/provider"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// Points stores the points of the metric; *meter.Store implements it.
type Points interface {
	Put(now time.Time, data []meter.Datum) error
}

// publishing writes the metric CapacityProviderReservation at the end of each minute (ecs.md 4.2). It is a
// control.Controller whose keys are the ARNs of capacity providers.
type publishing struct {
	control.Env
	points Points
	pace   scaling.Pace
}

// Keys implements control.Controller. A change of a capacity provider, or of the list of them in a cluster, may be the
// start of publishing. After that, points are published at the end of each minute, whatever changes.
func (r *publishing) Keys(c state.Change, _ *state.Snapshot) []string {
	switch c := c.(type) {
	case state.Changed[ecs.CapacityProvider]:
		return []string{c.Key}
	case state.Changed[ecs.Cluster]:
		if c.New == nil {
			return nil
		}
		var keys []string
		for _, name := range c.New.CapacityProviders {
			keys = append(keys, ecs.ProviderARN(c.Key, name))
		}
		return keys
	}
	return nil
}

// All implements control.Controller.
func (r *publishing) All(s *state.Snapshot) (keys []string) {
	for p := range s.CapacityProviders.All() {
		keys = append(keys, p.CapacityProviderARN)
	}
	return keys
}

// Reconcile implements control.Controller. A point has the time of the minute that ends with it.
func (r *publishing) Reconcile(_ context.Context, key string) (time.Duration, error) {
	t, now := &r.Store.View().Tables, r.Now()
	p, ok := t.CapacityProviders.Get(key)
	if !ok {
		return 0, nil
	}
	m, c, g, ok := situation(t, p, r.pace, now)
	if !ok {
		return 0, nil
	}
	period := scaling.PaceFrom(g.Tags, r.pace).Period(time.Minute)
	end := now.Truncate(period)
	if now.Sub(end) < period/2 { // a later call was caused by a change
		data := []meter.Datum{point(p, c, g, m.Value(), end.Add(-period))}
		if period < time.Minute {
			data[0].Second, data[0].Metric.Namespace = true, meter.OfSeconds(provider.Namespace)
			if end.Truncate(time.Minute).Equal(end) {
				data = append(data, point(p, c, g, m.Value(), end.Add(-time.Minute)))
			}
		}
		if err := r.points.Put(now, data); err != nil {
			return 0, err
		}
	}
	return end.Add(period).Sub(now), nil
}

func point(p *ecs.CapacityProvider, c *ecs.Cluster, g *fleet.AutoScalingGroup, v float64, at time.Time) meter.Datum {
	return meter.Datum{At: at, Unit: "None", Summary: meter.StatisticSet(1, v, v, v),
		Metric: meter.Metric{Scope: meter.Scope(g.Account, g.Region), Namespace: provider.Namespace,
			Name: provider.Reservation, Dimensions: []meter.Dimension{{Name: "CapacityProviderName", Value: p.Name},
				{Name: "ClusterName", Value: c.ClusterName}}}}
}

// acting carries out the actions of the alarms of managed scaling: it writes the desired capacity of groups. It is a
// control.Planner whose keys are those of due actions. An action and its result are one transaction, so that a crash
// neither loses an action nor carries it out twice.
type acting struct{ pace scaling.Pace }

// Keys implements control.Planner.
func (a acting) Keys(c state.Change, s *state.Snapshot) []string {
	if c, ok := c.(state.Changed[alarm.Due]); ok && c.New != nil && c.New.Kind == alarm.GroupPolicy {
		if _, ours := s.ManagedScalingOf(c.New.Action); ours {
			return []string{c.Key}
		}
	}
	return nil
}

// All implements control.Planner.
func (a acting) All(s *state.Snapshot) (keys []string) {
	for d := range s.DueActions.By(state.DueActionsByKind, string(alarm.GroupPolicy)) {
		if _, ours := s.ManagedScalingOf(d.Action); ours {
			keys = append(keys, d.Key())
		}
	}
	return keys
}

// Step implements control.Planner. It decides from the present state, and not from the values that the alarm compared.
func (a acting) Step(tx *state.Tx, key string, now control.Moment) (time.Duration, error) {
	if d, ok := tx.DueActions.Get(key); ok {
		tx.FinishDue(d, a.follow(tx, d, now.Now), now.Now)
	}
	return 0, nil
}

// follow carries out an action, and returns why it cannot be carried out, or "" if it can.
func (a acting) follow(tx *state.Tx, d *alarm.Due, now time.Time) (problem string) {
	p, ours := tx.ManagedScalingOf(d.Action)
	if !ours {
		return "there is no such scaling policy"
	}
	m, c, g, ok := situation(&tx.Tables, p, a.pace, now)
	switch {
	case !ok:
		return "ECS does not scale the group of capacity provider " + p.Name
	case g.IsSuspended(fleet.ProcessAlarm):
		return "the process AlarmNotification of the group is suspended"
	}
	direction := scaling.In
	if d.AlarmARN == provider.Alarms(p, g, c, now)[0].ARN {
		direction = scaling.Out
	}
	to, why := m.Follow(direction, now)
	done := ecs.ManagedScalingState{CapacityProviderARN: p.CapacityProviderARN}
	if old, ok := tx.ManagedScaling.Get(p.CapacityProviderARN); ok {
		done = *old
	}
	before := done
	if to != m.Desired {
		n := g.Clone()
		n.Desired = to
		n.AddNote(fleet.NoteAlarm(now, alarmName(tx, d), string(d.To), p.PolicyName(), m.Desired, to))
		tx.AutoScalingGroups.Put(n)
		if to > m.Desired {
			done.ScaledOutAt = now
		}
	}
	if direction == scaling.Out {
		done.Held = held(g, why)
		if done.Held != before.Held && done.Held != "" {
			tell(tx, c, p, done.Held, now)
		}
	}
	if direction == scaling.In {
		done.Held = ""
	}
	if done != before {
		tx.ManagedScaling.Put(&done)
	}
	return ""
}

func alarmName(tx *state.Tx, d *alarm.Due) string {
	if a, ok := tx.Alarms.Get(d.AlarmARN); ok {
		return a.Name
	}
	return d.AlarmARN
}

// held returns why a group does not get the instances that its tasks need, or "" if it gets them.
func held(g *fleet.AutoScalingGroup, why scaling.Reason) string {
	switch why {
	case scaling.AlreadyAtMax:
		return provider.AtMaximum(g)
	case scaling.HeldNoFit:
		return provider.NoFit(g)
	}
	return ""
}

// tell adds an event with the reason to each service that has tasks waiting for the capacity provider.
func tell(tx *state.Tx, c *ecs.Cluster, p *ecs.CapacityProvider, why string, now time.Time) {
	told := make(map[string]bool)
	for task := range tx.Tasks.By(state.TasksProvisioning, c.ClusterARN) {
		s, ok := tx.Services.Get(task.ServiceARN)
		if !ok || task.CapacityProviderName != p.Name || told[s.ServiceARN] {
			continue
		}
		told[s.ServiceARN] = true
		tx.AddServiceEvent(s.ServiceARN, fmt.Sprintf("(service %s) has tasks in PROVISIONING, and capacity "+
			"provider %s gets no more instances for them: %s.", s.ServiceName, p.Name, why), now)
	}
}
