package rollout

import "time"

// Plan is what to do now. A plan that changes nothing has empty lists.
type Plan struct {
	Start []Start
	Stop  []Stop
	Mark  []Deployment // new values of the deployments that change
	// Healthy and Counted name tasks that have become healthy for the first time, and tasks whose end the marks have taken
	// in. The caller keeps both on the task, in the same transaction as the marks.
	Healthy, Counted []string
	Event            []Event
	// Complaint is what keeps the service from its goal now, in the words of a service event; "" if nothing does. It is said
	// by every plan as long as that lasts, for the caller to tell once and then every 6 hours (ecs.md 1.7.4). Detail explains
	// it in plain words where AWS's do not say enough; it may differ from plan to plan.
	Complaint, Detail string
	// SteadyAt is to be kept as Service.SteadyAt.
	SteadyAt time.Time
	// Rebalancing is to be kept as Service.Rebalancing.
	Rebalancing bool
	// WakeAt is when time alone may change the plan; zero = only a change of the view does.
	WakeAt time.Time
}

// Start asks for tasks of one deployment.
type Start struct {
	DeploymentID string
	Revision     string
	Count        int
	InstanceIDs  []string // Daemon only: one task on each; else placement is the caller's business
}

// Stop asks for the end of one task.
type Stop struct {
	TaskID string
	Cause  Cause
	Reason string // stoppedReason in AWS's words (ecs.md 1.5.4)
}

// Cause is why a task is stopped.
type Cause string

// Causes of stops.
const (
	CauseDeployment Cause = "deployment" // its deployment is replaced
	CauseScaleIn    Cause = "scale-in"   // there are more than desired
	CauseUnhealthy  Cause = "unhealthy"  // it failed its health checks
	CauseDraining   Cause = "draining"   // its container instance is DRAINING
	CausePlacement  Cause = "placement"  // daemon: its instance is not one of the service's, or has a task already
	CauseDeletion   Cause = "deletion"   // the service is being deleted
)

// Event is a line for the service's events and a name for EventBridge (ecs.md 1.7.2, 1.7.4). It is in the one plan that makes
// it true.
type Event struct {
	Name    string // "" where EventBridge has none
	Message string
}
