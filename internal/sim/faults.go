package sim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/dispatch"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// FaultKind is something that goes wrong.
type FaultKind string

// What can go wrong.
const (
	AgentDies       FaultKind = "agent-dies"       // an instance's agent ends; its group replaces the instance
	TelemetryStops  FaultKind = "telemetry-stops"  // an agent measures nothing any more
	NeverRegisters  FaultKind = "never-registers"  // the agent of the next instance does not register
	LaunchFails     FaultKind = "launch-fails"     // the next launch of an instance fails
	TaskEnds        FaultKind = "task-ends"        // a running task ends by itself
	TelemetryStarts FaultKind = "telemetry-starts" // agents whose telemetry stopped measure again
)

// FaultKinds are all kinds.
var FaultKinds = []FaultKind{AgentDies, TelemetryStops, TelemetryStarts, NeverRegisters, LaunchFails, TaskEnds}

// Fault is something that goes wrong at a time after the start. The instance or task that it concerns is chosen at
// random.
type Fault struct {
	Kind FaultKind
	At   time.Duration
}

// maxFaults is the maximum number of faults in a simulation.
const maxFaults = 1000

func (w *world) schedule(all []Fault) ([]Fault, error) {
	if len(all) > maxFaults {
		return nil, fmt.Errorf("a simulation has at most %d faults", maxFaults)
	}
	for _, f := range all {
		if !slices.Contains(FaultKinds, f.Kind) {
			var names []string
			for _, k := range FaultKinds {
				names = append(names, string(k))
			}
			return nil, fmt.Errorf("there is no fault %q; there are %s", f.Kind, strings.Join(names, ", "))
		}
		if f.At < 0 || f.At > w.o.Span {
			return nil, fmt.Errorf("the fault %s is not within the simulation: %v", f.Kind, f.At)
		}
	}
	return slices.SortedStableFunc(slices.Values(all), func(a, b Fault) int { return int(a.At - b.At) }), nil
}

// strike makes the faults that are due happen.
func (w *world) strike(ctx context.Context) error {
	for len(w.faults) > 0 && !w.begin.Add(w.faults[0].At).After(w.now) {
		f := w.faults[0]
		w.faults = w.faults[1:]
		about, err := w.do(ctx, f.Kind)
		if err != nil {
			return err
		}
		w.history.add(Decision{At: w.now, Kind: "fault", Subject: about, Text: string(f.Kind)})
	}
	return nil
}

func (w *world) do(ctx context.Context, kind FaultKind) (about string, err error) {
	w.follow()
	switch kind {
	case LaunchFails:
		w.machines.fail++
		return "the next instance", nil
	case NeverRegisters:
		w.agents.nextIsMute = true
		return "the next instance", nil
	case TelemetryStarts:
		clear(w.silent)
		return "all instances", nil
	case TaskEnds:
		return w.endOne(ctx)
	}
	var alive []*host
	for _, h := range w.hosts {
		if h.ci.AgentConnected && !w.silent[h.ci.ContainerInstanceARN] {
			alive = append(alive, h)
		}
	}
	if len(alive) == 0 {
		return "nothing to fail", nil
	}
	h := alive[w.draw(len(alive))]
	if kind == TelemetryStops {
		w.silent[h.ci.ContainerInstanceARN] = true
		return h.ci.EC2InstanceID, nil
	}
	return h.ci.EC2InstanceID, w.killAgent(ctx, h)
}

func (w *world) endOne(ctx context.Context) (string, error) {
	var running []*worker
	for _, a := range w.apps {
		running = append(running, a.workers...)
	}
	if len(running) == 0 {
		return "nothing to fail", nil
	}
	x := running[w.draw(len(running))]
	return x.app.cluster + "/" + x.app.name, w.kill(ctx, x.task, "the process ended by itself")
}

// killAgent ends the agent of an instance permanently: it disconnects, and its machine reports a failure.
func (w *world) killAgent(ctx context.Context, h *host) error {
	w.agents.dead[h.ci.ContainerInstanceARN] = true
	w.machines.report(h.ci.EC2InstanceID, fleet.MachineStatus{Phase: fleet.PhaseFailed, Since: w.now,
		Reason: "the agent has ended for good"})
	return w.store.Update(ctx, func(tx *state.Tx) error {
		if ci, ok := tx.ContainerInstances.Get(h.ci.ContainerInstanceARN); ok && ci.Status != ecs.InstanceInactive {
			dispatch.SetConnected(tx, ci, false, w.now, nil)
		}
		return nil
	})
}

// draw returns a random number below n.
func (w *world) draw(n int) int {
	var b [4]byte
	w.rand.Read(b[:]) // it cannot fail
	return int(uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8|uint32(b[3])) % n
}
