package why

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/sched"
	"github.com/berthhq/berth/internal/state"
)

// maxTasks is how many tasks of a service are explained each by itself.
const maxTasks = 3

// hopeless is how many tasks of a deployment without circuit breaker stop before one ran, so that it counts as failed.
const hopeless = 3

// Service answers for a service.
func Service(t *state.Tables, svc *ecs.Service, now time.Time) Answer {
	v := viewOf(t, svc)
	a := Answer{Kind: "service", Name: svc.ServiceName, Cluster: arn.LastID(svc.ClusterARN)}
	a.Status = fmt.Sprintf("%d of %d running", v.running, svc.DesiredCount)
	if v.primary != nil {
		a.Deployment, a.DeployedAt = v.primary.ID, v.primary.CreatedAt
		a.Status += ", " + v.primary.RolloutState
		a.RolledBack = strings.Contains(v.primary.RolloutStateReason, "rolling back")
	}
	switch svc.Status {
	case ecs.ServiceInactive:
		a.Failed = true
		a.add("service", "It was deleted at %s.", at(svc.DeletedAt))
		return a
	case ecs.ServiceDraining:
		a.add("service", "It is being deleted; %s of its tasks have not stopped yet.", count(len(v.live)))
		return a
	}
	a.deployments(svc, v)
	a.missing(t, svc, v)
	a.tasks(t, v, now)
	a.OK = len(a.Reasons) == 0 && v.whole(svc)
	switch {
	case len(a.Reasons) > 0:
	case a.OK && v.undone != nil:
		a.of(v.undone, "Task "+shortTask(v.undone)+" of "+arn.LastID(v.undone.TaskDefinitionARN)+", whose deployment is gone, stopped: ")
	case !a.OK:
		a.add("service", "Nothing that is known stands in its way: its tasks are being replaced or started.")
	case svc.DesiredCount == 0:
		a.add("service", "It runs no tasks because its desired count is 0.").Advice = "Raise it: aws ecs update-service --desired-count N"
	}
	return a
}

func at(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func count(n int) string { return fmt.Sprint(n) }

// serviceView is a service's tasks, sorted out.
type serviceView struct {
	primary *ecs.Deployment
	running int         // RUNNING tasks that are to run
	ofNew   int         // those of them that belong to the primary deployment
	live    []*ecs.Task // not stopped
	failed  *ecs.Task   // the last one that failed, of the primary deployment or of one that failed
	// undone is the last task that failed of a deployment that is gone, though it was newer than the
	// primary one: after a rollback.
	undone *ecs.Task
}

func viewOf(t *state.Tables, svc *ecs.Service) serviceView {
	v := serviceView{primary: svc.Primary()}
	for task := range t.Tasks.By(state.ByService, svc.ServiceARN) {
		ofNew := v.primary != nil && task.StartedBy == v.primary.ID
		if task.LastStatus == ecs.Stopped {
			switch {
			case !failed(task):
			case ofNew || ofFailed(svc, task):
				v.failed = later(v.failed, task)
			case v.primary != nil && task.CreatedAt.After(v.primary.CreatedAt):
				v.undone = later(v.undone, task)
			}
			continue
		}
		v.live = append(v.live, task)
		if task.LastStatus == ecs.Running && task.DesiredStatus == ecs.Running {
			v.running++
			if ofNew {
				v.ofNew++
			}
		}
	}
	slices.SortFunc(v.live, func(a, b *ecs.Task) int { return strings.Compare(a.TaskARN, b.TaskARN) })
	return v
}

// later is the task that stopped later; a may be nil.
func later(a, b *ecs.Task) *ecs.Task {
	if a == nil || b.StoppedAt.After(a.StoppedAt) {
		return b
	}
	return a
}

func ofFailed(svc *ecs.Service, task *ecs.Task) bool {
	return slices.ContainsFunc(svc.Deployments, func(d ecs.Deployment) bool {
		return d.ID == task.StartedBy && d.RolloutState == ecs.RolloutFailed
	})
}

// whole reports whether the service runs what it should and nothing else.
func (v *serviceView) whole(svc *ecs.Service) bool {
	return v.primary != nil && v.primary.RolloutState == ecs.RolloutCompleted && len(svc.Deployments) == 1 &&
		v.ofNew == svc.DesiredCount && len(v.live) == svc.DesiredCount
}

// failed reports whether a task ended by itself and nobody wished it.
func failed(task *ecs.Task) bool {
	return task.StopCode == ecs.TaskFailedToStart || task.StopCode == ecs.EssentialContainerExited
}

// deployments says which deployments failed, and what their tasks failed of.
func (a *Answer) deployments(svc *ecs.Service, v serviceView) {
	for _, d := range svc.Deployments {
		if d.RolloutState == ecs.RolloutFailed {
			a.Failed = true
			a.add("deployment", "Deployment %s of %s has failed: %s", d.ID, arn.LastID(d.TaskDefinition), or(d.RolloutStateReason, "its tasks did not start."))
		}
	}
	if v.primary == nil {
		a.Failed = true
		a.add("service", "It has no deployment.")
		return
	}
	if a.RolledBack {
		a.add("deployment", "Its last deployment failed and is being rolled back to %s: %s", arn.LastID(v.primary.TaskDefinition), v.primary.RolloutStateReason)
	}
	d := v.primary
	if v.failed != nil && (v.running < svc.DesiredCount || d.RolloutState != ecs.RolloutCompleted) {
		a.of(v.failed, "Task "+shortTask(v.failed)+" stopped: ")
	}
	breaker := svc.DeploymentConfiguration.DeploymentCircuitBreaker
	if d.FailedTasks >= hopeless && v.ofNew == 0 && (breaker == nil || !breaker.Enable) {
		a.Failed = true
		a.add("deployment", "%d tasks of deployment %s have failed and none runs. Without a circuit breaker it goes on trying.", d.FailedTasks, d.ID).Advice =
			"Deploy a task definition that works, or enable deploymentCircuitBreaker with rollback."
	} else if d.Attempts > 0 && v.running < svc.DesiredCount {
		a.add("deployment", "%d starts in a row have failed, so the next one is delayed until %s; each delay is longer than the last.", d.Attempts, at(d.RetryAt))
	}
}

// of adds why a task stopped, each reason after an introduction.
func (a *Answer) of(task *ecs.Task, introduction string) {
	told := Answer{Name: arn.LastID(task.TaskARN)}
	told.stopped(task)
	for _, r := range told.Reasons {
		a.Reasons = append(a.Reasons, Reason{r.Source, introduction + r.Text, r.Advice})
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// missing says why there are fewer tasks than there should be.
func (a *Answer) missing(t *state.Tables, svc *ecs.Service, v serviceView) {
	wanted := 0
	for _, task := range v.live {
		if task.DesiredStatus == ecs.Running {
			wanted++
		}
	}
	if v.primary == nil || wanted >= svc.DesiredCount && svc.Unplaced == 0 {
		return
	}
	spec, ok := launch.OfService(t, svc, v.primary)
	if !ok {
		a.Failed = true
		a.add("service", "Its task definition %s or its cluster does not exist any more.", arn.LastID(v.primary.TaskDefinition))
		return
	}
	request, err := spec.Request(1)
	if err != nil {
		a.Failed = true
		a.add("scheduler", "Its tasks cannot be placed: %v", err)
		return
	}
	plan := sched.Plan(launch.World(t, svc.ClusterARN), []sched.Request{request})
	if len(plan.Failures) == 0 {
		if len(a.Reasons) == 0 {
			a.add("scheduler", "There is room for its tasks on an instance; they are about to be started.")
		}
		return
	}
	f := plan.Failures[0]
	r := a.add("scheduler", "No container instance takes another task of it: %s.", strings.TrimSuffix(launch.Explain(plan.Refusals[0], f.InstanceARN), "."))
	if f.Reason == sched.ReasonNoInstances {
		r.Advice = "Launch instances whose user data sets ECS_CLUSTER=" + a.Cluster + " (docs/instances.md)."
		a.launches(t, svc.ClusterARN)
	}
}

// launches says what the Auto Scaling groups of the region are doing for want of instances: which group an
// instance's cluster belongs to is only known to its user data.
func (a *Answer) launches(t *state.Tables, clusterARN string) {
	c, err := arn.Parse(clusterARN)
	if err != nil {
		return
	}
	for g := range t.AutoScalingGroups.All() {
		if g.Region != c.Region || g.Account != c.Account {
			continue
		}
		var last *fleet.Activity
		for x := range t.Activities.Prefix(fleet.ActivityPrefix(g.Region, g.Account, g.Name)) {
			last = x
		}
		if last != nil && last.Status != fleet.ActivitySuccessful {
			a.add("instance", "Auto Scaling group %s: %s (%s)%s", g.Name, last.Description, last.Status, detail(last.StatusMessage))
		}
	}
}

// tasks says what is wrong with the tasks that are there.
func (a *Answer) tasks(t *state.Tables, v serviceView, now time.Time) {
	left := 0
	told := 0
	for _, task := range v.live {
		if v.primary != nil && task.StartedBy != v.primary.ID {
			left++
			continue
		}
		about := Task(t, task, now)
		if about.OK || told >= maxTasks {
			continue
		}
		told++
		for _, r := range about.Reasons {
			a.Reasons = append(a.Reasons, Reason{r.Source, "Task " + shortTask(task) + " is " + string(task.LastStatus) + ": " + r.Text, r.Advice})
		}
	}
	if left > 0 {
		a.add("deployment", "%d tasks of earlier deployments are there until the new ones are healthy and they have drained.", left)
	}
}

// shortTask is the beginning of a task's id, which commands take.
func shortTask(task *ecs.Task) string { return short(arn.LastID(task.TaskARN)) }
