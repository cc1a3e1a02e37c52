package sim

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/blueprint"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// maxDecisions is the maximum number of decisions in a report. Further ones are only counted.
const maxDecisions = 20_000

// recorder collects the data of a report.
type recorder struct {
	stack     *blueprint.Stack
	launches  *blueprint.Launches
	sub       *state.Subscription[eventKey]
	decisions []Decision
	lost      int // decisions that were too many

	services map[string]*ServiceReport // by ARN
	groups   map[string]*GroupReport   // by key
	clusters map[string]*ClusterReport // by ARN
	every    int                       // minutes in a point of a curve
	minutes  int                       // since the begin
	counts   map[string][]int          // of a group: minutes with so many instances
}

// eventKey identifies a row that describes a decision of a controller.
type eventKey struct{ table, key string }

func newRecorder(store *state.Store, s *blueprint.Stack) *recorder {
	r := &recorder{stack: s, launches: s.Launches(), services: map[string]*ServiceReport{},
		groups: map[string]*GroupReport{}, clusters: map[string]*ClusterReport{}, counts: map[string][]int{}}
	r.sub = state.Subscribe(store, eventKeys)
	return r
}

func eventKeys(c state.Change, _ *state.Snapshot) []eventKey {
	switch c := c.(type) {
	case state.Changed[ecs.Event]:
		if c.New != nil {
			return []eventKey{{"event", c.Key}}
		}
	case state.Changed[fleet.Activity]:
		// One that waits for a lifecycle hook, or that is told why it takes long, is not another decision.
		if c.New != nil && (c.Old == nil || c.Old.Open() && failed(c.New)) {
			return []eventKey{{"group", c.Key}}
		}
	case state.Changed[appscaling.Activity]:
		if c.New != nil && (c.Old == nil || c.Old.Status != c.New.Status && c.New.Status != appscaling.Successful) {
			return []eventKey{{"policy", c.Key}}
		}
	case state.Changed[alarm.HistoryItem]:
		if c.New != nil && c.New.Type == alarm.StateUpdate {
			return []eventKey{{"alarm", c.Key}}
		}
	}
	return nil
}

// read records the decisions that controllers have written since the last call.
func (r *recorder) read(w *world) {
	t := &w.store.View().Tables
	for _, k := range r.sub.Take() {
		if d, ok := decisionOf(t, k); ok && !w.now.Before(w.begin) {
			d.At = w.now
			r.add(d)
		}
	}
}

func (r *recorder) add(d Decision) {
	if len(r.decisions) == maxDecisions {
		r.lost++
		return
	}
	r.decisions = append(r.decisions, d)
}

func decisionOf(t *state.Tables, k eventKey) (d Decision, ok bool) {
	switch k.table {
	case "event":
		if v, found := t.ServiceEvents.Get(k.key); found {
			svc, _ := t.Services.Get(v.ServiceARN)
			refused := strings.Contains(v.Message, "was unable to") || strings.Contains(v.Message, "failed")
			return Decision{Kind: "service", Subject: nameOf(svc), Text: v.Message, Refused: refused}, true
		}
	case "group":
		if v, found := t.Activities.Get(k.key); found {
			text := v.Description
			if v.StatusMessage != "" && !strings.Contains(text, strings.TrimSuffix(v.StatusMessage, ".")) {
				text += ": " + v.StatusMessage
			}
			return Decision{Kind: "group", Subject: v.Group, Text: text, Reason: v.Cause, Refused: failed(v)}, true
		}
	case "policy":
		if v, found := t.ScalingActivities.Get(k.key); found {
			return policyDecision(v), true
		}
	case "alarm":
		if v, found := t.AlarmHistory.Get(k.key); found {
			reason := ""
			if s, found := t.AlarmStatus.Get(v.ARN); found {
				reason = s.Reason
			}
			return Decision{Kind: "alarm", Subject: v.Name, Text: v.Summary, Reason: reason}, true
		}
	}
	return d, false
}

// failed reports whether an activity of a group has ended without success.
func failed(v *fleet.Activity) bool {
	return v.Status == fleet.ActivityFailed || v.Status == fleet.ActivityCancelled
}

func policyDecision(v *appscaling.Activity) Decision {
	d := Decision{Kind: "policy", Subject: strings.TrimPrefix(v.ResourceID, "service/"), Text: v.Description,
		Reason:  v.Cause,
		Refused: v.Status == appscaling.Failed || v.Status == appscaling.Unfulfilled || len(v.NotScaled) > 0}
	if v.StatusMessage != "" && v.Status != appscaling.Successful {
		d.Text += ": " + v.StatusMessage
	}
	for _, n := range v.NotScaled {
		d.Text += fmt.Sprintf(" (%s)", n.Code)
	}
	return d
}

func nameOf(svc *ecs.Service) string {
	if svc == nil {
		return ""
	}
	return arn.LastID(svc.ClusterARN) + "/" + svc.ServiceName
}

// most is the maximum number of points of a curve.
const most = 480

// sample adds a minute to the report.
func (r *recorder) sample(w *world) {
	if !w.now.After(w.begin) {
		for _, a := range w.apps {
			a.reset()
		}
		return
	}
	if r.every == 0 {
		r.every = max(1, int((w.o.Span/time.Minute+most-1)/most))
	}
	r.minutes++
	t := &w.store.View().Tables
	at := int(w.now.Sub(w.begin) / time.Minute)
	ends := at%r.every == 0 || w.now.Equal(w.end)
	for _, a := range w.apps {
		r.service(t, a).add(t, a, ends, at)
	}
	for _, g := range r.stack.Groups {
		r.sampleGroup(t, g.Key(), ends, at)
	}
	for _, c := range r.stack.Clusters {
		r.sampleCluster(t, w, c.ClusterARN, ends, at)
	}
}

func (r *recorder) service(t *state.Tables, a *app) *ServiceReport {
	s := r.services[a.arn]
	if s == nil {
		s = &ServiceReport{Cluster: a.cluster, Service: a.name, Unit: "requests/s", MinTasks: math.MaxInt}
		if a.load == nil {
			s.Unit = ""
		} else if a.load.Clients > 0 {
			s.Unit = "clients"
		}
		r.services[a.arn] = s
	}
	return s
}

// add adds the last minute of a service. ends is true if a point of the curve is complete.
func (s *ServiceReport) add(t *state.Tables, a *app, ends bool, at int) {
	svc, ok := t.Services.Get(a.arn)
	if !ok {
		return
	}
	running, pending := t.TasksOfService(a.arn).RunningAndPending(nil)
	s.Requests += a.arrived
	s.Late += a.late
	s.Refused += a.refused
	s.Moved += a.moved
	s.OutOfMemory += a.killed
	s.taskMinutes += running
	s.MinTasks, s.MaxTasks = min(s.MinTasks, running), max(s.MaxTasks, running)
	s.sums.add(a)
	a.reset()
	if ends {
		desired := t.Progress(a.arn).DesiredCount(svc)
		p := s.sums.point(at, desired, running, pending)
		s.PeakLoad = max(s.PeakLoad, p.Load)
		s.Points = append(s.Points, p)
		s.sums = sums{}
	}
}

// sums are the values that are averaged in a point.
type sums struct{ level, cpu, cpuOf, memory, memoryOf, late, refused, ticks float64 }

func (s *sums) add(a *app) {
	s.level, s.cpu, s.cpuOf = s.level+a.level, s.cpu+a.cpu, s.cpuOf+a.cpuOf
	s.memory, s.memoryOf = s.memory+a.memory, s.memoryOf+a.memoryOf
	s.late, s.refused, s.ticks = s.late+a.late, s.refused+a.refused, s.ticks+float64(a.ticks)
}

func (s *sums) point(at, desired, running, pending int) ServicePoint {
	return ServicePoint{Minute: at, Load: round(s.level / max(s.ticks, 1)), Desired: desired, Running: running,
		Pending: pending, CPU: share(s.cpu, s.cpuOf), Memory: share(s.memory, s.memoryOf), Late: round(s.late),
		Refused: round(s.refused)}
}

// share returns a as a percentage of b.
func share(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return round(100 * a / b)
}

// round rounds to a hundredth.
func round(v float64) float64 { return math.Round(v*100) / 100 }

// reset sets the counts of the last minute to zero.
func (a *app) reset() {
	a.arrived, a.served, a.late, a.refused, a.moved = 0, 0, 0, 0, 0
	a.level, a.cpu, a.cpuOf, a.memory, a.memoryOf = 0, 0, 0, 0, 0
	a.ticks, a.killed = 0, 0
}

func (r *recorder) sampleGroup(t *state.Tables, key string, ends bool, at int) {
	g, ok := t.AutoScalingGroups.Get(key)
	if !ok {
		return
	}
	s := r.groups[key]
	if s == nil {
		s = &GroupReport{Group: g.Name, MinInstances: math.MaxInt}
		if d, why := r.launches.Of(g); why == "" {
			s.Type = d.InstanceType
		}
		r.groups[key] = s
	}
	running, inService := 0, 0
	for i := range t.Instances.By(state.InstancesByAutoScalingGroup, key) {
		if i.State == fleet.Pending || i.State == fleet.Running || i.State == fleet.Stopping {
			running++
		}
		if i.Scaling.Lifecycle == fleet.LifecycleInService {
			inService++
		}
	}
	s.MinInstances, s.MaxInstances = min(s.MinInstances, running), max(s.MaxInstances, running)
	for len(r.counts[key]) <= running {
		r.counts[key] = append(r.counts[key], 0)
	}
	r.counts[key][running]++
	if ends {
		p := GroupPoint{Minute: at, Desired: g.Desired, Instances: running, InService: inService}
		s.Points = append(s.Points, p)
	}
}

func (r *recorder) sampleCluster(t *state.Tables, w *world, arn string, ends bool, at int) {
	s := r.clusters[arn]
	if s == nil {
		c, _ := t.Clusters.Get(arn)
		s = &ClusterReport{Cluster: c.ClusterName}
		r.clusters[arn] = s
	}
	if !ends {
		return
	}
	p := ClusterPoint{Minute: at}
	var used float64
	for _, h := range w.hosts {
		if h.ci.ClusterARN == arn {
			p.Instances++
			for _, x := range h.workers {
				used += x.got
			}
		}
	}
	of, reserved := t.RegisteredIn(arn), ecs.Resources{}
	if sums := t.TasksOfCluster(arn); sums != nil {
		reserved = sums.Used
	}
	p.CPU, p.CPUReserved = share(used, float64(of.CPU)), share(float64(reserved.CPU), float64(of.CPU))
	p.MemoryReserved = share(float64(reserved.Memory), float64(of.Memory))
	s.Points = append(s.Points, p)
}

// report returns the report.
func (w *world) report() *Report {
	r := w.history
	out := &Report{Start: w.begin, Minutes: r.minutes, Seed: w.o.Seed, Decisions: r.decisions, Omitted: r.lost,
		Unmeasured: w.unmeasured()}
	for _, a := range w.apps {
		s := r.service(nil, a)
		s.Requests, s.Late, s.Refused, s.Moved = math.Round(s.Requests), math.Round(s.Late), math.Round(s.Refused),
			math.Round(s.Moved)
		s.TaskHours = round(float64(s.taskMinutes) / 60)
		if r.minutes > 0 {
			s.MeanTasks = round(float64(s.taskMinutes) / float64(r.minutes))
		}
		s.MinTasks = min(s.MinTasks, s.MaxTasks)
		out.Services = append(out.Services, *s)
	}
	for key, g := range r.groups {
		g.MinInstances = min(g.MinInstances, g.MaxInstances)
		g.hours(r.counts[key], w.o.Reserved)
		out.Groups = append(out.Groups, *g)
	}
	slices.SortFunc(out.Groups, func(a, b GroupReport) int { return cmp.Compare(a.Group, b.Group) })
	for _, c := range r.clusters {
		out.Clusters = append(out.Clusters, *c)
	}
	slices.SortFunc(out.Clusters, func(a, b ClusterReport) int { return cmp.Compare(a.Cluster, b.Cluster) })
	return out
}

// hours computes the hours of a group's instances. counts[n] is the number of minutes in which there were n instances.
func (g *GroupReport) hours(counts []int, reserved []int) {
	minutes, total := 0, 0
	for n, m := range counts {
		minutes += m
		total += n * m
	}
	g.InstanceHours = round(float64(total) / 60)
	if len(reserved) == 0 {
		reserved = slices.Compact([]int{g.MinInstances, total / max(minutes, 1), g.MaxInstances})
	}
	for _, n := range reserved {
		covered := 0
		for have, m := range counts {
			covered += min(have, n) * m
		}
		g.Reserved = append(g.Reserved, Reservation{
			Instances: n, Hours: round(float64(n*minutes) / 60), Used: share(float64(covered), float64(n*minutes)),
			OnDemandHours: round(float64(total-covered) / 60),
		})
	}
}
