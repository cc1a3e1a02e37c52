package state

import (
	"slices"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/scaling"
)

// Progress returns how far a service has come. It is empty for a service that does not exist.
func (t *Tables) Progress(serviceARN string) *ecs.ServiceProgress {
	if p, ok := t.ServiceProgress.Get(serviceARN); ok {
		return p
	}
	return &ecs.ServiceProgress{ServiceARN: serviceARN}
}

// LatestDeployment returns a service's latest service deployment, nil if it has none.
func (t *Tables) LatestDeployment(serviceARN string) *ecs.ServiceDeployment {
	d, _ := t.ServiceDeployments.Get(t.Progress(serviceARN).ServiceDeploymentARN)
	return d
}

// LastEvent returns the newest event of a service, nil if it has none.
func (t *Tables) LastEvent(serviceARN string) *ecs.Event {
	e, _ := t.ServiceEvents.Last(serviceARN + "/")
	return e
}

// AddServiceEvent adds an event to those of a service and deletes the oldest beyond the number
// kept.
func (tx *Tx) AddServiceEvent(serviceARN, message string, now time.Time) {
	e := ecs.NextEvent(serviceARN, tx.LastEvent(serviceARN), message, now)
	tx.ServiceEvents.Put(e)
	tx.ServiceEvents.Delete(e.Forgets())
}

// RevisionSummary returns how many tasks of a revision a service wants and has. The progress must be that of the
// service.
func (t *Tables) RevisionSummary(p *ecs.ServiceProgress, revisionARN string) ecs.ServiceRevisionSummary {
	sum := ecs.ServiceRevisionSummary{ARN: revisionARN}
	d := p.DeploymentOf(revisionARN)
	if d == nil {
		return sum
	}
	sum.RequestedTaskCount = d.DesiredCount
	sum.RunningTaskCount, sum.PendingTaskCount = t.TasksOfService(p.ServiceARN).
		RunningAndPending(func(c ecs.TaskCount) bool { return c.Label == d.ID })
	return sum
}

// alarmsOfService returns the ARNs of the alarms that watch the service's deployments, each once.
func alarmsOfService(s *ecs.Service) (arns []string) {
	names := s.DeploymentConfiguration.Watched().AlarmNames
	if len(names) == 0 || s.Status == ecs.ServiceInactive {
		return nil
	}
	a, err := arn.Parse(s.ServiceARN)
	if err != nil {
		return nil
	}
	for _, name := range names {
		arns = append(arns, alarm.ARN(a.Region, a.Account, name))
	}
	slices.Sort(arns)
	return slices.Compact(arns)
}

// DeploymentAlarms returns the names of the alarms that watch the service's deployments and are in the state ALARM, and
// how long the alarms watch a deployment after its tasks have become healthy: as long as the slowest of them may need
// to notice something. An alarm that does not exist does not count (ecs.md 3.5.3).
func (t *Tables) DeploymentAlarms(s *ecs.Service) (firing []string, bake time.Duration) {
	for _, key := range alarmsOfService(s) {
		a, ok := t.Alarms.Get(key)
		if !ok {
			continue
		}
		if t.StatusOf(a).Value == scaling.InAlarm {
			firing = append(firing, a.Name)
		}
		bake = max(bake, t.noticesWithin(a, make(map[string]bool)))
	}
	return firing, bake
}

// noticesWithin returns the time within which an alarm notices something, or the longest such time of the alarms in its
// rule. The periods of an alarm begin with the clock, so the first may be almost over when something happens, and an
// evaluation follows within an interval after a period. seen has the ARNs of the alarms that were looked at before.
func (t *Tables) noticesWithin(a *alarm.Alarm, seen map[string]bool) time.Duration {
	seen[a.ARN] = true
	var longest time.Duration
	if c := a.Condition; !a.Composite() {
		longest = time.Duration(c.Periods+1)*c.Period + c.Interval()
	}
	for _, key := range a.Children {
		if child, ok := t.Alarms.Get(key); ok && !seen[key] {
			longest = max(longest, t.noticesWithin(child, seen))
		}
	}
	return longest
}
