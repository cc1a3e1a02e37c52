package why

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/state"
)

// Task explains a task.
func Task(t *state.Tables, task *ecs.Task, now time.Time) Answer {
	a := Answer{Kind: "task", Name: arn.LastID(task.TaskARN), Cluster: arn.LastID(task.ClusterARN),
		Status: string(task.LastStatus)}
	switch {
	case task.LastStatus == ecs.Stopped:
		a.stopped(t, task)
	case task.DesiredStatus == ecs.Stopped, ecs.Running.Before(task.LastStatus):
		a.stopping(t, task)
	case task.Provisioning():
		a.provisioning(t, task, now)
	case task.LastStatus.Before(ecs.Running):
		a.starting(t, task, now)
	default:
		a.unwell(t, task)
		a.OK = len(a.Reasons) == 0
	}
	return a
}

// stopped adds why a task has ended.
func (a *Answer) stopped(t *state.Tables, task *ecs.Task) {
	a.Failed = true
	a.failedChecks(t, task)
	a.ended(task)
	asked := task.StopCode == ecs.UserInitiated || task.StopCode == ecs.ServiceSchedulerInitiated
	for _, c := range task.Containers {
		switch {
		case asked && c.ExitCode != nil && (*c.ExitCode == 0 || *c.ExitCode == sigterm) && c.Reason == "":
			// It was stopped and ended.
		case c.ExitCode != nil && *c.ExitCode == 0 && c.Reason == "":
			a.add("container", "Container %s ended by itself with exit code 0.", c.Name)
		case c.ExitCode != nil:
			a.add("container", "Container %s ended with exit code %d%s.%s", c.Name, *c.ExitCode, meaning(&c),
				detail(c.Reason)).Advice =
				"See what it wrote: berth logs " + a.Name
		case c.Reason != "" && !strings.Contains(task.StoppedReason, c.Reason):
			a.add("container", "Container %s: %s", c.Name, c.Reason).Advice = adviceFor(c.Reason)
		}
		if c.ExitCode != nil && (a.ExitCode == nil || *a.ExitCode == 0) {
			a.ExitCode = c.ExitCode
		}
	}
}

// sigterm is the exit code of a program that SIGTERM has ended.
const sigterm = 143

// unhealthy begins the stop reason of a task that its service stopped because of failed health checks (ecs.md
// 1.5.4).
const unhealthy = "Task failed "

// failedChecks adds the result of the load balancer's checks for which the service stopped a task. The task's
// targets are gone by then, so the result is taken from the service's events.
func (a *Answer) failedChecks(t *state.Tables, task *ecs.Task) {
	if task.StopCode != ecs.ServiceSchedulerInitiated || !strings.HasPrefix(task.StoppedReason, unhealthy) {
		return
	}
	of := "(task " + arn.LastID(task.TaskARN) + ") (port "
	told := map[string]bool{}
	for e := range t.ServiceEvents.By(state.ServiceEventsByService, task.ServiceARN) {
		_, about, ours := strings.Cut(e.Message, of)
		port, about, _ := strings.Cut(about, ") is unhealthy in (target-group ")
		group, reason, found := strings.Cut(about, ") due to (reason ")
		if reason, _ = strings.CutSuffix(strings.TrimSuffix(reason, "."), ")"); !ours || !found || told[group+reason] {
			continue
		}
		told[group+reason] = true
		a.add("health", "The load balancer's checks of its port %s in target group %s failed: %s.", port,
			elb.TargetGroupName(group), reason).Advice =
			checkAdvice(t, task, group, reason)
	}
}

// ended adds the stop code and reason of a task as a sentence.
func (a *Answer) ended(task *ecs.Task) {
	reason := task.StoppedReason
	if reason == "" {
		reason = "No reason was given"
	}
	said := strings.TrimSuffix(reason, ".")
	switch task.StopCode {
	case ecs.TaskFailedToStart:
		a.add("agent", "The task could not start: %s.", said).Advice = adviceFor(reason)
	case ecs.EssentialContainerExited:
		a.add("agent", "%s, and with it the task.", said)
	case ecs.UserInitiated:
		a.add("task", "A caller stopped it: %s.", said)
	case ecs.ServiceSchedulerInitiated:
		a.add("service", "Its service stopped it: %s.", said)
	case ecs.TerminationNotice:
		a.add("instance", "Its container instance went away: %s.", said)
	default:
		a.add("task", "It stopped: %s.", said)
	}
}

func detail(reason string) string {
	if reason == "" {
		return ""
	}
	return " " + reason
}

// meaning says what a container's exit code usually means, unless its reason already says so.
func meaning(c *ecs.Container) string {
	switch *c.ExitCode {
	case 126:
		return " (the command cannot be executed)"
	case 127:
		return " (the command was not found)"
	case 137:
		if strings.Contains(c.Reason, "OutOfMemory") {
			return " (killed)"
		}
		return " (SIGKILL: killed by somebody, for lack of memory, or because it did not end in time after SIGTERM)"
	case 139:
		return " (a segmentation fault)"
	case 143:
		return " (it ended at SIGTERM)"
	}
	return ""
}

// adviceFor says what to do about a reason that the agent gave.
func adviceFor(reason string) string {
	switch {
	case strings.Contains(reason, "CannotPull"):
		return "Check the image's name and tag: aws ecr list-images lists the pushed images, " +
			"docker images those of this machine."
	case strings.Contains(reason, "no such file or directory"), strings.Contains(reason, "executable file not found"):
		return "Check entryPoint and command of the task definition against the image."
	case strings.Contains(reason, "awslogs-group"), strings.Contains(reason, "log group"):
		return "Create the log group, or set awslogs-create-group."
	case strings.Contains(reason, "port is already allocated"), strings.Contains(reason, "address already in use"):
		return "Another program of the machine has the port: leave hostPort out to get a free one."
	}
	return ""
}

// stopping adds what a task waits for before it stops.
func (a *Answer) stopping(t *state.Tables, task *ecs.Task) {
	a.failedChecks(t, task)
	checks := len(a.Reasons)
	a.ended(task)
	for _, tt := range task.Targets {
		a.add("load balancer", "Requests of target group %s may still end before its containers are stopped.",
			elb.TargetGroupName(tt.TargetGroupARN))
	}
	a.instance(t, task)
	if len(task.Targets) == 0 && len(a.Reasons) == checks+1 {
		a.add("agent", "The agent is stopping its containers; each has its stopTimeout to end after SIGTERM.")
	}
}

// instance adds the problems of a task's instance.
func (a *Answer) instance(t *state.Tables, task *ecs.Task) {
	ci, ok := t.ContainerInstances.Get(task.ContainerInstanceARN)
	switch {
	case !ok:
		a.add("instance", "Its container instance %s does not exist any more.", arn.LastID(task.ContainerInstanceARN))
	default:
		if problem, advice := InstanceProblem(ci); problem != "" {
			a.add("instance", "On its container instance %s %s.", InstanceName(ci), problem).Advice = advice
		}
	}
}

// InstanceProblem returns why an instance cannot start or stop tasks, and what to do about it. problem is "" if there
// is no known problem.
func InstanceProblem(ci *ecs.ContainerInstance) (problem, advice string) {
	switch {
	case !ci.AgentConnected:
		return "the agent is not connected",
			"See the agent's log; a machine that is off or cut off is replaced by its Auto Scaling group."
	case ci.RuntimeStatus == "IMPAIRED" && ci.RuntimeReason != "":
		return "the container runtime does not work: " + strings.TrimSuffix(ci.RuntimeReason, "."), ""
	case ci.RuntimeStatus == "IMPAIRED":
		return "the container runtime does not answer",
			"See that Docker Engine runs there and that the agent may use it (docker info)."
	}
	return "", ""
}

// Hopeless reports whether an instance's problem will last until a user changes something: its agent may not use
// Docker.
func Hopeless(ci *ecs.ContainerInstance) bool {
	return ci.AgentConnected && ci.RuntimeStatus == "IMPAIRED" && strings.HasPrefix(ci.RuntimeReason, "Docker refuses ")
}

// InstanceName returns the id of the EC2 instance, or the container instance's own id when it was registered by
// hand.
func InstanceName(ci *ecs.ContainerInstance) string {
	if ci.EC2InstanceID != "" {
		return ci.EC2InstanceID
	}
	return arn.LastID(ci.ContainerInstanceARN)
}

// starting adds what a task that is not RUNNING yet waits for.
func (a *Answer) starting(t *state.Tables, task *ecs.Task, now time.Time) {
	a.instance(t, task)
	if task.LastStatus == ecs.Activating {
		a.targets(t, task)
		if len(a.Reasons) == 0 {
			a.add("load balancer", "It waits to be registered with its target groups.")
		}
		return
	}
	d, _ := t.TaskDefinitions.Get(task.TaskDefinitionARN)
	a.holds(task)
	if !task.PullStartedAt.IsZero() && task.PullStoppedAt.IsZero() {
		a.add("agent", "The agent has been pulling %s for %s.", images(d), age(task.PullStartedAt, now))
	}
	if d != nil && !task.PullStoppedAt.IsZero() {
		a.dependencies(d, task)
	}
	if len(a.Reasons) == 0 {
		if task.PullStartedAt.IsZero() {
			a.add("agent", "The agent received it %s ago and has not reported on it yet.", age(task.CreatedAt, now))
		} else {
			a.add("agent", "The agent is starting its containers.")
		}
	}
}

// holds adds what the agent waits for before it continues with a task, such as a port that is in use. The agent reports
// this for the whole task, in the reasons of all its containers.
func (a *Answer) holds(task *ecs.Task) {
	var told []string
	for _, c := range task.Containers {
		if c.LastStatus == ecs.Pending && c.Reason != "" && !slices.Contains(told, c.Reason) {
			told = append(told, c.Reason)
			a.add("agent", "The agent holds it back: %s.", strings.TrimSuffix(c.Reason, "."))
		}
	}
}

// images names the images of a task definition in a sentence.
func images(d *ecs.TaskDefinition) string {
	if d == nil {
		return "its images"
	}
	var names []string
	for _, c := range d.ContainerDefinitions {
		names = append(names, c.Image)
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) == 1 {
		return "image " + names[0]
	}
	return "images " + some(names)
}

// age returns the time since then, in whole seconds.
func age(since, now time.Time) time.Duration { return max(0, now.Sub(since)).Round(time.Second) }

// dependencies adds which containers wait for which others.
func (a *Answer) dependencies(d *ecs.TaskDefinition, task *ecs.Task) {
	seen := make(map[string]*ecs.Container)
	for i := range task.Containers {
		seen[task.Containers[i].Name] = &task.Containers[i]
	}
	for _, c := range d.ContainerDefinitions {
		if on := seen[c.Name]; on == nil || !on.LastStatus.Before(ecs.Running) {
			continue
		}
		for _, dep := range c.DependsOn {
			if other := seen[dep.ContainerName]; other != nil && !met(dep.Condition, other) {
				a.add("container", "Container %s waits for container %s to be %s; that is %s%s.", c.Name,
					dep.ContainerName, dep.Condition,
					other.LastStatus, healthOf(other))
			}
		}
	}
}

func met(condition string, c *ecs.Container) bool {
	switch condition {
	case "START":
		return !c.LastStatus.Before(ecs.Running)
	case "HEALTHY":
		return c.HealthStatus == ecs.Healthy
	case "SUCCESS":
		return c.LastStatus == ecs.Stopped && c.ExitCode != nil && *c.ExitCode == 0
	}
	return c.LastStatus == ecs.Stopped // COMPLETE
}

func healthOf(c *ecs.Container) string {
	if c.HealthStatus == "" || c.HealthStatus == ecs.UnknownHealth {
		return ""
	}
	return " and " + c.HealthStatus
}

// unwell adds what is wrong with a running task.
func (a *Answer) unwell(t *state.Tables, task *ecs.Task) {
	for _, c := range task.Containers {
		switch {
		case c.HealthStatus == ecs.Unhealthy:
			a.add("health", "The health check of container %s fails.", c.Name).Advice = "Run its command " +
				"in the container: docker exec " + short(c.RuntimeID)
		case c.LastStatus == ecs.Stopped && c.ExitCode != nil && *c.ExitCode != 0:
			a.add("container", "Container %s, which is not essential, ended with exit code %d%s.%s", c.Name,
				*c.ExitCode, meaning(&c), detail(c.Reason))
		}
	}
	a.targets(t, task)
	if len(task.LoadBalancers) == 0 || len(a.Reasons) > 0 {
		if ci, ok := t.ContainerInstances.Get(task.ContainerInstanceARN); !ok || !ci.AgentConnected {
			a.instance(t, task)
		}
	}
}

func short(id string) string {
	if len(id) > 12 {
		return id[:12]
	}
	return id
}

// targets adds which of a task's targets do not get requests, and why.
func (a *Answer) targets(t *state.Tables, task *ecs.Task) {
	for _, tt := range task.Targets {
		if tt.Draining {
			continue
		}
		target, _ := t.Targets.Get(elb.TargetKey(tt.TargetGroupARN, tt.ID, tt.Port))
		var seen *elb.TargetHealth
		if target != nil {
			seen, _ = t.TargetHealth.Get(target.Key())
		}
		h := elb.HealthOf(target, seen, inUse(t, tt.TargetGroupARN))
		if h.State == elb.Healthy {
			continue
		}
		r := a.add("health", "Its target %s:%d in target group %s is %s: %s.", tt.ID, tt.Port,
			elb.TargetGroupName(tt.TargetGroupARN), h.State, strings.TrimSuffix(h.Description, "."))
		switch h.Reason {
		case elb.ReasonNotInUse:
			r.Advice = "Let a listener or rule of a load balancer forward to the target group."
		case elb.ReasonCodeMismatch, elb.ReasonTimeout, elb.ReasonFailedChecks:
			r.Advice = checkAdvice(t, task, tt.TargetGroupARN, h.Description)
		}
	}
}

// noAnswer is the description of a target to which connections fail, or which does not speak HTTP.
const noAnswer = "Health checks failed"

// checkAdvice says how the load balancer checks a task in a target group.
func checkAdvice(t *state.Tables, task *ecs.Task, group, result string) string {
	g, ok := t.TargetGroups.Get(group)
	if !ok {
		return ""
	}
	if strings.TrimSuffix(result, ".") == noAnswer {
		where := "on the containerPort of the task definition"
		if b, ok := balanced(task, group); ok {
			where = fmt.Sprintf("on port %d in container %s", b.ContainerPort, b.ContainerName)
		}
		return fmt.Sprintf("The load balancer asks for GET %s and got no HTTP answer: does the program listen %s, "+
			"and on all addresses (0.0.0.0)?", g.HealthCheck.Path, where)
	}
	return fmt.Sprintf("The load balancer asks for GET %s and wants status %s within %d s: ask for the same yourself.",
		g.HealthCheck.Path, g.HealthCheck.Matcher, g.HealthCheck.TimeoutSeconds)
}

// balanced returns the entry of the task's load balancers for a target group.
func balanced(task *ecs.Task, group string) (ecs.LoadBalancer, bool) {
	k := slices.IndexFunc(task.LoadBalancers, func(b ecs.LoadBalancer) bool { return b.TargetGroupARN == group })
	if k < 0 {
		return ecs.LoadBalancer{}, false
	}
	return task.LoadBalancers[k], true
}

func inUse(t *state.Tables, group string) bool {
	for range t.Rules.By(state.RulesByTargetGroup, group) {
		return true
	}
	return false
}
