package publish

import (
	"context"
	"time"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/route"
	"github.com/berthhq/berth/internal/state"
)

// Report takes in what the edge has seen. It never waits.
func (p *Publisher) Report(r route.Report) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range r.Targets {
		p.targets[h.Key] = h
	}
	for _, b := range r.Listeners {
		p.bound[b.ListenerARN] = b
	}
	signal(p.heard)
}

// record writes reports into the store. What comes while one is written is written together.
func (p *Publisher) record(ctx context.Context) {
	for {
		select {
		case <-p.heard:
		case <-ctx.Done():
			return
		}
		targets, bound := p.take()
		err := p.store.Update(ctx, func(tx *state.Tx) error {
			writeTargets(tx, targets)
			writeBound(tx, bound)
			return nil
		})
		if err == nil || ctx.Err() != nil {
			continue
		}
		p.log.Warn("what the edge reported could not be written", "error", err, "retry_in", retryAfter)
		p.giveBack(targets, bound)
		select {
		case <-time.After(retryAfter):
			signal(p.heard)
		case <-ctx.Done():
			return
		}
	}
}

func (p *Publisher) take() (map[string]elb.TargetHealth, map[string]elb.BoundListener) {
	p.mu.Lock()
	defer p.mu.Unlock()
	targets, bound := p.targets, p.bound
	p.targets, p.bound = map[string]elb.TargetHealth{}, map[string]elb.BoundListener{}
	return targets, bound
}

// giveBack keeps what was not written unless something newer has come.
func (p *Publisher) giveBack(targets map[string]elb.TargetHealth, bound map[string]elb.BoundListener) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for k, v := range targets {
		if _, newer := p.targets[k]; !newer {
			p.targets[k] = v
		}
	}
	for k, v := range bound {
		if _, newer := p.bound[k]; !newer {
			p.bound[k] = v
		}
	}
}

// writeTargets keeps verdicts on registrations that still stand.
func writeTargets(tx *state.Tx, targets map[string]elb.TargetHealth) {
	for key, h := range targets {
		t, ok := tx.Targets.Get(key)
		if !ok || !t.Registered.Equal(h.Registered) {
			continue
		}
		if old, ok := tx.TargetHealth.Get(key); !ok || *old != h {
			tx.TargetHealth.Put(&h)
		}
	}
}

func writeBound(tx *state.Tx, bound map[string]elb.BoundListener) {
	for key, b := range bound {
		if _, ok := tx.Listeners.Get(key); !ok {
			continue
		}
		if old, ok := tx.BoundListeners.Get(key); !ok || old.Address != b.Address || old.Reason != b.Reason {
			tx.BoundListeners.Put(&b)
		}
	}
}
