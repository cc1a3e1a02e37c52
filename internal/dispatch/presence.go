package dispatch

import (
	"context"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

// Connectivity of a task.
const (
	connected    = "CONNECTED"
	disconnected = "DISCONNECTED"
)

// presence writes whether agents are connected. The end of a session alone does not count: agents
// reconnect regularly, and are back within moments.
type presence struct {
	d    *Dispatcher
	wake chan struct{} // has a token when an absence was added

	mu     sync.Mutex // guards absent
	absent map[string]time.Time
}

func newPresence(d *Dispatcher) *presence {
	return &presence{d: d, wake: make(chan struct{}, 1), absent: map[string]time.Time{}}
}

// left records that the instance has no session any more.
func (p *presence) left(instance string) { p.expect(instance, p.d.cfg.LostAfter) }

func (p *presence) expect(instance string, within time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.absent[instance] = time.Now().Add(within)
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// run marks agents as disconnected that do not come back in time, including those that were
// connected when the control plane stopped.
func (p *presence) run(ctx context.Context) {
	for ci := range p.d.store.View().ContainerInstances.All() {
		if ci.AgentConnected && !p.d.present(ci.ContainerInstanceARN) {
			p.expect(ci.ContainerInstanceARN, p.d.cfg.StartGrace)
		}
	}
	for {
		next := p.settle(ctx)
		var timer <-chan time.Time
		if !next.IsZero() {
			timer = time.After(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-timer:
		}
	}
}

// settle handles absences that have lasted too long, and returns when the next one will have.
func (p *presence) settle(ctx context.Context) (next time.Time) {
	now := time.Now()
	var lost []string
	p.mu.Lock()
	for instance, until := range p.absent {
		if until.After(now) {
			if next.IsZero() || until.Before(next) {
				next = until
			}
			continue
		}
		delete(p.absent, instance)
		lost = append(lost, instance)
	}
	p.mu.Unlock()
	for _, instance := range lost {
		if p.d.present(instance) {
			continue
		}
		if err := p.d.setConnected(ctx, instance, false, nil); err != nil && ctx.Err() == nil {
			p.d.log.Error("the loss of an agent could not be written", "containerInstance", instance, "error", err)
			p.expect(instance, time.Second)
		}
	}
	return next
}

// setConnected writes whether the agent is connected, to the instance and its tasks. change may
// change the instance further.
func (d *Dispatcher) setConnected(
	ctx context.Context, instance string, yes bool, change func(*ecs.ContainerInstance),
) error {
	now := time.Now()
	return d.store.Update(ctx, func(tx *state.Tx) error {
		ci, ok := tx.ContainerInstances.Get(instance)
		if !ok || !yes && d.present(instance) {
			return nil
		}
		SetConnected(tx, ci, yes, now, change)
		return nil
	})
}

// SetConnected writes that the agent of an instance is connected, or is not, to the instance and its tasks. change,
// unless nil, may change the instance further.
func SetConnected(tx *state.Tx, ci *ecs.ContainerInstance, yes bool, now time.Time,
	change func(*ecs.ContainerInstance)) {
	n := *ci
	if n.AgentConnected != yes {
		n.AgentConnected, n.AgentConnectedAt = yes, now
		n.Version++
	}
	if change != nil {
		change(&n)
	}
	tx.ContainerInstances.Put(&n)
	connectivity := disconnected
	if yes {
		connectivity = connected
	}
	for t := range tx.Tasks.By(state.TasksByInstance, n.ContainerInstanceARN) {
		if t.LastStatus == ecs.Stopped || t.Connectivity == connectivity {
			continue
		}
		c := *t
		c.Connectivity, c.ConnectivityAt = connectivity, now
		c.Version++
		tx.Tasks.Put(&c)
	}
}
