// Package status is the whole system at a glance: what runs, what waits and why, and where it answers. Of reads a snapshot and is pure; the
// server serves a Report as JSON, and berth status and the demo read it.
package status

import (
	"cmp"
	"fmt"
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
	Disk          *Disk `json:",omitempty"` // of the whole server; Of does not know it
	// LaunchFailure says why no further instance comes, when the last launch of an Auto Scaling group failed
	// and nothing is being launched.
	LaunchFailure string `json:",omitempty"`
}

// Disk is what the data directory takes, in bytes. Use is by part.
type Disk struct {
	Budget int64 // 0 when there is none but the disk
	Room   int64 // what logs and images may still take
	Use    map[string]int64
}

// Cluster is one ACTIVE cluster.
type Cluster struct {
	Name      string
	Instances []Instance
	Services  []Service
	Tasks     []Task // those of no service
}

// Instance is one container instance; Notice says what is wrong with it, if anything.
type Instance struct {
	ID, EC2InstanceID, Zone, Address, Status string
	Connected                                bool
	Running, Pending                         int
	FreeCPU, CPU, FreeMemory, Memory         int
	Notice                                   string
}

// Name is what people call the instance: the id of its EC2 instance, or its own when it joined by hand.
func (i Instance) Name() string { return cmp.Or(i.EC2InstanceID, i.ID) }

// Service is one service with what it last said.
type Service struct {
	Name, Status, TaskDefinition, Rollout string
	Desired, Running, Pending             int
	LastEvent                             string
	LastFailure                           string // why the last task of its deployment failed, until the service is whole
	Retry                                 string // why no task is started now, and when the next is; "" when nothing is held back
	Tasks                                 []Task
}

// Task is one task that has not stopped; Notice says what it waits for, if anything is known.
type Task struct {
	ID, Definition, Status, Health, Instance, Zone, Address, Notice string
	StartedBy                                                       string `json:",omitempty"` // of RunTask, what the caller gave
}

// LoadBalancer is one load balancer and where it answers.
type LoadBalancer struct {
	Name, DNSName string
	Listeners     []Listener
}

// Listener is one port. URL is where a client on this machine reaches it, "" when it is not served; Notice says why it differs from Port.
type Listener struct {
	Port    int
	URL     string
	Notice  string
	Targets map[string]int // by state
	Rules   []Rule         // in the order in which they are tried, the default one last
}

// Rule is what a listener does with the requests that meet all of its conditions.
type Rule struct {
	Priority int      // 0 of the default rule
	If       []string // conditions: "path-pattern /api/*"
	Then     string   // what is done, when it is no forward
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

// served says by what a cache is served, or why it is not.
func served(n cache.Node) string {
	if n.Problem == "" && n.Notice != "" {
		return n.Backend + ", not reached by containers: " + n.Notice
	}
	return cmp.Or(n.Problem, n.Backend)
}

// Of reports on one region.
func Of(t *state.Tables, account, region string, now time.Time) Report {
	r := Report{Region: region}
	for c := range t.Clusters.Prefix(ecs.ARN(region, account, ecs.TypeCluster, "")) {
		if c.Status == ecs.ClusterActive {
			r.Clusters = append(r.Clusters, clusterOf(t, c, now))
		}
	}
	for lb := range t.LoadBalancers.Prefix("arn:aws:elasticloadbalancing:" + region + ":" + account + ":") {
		r.LoadBalancers = append(r.LoadBalancers, balancerOf(t, lb))
	}
	for c := range t.CacheClusters.Prefix("arn:aws:elasticache:" + region + ":" + account + ":") {
		r.Caches = append(r.Caches, Cache{ID: c.ID, Status: c.Status, Endpoint: c.Endpoint(), Engine: served(c.Node)})
	}
	r.LaunchFailure = launchFailure(t, account, region)
	return r
}

func clusterOf(t *state.Tables, c *ecs.Cluster, now time.Time) Cluster {
	out := Cluster{Name: c.ClusterName}
	for ci := range t.ContainerInstances.By(state.ByCluster, c.ClusterARN) {
		if ci.Present() {
			out.Instances = append(out.Instances, instanceOf(t, ci))
		}
	}
	for s := range t.Services.By(state.ByCluster, c.ClusterARN) {
		if s.Status != ecs.ServiceInactive {
			out.Services = append(out.Services, serviceOf(t, s, now))
		}
	}
	for task := range t.Tasks.By(state.ByCluster, c.ClusterARN) {
		if task.ServiceARN == "" && task.LastStatus != ecs.Stopped {
			out.Tasks = append(out.Tasks, taskOf(t, task, now))
		}
	}
	return out
}

func instanceOf(t *state.Tables, ci *ecs.ContainerInstance) Instance {
	free := launch.Remaining(t, ci)
	out := Instance{
		ID: arn.LastID(ci.ContainerInstanceARN), EC2InstanceID: ci.EC2InstanceID, Zone: ci.Zone(), Address: ci.Address, Status: ci.Status, Connected: ci.AgentConnected,
		CPU: ci.Registered.CPU, Memory: ci.Registered.Memory, FreeCPU: free.CPU, FreeMemory: free.Memory,
	}
	for task := range t.Tasks.By(state.ByInstance, ci.ContainerInstanceARN) {
		switch {
		case task.LastStatus == ecs.Stopped:
		case task.LastStatus == ecs.Running:
			out.Running++
		default:
			out.Pending++
		}
	}
	out.Notice, _ = why.InstanceProblem(ci)
	return out
}

func serviceOf(t *state.Tables, s *ecs.Service, now time.Time) Service {
	out := Service{Name: s.ServiceName, Status: s.Status, TaskDefinition: arn.LastID(s.TaskDefinition), Desired: s.DesiredCount}
	if p := s.Primary(); p != nil {
		out.Rollout = p.RolloutState
		out.Retry = retry(p)
	}
	var failed *ecs.Task
	for task := range t.Tasks.By(state.ByService, s.ServiceARN) {
		if task.LastStatus == ecs.Stopped {
			if p := s.Primary(); p != nil && task.StartedBy == p.ID && failure(task) && (failed == nil || task.StoppedAt.After(failed.StoppedAt)) {
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
		out.LastFailure = failed.StoppedReason + failed.ExitCodes()
	}
	for e := range t.ServiceEvents.By(state.ByService, s.ServiceARN) {
		out.LastEvent = e.Message
	}
	return out
}

// retry tells how often tasks of the deployment ended too early one after another, and when the next start is.
func retry(d *ecs.Deployment) string {
	if d.Attempts == 0 || d.RolloutState == ecs.RolloutFailed {
		return ""
	}
	return fmt.Sprintf("tasks ended too early, starts that failed in a row: %d; no task is started before %s",
		d.Attempts, d.RetryAt.UTC().Format(time.RFC3339))
}

// failure reports whether a task ended by itself, not by anybody's wish.
func failure(task *ecs.Task) bool {
	return task.StopCode == ecs.TaskFailedToStart || task.StopCode == ecs.EssentialContainerExited
}

func taskOf(t *state.Tables, task *ecs.Task, now time.Time) Task {
	out := Task{
		ID: arn.LastID(task.TaskARN), Definition: arn.LastID(task.TaskDefinitionARN), Status: string(task.LastStatus), Health: task.HealthStatus,
		Zone: task.AvailabilityZone, Address: task.Address(),
	}
	if task.ServiceARN == "" {
		out.StartedBy = task.StartedBy
	}
	if ci, ok := t.ContainerInstances.Get(task.ContainerInstanceARN); ok {
		out.Instance = why.InstanceName(ci)
		if out.Address == "" {
			out.Address = published(t, ci.Address, task)
		}
		if task.LastStatus.Before(ecs.Running) {
			out.Notice = firstReason(why.Task(t, task, now))
		}
	}
	return out
}

// firstReason is the most telling reason of an answer.
func firstReason(a why.Answer) string {
	if len(a.Reasons) == 0 {
		return ""
	}
	return strings.TrimSuffix(a.Reasons[0].Text, ".")
}

// published is the first port of the task that answers on its instance; in host mode these are the containers' own.
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

func balancerOf(t *state.Tables, lb *elb.LoadBalancer) LoadBalancer {
	out := LoadBalancer{Name: lb.Name, DNSName: lb.DNSName}
	for l := range t.Listeners.By(state.ByLoadBalancer, lb.ARN) {
		line := Listener{Port: l.Port, Targets: make(map[string]int)}
		if b, ok := t.BoundListeners.Get(l.ARN); ok {
			line.Notice = b.Reason
			if b.Address != "" {
				line.URL = urlOf(l.Protocol, b.Address)
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

// targetsOf counts the targets of a group that a listener uses, by state.
func targetsOf(t *state.Tables, group string) map[string]int {
	n := make(map[string]int)
	for target := range t.Targets.Prefix(elb.TargetPrefix(group)) {
		seen, _ := t.TargetHealth.Get(target.Key())
		n[elb.HealthOf(target, seen, true).State]++
	}
	return n
}

func rulesOf(t *state.Tables, l *elb.Listener) (rules []Rule) {
	for r := range t.Rules.By(state.ByListener, l.ARN) {
		rules = append(rules, ruleOf(t, r))
	}
	slices.SortFunc(rules, func(a, b Rule) int {
		return cmp.Or(cmp.Compare(last(a), last(b)), cmp.Compare(a.Priority, b.Priority))
	})
	return rules
}

// last sorts a default rule behind the others.
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

// launchFailure says why the last launch of a region's Auto Scaling groups failed, "" unless that is the last word.
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

func groupsOf(t *state.Tables, l *elb.Listener) []string {
	var groups []string
	for r := range t.Rules.By(state.ByListener, l.ARN) {
		groups = append(groups, elb.Uses(r.Actions)...)
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}

func urlOf(protocol, address string) string {
	scheme, standard := "http", "80"
	if protocol == "HTTPS" {
		scheme, standard = "https", "443"
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Sprintf("%s://%s", scheme, address)
	}
	if port == standard {
		return fmt.Sprintf("%s://%s", scheme, host)
	}
	return fmt.Sprintf("%s://%s", scheme, net.JoinHostPort(host, port))
}
