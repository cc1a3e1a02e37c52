package ecs

import (
	"cmp"
	"slices"
	"time"
)

// Deployment statuses and rollout states (ecs.md 3.1.3).
const (
	DeploymentPrimary  = "PRIMARY"
	DeploymentActive   = "ACTIVE"
	DeploymentInactive = "INACTIVE"

	RolloutInProgress = "IN_PROGRESS"
	RolloutCompleted  = "COMPLETED"
	RolloutFailed     = "FAILED"
)

// What can make a deployment fail (ecs.md 3.5.2, 3.6).
const (
	FailedByBreaker = "CIRCUIT_BREAKER" // too many of its tasks failed
	FailedByAlarm   = "ALARM"           // one of the service's alarms went into ALARM
	FailedByRequest = "REQUEST"         // a user asked for a rollback
)

// ServiceProgress is how far a service has come. Each service has one, from its creation until it
// is forgotten. Written by control/service, and by deploy.Start when a deployment begins.
type ServiceProgress struct {
	ServiceARN string
	// Deployments, the primary one first, then the newest. INACTIVE ones leave.
	Deployments []Deployment
	// ServiceDeploymentARN is the latest service deployment.
	ServiceDeploymentARN string
	// Rebalancing is whether tasks are being moved between availability zones.
	Rebalancing bool `json:",omitempty"`
	// Unplaced is how many tasks of the last plan found no instance.
	Unplaced int `json:",omitempty"`
	// SteadyAt is when the service last said it reached a steady state; zero while it is not steady.
	SteadyAt time.Time `json:",omitzero"`
	// LastComplaint is what the last message about something that is still so was about, whichever
	// instance it named; it is not repeated before RepeatAfter (ecs.md 1.7.4).
	LastComplaint   string    `json:",omitempty"`
	LastComplaintAt time.Time `json:",omitzero"`
}

// Deployment is one service revision that tasks of a service are made from, or may be again. Counts
// of running and pending tasks are computed when it is described.
type Deployment struct {
	ID       string // ecs-svc/<digits>; the digits end its revision's ARN too
	Status   string
	Revision ServiceRevision
	// DesiredCount is how many tasks it should have; of an older deployment, how many are left of
	// it; of a DAEMON service's primary one, on how many instances the service belongs.
	DesiredCount       int
	FailedTasks        int
	LastFailureReason  string `json:",omitempty"` // why the last task that FailedTasks counts failed
	RolloutState       string
	RolloutStateReason string
	FailedBy           string `json:",omitempty"` // while FAILED: FailedByBreaker, FailedByAlarm or FailedByRequest
	// TriggeredAlarms names the alarms that made it fail.
	TriggeredAlarms []string `json:",omitempty"`
	// BakeUntil is the time until which alarms watch it, once all its tasks are healthy and those of others have ended.
	// It is not completed before that time (ecs.md 3.5.3).
	BakeUntil   time.Time `json:",omitzero"`
	CreatedAt   time.Time
	UpdatedAt   time.Time
	CompletedAt time.Time `json:",omitzero"` // when it last was COMPLETED
	// Attempts counts rounds of starts that failed one after another, the last of them at
	// LastFailure. No task of the deployment is started before RetryAt (ecs.md 3.4).
	Attempts    int       `json:",omitempty"`
	LastFailure time.Time `json:",omitzero"`
	RetryAt     time.Time `json:",omitzero"`
}

// Primary returns the primary deployment, nil if there is none.
func (p *ServiceProgress) Primary() *Deployment {
	for i := range p.Deployments {
		if p.Deployments[i].Status == DeploymentPrimary {
			return &p.Deployments[i]
		}
	}
	return nil
}

// CanRollBack reports whether there is a deployment that a rollback can return to.
func (p *ServiceProgress) CanRollBack() bool {
	return slices.ContainsFunc(p.Deployments, func(d Deployment) bool { return d.CanReturn() })
}

// CanReturn reports whether a rollback may make the deployment the primary one again: it was completed, and is neither
// the primary one nor forgotten (ecs.md 3.5.2).
func (d *Deployment) CanReturn() bool {
	return d.Status == DeploymentActive && d.RolloutState == RolloutCompleted
}

// Deploying reports whether a deployment of the service is under way.
func (p *ServiceProgress) Deploying() bool {
	primary := p.Primary()
	return primary != nil && (primary.RolloutState == RolloutInProgress ||
		slices.ContainsFunc(p.Deployments, func(d Deployment) bool { return d.Status == DeploymentActive }))
}

// DeploymentOf returns the deployment of a revision, nil if there is none.
func (p *ServiceProgress) DeploymentOf(revisionARN string) *Deployment {
	for i := range p.Deployments {
		if p.Deployments[i].Revision.ServiceRevisionARN == revisionARN {
			return &p.Deployments[i]
		}
	}
	return nil
}

// Current is the revision that the service is to run: that of its primary deployment. It is empty
// if there is none.
func (p *ServiceProgress) Current() ServiceRevision {
	if d := p.Primary(); d != nil {
		return d.Revision
	}
	return ServiceRevision{}
}

// DesiredCount is how many tasks the service should run: as many as was asked for, of a DAEMON
// service one on each instance that it belongs on, and none once it is deleted.
func (p *ServiceProgress) DesiredCount(s *Service) int {
	if s.SchedulingStrategy != Daemon {
		return s.DesiredCount
	}
	if d := p.Primary(); d != nil && s.Status == ServiceActive {
		return d.DesiredCount
	}
	return 0
}

// Begin makes d the primary deployment. What was primary becomes ACTIVE until its tasks are gone
// (ecs.md 3.1.4).
func (p *ServiceProgress) Begin(d Deployment) {
	d.Status = DeploymentPrimary
	all := []Deployment{d}
	for _, old := range p.Deployments {
		if old.Status == DeploymentPrimary {
			old.Status, old.UpdatedAt = DeploymentActive, d.CreatedAt
		}
		all = append(all, old)
	}
	p.Deployments = all
}

// SetDeployments takes the deployments that are not INACTIVE, in their order.
func (p *ServiceProgress) SetDeployments(all []Deployment) {
	p.Deployments = slices.DeleteFunc(slices.Clone(all), func(d Deployment) bool {
		return d.Status == DeploymentInactive
	})
	slices.SortStableFunc(p.Deployments, func(a, b Deployment) int {
		return cmp.Or(rank(a)-rank(b), b.CreatedAt.Compare(a.CreatedAt))
	})
}

func rank(d Deployment) int {
	if d.Status == DeploymentPrimary {
		return 0
	}
	return 1
}
