package rollout

import (
	"time"

	"github.com/berthhq/berth/internal/ecs"
)

// Plan is what to do now. If there is nothing to do, its lists are empty.
type Plan struct {
	Start  []Start
	Stop   []Stop
	Update []ecs.Deployment // deployments that change, with their new values
	// Healthy names the tasks that are healthy for the first time, and Ended the tasks whose end is
	// counted in Update. The caller writes both to the tasks (WasHealthy, EndCounted), in the same
	// transaction as Update.
	Healthy, Ended []string
	Event          []Event
	// Complaint is why the service cannot reach its goal now, in the words of a service event, or "". Every
	// plan repeats it while the reason lasts. The caller writes the event once, and then every 6 hours
	// (ecs.md 1.7.4). Detail explains it where AWS's words are not enough; it may differ from plan to plan.
	Complaint, Detail string
	// SteadyAt and Rebalancing are new values for the service's progress.
	SteadyAt    time.Time
	Rebalancing bool
	// WakeAt is when the plan may change without a change of the view; zero if it cannot.
	WakeAt time.Time
}

// Start asks for tasks of one deployment to be started.
type Start struct {
	DeploymentID string
	Count        int
	InstanceARNs []string // DAEMON only: one task on each; otherwise the caller places the tasks
}

// Stop asks for one task to be stopped.
type Stop struct {
	TaskARN string
	Cause   Cause
	Reason  string // stoppedReason in AWS's words (ecs.md 1.5.4)
}

// Cause is why a task is stopped.
type Cause string

// Causes of stops.
const (
	CauseDeployment Cause = "deployment" // its deployment is replaced
	CauseScaleIn    Cause = "scale-in"   // there are more than desired
	CauseUnhealthy  Cause = "unhealthy"  // it failed its health checks
	CauseDraining   Cause = "draining"   // its container instance is DRAINING
	CausePlacement  Cause = "placement"  // DAEMON only: the service has no place on its instance, or another task there
	CauseDeletion   Cause = "deletion"   // the service is being deleted
)

// Event is a service event, and its name in EventBridge (ecs.md 1.7.2, 1.7.4). It is only in the
// plan that makes it true.
type Event struct {
	Name    string // "" where EventBridge has none
	Message string
}
