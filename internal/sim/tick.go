package sim

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/publish"
	"github.com/berthhq/berth/internal/route"
	"github.com/berthhq/berth/internal/state"
)

// tick simulates the load of the last 20 seconds: requests arrive and get CPU. The last tick of a minute reports usage
// to the metrics, as agents and load balancers do.
func (w *world) tick(ctx context.Context) error {
	w.follow()
	since := w.now.Sub(w.begin)
	for _, a := range w.apps {
		a.arrive(w.now, since, &w.o)
	}
	for _, h := range w.hosts {
		h.share()
	}
	for _, a := range w.apps {
		served, wait := a.answer(w.now)
		a.count(served, wait)
	}
	for _, h := range w.hosts {
		percent := 100 / float64(h.ci.Registered.CPU)
		for _, x := range h.workers {
			x.cpuUsed.Add(x.got * percent)
			x.memUsed.Add(x.mem)
		}
	}
	if w.now.Add(tickEvery).Truncate(time.Minute).After(w.now) {
		t := &w.store.View().Tables
		for _, a := range w.apps {
			w.passOn(t, a)
		}
		for _, h := range w.hosts {
			w.measure(t, h)
		}
	}
	return w.endFull(ctx)
}

// measure reports what the tasks of an instance have used in this minute, with the message that agents send.
func (w *world) measure(t *state.Tables, h *host) {
	key := h.ci.ContainerInstanceARN
	tasks := make([]acs.TaskMetric, 0, len(h.workers))
	containers := make([]acs.ContainerMetric, len(h.workers))
	used := make([]acs.StatsSet, 2*len(h.workers))
	for i, x := range h.workers {
		used[2*i], used[2*i+1] = x.cpuUsed, x.memUsed
		x.cpuUsed, x.memUsed = acs.StatsSet{}, acs.StatsSet{}
		containers[i] = acs.ContainerMetric{Name: x.task.Containers[0].Name, CPU: &used[2*i], Memory: &used[2*i+1]}
		tasks = append(tasks, acs.TaskMetric{TaskARN: x.task.TaskARN, Containers: containers[i : i+1]})
	}
	if h.ci.AgentConnected && !w.silent[key] && !w.agents.dead[key] {
		h.gauge.Measure(t, &acs.PublishMetrics{
			Metadata: acs.TelemetryMetadata{MessageID: "minute", Fin: true}, Tasks: tasks}, 0)
	}
}

// count counts the requests of a tick as a load balancer does.
func (a *app) count(served, wait float64) {
	if len(a.balancers) == 0 {
		return
	}
	a.rest += served
	n := math.Floor(a.rest)
	a.rest -= n
	latency := min(a.idle.CPU+time.Duration(wait*float64(time.Second)), time.Hour)
	bound := 0
	for bound < len(route.ResponseBounds) && latency > route.ResponseBounds[bound] {
		bound++
	}
	c := &a.counts
	c[route.Requests] += uint64(n)
	c[route.TargetStatus+1] += uint64(n)
	c[route.Responses] += uint64(n)
	c[route.ResponseNanoseconds] += uint64(n * float64(latency))
	c[route.ResponsesWithin+route.Counter(bound)] += uint64(n)
}

// passOn reports to the metrics what load balancers have counted of a service's requests in this minute.
func (w *world) passOn(t *state.Tables, a *app) {
	if a.counts[route.Requests] == 0 {
		return
	}
	for _, lb := range a.balancers {
		publish.PassOn(w.feed, route.Subject{LoadBalancerARN: lb}, &a.counts, nil)
		for _, g := range a.groups {
			publish.PassOn(w.feed, route.Subject{LoadBalancerARN: lb, TargetGroupARN: g}, &a.counts,
				func() int { return publish.Serving(t, g) })
		}
	}
	a.counts = route.Counts{}
}

// endFull ends the tasks that use more memory than their hard limits, as the kernel does.
func (w *world) endFull(ctx context.Context) error {
	for _, a := range w.apps {
		for _, x := range a.workers {
			if x.hard == 0 || x.mem <= x.hard || w.agents.killed[x.task.TaskARN] != "" {
				continue
			}
			a.killed++
			why := fmt.Sprintf("OutOfMemoryError: Container killed due to memory usage (%.0f MiB of %.0f)", x.mem,
				x.hard)
			if err := w.kill(ctx, x.task, why); err != nil {
				return err
			}
		}
	}
	return nil
}

// kill ends a task at once, as if its process had ended.
func (w *world) kill(ctx context.Context, task *ecs.Task, why string) error {
	w.agents.killed[task.TaskARN] = why
	return w.store.Update(ctx, func(tx *state.Tx) error {
		if t, ok := tx.Tasks.Get(task.TaskARN); ok {
			w.agents.serve(tx, t, w.now)
		}
		return nil
	})
}
