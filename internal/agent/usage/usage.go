// Package usage measures what containers use and sums it up for telemetry.
//
// A Collector follows the containers of an engine: one goroutine per running
// container reads the runtime's samples, about one a second, into the sums of the
// present window. [Collector.Take] hands the sums out and begins the next window.
// All goroutines belong to [Collector.Run].
package usage

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime"
)

// Tasks is the engine as a Collector sees it.
type Tasks interface {
	Tasks() []engine.Record
	Changes() (<-chan struct{}, func())
}

// Collector sums up what containers use.
type Collector struct {
	tasks   Tasks
	streams runtime.Streams
	// cpuUnits is what the instance registered. Percentages are of that, so that
	// the control plane gets back the CPU units that were really used even when the
	// instance is only a part of its machine.
	cpuUnits int64
	log      *slog.Logger

	mu      sync.Mutex // guards what follows
	windows map[string]*window
}

// New makes a Collector.
func New(tasks Tasks, streams runtime.Streams, cpuUnits int64, log *slog.Logger) *Collector {
	return &Collector{tasks: tasks, streams: streams, cpuUnits: cpuUnits, log: log, windows: map[string]*window{}}
}

// Run follows containers until ctx ends.
func (c *Collector) Run(ctx context.Context) error {
	changes, unsubscribe := c.tasks.Changes()
	defer unsubscribe()
	var readers sync.WaitGroup
	defer readers.Wait()
	reading := map[string]context.CancelFunc{}
	defer func() {
		for _, cancel := range reading {
			cancel()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changes:
		}
		running := c.running()
		for id := range running {
			if reading[id] == nil {
				readCtx, cancel := context.WithCancel(ctx)
				reading[id] = cancel
				readers.Go(func() { c.read(readCtx, id) })
			}
		}
		for id, cancel := range reading {
			if !running[id] {
				cancel()
				delete(reading, id)
			}
		}
	}
}

func (c *Collector) running() map[string]bool {
	out := map[string]bool{}
	for _, r := range c.tasks.Tasks() {
		for _, b := range r.Containers {
			if b.Phase == engine.Running && !b.Pause {
				out[b.RuntimeID] = true
			}
		}
	}
	return out
}

// read sums samples up until the container is not running any more.
func (c *Collector) read(ctx context.Context, id string) {
	const pause = time.Second
	for ctx.Err() == nil {
		for sample, err := range c.streams.Stats(ctx, id) {
			if err != nil {
				if ctx.Err() == nil {
					c.log.Warn("a container cannot be measured", "container", id, "error", err)
				}
				break
			}
			c.add(id, sample)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.windows, id)
}

func (c *Collector) add(id string, s runtime.Sample) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.windows[id]
	if w == nil {
		w = &window{}
		c.windows[id] = w
	}
	w.add(s, c.cpuUnits)
}

// Take returns what was measured since the last call, by task, and starts new measurements.
// Tasks without a measurement are left out.
func (c *Collector) Take() []acs.TaskMetric {
	records := c.tasks.Tasks()
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []acs.TaskMetric
	for _, r := range records {
		t := acs.TaskMetric{TaskARN: r.Task.ARN, Family: r.Task.Family, Version: r.Task.Version}
		for _, b := range r.Containers {
			w := c.windows[b.RuntimeID]
			if b.RuntimeID == "" || w == nil || w.memory.SampleCount == 0 {
				continue
			}
			m := w.take(b.Def.Name)
			if b.Def.RestartPolicy != nil && b.Def.RestartPolicy.Enabled {
				m.Restart = &acs.RestartStats{RestartCount: int64(b.Restarts)}
			}
			t.Containers = append(t.Containers, m)
		}
		if len(t.Containers) > 0 {
			out = append(out, t)
		}
	}
	return out
}

// Last returns a container's latest sample and the CPU time and moment of the one
// before, for the task metadata endpoint.
func (c *Collector) Last(id string) (now, before runtime.Sample, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.windows[id]
	if w == nil || w.last.At.IsZero() {
		return now, before, false
	}
	return w.last, w.before, true
}
