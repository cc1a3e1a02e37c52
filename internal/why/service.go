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

// maxTasks is the number of tasks of a service that are explained one by one.
const maxTasks = 3

// hopeless is the number of failed tasks after which a deployment without circuit breaker counts as failed, if
// no task of it ran.
const hopeless = 3

// Service explains a service.
func Service(t *state.Tables, svc *ecs.Service, now time.Time) Answer {
	v := viewOf(t, svc, now)
	a := Answer{Kind: "service", Name: svc.ServiceName, Cluster: arn.LastID(svc.ClusterARN)}
	a.Status = fmt.Sprintf("%d of %d running", v.running, v.desired)
	if v.primary != nil {
		a.Deployment, a.DeployedAt = v.primary.ID, v.primary.CreatedAt
		a.TaskDefinition = arn.LastID(v.primary.Revision.TaskDefinition)
		a.Status += ", " + v.primary.RolloutState
	}
	a.Latest = latest(t, v.latest)
	a.Scaling, _ = Scaling(t, svc, now)
	switch svc.Status {
	case ecs.ServiceInactive:
		a.Failed = true
		a.add("service", "It was deleted at %s.", at(svc.DeletedAt))
		return a
	case ecs.ServiceDraining:
		a.add("service", "It is being deleted; %s not stopped yet.",
			number(len(v.live), "of its tasks has", "of its tasks have"))
		return a
	}
	a.deployments(t, svc, v, now)
	a.missing(t, svc, v)
	a.tasks(t, v, now)
	a.Steady = len(a.Reasons) == 0 && v.whole()
	others := a.Reasons
	a.Reasons = nil
	a.rolledBack(t, v)
	a.Reasons = append(a.Reasons, others...)
	a.OK = a.Steady && len(a.Reasons) == 0
	if a.Steady {
		a.ProvenAt = v.provenAt(t, now)
	}
	switch {
	case len(a.Reasons) > 0:
	case !a.OK:
		a.add("service", "Nothing that is known stands in its way: its tasks are being replaced or started.")
	case v.desired == 0:
		a.add("service", "It runs no tasks because its desired count is 0.").Advice = "Raise it: aws ecs " +
			"update-service --desired-count N"
	}
	return a
}

func at(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// number puts a number before a noun in the right form.
func number(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

// serviceView has the tasks of a service, by their state.
type serviceView struct {
	progress *ecs.ServiceProgress
	primary  *ecs.Deployment
	desired  int
	running  int         // RUNNING tasks whose desired status is RUNNING
	ofNew    int         // tasks in running that belong to the primary deployment
	well     int         // tasks in ofNew whose health checks pass
	live     []*ecs.Task // not stopped
	failed   *ecs.Task   // the last task that failed, of the primary deployment or of one that failed
	latest   *ecs.ServiceDeployment
	given    string    // the id of the latest deployment if it is being or was rolled back
	undone   *ecs.Task // the last task that failed of that deployment
}

func viewOf(t *state.Tables, svc *ecs.Service, now time.Time) serviceView {
	p := t.Progress(svc.ServiceARN)
	v := serviceView{
		progress: p, primary: p.Primary(), desired: p.DesiredCount(svc), latest: t.LatestDeployment(svc.ServiceARN),
	}
	if d := v.latest; d != nil && d.Rollback != nil {
		rev := ecs.ServiceRevision{ServiceRevisionARN: d.TargetServiceRevision.ARN}
		v.given = rev.DeploymentID()
	}
	for task := range t.Tasks.By(state.TasksByService, svc.ServiceARN) {
		ofNew := v.primary != nil && task.StartedBy == v.primary.ID
		if task.LastStatus == ecs.Stopped {
			switch {
			case !Failed(task):
			case task.StartedBy == v.given:
				v.undone = later(v.undone, task)
			case ofNew || v.ofFailed(task):
				v.failed = later(v.failed, task)
			}
			continue
		}
		v.live = append(v.live, task)
		if task.LastStatus == ecs.Running && task.DesiredStatus == ecs.Running {
			v.running++
			if ofNew {
				v.ofNew++
				if Task(t, task, now).OK {
					v.well++
				}
			}
		}
	}
	slices.SortFunc(v.live, func(a, b *ecs.Task) int { return strings.Compare(a.TaskARN, b.TaskARN) })
	return v
}

// later returns the task that stopped later; a may be nil.
func later(a, b *ecs.Task) *ecs.Task {
	if a == nil || b.StoppedAt.After(a.StoppedAt) {
		return b
	}
	return a
}

func (v *serviceView) ofFailed(task *ecs.Task) bool {
	return slices.ContainsFunc(v.progress.Deployments, func(d ecs.Deployment) bool {
		return d.ID == task.StartedBy && d.RolloutState == ecs.RolloutFailed
	})
}

// whole reports whether the service runs all the tasks that it should run, and no others.
func (v *serviceView) whole() bool {
	return v.primary != nil && v.primary.RolloutState == ecs.RolloutCompleted && len(v.progress.Deployments) == 1 &&
		v.ofNew == v.desired && len(v.live) == v.desired
}

// Proof is how long a task without health checks must run before its end no longer counts as a failed start (ecs.md
// 3.2.3).
const Proof = 40 * time.Second

// provenAt returns the time at which all tasks will have run for Proof. It returns the zero time if they have already,
// or if they have health checks.
func (v *serviceView) provenAt(t *state.Tables, now time.Time) (at time.Time) {
	if v.primary == nil || len(v.primary.Revision.LoadBalancers) > 0 {
		return at
	}
	for _, task := range v.live {
		d, ok := t.TaskDefinitions.Get(task.TaskDefinitionARN)
		if !ok || slices.ContainsFunc(d.ContainerDefinitions, checked) {
			continue
		}
		if end := task.StartedAt.Add(Proof); end.After(now) && end.After(at) {
			at = end
		}
	}
	return at
}

func checked(c ecs.ContainerDefinition) bool { return c.HealthCheck != nil }

// failedNow reports whether the last failure of a task is a cause of the present state.
func (v *serviceView) failedNow() bool {
	return v.failed != nil && v.primary != nil &&
		(v.running < v.desired || v.primary.RolloutState != ecs.RolloutCompleted)
}

// Failed reports whether a task ended although nobody asked for it, or was stopped because its health checks
// failed.
func Failed(task *ecs.Task) bool {
	return task.StopCode == ecs.TaskFailedToStart || task.StopCode == ecs.EssentialContainerExited ||
		task.StopCode == ecs.ServiceSchedulerInitiated && strings.HasPrefix(task.StoppedReason, unhealthy)
}

// deployments adds which deployments failed, and why their tasks failed.
func (a *Answer) deployments(t *state.Tables, svc *ecs.Service, v serviceView, now time.Time) {
	for _, d := range v.progress.Deployments {
		if d.RolloutState == ecs.RolloutFailed && d.ID != v.given {
			a.Failed = true
			r := a.add("deployment", "Deployment %s of %s has failed: %s", d.ID,
				arn.LastID(d.Revision.TaskDefinition), or(d.RolloutStateReason, "its tasks did not start."))
			if d.FailedBy == ecs.FailedByAlarm && d.Status == ecs.DeploymentPrimary {
				r.Advice = "No more tasks are started for it. Start a new deployment: aws ecs update-service " +
					"--force-new-deployment"
			}
		}
	}
	if v.primary == nil {
		a.Failed = true
		a.add("service", "It has no deployment.")
		return
	}
	d := v.primary
	if now.Before(d.BakeUntil) && d.RolloutState == ecs.RolloutInProgress {
		a.add("deployment", "Alarms (%s) watch the deployment until %s. It is completed then if all its tasks run.",
			strings.Join(svc.DeploymentConfiguration.Watched().AlarmNames, ", "), at(d.BakeUntil))
	}
	if v.failedNow() {
		a.of(t, v.failed, "Task "+shortTask(v.failed)+" stopped: ")
	}
	breaker := svc.DeploymentConfiguration.DeploymentCircuitBreaker
	if d.FailedTasks >= hopeless && v.well == 0 && (breaker == nil || !breaker.Enable) {
		a.Failed = true
		a.add("deployment", "%s of deployment %s have failed and none runs well. Without a circuit breaker "+
			"it goes on trying.", number(d.FailedTasks, "task", "tasks"), d.ID).Advice =
			"Deploy a task definition that works, or enable deploymentCircuitBreaker with rollback."
	}
	if wait := RetryIn(d, now); wait > 0 && v.running < v.desired {
		a.add("deployment",
			"%s failed, so the next one waits until %s, %s from now; each wait is longer than the last.",
			number(d.Attempts, "start has", "starts in a row have"), at(d.RetryAt), wait)
	}
}

// latest describes a service deployment.
func latest(t *state.Tables, d *ecs.ServiceDeployment) *Latest {
	if d == nil {
		return nil
	}
	return &Latest{
		TaskDefinition: revision(t, d.TargetServiceRevision.ARN), Status: d.Status,
		StatusReason: d.StatusReason, FailedTasks: d.FailedTasks, LastFailure: d.LastFailureReason,
		StoppedByUser: d.FailedBy == ecs.FailedByRequest, StartedAt: d.StartedAt, FinishedAt: d.FinishedAt,
	}
}

// revision returns the task definition of a service revision.
func revision(t *state.Tables, revisionARN string) string {
	if r, ok := t.ServiceRevisions.Get(revisionARN); ok {
		return arn.LastID(r.TaskDefinition)
	}
	return "a revision that is forgotten"
}

// rolledBack adds that the latest deployment was rolled back, and why. This is reported even if all tasks run, because
// the service does not run the task definition that a caller asked for last.
func (a *Answer) rolledBack(t *state.Tables, v serviceView) {
	d := v.latest
	if d == nil || d.Rollback == nil {
		return
	}
	a.Failed, a.RolledBack = true, true
	to, end := revision(t, d.Rollback.ServiceRevisionARN), "failed"
	if a.Latest.StoppedByUser {
		end = "was stopped by a user"
	}
	switch d.Status {
	case ecs.ServiceDeploymentRollbackSuccessful:
		a.add("deployment", "Its latest deployment, of %s, %s and was rolled back to %s at %s: %s",
			a.Latest.TaskDefinition, end, to, at(d.FinishedAt), d.Rollback.Reason)
	case ecs.ServiceDeploymentRollbackFailed:
		a.add("deployment", "Its latest deployment, of %s, %s, and the rollback to %s failed: %s",
			a.Latest.TaskDefinition, end, to, d.StatusReason)
	default:
		a.add("deployment", "Its latest deployment, of %s, %s and is being rolled back to %s: %s",
			a.Latest.TaskDefinition, end, to, d.Rollback.Reason)
	}
	if d.LastFailureReason != "" {
		a.add("deployment", "%d of its tasks failed, the last one because: %s.", d.FailedTasks, d.LastFailureReason)
	}
	if v.undone != nil {
		a.of(t, v.undone, "Task "+shortTask(v.undone)+" of "+arn.LastID(v.undone.TaskDefinitionARN)+" stopped: ")
	}
}

// RetryIn is how much longer, in whole seconds, the next start of a deployment's tasks is delayed because tasks
// of it failed. It is 0 when there is no delay, or when the deployment has failed and starts no more tasks.
func RetryIn(d *ecs.Deployment, now time.Time) time.Duration {
	if d.Attempts == 0 || d.RolloutState == ecs.RolloutFailed || !now.Before(d.RetryAt) {
		return 0
	}
	return max(time.Second, d.RetryAt.Sub(now).Round(time.Second))
}

// of adds the reasons why a task stopped. Each begins with the introduction.
func (a *Answer) of(t *state.Tables, task *ecs.Task, introduction string) {
	told := Answer{Name: arn.LastID(task.TaskARN)}
	told.stopped(t, task)
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

// missing adds why the service runs fewer tasks than its desired count.
func (a *Answer) missing(t *state.Tables, svc *ecs.Service, v serviceView) {
	wanted := 0
	for _, task := range v.live {
		if task.DesiredStatus == ecs.Running {
			wanted++
		}
	}
	if v.primary == nil || wanted >= v.desired && v.progress.Unplaced == 0 {
		return
	}
	spec, ok := launch.OfService(t, svc, v.primary)
	if !ok {
		a.Failed = true
		a.add("service", "Its task definition %s or its cluster does not exist any more.",
			arn.LastID(v.primary.Revision.TaskDefinition))
		return
	}
	request, err := spec.Request(1)
	if err != nil {
		a.Failed = true
		a.add("scheduler", "Its tasks cannot be placed: %v", err)
		return
	}
	account := arn.Account(svc.ServiceARN)
	if r := launch.MissingRole(t, account, spec.Definition, spec.Overrides); r != "" {
		a.add("role", "Its tasks cannot be started: %s", launch.CannotAssume(r)).Advice =
			"There is no such role: create it with aws iam create-role."
		return
	}
	plan := sched.Plan(launch.World(t, svc.ClusterARN), []sched.Request{request})
	if len(plan.Failures) == 0 {
		if len(a.Reasons) == 0 {
			a.add("scheduler", "There is room for its tasks on an instance; they are about to be started.")
		}
		return
	}
	if a.tooLarge(t, svc.ClusterARN, request) {
		return
	}
	f := plan.Failures[0]
	r := a.add("scheduler", "No container instance takes another task of it: %s.",
		strings.TrimSuffix(launch.Explain(plan.Refusals[0], f.InstanceARN), "."))
	if f.Reason == sched.ReasonNoInstances {
		r.Advice = "Launch instances whose user data sets ECS_CLUSTER=" + a.Cluster + " (docs/instances.md)."
		a.launches(t, svc.ClusterARN)
	}
}

// tooLarge reports whether no instance of the cluster, even without tasks, is large enough for a task, and adds this as
// a reason, because waiting does not help. It returns false while an instance is being launched, which may be large
// enough.
func (a *Answer) tooLarge(t *state.Tables, clusterARN string, r sched.Request) bool {
	w := launch.World(t, clusterARN)
	if len(w.Instances) == 0 || launching(t, clusterARN) {
		return false
	}
	biggest, what := sched.TooLarge(w, r)
	if what == "" {
		return false
	}
	a.Failed = true
	a.add("scheduler", "It never fits: even with nothing else on it, no container instance is big enough "+
		"for one of its tasks. The closest, %s, %s.",
		instanceNamed(t, biggest), what).Advice = "Ask for less in the task definition, or launch bigger instances."
	return true
}

func instanceNamed(t *state.Tables, instanceARN string) string {
	if ci, ok := t.ContainerInstances.Get(instanceARN); ok {
		return InstanceName(ci)
	}
	return arn.LastID(instanceARN)
}

// launching reports whether an EC2 instance is starting in the cluster's region. It may join another cluster: that
// depends on its user data, which is not read here.
func launching(t *state.Tables, clusterARN string) bool {
	c, err := arn.Parse(clusterARN)
	if err != nil {
		return false
	}
	return t.PendingInstances(c.Region, c.Account) > 0
}

// launches adds whether the Auto Scaling groups of the region are launching instances, or why they are not. Their
// instances may join another cluster: that depends on their user data, which is not read here.
func (a *Answer) launches(t *state.Tables, clusterARN string) {
	c, err := arn.Parse(clusterARN)
	if err != nil {
		return
	}
	for g := range t.AutoScalingGroups.All() {
		if g.Region != c.Region || g.Account != c.Account {
			continue
		}
		last, ok := t.Activities.Last(fleet.ActivityPrefix(g.Region, g.Account, g.Name))
		if ok && last.Status != fleet.ActivitySuccessful {
			a.add("instance", "Auto Scaling group %s: %s (%s)%s", g.Name, last.Description, last.Status,
				detail(last.StatusMessage))
		}
	}
}

// tasks adds what is wrong with tasks that have not stopped.
func (a *Answer) tasks(t *state.Tables, v serviceView, now time.Time) {
	left, explained := 0, 0
	stopping := v.failedNow() // one task that is being stopped, or has failed, is enough
	for _, task := range v.live {
		if v.primary != nil && task.StartedBy != v.primary.ID {
			left++
			continue
		}
		about := Task(t, task, now)
		if about.OK || explained >= maxTasks || stopping && task.DesiredStatus == ecs.Stopped {
			continue
		}
		stopping = stopping || task.DesiredStatus == ecs.Stopped
		explained++
		for _, r := range about.Reasons {
			a.Reasons = append(a.Reasons, Reason{r.Source,
				"Task " + shortTask(task) + " is " + string(task.LastStatus) + ": " + r.Text, r.Advice})
		}
	}
	if left > 0 {
		a.add("deployment", "%s there until the new ones are healthy and the old ones have drained.",
			number(left, "task of an earlier deployment is", "tasks of earlier deployments are"))
	}
}

// shortTask is the beginning of a task's id; commands accept it.
func shortTask(task *ecs.Task) string { return short(arn.LastID(task.TaskARN)) }
