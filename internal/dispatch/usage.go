package dispatch

import (
	"slices"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/gather"
	"github.com/berthhq/berth/internal/state"
)

// Feed receives what agents have measured; a *feed.Feed is one. Its methods must be quick and may be called
// concurrently.
type Feed interface {
	// Sample takes what a member of a metric's group has used until age ago.
	Sample(age time.Duration, name gather.Name, s gather.Sample)
	// Drop takes note of a measurement that has no effect.
	Drop(why gather.Reason)
}

// set is a statistic set of what a task used in about 20 seconds, in CPU units, MiB or bytes a second. A count of 0
// means that nothing was measured.
type set struct{ count, sum, min, max float64 }

func (s set) average() float64 {
	if s.count == 0 {
		return 0
	}
	return s.sum / s.count
}

// plus adds the set of another container that ran at the same time. The numbers of samples may differ by one; the
// sums are scaled to the larger number.
func (s set) plus(o set) set {
	if s.count == 0 || o.count == 0 {
		if s.count == 0 {
			return o
		}
		return s
	}
	count := max(s.count, o.count)
	return set{count, (s.average() + o.average()) * count, s.min + o.min, s.max + o.max}
}

// sample returns the set in per cent of what was reserved.
func (s set) sample(member string, reserved int) gather.Sample {
	percent := 100 / float64(reserved)
	return gather.Sample{
		Member: member, Weight: float64(reserved), Count: s.count, Sum: s.sum * percent, Min: s.min * percent,
		Max: s.max * percent,
	}
}

// batch is what an agent has reported of one span of time, in one message or several. Only the session uses it.
type batch struct {
	id    string
	tasks map[string]bool // by ARN
	used  [len(kinds)]float64
	known [len(kinds)]bool // whether the agent has measured it of a task
	runs  bool             // one of them is RUNNING
}

// kind is something that is measured of tasks.
type kind struct {
	utilization, reservation string // metrics of AWS/ECS; "" for what cannot be reserved
	utilized, reserved, unit string // metrics of ECS/ContainerInsights
	moved                    string // metric of AWS/EC2 of the bytes that all tasks of an instance have moved
	reported                 func(acs.ContainerMetric) *acs.StatsSet
	of                       func(ecs.Resources) int
	factor                   func(*ecs.ContainerInstance) float64 // makes the unit of an agent's figures
}

// reserves is how many kinds are reserved; they come first.
const reserves = 2

var kinds = [...]kind{
	{
		utilization: "CPUUtilization", reservation: "CPUReservation",
		utilized: "CpuUtilized", reserved: "CpuReserved", unit: "None",
		reported: func(c acs.ContainerMetric) *acs.StatsSet { return c.CPU },
		of:       func(r ecs.Resources) int { return r.CPU },
		// The agent reports per cent of the whole instance.
		factor: func(ci *ecs.ContainerInstance) float64 { return float64(ci.Registered.CPU) / 100 },
	},
	{
		utilization: "MemoryUtilization", reservation: "MemoryReservation",
		utilized: "MemoryUtilized", reserved: "MemoryReserved", unit: "Megabytes",
		reported: func(c acs.ContainerMetric) *acs.StatsSet { return c.Memory },
		of:       func(r ecs.Resources) int { return r.Memory },
		factor:   unchanged,
	},
	{
		utilized: "NetworkRxBytes", unit: "Bytes/Second", factor: unchanged, moved: "NetworkIn",
		reported: func(c acs.ContainerMetric) *acs.StatsSet { return network(c).RxBytesPerSecond },
	},
	{
		utilized: "NetworkTxBytes", unit: "Bytes/Second", factor: unchanged, moved: "NetworkOut",
		reported: func(c acs.ContainerMetric) *acs.StatsSet { return network(c).TxBytesPerSecond },
	},
}

func unchanged(*ecs.ContainerInstance) float64 { return 1 }

func network(c acs.ContainerMetric) acs.NetworkStats {
	if c.Network == nil {
		return acs.NetworkStats{}
	}
	return *c.Network
}

// metrics makes the names of metrics of a cluster.
type metrics struct {
	scope, cluster string
	insights       bool // whether it has Container Insights
}

func metricsOf(t *state.Tables, cluster arn.ARN) metrics {
	m := metrics{scope: meter.Scope(cluster.Account, cluster.Region), cluster: cluster.ID()}
	if c, ok := t.Clusters.Get(cluster.String()); ok {
		m.insights = hasInsights(c)
	}
	return m
}

// ec2 returns the name of a metric of an instance or a group.
func (m metrics) ec2(metric, unit, dimension, value string) gather.Name {
	return gather.Name{Scope: m.scope, Namespace: "AWS/EC2", Metric: metric, Unit: unit,
		Dimensions: [2]meter.Dimension{{Name: dimension, Value: value}}}
}

// ecs returns the name of a metric of the cluster, or of one of its services.
func (m metrics) ecs(metric, service string) gather.Name {
	n := gather.Name{Scope: m.scope, Namespace: "AWS/ECS", Metric: metric, Unit: "Percent",
		Dimensions: [2]meter.Dimension{{Name: "ClusterName", Value: m.cluster}}}
	if service != "" {
		n.Dimensions[1] = meter.Dimension{Name: "ServiceName", Value: service}
	}
	return n
}

// Gauge makes the samples of metrics of what the agent of one container instance reports. It must not be used
// concurrently.
type Gauge struct {
	Feed     Feed
	Instance string // ARN
	batch    batch
}

// Measure passes on what a report says of the time until age ago (ecs.md 7.8, ecs-agent.md 9.1). What it says of
// tasks that are not in the tables, or not of the instance, is dropped.
func (t *Gauge) Measure(tables *state.Tables, m *acs.PublishMetrics, age time.Duration) {
	ci, ok := tables.ContainerInstances.Get(t.Instance)
	if !ok {
		return
	}
	at, err := arn.Parse(ci.ClusterARN)
	if err != nil {
		return // it is the ARN of a row
	}
	names := metricsOf(tables, at)
	if t.batch.tasks == nil || t.batch.id != m.Metadata.MessageID {
		t.batch = batch{id: m.Metadata.MessageID, tasks: map[string]bool{}}
	}
	for _, metric := range m.Tasks {
		task, ok := ownTaskOf(tables, t.Instance, metric.TaskARN)
		switch {
		case !ok:
			t.Feed.Drop(gather.Unknown)
		case t.batch.tasks[task.TaskARN]: // it is reported twice
			t.Feed.Drop(gather.Invalid)
		default:
			t.batch.tasks[task.TaskARN] = true
			t.measureTask(names, ci, task, metric, age)
		}
	}
	if m.Metadata.Fin {
		t.measureInstance(names, tables, ci, age)
		t.batch = batch{}
	}
}

// measureTask passes on what one task has used.
func (t *Gauge) measureTask(names metrics, ci *ecs.ContainerInstance, task *ecs.Task, m acs.TaskMetric,
	age time.Duration) {
	running := task.LastStatus == ecs.Running
	t.batch.runs = t.batch.runs || running
	containers := t.containersOf(task, m)
	for i, kind := range kinds {
		used, reserved := t.used(kind, ci, containers), 0
		t.batch.used[i] += used.average()
		t.batch.known[i] = t.batch.known[i] || used.count > 0
		if i < reserves {
			reserved = kind.of(task.Need)
		}
		if !running || used.count == 0 {
			continue
		}
		if task.ServiceARN != "" && reserved > 0 {
			t.Feed.Sample(age, names.ecs(kind.utilization, arn.LastID(task.ServiceARN)),
				used.sample(task.TaskARN, reserved))
		}
		if names.insights && (reserved > 0 || i >= reserves) {
			t.insight(names, kind, task, used.average(), reserved, age)
		}
	}
}

// containersOf returns what a report says of the task's containers. The rest of it is dropped: containers that the task
// does not have, and those that are reported twice.
func (t *Gauge) containersOf(task *ecs.Task, m acs.TaskMetric) []acs.ContainerMetric {
	seen := make([]bool, len(task.Containers))
	var own []acs.ContainerMetric
	for _, c := range m.Containers {
		i := slices.IndexFunc(task.Containers, func(known ecs.Container) bool { return known.Name == c.Name })
		if i < 0 || seen[i] {
			t.Feed.Drop(gather.Unknown)
			continue
		}
		seen[i] = true
		own = append(own, c)
	}
	return own
}

// used adds up what the containers of a task have used. If one of the figures cannot be, the task has used nothing,
// since the sum of the others would be wrong.
func (t *Gauge) used(kind kind, ci *ecs.ContainerInstance, containers []acs.ContainerMetric) (sum set) {
	for _, c := range containers {
		s := kind.reported(c)
		if s == nil || s.SampleCount == 0 {
			continue // it has just started
		}
		factor := kind.factor(ci)
		one := set{float64(s.SampleCount), s.Sum * factor, s.Min * factor, s.Max * factor}
		if !gather.Measured(one.count, one.sum, one.min, one.max) {
			t.Feed.Drop(gather.Invalid)
			return set{}
		}
		sum = sum.plus(one)
	}
	return sum
}

// measureInstance passes on what all tasks of the instance have used together, and how much of the cluster is
// reserved.
func (t *Gauge) measureInstance(names metrics, tables *state.Tables, ci *ecs.ContainerInstance,
	age time.Duration) {
	feed, used := t.Feed, t.batch.used
	if ci.Status == ecs.InstanceActive || ci.Status == ecs.InstanceDraining {
		registered, reserved := tables.RegisteredIn(ci.ClusterARN), ecs.Resources{}
		if sums := tables.TasksOfCluster(ci.ClusterARN); sums != nil {
			reserved = sums.Used
		}
		for i, kind := range kinds[:reserves] {
			if n := float64(kind.of(ci.Registered)); n > 0 {
				s := single(ci.ContainerInstanceARN, n, 100*used[i]/n)
				s.Idle = !t.batch.runs
				feed.Sample(age, names.ecs(kind.utilization, ""), s)
			}
			if n := float64(kind.of(registered)); n > 0 {
				s := single(ci.ClusterARN, 1, 100*float64(kind.of(reserved))/n)
				s.Idle, s.Even = !t.batch.runs, true
				feed.Sample(age, names.ecs(kind.reservation, ""), s)
			}
		}
	}
	region, account := arn.Region(ci.ClusterARN), arn.Account(ci.ClusterARN)
	in, ok := tables.Instances.Get(fleet.InstanceARN(region, account, ci.EC2InstanceID))
	if !ok {
		return
	}
	put := func(metric, unit string, value float64, known bool) {
		s := single(in.ID, 1, value)
		s.Even, s.Unknown = true, !known
		feed.Sample(age, names.ec2(metric, unit, "InstanceId", in.ID), s)
		if in.GroupKey() != "" {
			feed.Sample(age, names.ec2(metric, unit, "AutoScalingGroupName", in.Scaling.Group), s)
		}
	}
	if ci.Registered.CPU > 0 {
		put("CPUUtilization", "Percent", 100*used[0]/float64(ci.Registered.CPU), true)
	}
	for i, kind := range kinds {
		if kind.moved != "" {
			put(kind.moved, "Bytes", used[i]*perMinute, t.batch.known[i] || !t.batch.runs)
		}
	}
}

// perMinute makes the bytes of a minute, which is what a point of AWS/EC2 counts, from the bytes of a second.
const perMinute = 60

// single returns the sample of one measurement.
func single(member string, weight, value float64) gather.Sample {
	return gather.Sample{Member: member, Weight: weight, Count: 1, Sum: value, Min: value, Max: value}
}
