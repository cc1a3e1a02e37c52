// Package status reports on the whole system: what runs, what waits and why, and the addresses of load balancers and
// caches. Of makes a Report from a snapshot and is pure. The server serves it as JSON; berth status and the demo read
// it.
package status

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/cache"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/why"
)

// Report is the system of one region.
type Report struct {
	Region        string
	Clusters      []Cluster
	LoadBalancers []LoadBalancer
	Caches        []Cache
	Disk          *Disk `json:",omitempty"` // of the whole server; Of does not set it
	// LaunchFailure is why the last launch of an Auto Scaling group failed. It is "" when there was no failure
	// since the last success, or while an instance is being launched.
	LaunchFailure string `json:",omitempty"`
	// AgentFailure is why the agent of an EC2 instance ends again and again before it has registered the instance
	// with a cluster.
	AgentFailure string `json:",omitempty"`
}

// Disk is the space that the data directory uses, in bytes. Use has its parts.
type Disk struct {
	Budget int64 // 0 if only the size of the disk limits it
	Room   int64 // how many more bytes logs and images may use
	Use    map[string]int64
}

// Cluster is one ACTIVE cluster.
type Cluster struct {
	Name      string
	Instances []Instance
	Services  []Service
	Tasks     []Task // those that belong to no service
	// Waiting says, for each capacity provider whose tasks wait for instances in vain, why its group gets no more.
	Waiting []Waiting `json:",omitempty"`
	// AgentFailure is like Report.AgentFailure, for the instances whose agents join this cluster.
	AgentFailure string `json:",omitempty"`
}

// Waiting is a capacity provider whose Auto Scaling group gets no more instances, and why.
type Waiting struct{ CapacityProvider, Reason string }

// Instance is one container instance; Notice says what is wrong with it, or what its termination waits for.
type Instance struct {
	ID, EC2InstanceID, Zone, Address, Status string
	Connected                                bool
	Running, Pending                         int
	FreeCPU, CPU, FreeMemory, Memory         int
	Notice                                   string
	Failed                                   bool `json:",omitempty"` // Notice stays until a user changes something
}

// Name returns the id of the EC2 instance, or the container instance's own id when it was registered by hand.
func (i Instance) Name() string { return cmp.Or(i.EC2InstanceID, i.ID) }

// Service is one service with its latest event.
type Service struct {
	Name, Status, TaskDefinition, Rollout string
	Desired, Running, Pending             int
	LastEvent                             string
	// why the last task of its deployment failed; "" when everything runs
	LastFailure string
	// why no task is started now, and when the next one is; "" when nothing is delayed
	Retry string
	// Scaling says why the scaling policies change nothing although alarms call them; "" otherwise, and for a service
	// at rest: at its minimum, or at the count that the policies propose
	Scaling string `json:",omitempty"`
	Tasks   []Task
}

// Task is one task that has not stopped. Notice says what it waits for, or that it runs but is not healthy; "" if
// neither is known.
type Task struct {
	ID, Definition, Status, Health, Instance, Zone, Address, Notice string
	// startedBy, as the caller of RunTask set it
	StartedBy string `json:",omitempty"`
}

// LoadBalancer is one load balancer with its addresses.
type LoadBalancer struct {
	Name, DNSName string
	Listeners     []Listener
}

// Listener is one port of a load balancer. URL is its address for clients on this machine, or "" if no edge serves it.
// Notice says why the port in URL differs from Port.
type Listener struct {
	Port    int
	URL     string
	Notice  string
	Targets map[string]int // by state
	Rules   []Rule         // in the order in which they are evaluated, the default rule last
}

// Rule is what a listener does with requests that match all conditions.
type Rule struct {
	Priority int      // 0 for the default rule
	If       []string // conditions: "path-pattern /api/*"
	Then     string   // the action, unless it forwards
	Groups   []Group
}

// Group is a target group that a rule forwards to.
type Group struct {
	Name    string
	Weight  int
	Targets map[string]int // by state
}

// Cache is one cache node.
type Cache struct{ ID, Status, Endpoint, Engine string }

// served describes the server of a cache, or why it has none.
func served(n cache.Node) string {
	if n.Problem == "" && n.Notice != "" {
		return n.Backend + ", not reached by containers: " + n.Notice
	}
	return cmp.Or(n.Problem, n.Backend)
}

// Of reports on one region.
func Of(t *state.Tables, account, region string, now time.Time) Report {
	failing := failingAgents(t, account, region)
	r := Report{Region: region, AgentFailure: agentFailure(failing)}
	for c := range t.Clusters.Prefix(ecs.ARN(region, account, ecs.TypeCluster, "")) {
		if c.Status == ecs.ClusterActive {
			cluster := clusterOf(t, c, now)
			cluster.AgentFailure = agentFailure(joining(failing, c.ClusterName))
			r.Clusters = append(r.Clusters, cluster)
		}
	}
	shared := portsOf(t)
	for lb := range t.LoadBalancers.Prefix("arn:aws:elasticloadbalancing:" + region + ":" + account + ":") {
		r.LoadBalancers = append(r.LoadBalancers, balancerOf(t, lb, shared))
	}
	for c := range t.CacheClusters.Prefix("arn:aws:elasticache:" + region + ":" + account + ":") {
		r.Caches = append(r.Caches, Cache{ID: c.ID, Status: c.Status, Endpoint: c.Endpoint(), Engine: served(c.Node)})
	}
	r.LaunchFailure = launchFailure(t, account, region)
	return r
}

func clusterOf(t *state.Tables, c *ecs.Cluster, now time.Time) Cluster {
	out := Cluster{Name: c.ClusterName}
	for ci := range t.ContainerInstances.By(state.ContainerInstancesByCluster, c.ClusterARN) {
		if ci.Present() {
			out.Instances = append(out.Instances, instanceOf(t, ci))
		}
	}
	for _, name := range c.CapacityProviders {
		if reason := why.Capacity(t, c, name); reason != "" {
			out.Waiting = append(out.Waiting, Waiting{name, reason})
		}
	}
	for s := range t.Services.By(state.ServicesByCluster, c.ClusterARN) {
		if s.Status != ecs.ServiceInactive {
			out.Services = append(out.Services, serviceOf(t, s, now))
		}
	}
	for task := range t.Tasks.By(state.TasksByCluster, c.ClusterARN) {
		if task.ServiceARN == "" && task.LastStatus != ecs.Stopped {
			out.Tasks = append(out.Tasks, taskOf(t, task, now))
		}
	}
	return out
}

func instanceOf(t *state.Tables, ci *ecs.ContainerInstance) Instance {
	free := launch.Remaining(t, ci)
	out := Instance{
		ID: arn.LastID(ci.ContainerInstanceARN), EC2InstanceID: ci.EC2InstanceID, Zone: ci.Zone(),
		Address: ci.Address, Status: ci.Status, Connected: ci.AgentConnected, CPU: ci.Registered.CPU,
		Memory: ci.Registered.Memory, FreeCPU: free.CPU, FreeMemory: free.Memory,
	}
	sums := t.TasksOnInstance(ci.ContainerInstanceARN)
	out.Running = sums.Count(func(c ecs.TaskCount) bool { return c.LastStatus == ecs.Running })
	out.Pending = sums.Count(func(c ecs.TaskCount) bool { return c.LastStatus != ecs.Stopped }) - out.Running
	if out.Notice, _ = why.InstanceProblem(ci); out.Notice == "" {
		out.Notice = why.Draining(t, ci)
	}
	out.Failed = why.Hopeless(ci)
	return out
}

func serviceOf(t *state.Tables, s *ecs.Service, now time.Time) Service {
	progress := t.Progress(s.ServiceARN)
	out := Service{
		Name: s.ServiceName, Status: s.Status, TaskDefinition: arn.LastID(progress.Current().TaskDefinition),
		Desired: progress.DesiredCount(s),
	}
	if text, atRest := why.Scaling(t, s, now); !atRest {
		out.Scaling = text
	}
	if p := progress.Primary(); p != nil {
		out.Rollout = p.RolloutState
		out.Retry = retry(p, now)
	}
	var failed *ecs.Task
	for task := range t.Tasks.By(state.TasksByService, s.ServiceARN) {
		if task.LastStatus == ecs.Stopped {
			if p := progress.Primary(); p != nil && task.StartedBy == p.ID && why.Failed(task) &&
				(failed == nil || task.StoppedAt.After(failed.StoppedAt)) {
				failed = task
			}
			continue
		}
		if task.LastStatus == ecs.Running {
			out.Running++
		} else {
			out.Pending++
		}
		out.Tasks = append(out.Tasks, taskOf(t, task, now))
	}
	if failed != nil && (out.Running < out.Desired || out.Rollout != ecs.RolloutCompleted) {
		out.LastFailure = failure(t, failed, now)
	}
	if e := t.LastEvent(s.ServiceARN); e != nil {
		out.LastEvent = e.Message
	}
	return out
}

// retry describes the delay of the next start: how many tasks in a row ended too early, and when the next one
// starts.
func retry(d *ecs.Deployment, now time.Time) string {
	wait := why.RetryIn(d, now)
	if wait == 0 {
		return ""
	}
	return fmt.Sprintf("tasks ended too early, consecutive failed starts: %d; the next start is in %s, at %s",
		d.Attempts, wait, d.RetryAt.UTC().Format(time.RFC3339))
}

// failure says in one line why a task failed: the result of its health checks, or how it ended.
func failure(t *state.Tables, task *ecs.Task, now time.Time) string {
	if bad := badHealth(t, task, now); bad != "" {
		return bad
	}
	return task.StoppedReason + task.ExitCodes()
}

// badHealth returns a text without a full stop that says which health check a task has failed or not passed yet; "" if
// there is none.
func badHealth(t *state.Tables, task *ecs.Task, now time.Time) string {
	for _, r := range why.Task(t, task, now).Reasons {
		if r.Source == "health" {
			return strings.TrimSuffix(r.Text, ".")
		}
	}
	return ""
}

func taskOf(t *state.Tables, task *ecs.Task, now time.Time) Task {
	out := Task{
		ID: arn.LastID(task.TaskARN), Definition: arn.LastID(task.TaskDefinitionARN),
		Status: string(task.LastStatus), Health: task.HealthStatus, Zone: task.AvailabilityZone,
		Address: task.Address(),
	}
	if task.ServiceARN == "" {
		out.StartedBy = task.StartedBy
	}
	if ci, ok := t.ContainerInstances.Get(task.ContainerInstanceARN); ok {
		out.Instance = why.InstanceName(ci)
		if out.Address == "" {
			out.Address = published(t, ci.Address, task)
		}
		switch {
		case task.LastStatus.Before(ecs.Running):
			out.Notice = firstReason(why.Task(t, task, now))
		case task.LastStatus == ecs.Running:
			out.Notice = badHealth(t, task, now)
		}
	}
	return out
}

// firstReason returns the text of the first reason of an answer.
func firstReason(a why.Answer) string {
	if len(a.Reasons) == 0 {
		return ""
	}
	return strings.TrimSuffix(a.Reasons[0].Text, ".")
}

// published returns the address of the first port that the task publishes on its instance; in host mode that is
// a container's own port.
func published(t *state.Tables, host string, task *ecs.Task) string {
	for _, c := range task.Containers {
		for _, b := range c.NetworkBindings {
			if b.HostPort != 0 {
				return net.JoinHostPort(host, strconv.Itoa(b.HostPort))
			}
		}
	}
	d, ok := t.TaskDefinitions.Get(task.TaskDefinitionARN)
	if !ok || d.NetworkMode != ecs.NetworkHost {
		return ""
	}
	for _, c := range d.ContainerDefinitions {
		for _, p := range c.PortMappings {
			return net.JoinHostPort(host, strconv.Itoa(p.ContainerPort))
		}
	}
	return ""
}

func balancerOf(t *state.Tables, lb *elb.LoadBalancer, shared map[int]*port) LoadBalancer {
	out := LoadBalancer{Name: lb.Name, DNSName: lb.DNSName}
	for l := range t.Listeners.By(state.ListenersByLoadBalancer, lb.ARN) {
		line := Listener{Port: l.Port, Targets: make(map[string]int)}
		if b, ok := t.BoundListeners.Get(l.ARN); ok {
			line.Notice = b.Reason
			if b.Address != "" {
				name, notice := shared[l.Port].hostFor(l, lb, b.Address)
				line.URL = urlOf(l.Protocol, b.Address, name)
				line.Notice = strings.Join(slices.DeleteFunc([]string{line.Notice, notice},
					func(s string) bool { return s == "" }), "; ")
			}
		}
		line.Rules = rulesOf(t, l)
		for _, group := range groupsOf(t, l) {
			for state, n := range targetsOf(t, group) {
				line.Targets[state] += n
			}
		}
		out.Listeners = append(out.Listeners, line)
	}
	slices.SortFunc(out.Listeners, func(a, b Listener) int { return cmp.Compare(a.Port, b.Port) })
	return out
}

// targetsOf counts, by state, the targets of a group that a listener uses.
func targetsOf(t *state.Tables, group string) map[string]int {
	n := make(map[string]int)
	for target := range t.Targets.Prefix(elb.TargetPrefix(group)) {
		seen, _ := t.TargetHealth.Get(target.Key())
		n[elb.HealthOf(target, seen, true).State]++
	}
	return n
}

func rulesOf(t *state.Tables, l *elb.Listener) (rules []Rule) {
	for r := range t.Rules.By(state.RulesByListener, l.ARN) {
		rules = append(rules, ruleOf(t, r))
	}
	slices.SortFunc(rules, func(a, b Rule) int {
		return cmp.Or(cmp.Compare(last(a), last(b)), cmp.Compare(a.Priority, b.Priority))
	})
	return rules
}

// last sorts the default rule behind the others.
func last(r Rule) int {
	if r.Priority == 0 {
		return 1
	}
	return 0
}

func ruleOf(t *state.Tables, r *elb.Rule) Rule {
	out := Rule{Priority: r.Priority}
	for _, c := range r.Conditions {
		values := slices.Concat(c.Values, c.RegexValues)
		for _, q := range c.QueryStrings {
			values = append(values, q.Key+"="+q.Value)
		}
		field := c.Field
		if c.Field == elb.FieldHeader {
			field += " " + c.HeaderName
		}
		out.If = append(out.If, field+" "+strings.Join(values, " or "))
	}
	for _, a := range r.Actions {
		switch a.Type {
		case elb.ActionForward:
			for _, g := range a.Forward.TargetGroups {
				out.Groups = append(out.Groups, Group{elb.TargetGroupName(g.ARN), g.Weight, targetsOf(t, g.ARN)})
			}
		case elb.ActionRedirect:
			out.Then = fmt.Sprintf("redirect with %d", a.Redirect.StatusCode)
		case elb.ActionFixedResponse:
			out.Then = fmt.Sprintf("answer %d", a.FixedResponse.StatusCode)
		default:
			out.Then = a.Type
		}
	}
	return out
}

// launchFailure says why the last launch of the region's Auto Scaling groups failed; "" when the last launch
// did not fail.
func launchFailure(t *state.Tables, account, region string) string {
	for i := range t.Instances.All() {
		if i.Region == region && i.Account == account && i.State == fleet.Pending {
			return ""
		}
	}
	for g := range t.AutoScalingGroups.All() {
		if g.Region != region || g.Account != account {
			continue
		}
		var last *fleet.Activity
		for x := range t.Activities.Prefix(fleet.ActivityPrefix(region, account, g.Name)) {
			last = x
		}
		if last != nil && last.Status == fleet.ActivityFailed {
			return "Auto Scaling group " + g.Name + ": " + last.Description + ": " + last.StatusMessage
		}
	}
	return ""
}

// hopelessRestarts is how often an agent is restarted before its failure counts as permanent.
const hopelessRestarts = 3

// failingAgents returns the instances of the region whose agents end again and again before they register, in
// the order of their ids.
func failingAgents(t *state.Tables, account, region string) []*fleet.Instance {
	failing := map[string]*fleet.Instance{}
	for i := range t.Instances.All() {
		down := i.Machine.Phase == fleet.PhaseFailed ||
			i.Machine.Phase == fleet.PhaseRestarting && i.Machine.Restarts >= hopelessRestarts
		if i.Region == region && i.Account == account && i.State == fleet.Running && down {
			failing[i.ID] = i
		}
	}
	if len(failing) == 0 {
		return nil
	}
	for ci := range t.ContainerInstances.Prefix(ecs.ARN(region, account, ecs.TypeContainerInstance, "")) {
		delete(failing, ci.EC2InstanceID)
	}
	list := make([]*fleet.Instance, 0, len(failing))
	for _, id := range slices.Sorted(maps.Keys(failing)) {
		list = append(list, failing[id])
	}
	return list
}

// agentFailure says why the agent of the first instance fails; "" if there is none.
func agentFailure(failing []*fleet.Instance) string {
	if len(failing) == 0 {
		return ""
	}
	return "instance " + failing[0].ID + ": " + failing[0].Machine.Reason
}

// joining returns the instances whose agents join a cluster, and those whose cluster is not known.
func joining(failing []*fleet.Instance, cluster string) []*fleet.Instance {
	return slices.DeleteFunc(slices.Clone(failing), func(i *fleet.Instance) bool {
		return i.Machine.Cluster != "" && i.Machine.Cluster != cluster
	})
}

func groupsOf(t *state.Tables, l *elb.Listener) []string {
	var groups []string
	for r := range t.Rules.By(state.RulesByListener, l.ARN) {
		groups = append(groups, elb.Uses(r.Actions)...)
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}
