package why

import (
	"fmt"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/state"
)

// Task answers for a task.
func Task(t *state.Tables, task *ecs.Task, now time.Time) Answer {
	a := Answer{Kind: "task", Name: arn.LastID(task.TaskARN), Cluster: arn.LastID(task.ClusterARN), Status: string(task.LastStatus)}
	switch {
	case task.LastStatus == ecs.Stopped:
		a.stopped(task)
	case task.DesiredStatus == ecs.Stopped, ecs.Running.Before(task.LastStatus):
		a.stopping(t, task)
	case task.LastStatus.Before(ecs.Running):
		a.starting(t, task, now)
	default:
		a.unwell(t, task)
		a.OK = len(a.Reasons) == 0
	}
	return a
}

// stopped says why a task has ended.
func (a *Answer) stopped(task *ecs.Task) {
	a.Failed = true
	a.ended(task)
	for _, c := range task.Containers {
		switch {
		case c.ExitCode != nil && *c.ExitCode == 0 && c.Reason == "":
			a.add("container", "Container %s ended by itself with exit code 0.", c.Name)
		case c.ExitCode != nil:
			a.add("container", "Container %s ended with exit code %d%s.%s", c.Name, *c.ExitCode, meaning(*c.ExitCode), detail(c.Reason)).Advice =
				"See what it wrote: berth logs " + a.Name
		case c.Reason != "" && !strings.Contains(task.StoppedReason, c.Reason):
			a.add("container", "Container %s: %s", c.Name, c.Reason).Advice = adviceFor(c.Reason)
		}
		if c.ExitCode != nil && (a.ExitCode == nil || *a.ExitCode == 0) {
			a.ExitCode = c.ExitCode
		}
	}
}

// ended puts the stop code and reason of a task into a sentence.
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

// meaning says what an exit code usually stands for.
func meaning(code int) string {
	switch code {
	case 126:
		return " (the command cannot be executed)"
	case 127:
		return " (the command was not found)"
	case 137:
		return " (killed: out of memory, or it did not end in time after SIGTERM)"
	case 139:
		return " (a segmentation fault)"
	case 143:
		return " (it ended at SIGTERM)"
	}
	return ""
}

// adviceFor says what to do about a failure of the agent.
func adviceFor(reason string) string {
	switch {
	case strings.Contains(reason, "CannotPull"):
		return "Check the image's name and tag: aws ecr list-images shows what was pushed."
	case strings.Contains(reason, "no such file or directory"), strings.Contains(reason, "executable file not found"):
		return "Check entryPoint and command of the task definition against the image."
	case strings.Contains(reason, "awslogs-group"), strings.Contains(reason, "log group"):
		return "Create the log group, or set awslogs-create-group."
	case strings.Contains(reason, "port is already allocated"), strings.Contains(reason, "address already in use"):
		return "Another program of the machine has the port: leave hostPort out to get a free one."
	}
	return ""
}

// stopping says what a task that is to stop waits for.
func (a *Answer) stopping(t *state.Tables, task *ecs.Task) {
	a.ended(task)
	for _, tt := range task.Targets {
		a.add("load balancer", "Requests of target group %s may still end before its containers are stopped.", elb.TargetGroupName(tt.TargetGroupARN))
	}
	a.instance(t, task)
	if len(task.Targets) == 0 && len(a.Reasons) == 1 {
		a.add("agent", "The agent is stopping its containers; each has its stopTimeout to end after SIGTERM.")
	}
}

// instance adds what keeps a task's instance from doing anything.
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

// InstanceProblem says what keeps an instance from starting and stopping tasks, and what to do about it.
// problem is "" when nothing is known.
func InstanceProblem(ci *ecs.ContainerInstance) (problem, advice string) {
	switch {
	case !ci.AgentConnected:
		return "the agent is not connected", "See the agent's log; a machine that is off or cut off is replaced by its Auto Scaling group."
	case ci.RuntimeStatus == "IMPAIRED" && ci.RuntimeReason != "":
		return "the container runtime does not work: " + strings.TrimSuffix(ci.RuntimeReason, "."), ""
	case ci.RuntimeStatus == "IMPAIRED":
		return "the container runtime does not answer", "See that Docker Engine runs there and that the agent may use it (docker info)."
	}
	return "", ""
}

// InstanceName is what people call a container instance: the id of its EC2 instance, or its own when it joined
// by hand.
func InstanceName(ci *ecs.ContainerInstance) string {
	if ci.EC2InstanceID != "" {
		return ci.EC2InstanceID
	}
	return arn.LastID(ci.ContainerInstanceARN)
}

// starting says what a task that is not RUNNING yet waits for.
func (a *Answer) starting(t *state.Tables, task *ecs.Task, now time.Time) {
	a.instance(t, task)
	if task.LastStatus == ecs.Activating {
		a.targets(t, task)
		if len(a.Reasons) == 0 {
			a.add("load balancer", "It waits to be registered with its target groups.")
		}
		return
	}
	if !task.PullStartedAt.IsZero() && task.PullStoppedAt.IsZero() {
		a.add("agent", "The agent has been pulling its images for %s.", now.Sub(task.PullStartedAt).Round(time.Second))
	}
	d, _ := t.TaskDefinitions.Get(task.TaskDefinitionARN)
	if d != nil && !task.PullStoppedAt.IsZero() {
		a.dependencies(d, task)
	}
	if len(a.Reasons) == 0 {
		if task.PullStartedAt.IsZero() {
			a.add("agent", "The agent was given it %s ago and has not begun with it.", now.Sub(task.CreatedAt).Round(time.Second))
		} else {
			a.add("agent", "The agent is starting its containers.")
		}
	}
}

// dependencies says which containers wait for which others.
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
				a.add("container", "Container %s waits for container %s to be %s; that is %s%s.", c.Name, dep.ContainerName, dep.Condition,
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

// unwell says what is wrong with a running task.
func (a *Answer) unwell(t *state.Tables, task *ecs.Task) {
	for _, c := range task.Containers {
		switch {
		case c.HealthStatus == ecs.Unhealthy:
			a.add("health", "The health check of container %s fails.", c.Name).Advice = "Run its command in the container: docker exec " + short(c.RuntimeID)
		case c.LastStatus == ecs.Stopped && c.ExitCode != nil && *c.ExitCode != 0:
			a.add("container", "Container %s, which is not essential, ended with exit code %d%s.%s", c.Name, *c.ExitCode, meaning(*c.ExitCode), detail(c.Reason))
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

// targets says which of a task's targets get no requests, and why.
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
		r := a.add("health", "Its target %s:%d in target group %s is %s: %s.", tt.ID, tt.Port, elb.TargetGroupName(tt.TargetGroupARN), h.State, strings.TrimSuffix(h.Description, "."))
		switch h.Reason {
		case elb.ReasonNotInUse:
			r.Advice = "Let a listener or rule of a load balancer forward to the target group."
		case elb.ReasonCodeMismatch, elb.ReasonTimeout, elb.ReasonFailedChecks:
			r.Advice = checkAdvice(t, tt.TargetGroupARN)
		}
	}
}

// checkAdvice says what the load balancer asks a target for.
func checkAdvice(t *state.Tables, group string) string {
	g, ok := t.TargetGroups.Get(group)
	if !ok {
		return ""
	}
	return fmt.Sprintf("The load balancer asks for GET %s and wants status %s within %d s: ask for the same yourself.",
		g.HealthCheck.Path, g.HealthCheck.Matcher, g.HealthCheck.TimeoutSeconds)
}

func inUse(t *state.Tables, group string) bool {
	for range t.Rules.By(state.ByTargetGroup, group) {
		return true
	}
	return false
}
