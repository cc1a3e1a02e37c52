package ecs

import (
	"strings"
	"time"

	"github.com/berthhq/berth/internal/arn"
)

// Service deployment statuses (ecs.md 3.6). AWS has two more, PENDING and STOP_REQUESTED; here a deployment begins and
// stops in one transaction.
const (
	ServiceDeploymentInProgress         = "IN_PROGRESS"
	ServiceDeploymentSuccessful         = "SUCCESSFUL"
	ServiceDeploymentStopped            = "STOPPED"
	ServiceDeploymentRollbackRequested  = "ROLLBACK_REQUESTED"
	ServiceDeploymentRollbackInProgress = "ROLLBACK_IN_PROGRESS"
	ServiceDeploymentRollbackSuccessful = "ROLLBACK_SUCCESSFUL"
	ServiceDeploymentRollbackFailed     = "ROLLBACK_FAILED"
)

const (
	// KeptServiceDeploymentsFor is how long a service deployment that has ended can be described
	// (ecs.md 3.6).
	KeptServiceDeploymentsFor = 90 * 24 * time.Hour
	// KeptServiceDeployments is how many of one service are kept at most. AWS gives no figure.
	KeptServiceDeployments = 100
)

// ServiceRevision is what tasks of a service are made from. It never changes (ecs.md 3.6).
type ServiceRevision struct {
	ServiceRevisionARN string
	ServiceARN         string
	ClusterARN         string
	TaskDefinition     string // ARN
	LaunchType         string
	// CapacityProviderStrategy is that of the service when the revision was made.
	CapacityProviderStrategy []StrategyItem        `json:",omitempty"`
	LoadBalancers            []LoadBalancer        `json:",omitempty"`
	NetworkConfiguration     *NetworkConfiguration `json:",omitempty"`
	CreatedAt                time.Time
}

// ServiceDeployment is the change of a service to another revision, from the call that asked for it
// until it has succeeded, was stopped or rolled back; then it is history (ecs.md 3.6). Written by
// deploy.Start and control/service.
type ServiceDeployment struct {
	ServiceDeploymentARN string
	ServiceARN           string
	ClusterARN           string
	Status               string
	StatusReason         string `json:",omitempty"`
	// SourceServiceRevisions are those that the service ran, or was on its way to, at the start.
	SourceServiceRevisions []ServiceRevisionSummary `json:",omitempty"`
	TargetServiceRevision  ServiceRevisionSummary
	Rollback               *Rollback `json:",omitempty"`
	// DeploymentConfiguration is the service's. After the end it is that of the end.
	DeploymentConfiguration DeploymentConfiguration
	// FailedTasks is how many tasks of the target revision failed, as the circuit breaker counted
	// when the deployment ended or was rolled back.
	FailedTasks int `json:",omitempty"`
	// LastFailureReason is why the last of them did.
	LastFailureReason string `json:",omitempty"`
	// FailedBy is what made it fail: FailedByBreaker, FailedByAlarm, FailedByRequest, or "".
	FailedBy string `json:",omitempty"`
	// AlarmsIgnored is whether one of the service's alarms was in ALARM at the start. Alarms do not make such a
	// deployment fail (ecs.md 3.5.3).
	AlarmsIgnored bool `json:",omitempty"`
	// TriggeredAlarms names the alarms that made it fail.
	TriggeredAlarms []string `json:",omitempty"`

	CreatedAt  time.Time
	StartedAt  time.Time
	UpdatedAt  time.Time
	FinishedAt time.Time `json:",omitzero"` // when it ended, in whichever way
	StoppedAt  time.Time `json:",omitzero"` // when it was STOPPED
}

// ServiceRevisionSummary is a revision's part in a service deployment. Its counts are those of the
// moment at which the deployment ended; before, they are computed when it is described.
type ServiceRevisionSummary struct {
	ARN                string
	RequestedTaskCount int `json:",omitempty"`
	RunningTaskCount   int `json:",omitempty"`
	PendingTaskCount   int `json:",omitempty"`
}

// Rollback is the return of a service to a revision that it ran before.
type Rollback struct {
	Reason             string
	StartedAt          time.Time
	ServiceRevisionARN string // that it returns to
}

// Ended reports whether nothing more is done for the deployment.
func (d *ServiceDeployment) Ended() bool { return !d.FinishedAt.IsZero() }

// Failed reports whether the service did not reach the target revision, or is on its way back.
func (d *ServiceDeployment) Failed() bool {
	return d.Status != ServiceDeploymentInProgress && d.Status != ServiceDeploymentSuccessful
}

// Stop ends a deployment that has not ended, because of something else that was asked for. p is the progress of its
// service until then.
func (d *ServiceDeployment) Stop(p *ServiceProgress, reason string, now time.Time) {
	d.StatusReason = reason
	d.takeFailures(p)
	d.become(ServiceDeploymentStopped, now)
}

// RequestRollback notes that a user asked for the return to the last completed revision. control/service carries it
// out.
func (d *ServiceDeployment) RequestRollback(now time.Time) {
	d.StatusReason = "A rollback was requested with StopServiceDeployment."
	d.become(ServiceDeploymentRollbackRequested, now)
}

// Statuses of what watches a deployment and may fail it (ecs.md 3.6).
const (
	MonitorDisabled   = "DISABLED"
	MonitorMonitoring = "MONITORING"
	MonitorTriggered  = "TRIGGERED"
	MonitorComplete   = "MONITORING_COMPLETE"
)

// BreakerStatus returns the status of the circuit breaker. Rows of versions up to November 2026 do not say what made a
// deployment fail. Only a circuit breaker could roll back then.
func (d *ServiceDeployment) BreakerStatus() string {
	if d.FailedBy == "" && d.Rollback != nil {
		return MonitorTriggered
	}
	return d.monitor(d.DeploymentConfiguration.Breaker().Enable, FailedByBreaker)
}

// AlarmStatus returns the status of the alarms that watch the deployment.
func (d *ServiceDeployment) AlarmStatus() string {
	return d.monitor(d.DeploymentConfiguration.Watched().Enable && !d.AlarmsIgnored, FailedByAlarm)
}

// monitor returns the status of what makes the deployment fail for a cause.
func (d *ServiceDeployment) monitor(enabled bool, cause string) string {
	switch {
	case !enabled:
		return MonitorDisabled
	case d.FailedBy == cause:
		return MonitorTriggered
	case d.Status == ServiceDeploymentInProgress:
		return MonitorMonitoring
	}
	return MonitorComplete
}

// Count takes over what each revision of the deployment has.
func (d *ServiceDeployment) Count(summary func(revisionARN string) ServiceRevisionSummary) {
	d.TargetServiceRevision = summary(d.TargetServiceRevision.ARN)
	sources := make([]ServiceRevisionSummary, len(d.SourceServiceRevisions))
	for i, s := range d.SourceServiceRevisions {
		sources[i] = summary(s.ARN)
	}
	d.SourceServiceRevisions = sources
}

// Follow makes the deployment, the latest one of its service, say what the service's progress says:
// its status follows from the primary deployment. It reports whether anything changed.
func (d *ServiceDeployment) Follow(p *ServiceProgress, now time.Time) bool {
	primary := p.Primary()
	if primary == nil {
		return false
	}
	current := primary.Revision.ServiceRevisionARN
	returned := d.Rollback != nil && d.Rollback.ServiceRevisionARN == current
	target := p.DeploymentOf(d.TargetServiceRevision.ARN)
	if current != d.TargetServiceRevision.ARN && !returned {
		d.Rollback = &Rollback{primary.RolloutStateReason, now, current}
		if target != nil { // the primary deployment may be completed already
			d.Rollback.Reason = target.RolloutStateReason
		}
	}
	next := d.statusOf(primary.RolloutState)
	if next == d.Status || d.Status == ServiceDeploymentRollbackRequested && next == ServiceDeploymentInProgress {
		return false
	}
	switch d.StatusReason = primary.RolloutStateReason; next {
	case ServiceDeploymentRollbackInProgress, ServiceDeploymentRollbackSuccessful:
		d.StatusReason = d.Rollback.Reason
	}
	d.become(next, now)
	d.takeFailures(p)
	return true
}

// takeFailures takes over how many tasks of the target revision failed and what made it fail.
func (d *ServiceDeployment) takeFailures(p *ServiceProgress) {
	target := p.DeploymentOf(d.TargetServiceRevision.ARN)
	if target == nil {
		return
	}
	d.FailedTasks, d.LastFailureReason, d.FailedBy = target.FailedTasks, "", target.FailedBy
	d.TriggeredAlarms = target.TriggeredAlarms
	if d.Failed() {
		d.LastFailureReason = target.LastFailureReason
	}
}

func (d *ServiceDeployment) become(status string, now time.Time) {
	d.Status, d.UpdatedAt, d.FinishedAt, d.StoppedAt = status, now, now, time.Time{}
	switch status {
	case ServiceDeploymentInProgress, ServiceDeploymentRollbackRequested, ServiceDeploymentRollbackInProgress:
		d.FinishedAt = time.Time{}
	case ServiceDeploymentStopped:
		d.StoppedAt = now
	}
}

// statusOf is the status while the primary deployment has the rollout state.
func (d *ServiceDeployment) statusOf(rollout string) string {
	back := d.Rollback != nil
	switch {
	case rollout == RolloutCompleted && back:
		return ServiceDeploymentRollbackSuccessful
	case rollout == RolloutCompleted:
		return ServiceDeploymentSuccessful
	case rollout == RolloutFailed && back:
		return ServiceDeploymentRollbackFailed
	case rollout == RolloutFailed:
		return ServiceDeploymentStopped
	case back:
		return ServiceDeploymentRollbackInProgress
	}
	return ServiceDeploymentInProgress
}

// ServiceRevisionARN names the revision of a service that has the digits of a deployment's id.
func ServiceRevisionARN(serviceARN, digits string) string {
	return withinService(serviceARN, TypeServiceRevision, digits)
}

// ServiceDeploymentARN names a deployment of a service (ecs.md 1.1.2).
func ServiceDeploymentARN(serviceARN, id string) string {
	return withinService(serviceARN, TypeServiceDeployment, id)
}

func withinService(serviceARN, resourceType, id string) string {
	return strings.Replace(serviceARN, ":"+TypeService+"/", ":"+resourceType+"/", 1) + "/" + id
}

// DeploymentID is the id of the deployment of a revision (ecs.md 1.1.3).
func (r *ServiceRevision) DeploymentID() string {
	return "ecs-svc/" + arn.LastID(r.ServiceRevisionARN)
}
