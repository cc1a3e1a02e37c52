package state

import (
	"time"

	"github.com/berthhq/berth/internal/ecs"
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
