package publish

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/route"
	"github.com/berthhq/berth/internal/state"
)

// unwritten is what was reported and is not in the store yet.
type unwritten struct {
	verdicts  map[string]map[string]elb.Verdict // by target and edge
	listeners map[string]struct{}               // whose rows may have changed
	settle    bool                              // edges have come or gone: rows may hold views of those that have gone
}

func newUnwritten() unwritten {
	return unwritten{verdicts: map[string]map[string]elb.Verdict{}, listeners: map[string]struct{}{}}
}

// add takes in a verdict; replace says whether it is newer than one that is there.
func (u *unwritten) add(key, edge string, v elb.Verdict, replace bool) {
	of := u.verdicts[key]
	if of == nil {
		of = map[string]elb.Verdict{}
		u.verdicts[key] = of
	}
	if _, there := of[edge]; !there || replace {
		of[edge] = v
	}
}

// Report takes in what the edge has seen. It never waits. What an edge says that is not attached
// any more counts for nothing.
func (a *Attachment) Report(r route.Report) {
	p := a.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.edges[a.id] != a {
		return
	}
	for _, v := range r.Targets {
		p.unsaid.add(v.Key, a.id, v, true)
	}
	for arn, b := range r.Listeners {
		a.bound[arn] = b
		p.unsaid.listeners[arn] = struct{}{}
	}
	p.count(a.id, &r)
	if len(r.Targets)+len(r.Listeners) > 0 {
		signal(p.heard)
	}
}

// settle has rows written that hold views of edges which have gone.
func (p *Publisher) settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unsaid.settle = true
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
		edges, u, bound := p.take()
		err := p.store.Update(ctx, func(tx *state.Tx) error {
			writeTargets(tx, edges, u)
			writeBound(tx, bound)
			return nil
		})
		if err == nil || ctx.Err() != nil {
			continue
		}
		p.log.Warn("what the edges reported could not be written", "error", err, "retry_in", retryAfter)
		p.giveBack(u)
		select {
		case <-time.After(retryAfter):
			signal(p.heard)
		case <-ctx.Done():
			return
		}
	}
}

// take returns who serves, what is to be written, and where listeners are bound, by ARN and edge.
func (p *Publisher) take() (edges []string, u unwritten, bound map[string]map[string]elb.Bound) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u, p.unsaid = p.unsaid, newUnwritten()
	if u.settle { // edges that have gone do not speak for a listener any more
		for _, a := range p.edges {
			for arn := range a.bound {
				u.listeners[arn] = struct{}{}
			}
		}
	}
	bound = map[string]map[string]elb.Bound{}
	for arn := range u.listeners {
		bound[arn] = map[string]elb.Bound{}
		for id, a := range p.edges {
			if b, ok := a.bound[arn]; ok {
				bound[arn][id] = b
			}
		}
	}
	return p.attached(), u, bound
}

// giveBack keeps what was not written unless something newer has come.
func (p *Publisher) giveBack(u unwritten) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, of := range u.verdicts {
		for edge, v := range of {
			p.unsaid.add(key, edge, v, false)
		}
	}
	maps.Copy(p.unsaid.listeners, u.listeners)
	p.unsaid.settle = p.unsaid.settle || u.settle
}

// writeTargets keeps verdicts on registrations that still stand.
func writeTargets(tx *state.Tx, edges []string, u unwritten) {
	for key, of := range u.verdicts {
		t, ok := tx.Targets.Get(key)
		if !ok {
			continue
		}
		maps.DeleteFunc(of, func(edge string, v elb.Verdict) bool {
			return !slices.Contains(edges, edge) || !v.Registered.Equal(t.Registered)
		})
		if len(of) > 0 {
			old, _ := tx.TargetHealth.Get(key)
			tx.TargetHealth.Put(elb.HealthBy(t, old, edges, of))
		}
	}
	if u.settle && len(edges) > 0 {
		settle(tx, edges)
	}
}

// settle writes the rows anew that hold the view of an edge which has gone.
func settle(tx *state.Tx, edges []string) {
	for old := range tx.TargetHealth.All() {
		gone := false
		for id := range old.Edges {
			gone = gone || !slices.Contains(edges, id)
		}
		if t, ok := tx.Targets.Get(old.Key); gone && ok {
			tx.TargetHealth.Put(elb.HealthBy(t, old, edges, nil))
		}
	}
}

func writeBound(tx *state.Tx, bound map[string]map[string]elb.Bound) {
	for arn, of := range bound {
		if _, ok := tx.Listeners.Get(arn); !ok || len(of) == 0 {
			continue
		}
		b := elb.BoundBy(arn, of)
		if old, ok := tx.BoundListeners.Get(arn); !ok || old.Address != b.Address || old.Reason != b.Reason ||
			len(old.Edges) != len(b.Edges) {
			tx.BoundListeners.Put(b)
		}
	}
}
