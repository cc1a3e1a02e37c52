package why

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/golden"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

const (
	region, account = "us-east-1", "123456789012"
	prefix          = "arn:aws:ecs:us-east-1:123456789012:"
	clusterARN      = prefix + "cluster/shop"
	instanceARN     = prefix + "container-instance/shop/ci1"
	serviceARN      = prefix + "service/shop/web"
	taskARN         = prefix + "task/shop/0123456789abcdef0123456789abcdef"
	definitionARN   = prefix + "task-definition/web:2"
	groupARN        = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web-tg/0000000000000003"
)

var now = time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)

// world is one cluster with one instance, a service and one of its tasks, for cases to change.
type world struct {
	instance *ecs.ContainerInstance // nil: there is none
	service  *ecs.Service
	progress *ecs.ServiceProgress
	latest   *ecs.ServiceDeployment // nil: there is none
	task     *ecs.Task              // nil: there is none
	others   []*ecs.Task
	def      *ecs.TaskDefinition // nil: it is gone
	target   *elb.Target
	health   *elb.TargetHealth
	inUse    bool
	activity *fleet.Activity
	events   []string // of the service
	// launching adds an EC2 instance that is starting.
	launching bool
}

func revisionOf(id string) ecs.ServiceRevision {
	return ecs.ServiceRevision{ServiceRevisionARN: ecs.ServiceRevisionARN(serviceARN, id),
		ServiceARN: serviceARN, TaskDefinition: definitionARN}
}

func newWorld() *world {
	w := &world{
		instance: &ecs.ContainerInstance{ContainerInstanceARN: instanceARN, ClusterARN: clusterARN,
			EC2InstanceID: "i-1", Status: ecs.InstanceActive, AgentConnected: true,
			RuntimeStatus: "OK", Registered: ecs.Resources{CPU: 1024, Memory: 1024},
			Attributes: []ecs.Attribute{{Name: ecs.AttributeZone, Value: "us-east-1a"}}},
		service: &ecs.Service{ServiceARN: serviceARN, ServiceName: "web", ClusterARN: clusterARN,
			Status: ecs.ServiceActive, DesiredCount: 1, LaunchType: "EC2",
			SchedulingStrategy: ecs.Replica},
		progress: &ecs.ServiceProgress{ServiceARN: serviceARN, Deployments: []ecs.Deployment{{ID: "ecs-svc/2",
			Status: ecs.DeploymentPrimary, Revision: revisionOf("2"),
			RolloutState: ecs.RolloutCompleted, DesiredCount: 1}}},
		task: &ecs.Task{TaskARN: taskARN, ClusterARN: clusterARN, ServiceARN: serviceARN,
			StartedBy: "ecs-svc/2", TaskDefinitionARN: definitionARN,
			ContainerInstanceARN: instanceARN, LastStatus: ecs.Running, DesiredStatus: ecs.Running,
			CreatedAt: now.Add(-time.Minute), Need: ecs.Resources{CPU: 512, Memory: 512},
			Containers: []ecs.Container{{Name: "app", LastStatus: ecs.Running, RuntimeID: "0123456789abcdef"}}},
		def: &ecs.TaskDefinition{TaskDefinitionARN: definitionARN, NetworkMode: ecs.NetworkBridge,
			ContainerDefinitions: []ecs.ContainerDefinition{
				{Name: "app", Image: "app", CPU: 512, Memory: 512, Essential: true},
			}},
	}
	return w
}

// rolledBack makes the latest deployment one, of web:9, that was or is being rolled back.
func (w *world) rolledBack(status string) {
	w.latest = &ecs.ServiceDeployment{ServiceDeploymentARN: ecs.ServiceDeploymentARN(serviceARN, "d"),
		ServiceARN: serviceARN, Status: status, StatusReason: "ECS deployment circuit breaker: task failed to start.",
		TargetServiceRevision: ecs.ServiceRevisionSummary{ARN: ecs.ServiceRevisionARN(serviceARN, "9")},
		Rollback: &ecs.Rollback{
			Reason:             "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/2.",
			ServiceRevisionARN: ecs.ServiceRevisionARN(serviceARN, "2"),
		},
		FailedTasks: 3, LastFailureReason: "Task failed ELB health checks in (target-group " + groupARN +
			"): Health checks failed with these codes: [503]",
		FinishedAt: now.Add(-time.Hour),
	}
	w.progress.ServiceDeploymentARN = w.latest.ServiceDeploymentARN
}

// pending changes the task to one that does not run yet.
func (w *world) pending() *ecs.Task {
	w.task.LastStatus = ecs.Pending
	w.task.Containers[0].LastStatus = ecs.Pending
	w.progress.Deployments[0].RolloutState = ecs.RolloutInProgress
	return w.task
}

// stopped changes the task to one that has ended.
func (w *world) stopped(code, reason string) *ecs.Task {
	w.task.LastStatus, w.task.DesiredStatus, w.task.StopCode, w.task.StoppedReason = ecs.Stopped,
		ecs.Stopped, code, reason
	w.task.StoppedAt = now.Add(-time.Second)
	w.task.Containers[0].LastStatus = ecs.Stopped
	w.progress.Deployments[0].RolloutState = ecs.RolloutInProgress
	return w.task
}

// behind puts the task behind a load balancer that has observed this health.
func (w *world) behind(state, reason, description string) {
	w.task.LoadBalancers = []ecs.LoadBalancer{{TargetGroupARN: groupARN, ContainerName: "app", ContainerPort: 80}}
	w.task.Targets = []ecs.TaskTarget{{TargetGroupARN: groupARN, ID: "i-1", Port: 32768}}
	w.target = &elb.Target{TargetGroupARN: groupARN, ID: "i-1", Port: 32768, Address: "127.0.1.2", Registered: now}
	w.health = &elb.TargetHealth{Verdict: elb.Verdict{
		Key: w.target.Key(), Registered: now, State: state, Reason: reason, Description: description,
	}}
	w.inUse = true
}

func (w *world) tables(t testing.TB) *state.Tables {
	store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	err = store.Update(t.Context(), func(tx *state.Tx) error {
		tx.Clusters.Put(&ecs.Cluster{ClusterARN: clusterARN, ClusterName: "shop", Status: ecs.ClusterActive})
		tx.Services.Put(w.service)
		tx.ServiceProgress.Put(w.progress)
		if w.latest != nil {
			tx.ServiceDeployments.Put(w.latest)
		}
		for id, definition := range map[string]string{"2": definitionARN, "9": prefix + "task-definition/web:9"} {
			r := revisionOf(id)
			r.TaskDefinition = definition
			tx.ServiceRevisions.Put(&r)
		}
		if w.instance != nil {
			tx.ContainerInstances.Put(w.instance)
		}
		if w.task != nil {
			tx.Tasks.Put(w.task)
		}
		for _, o := range w.others {
			tx.Tasks.Put(o)
		}
		if w.def != nil {
			tx.TaskDefinitions.Put(w.def)
		}
		tx.TargetGroups.Put(&elb.TargetGroup{ARN: groupARN, Name: "web-tg", HealthCheck: elb.HealthCheck{
			Path: "/ready", Matcher: "200", TimeoutSeconds: 5,
		}})
		if w.target != nil {
			tx.Targets.Put(w.target)
			tx.TargetHealth.Put(w.health)
		}
		if w.inUse {
			tx.Rules.Put(&elb.Rule{ARN: "rule", ListenerARN: "listener",
				Actions: []elb.Action{{Type: elb.ActionForward, Forward: &elb.Forward{
					TargetGroups: []elb.WeightedGroup{{ARN: groupARN, Weight: 1}},
				}}}})
		}
		for i, message := range w.events {
			tx.ServiceEvents.Put(&ecs.Event{
				ServiceARN: serviceARN, Sequence: int64(i), CreatedAt: now, Message: message,
			})
		}
		if w.launching {
			tx.Instances.Put(&fleet.Instance{ID: "i-2", Region: region, Account: account, State: fleet.Pending})
		}
		if w.activity != nil {
			tx.AutoScalingGroups.Put(&fleet.AutoScalingGroup{Name: "asg", Region: region, Account: account})
			tx.Activities.Put(w.activity)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return &store.View().Tables
}

func (a Answer) print() string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %s %s: %s, OK %v, failed %v\n", a.Kind, a.Name, a.Status, a.OK, a.Failed)
	for _, r := range a.Reasons {
		fmt.Fprintf(&b, "    %s: %s\n", r.Source, r.Text)
		if r.Advice != "" {
			fmt.Fprintf(&b, "      > %s\n", r.Advice)
		}
	}
	return b.String()
}

// cases have one of every kind of reason.
var cases = []struct {
	name string
	edit func(*world)
}{
	{"all is well", func(*world) {}},
	{"well behind a load balancer", func(w *world) { w.behind(elb.Healthy, "", "") }},
	{"cannot pull", func(w *world) {
		w.stopped(ecs.TaskFailedToStart, "CannotPullContainerError: pull image manifest has been retried 1 "+
			"time(s): not found").Containers[0].Reason = "CannotPullContainerError: not found"
	}},
	{"exits at once", func(w *world) {
		w.stopped(ecs.EssentialContainerExited, "Essential container in task exited").Containers[0].ExitCode = new(127)
		w.progress.Deployments[0].Attempts, w.progress.Deployments[0].RetryAt = 2, now.Add(4*time.Second)
	}},
	{"the retry delay is over", func(w *world) {
		w.stopped(ecs.EssentialContainerExited, "Essential container in task exited").Containers[0].ExitCode = new(1)
		w.progress.Deployments[0].Attempts, w.progress.Deployments[0].RetryAt = 1, now.Add(-time.Second)
	}},
	{"one start failed", func(w *world) {
		w.stopped(ecs.EssentialContainerExited, "Essential container in task exited").Containers[0].ExitCode = new(1)
		w.progress.Deployments[0].Attempts, w.progress.Deployments[0].RetryAt = 1, now.Add(400*time.Millisecond)
	}},
	{"failed for good, with a retry delay", func(w *world) {
		w.stopped(ecs.EssentialContainerExited, "Essential container in task exited").Containers[0].ExitCode = new(1)
		d := &w.progress.Deployments[0]
		d.Attempts, d.RetryAt, d.FailedTasks = 3, now.Add(time.Minute), 3
		d.RolloutState, d.RolloutStateReason = ecs.RolloutFailed,
			"ECS deployment circuit breaker: task failed to start."
		w.service.DeploymentConfiguration.DeploymentCircuitBreaker = &ecs.CircuitBreaker{Enable: true}
	}},
	{"out of memory", func(w *world) {
		c := w.stopped(ecs.EssentialContainerExited, "Essential container in task exited").Containers
		c[0].ExitCode, c[0].Reason = new(137), "OutOfMemoryError: Container killed due to memory usage"
	}},
	{"a job that is done", func(w *world) {
		w.stopped(ecs.EssentialContainerExited, "Essential container in task exited").Containers[0].ExitCode = new(0)
	}},
	{"stopped by a caller", func(w *world) { w.stopped(ecs.UserInitiated, "maintenance") }},
	{"stopped by the service", func(w *world) {
		w.stopped(ecs.ServiceSchedulerInitiated, "Scaling activity initiated by deployment ecs-svc/2")
	}},
	{"stopped for its checks", func(w *world) {
		w.stopped(ecs.ServiceSchedulerInitiated,
			"Task failed ELB health checks in (target-group "+groupARN+")").Containers[0].ExitCode = new(143)
		w.events = []string{"(service web) (task 0123456789abcdef0123456789abcdef) (port 32768) is " +
			"unhealthy in (target-group " + groupARN +
			") due to (reason Health checks failed with these codes: [500])"}
	}},
	{"stopped for its checks, killed", func(w *world) {
		w.stopped(ecs.ServiceSchedulerInitiated,
			"Task failed container health checks").Containers[0].ExitCode = new(137)
	}},
	{"instance terminated", func(w *world) { w.stopped(ecs.TerminationNotice, "Host i-1 was terminated.") }},
	{"stopped without a word", func(w *world) { w.stopped("", "") }},
	{"stopping, draining", func(w *world) {
		w.behind(elb.Healthy, "", "")
		w.task.DesiredStatus, w.task.LastStatus, w.task.StopCode, w.task.StoppedReason = ecs.Stopped,
			ecs.Deactivating, ecs.ServiceSchedulerInitiated, "deployment"
	}},
	{"stopping", func(w *world) {
		w.task.DesiredStatus, w.task.LastStatus, w.task.StopCode = ecs.Stopped, ecs.Stopping, ecs.UserInitiated
	}},
	{"checks without an answer", func(w *world) {
		w.behind(elb.Unhealthy, elb.ReasonFailedChecks, "Health checks failed")
	}},
	{"stopping for checks without an answer", func(w *world) {
		w.task.LoadBalancers = []ecs.LoadBalancer{{TargetGroupARN: groupARN, ContainerName: "app", ContainerPort: 80}}
		w.task.DesiredStatus, w.task.LastStatus = ecs.Stopped, ecs.Stopping
		w.task.StopCode = ecs.ServiceSchedulerInitiated
		w.task.StoppedReason = "Task failed ELB health checks in (target-group " + groupARN + ")"
		w.events = []string{"(service web) (task 0123456789abcdef0123456789abcdef) (port 32768) is " +
			"unhealthy in (target-group " + groupARN + ") due to (reason Health checks failed)"}
	}},
	{"agent away", func(w *world) { w.pending(); w.instance.AgentConnected = false }},
	{"runtime impaired", func(w *world) { w.pending(); w.instance.RuntimeStatus = "IMPAIRED" }},
	{"runtime refuses", func(w *world) {
		w.pending()
		w.instance.RuntimeStatus = "IMPAIRED"
		w.instance.RuntimeReason = "Docker refuses user ann: permission denied. Add the user to the group docker."
	}},
	{"instance gone", func(w *world) { w.pending(); w.instance = nil }},
	{"pulling", func(w *world) { w.pending().PullStartedAt = now.Add(-7 * time.Second) }},
	{"pulling several images", func(w *world) {
		w.pending().PullStartedAt = now.Add(-90 * time.Second)
		w.def.ContainerDefinitions = append(w.def.ContainerDefinitions,
			ecs.ContainerDefinition{Name: "db", Image: "redis:7"},
			ecs.ContainerDefinition{Name: "b", Image: "app"})
	}},
	{"held back by the agent", func(w *world) { w.pending().Containers[0].Reason = "waiting for host port 8080/tcp" }},
	{"not begun", func(w *world) { w.pending() }},
	{"creating containers",
		func(w *world) { w.pending().PullStartedAt = now.Add(-7 * time.Second); w.task.PullStoppedAt = now }},
	{"waits for a sidecar", func(w *world) {
		w.pending().PullStartedAt, w.task.PullStoppedAt = now, now
		w.task.Containers = append(w.task.Containers,
			ecs.Container{Name: "db", LastStatus: ecs.Running, HealthStatus: ecs.Unhealthy})
		w.def.ContainerDefinitions[0].DependsOn = []ecs.ContainerDependency{{ContainerName: "db", Condition: "HEALTHY"}}
		w.def.ContainerDefinitions = append(w.def.ContainerDefinitions, ecs.ContainerDefinition{Name: "db"})
	}},
	{"activating", func(w *world) {
		w.pending().LastStatus = ecs.Activating
		w.behind(elb.Initial, elb.ReasonInitialChecks, "Initial health checks in progress")
	}},
	{"activating, not registered yet", func(w *world) { w.pending().LastStatus = ecs.Activating }},
	{"activating, no listener", func(w *world) {
		w.pending().LastStatus = ecs.Activating
		w.behind(elb.Initial, "", "")
		w.inUse = false
	}},
	{"target unhealthy", func(w *world) {
		w.behind(elb.Unhealthy, elb.ReasonCodeMismatch, "Health checks failed with these codes: [500]")
	}},
	{"container unhealthy", func(w *world) { w.task.Containers[0].HealthStatus = ecs.Unhealthy }},
	{"sidecar ended", func(w *world) {
		w.task.Containers = append(w.task.Containers,
			ecs.Container{Name: "side", LastStatus: ecs.Stopped, ExitCode: new(1)})
	}},
	{"runs, agent away", func(w *world) { w.instance.AgentConnected = false }},
	{"no instance", func(w *world) {
		w.task, w.instance = nil, nil
		w.activity = &fleet.Activity{ID: "1", Region: region, Account: account, Group: "asg",
			Status: fleet.ActivityFailed, Start: now,
			Description: "Launching a new EC2 instance", StatusMessage: "the image does not exist"}
	}},
	{"role gone", func(w *world) {
		w.task = nil
		w.def.TaskRoleARN = "arn:aws:iam::" + account + ":role/gone"
		w.progress.Deployments[0].FailedTasks, w.progress.Deployments[0].Attempts = 2, 2
		w.progress.Deployments[0].RetryAt = now.Add(4 * time.Second)
	}},
	{"instance full", func(w *world) {
		w.service.DesiredCount, w.progress.Unplaced = 2, 1
		w.instance.Registered.Memory = 900
	}},
	{"task larger than an empty instance",
		func(w *world) { w.task = nil; w.instance.Registered = ecs.Resources{CPU: 1024, Memory: 100} }},
	{"task larger than an instance in use", func(w *world) {
		w.service.DesiredCount, w.progress.Unplaced = 2, 1
		w.instance.Registered = ecs.Resources{CPU: 100, Memory: 400}
	}},
	{"task too large, an instance is starting", func(w *world) {
		w.task = nil
		w.instance.Registered.Memory = 100
		w.launching = true
	}},
	{"room is there", func(w *world) { w.task = nil }},
	{"task definition gone", func(w *world) { w.task, w.def = nil, nil }},
	{"deployment failed", func(w *world) {
		w.stopped(ecs.TaskFailedToStart, "x")
		w.progress.Deployments[0].RolloutState = ecs.RolloutFailed
		w.progress.Deployments[0].RolloutStateReason = "ECS deployment circuit breaker: task failed to start."
	}},
	{"rolling back", func(w *world) {
		w.rolledBack(ecs.ServiceDeploymentRollbackInProgress)
		w.progress.Deployments[0].RolloutState = ecs.RolloutInProgress
		w.progress.Deployments = append(w.progress.Deployments, ecs.Deployment{ID: "ecs-svc/9",
			Status: ecs.DeploymentActive, Revision: revisionOf("9"), RolloutState: ecs.RolloutFailed})
	}},
	{"was rolled back", func(w *world) {
		w.rolledBack(ecs.ServiceDeploymentRollbackSuccessful)
		bad := *w.task
		bad.TaskARN, bad.StartedBy, bad.TaskDefinitionARN = prefix+"task/shop/eeee", "ecs-svc/9", prefix+
			"task-definition/web:9"
		bad.LastStatus, bad.DesiredStatus, bad.StopCode, bad.StoppedReason = ecs.Stopped, ecs.Stopped,
			ecs.EssentialContainerExited, "Essential container in task exited"
		bad.Containers = []ecs.Container{{Name: "app", LastStatus: ecs.Stopped, ExitCode: new(3)}}
		w.others = []*ecs.Task{&bad}
	}},
	{"was rolled back long ago", func(w *world) { w.rolledBack(ecs.ServiceDeploymentRollbackSuccessful) }},
	{"the rollback failed too", func(w *world) {
		w.rolledBack(ecs.ServiceDeploymentRollbackFailed)
		w.progress.Deployments[0].RolloutState = ecs.RolloutFailed
	}},
	{"fails again and again", func(w *world) {
		w.stopped(ecs.EssentialContainerExited, "Essential container in task exited")
		w.progress.Deployments[0].FailedTasks = 3
	}},
	{"checks fail again and again", func(w *world) {
		w.behind(elb.Unhealthy, elb.ReasonCodeMismatch, "Health checks failed with these codes: [500]")
		w.progress.Deployments[0].FailedTasks, w.progress.Deployments[0].RolloutState = 3, ecs.RolloutInProgress
	}},
	{"old tasks drain", func(w *world) {
		old := *w.task
		old.TaskARN, old.StartedBy = prefix+"task/shop/ffff", "ecs-svc/1"
		w.others = []*ecs.Task{&old}
	}},
	{"nothing wanted", func(w *world) {
		w.task = nil
		w.service.DesiredCount = 0
		w.progress.Deployments[0].DesiredCount = 0
	}},
	{"being deleted", func(w *world) { w.service.Status = ecs.ServiceDraining }},
	{"deleted", func(w *world) { w.task = nil; w.service.Status, w.service.DeletedAt = ecs.ServiceInactive, now }},
	{"no deployment", func(w *world) { w.task = nil; w.progress.Deployments = nil }},
	{"just deployed", func(w *world) { w.progress.Deployments[0].RolloutState = ecs.RolloutInProgress }},
}

func TestReasons(t *testing.T) {
	var b strings.Builder
	for _, c := range cases {
		w := newWorld()
		c.edit(w)
		tables := w.tables(t)
		fmt.Fprintf(&b, "%s\n", c.name)
		if w.task != nil {
			b.WriteString(Task(tables, w.task, now).print())
		}
		b.WriteString(Service(tables, w.service, now).print())
	}
	golden.Compare(t, "reasons.txt", b.String())
}

// Everything that does not run as it should has a reason, and each reason is a sentence.
func TestNeverWithoutAReason(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld()
		for range rapid.IntRange(1, 4).Draw(rt, "changes") {
			c := cases[rapid.IntRange(0, len(cases)-1).Draw(rt, "case")]
			if w.task == nil || w.instance == nil || w.def == nil || len(w.progress.Deployments) == 0 {
				break // there is nothing left to change
			}
			c.edit(w)
		}
		if w.task != nil {
			w.task.LastStatus = rapid.SampledFrom([]ecs.TaskStatus{w.task.LastStatus, ecs.Provisioning,
				ecs.Pending, ecs.Activating, ecs.Running,
				ecs.Deactivating, ecs.Stopping, ecs.Deprovisioning, ecs.Stopped}).Draw(rt, "status")
		}
		tables := w.tables(t)
		answers := []Answer{Service(tables, w.service, now)}
		running := 0
		if w.task != nil {
			answers = append(answers, Task(tables, w.task, now))
			if w.task.LastStatus == ecs.Running && w.task.DesiredStatus == ecs.Running {
				running++
			} else if answers[1].OK {
				rt.Fatalf("a task that does not run is OK: %s", answers[1].print())
			}
		}
		if len(w.others) == 0 && running < w.service.DesiredCount && answers[0].OK {
			rt.Fatalf("a service that lacks tasks is OK: %s", answers[0].print())
		}
		for _, a := range answers {
			if !a.OK && len(a.Reasons) == 0 {
				rt.Fatalf("no reason: %s", a.print())
			}
			for _, r := range a.Reasons {
				if r.Source == "" || strings.TrimSpace(r.Text) == "" || strings.Contains(r.Text, "%!") {
					rt.Fatalf("reason %+v", r)
				}
			}
		}
	})
}

func TestFind(t *testing.T) {
	w := newWorld()
	other := *w.task
	other.TaskARN = prefix + "task/shop/0123ffffffffffffffffffffffffffff"
	w.others = []*ecs.Task{&other}
	tables := w.tables(t)
	for name, want := range map[string]string{
		"web": serviceARN, serviceARN: serviceARN, taskARN: taskARN, "01234": taskARN, "0123f": other.TaskARN,
		"0123": `"0123" can be task 0123456789abcdef0123456789abcdef, task ` +
			`0123ffffffffffffffffffffffffffff: name the cluster, or more of the task's id`,
		"012": `there is no service or task "012" in region us-east-1; its services are web`,
	} {
		s, err := Find(tables, account, region, "", name)
		got := ""
		switch {
		case err != nil:
			got = err.Error()
		case s.Task != nil:
			got = s.Task.TaskARN
		default:
			got = s.Service.ServiceARN
		}
		if got != want {
			t.Errorf("Find(%q) = %s, want %s", name, got, want)
		}
	}
	if _, err := Find(tables, account, region, "other", "web"); err == nil ||
		!strings.Contains(err.Error(), "in cluster other of region us-east-1; it has no services") {
		t.Errorf("Find in another cluster: %v", err)
	}
	if s, err := Find(tables, account, region, "shop", "web"); err != nil || s.Service == nil {
		t.Errorf("Find in the cluster: %v", err)
	}
}
