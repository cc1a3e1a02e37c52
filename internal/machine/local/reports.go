package local

import (
	"context"
	"sync"

	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/machine"
)

// reports is a queue with at most one report for each instance, the latest.
type reports struct {
	ready chan struct{} // has a token when pending is not empty

	mu      sync.Mutex
	order   []string                       // guarded by mu
	pending map[string]fleet.MachineStatus // guarded by mu
}

func newReports() reports {
	return reports{ready: make(chan struct{}, 1), pending: map[string]fleet.MachineStatus{}}
}

func (r *reports) put(id string, s fleet.MachineStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.pending[id]; !ok {
		r.order = append(r.order, id)
	}
	r.pending[id] = s
	r.wake()
}

// wake is called with mu held.
func (r *reports) wake() {
	select {
	case r.ready <- struct{}{}:
	default:
	}
}

func (r *reports) next(ctx context.Context) (machine.Report, error) {
	for {
		select {
		case <-ctx.Done():
			return machine.Report{}, context.Cause(ctx)
		case <-r.ready:
		}
		if report, ok := r.pop(); ok {
			return report, nil
		}
	}
}

func (r *reports) pop() (machine.Report, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.order) == 0 {
		return machine.Report{}, false
	}
	id := r.order[0]
	r.order = r.order[1:]
	s := r.pending[id]
	delete(r.pending, id)
	if len(r.order) > 0 {
		r.wake()
	}
	return machine.Report{ID: id, Status: s}, true
}
