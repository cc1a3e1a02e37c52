package dispatch

import (
	"cmp"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/ecs"
)

// Usage is what a task used in about the 20 seconds before At, and what it had reserved
// (ecs-agent.md 9.1). CPU is in CPU units, memory in MiB. Task and Instance must not be changed.
type Usage struct {
	Task           *ecs.Task
	Instance       *ecs.ContainerInstance
	At             time.Time
	CPU, Memory    Set
	ReservedCPU    int
	ReservedMemory int
	Network        Traffic
}

// Set is a statistic set: minimum, maximum and sum of Count samples. A Count of 0 means that
// nothing was measured.
type Set struct {
	Min, Max, Sum float64
	Count         int64
}

// Average returns the mean of the samples, 0 without samples.
func (s Set) Average() float64 {
	if s.Count == 0 {
		return 0
	}
	return s.Sum / float64(s.Count)
}

// Traffic is what the task's containers have received and sent since they started.
type Traffic struct{ RxBytes, TxBytes int64 }

// plus adds the set of another container that ran at the same time. The numbers of samples may
// differ by one; the sums are scaled to the larger number.
func (s Set) plus(o Set) Set {
	if s.Count == 0 || o.Count == 0 {
		if s.Count == 0 {
			return o
		}
		return s
	}
	count := max(s.Count, o.Count)
	return Set{
		Min: s.Min + o.Min, Max: s.Max + o.Max, Count: count,
		Sum: (s.Average() + o.Average()) * float64(count),
	}
}

func scaled(s *acs.StatsSet, factor float64) Set {
	if s == nil {
		return Set{}
	}
	return Set{Min: s.Min * factor, Max: s.Max * factor, Sum: s.Sum * factor, Count: s.SampleCount}
}

// measure passes on the measurements in a report.
func (t *telemetry) measure(m *acs.PublishMetrics, now time.Time) {
	if t.d.cfg.Metrics == nil || len(m.Tasks) == 0 {
		return
	}
	snap := t.d.store.View()
	ci, ok := snap.ContainerInstances.Get(t.instance)
	if !ok {
		return
	}
	at := m.Timestamp.Time
	// The clock of another machine may be wrong.
	if at.IsZero() || at.Sub(now).Abs() > time.Minute {
		at = now
	}
	for _, metric := range m.Tasks {
		if task, ok := t.own(&snap.Tables, metric.TaskARN); ok {
			t.d.cfg.Metrics.Observe(usageOf(task, ci, metric, at))
		}
	}
}

func usageOf(task *ecs.Task, ci *ecs.ContainerInstance, m acs.TaskMetric, at time.Time) Usage {
	u := Usage{Task: task, Instance: ci, At: at, ReservedCPU: task.Need.CPU, ReservedMemory: task.Need.Memory}
	for _, c := range m.Containers {
		// The agent reports per cent of the whole machine.
		u.CPU = u.CPU.plus(scaled(c.CPU, float64(ci.Registered.CPU)/100))
		u.Memory = u.Memory.plus(scaled(c.Memory, 1))
		if n := c.Network; n != nil {
			u.Network.RxBytes += counter(n.RxBytes)
			u.Network.TxBytes += counter(n.TxBytes)
		}
	}
	return u
}

func counter(c *acs.CounterSet) int64 { return cmp.Or(c, &acs.CounterSet{}).Max }
