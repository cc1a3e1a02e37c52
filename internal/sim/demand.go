package sim

import (
	"slices"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/dispatch"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/route"
	"github.com/berthhq/berth/internal/state"
)

// tickEvery is the length of a tick. It is also how often agents measure.
const tickEvery = 20 * time.Second

// app is a service under load.
type app struct {
	arn, cluster, name string
	load               *Load // nil if it has none
	idle               Cost
	workers            []*worker
	serving            int      // how many of workers, the first ones, get new requests
	groups             []string // target groups
	balancers          []string // load balancers that use groups, for all of them

	queue    []waiting    // requests that have not been answered, the oldest first
	homeless float64      // clients without a task
	rest     float64      // answered requests that are not counted yet, as counts are whole numbers
	counts   route.Counts // of this minute

	// Sums since the last sample of the report.
	arrived, served, late, refused, moved float64
	level, cpu, cpuOf, memory, memoryOf   float64
	ticks                                 int
	killed                                int
}

// waiting are requests that arrived in one tick.
type waiting struct {
	at    time.Time
	count float64
}

// worker is a task whose containers run.
type worker struct {
	task    *ecs.Task
	app     *app
	clients float64
	limit   float64 // units of CPU that the task may use at most; 0 means all of its instance
	hard    float64 // MiB at which it is ended; 0 means never

	requests       float64 // of this tick
	want, got, mem float64 // units of CPU, and MiB

	cpuUsed, memUsed acs.StatsSet // of this minute: per cent of the instance, and MiB
}

// host is a container instance.
type host struct {
	ci      *ecs.ContainerInstance
	gauge   dispatch.Gauge
	workers []*worker
}

// refresh reads the tasks of a service. Clients stay with their tasks; those of ended tasks must connect to others.
func (a *app) refresh(t *state.Tables) {
	old := make(map[string]*worker, len(a.workers))
	for _, w := range a.workers {
		old[w.task.TaskARN] = w
	}
	var serving, others []*worker
	for task := range t.Tasks.By(state.TasksByServicePresent, a.arn) {
		if task.LastStatus.Before(ecs.Activating) || !task.LastStatus.Before(ecs.Stopping) {
			continue
		}
		w := old[task.TaskARN]
		if w == nil {
			w = &worker{app: a}
			w.limits(t, task)
		}
		delete(old, task.TaskARN)
		w.task = task
		if serves(t, task) {
			serving = append(serving, w)
		} else {
			others = append(others, w)
		}
	}
	for _, w := range a.workers { // in a fixed order, so that rounding is the same in every run
		if old[w.task.TaskARN] != nil {
			a.homeless += w.clients
		}
	}
	a.serving = len(serving)
	a.workers = slices.Concat(serving, others)
}

func (w *worker) limits(t *state.Tables, task *ecs.Task) {
	def, ok := t.TaskDefinitions.Get(task.TaskDefinitionARN)
	if !ok {
		return
	}
	if def.CPU != "" {
		w.limit = float64(task.Need.CPU)
	}
	if def.Memory != "" {
		w.hard = float64(task.Need.Memory)
		return
	}
	for _, c := range def.ContainerDefinitions {
		if c.Memory == 0 {
			w.hard = 0
			return
		}
		w.hard += float64(c.Memory)
	}
}

// serves reports whether a task gets new requests: it runs and is healthy in all its target groups.
func serves(t *state.Tables, task *ecs.Task) bool {
	if task.LastStatus != ecs.Running || task.DesiredStatus != ecs.Running {
		return false
	}
	for _, tt := range task.Targets {
		key := elb.TargetKey(tt.TargetGroupARN, tt.ID, tt.Port)
		target, ok := t.Targets.Get(key)
		seen, judged := t.TargetHealth.Get(key)
		if !ok || target.IsDraining() || !judged || !seen.Registered.Equal(target.Registered) ||
			seen.State != elb.Healthy {
			return false
		}
	}
	return true
}

// arrive gives the load of a tick to the tasks, and computes the CPU that they want for it.
func (a *app) arrive(now time.Time, since time.Duration, o *Options) {
	for _, w := range a.workers {
		w.requests = 0
	}
	if a.load != nil {
		v := a.load.at(since, o.Seed)
		a.level += v
		if a.load.Clients > 0 {
			a.connect(v)
			a.spread(now, a.homeless*a.load.Clients*tickEvery.Seconds(), o)
			for _, w := range a.workers {
				n := w.clients * a.load.Clients * tickEvery.Seconds()
				w.requests += n
				a.arrived += n
			}
		} else {
			a.spread(now, v*tickEvery.Seconds(), o)
		}
	}
	cost := a.idle
	for _, w := range a.workers {
		w.want = cost.IdleCPU + w.requests*units(cost.CPU)/tickEvery.Seconds()
		if w.limit > 0 {
			w.want = min(w.want, w.limit)
		}
		if cost.Cores > 0 {
			w.want = min(w.want, cost.Cores*1024)
		}
	}
}

// units returns what a time of one core is in CPU units and seconds.
func units(d time.Duration) float64 { return d.Seconds() * 1024 }

// connect changes the number of clients. If it falls, clients of all tasks leave; if it rises, new ones are spread over
// the tasks that serve.
func (a *app) connect(target float64) {
	total := a.homeless
	for _, w := range a.workers {
		total += w.clients
	}
	arriving := max(target-total, 0)
	if total > target {
		keep := target / total
		a.homeless *= keep
		for _, w := range a.workers {
			w.clients *= keep
		}
	}
	if a.serving == 0 {
		a.homeless += arriving
		return
	}
	a.moved += a.homeless
	each := (arriving + a.homeless) / float64(a.serving)
	a.homeless = 0
	for _, w := range a.workers[:a.serving] {
		w.clients += each
	}
}

// spread gives new requests, and those that waited, to the tasks that serve. If there is no such task, new requests are
// refused.
func (a *app) spread(now time.Time, arrivals float64, o *Options) {
	a.arrived += arrivals
	waited := 0.0
	for len(a.queue) > 0 && now.Sub(a.queue[0].at) > o.Patience {
		a.refused += a.queue[0].count
		a.queue = a.queue[1:]
	}
	for _, q := range a.queue {
		waited += q.count
	}
	if a.serving == 0 {
		a.refused += arrivals
		return
	}
	each := (arrivals + waited) / float64(a.serving)
	for _, w := range a.workers[:a.serving] {
		w.requests += each
	}
}

// share divides the CPU of a container instance among its tasks. If there is enough, each gets what it wants. Otherwise
// they get CPU in proportion to their reservations, as on Linux.
func (h *host) share() {
	left := float64(h.ci.Registered.CPU)
	total := 0.0
	for _, w := range h.workers {
		w.got = w.want
		total += w.want
	}
	if total <= left {
		return
	}
	open := slices.Clone(h.workers)
	for len(open) > 0 {
		shares := 0.0
		for _, w := range open {
			shares += w.shares()
		}
		each, rest := left/shares, open[:0]
		satisfied := false
		for _, w := range open {
			if w.want <= each*w.shares() {
				w.got, satisfied = w.want, true
				left -= w.want
			} else {
				rest = append(rest, w)
			}
		}
		open = rest
		if !satisfied {
			for _, w := range open {
				w.got = each * w.shares()
			}
			return
		}
	}
}

// shares returns the CPU shares of a task. The minimum on Linux is 2.
func (w *worker) shares() float64 { return max(float64(w.task.Need.CPU), 2) }

// answer computes how many requests the tasks have answered in a tick with the CPU that they got, and how many wait.
func (a *app) answer(now time.Time) (served, wait float64) {
	cost := a.idle
	asked := 0.0
	for _, w := range a.workers {
		asked += w.requests
		done := min(max(w.got-cost.IdleCPU, 0)*tickEvery.Seconds()/units(cost.CPU), w.requests)
		served += done
		a.cpu += w.got
		a.cpuOf += float64(w.task.Need.CPU)
	}
	if asked-served < 1e-9*asked {
		served = asked
	}
	a.served += served
	waited, left := 0.0, served
	for i := range a.queue {
		waited += a.queue[i].count
		n := min(a.queue[i].count, left)
		a.queue[i].count -= n
		left -= n
		a.late += n
	}
	a.queue = slices.DeleteFunc(a.queue, func(q waiting) bool { return q.count <= 0 })
	if fresh := asked - waited - left; fresh > 1e-6 {
		a.queue = append(a.queue, waiting{now, fresh})
	}
	a.ticks++
	if served > 0 {
		wait = (asked - served) / served * tickEvery.Seconds()
	}
	a.remember(served, wait)
	return served, wait
}

// remember computes how much memory the tasks use.
func (a *app) remember(served, wait float64) {
	cost := a.idle
	busy := 0.0
	if len(a.workers) > 0 && (a.load == nil || a.load.Clients == 0) {
		perSecond := served / tickEvery.Seconds()
		busy = perSecond * (cost.CPU.Seconds() + wait) / float64(max(a.serving, 1))
	}
	for i, w := range a.workers {
		n := w.clients
		if i < a.serving {
			n += busy
		}
		w.mem = cost.IdleMemory + n*cost.Memory
		a.memory += w.mem
		a.memoryOf += float64(w.task.Need.Memory)
	}
}
