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

// unwritten has reports that are not in the store yet.
type unwritten struct {
	verdicts  map[string]map[string]elb.Verdict // by target and edge
	listeners map[string]struct{}               // whose rows may have changed
	detached  bool                              // rows may have reports of edges that are no longer attached
}

func newUnwritten() unwritten {
	return unwritten{verdicts: map[string]map[string]elb.Verdict{}, listeners: map[string]struct{}{}}
}

// add adds an edge's verdict on a target. It replaces an existing one only if replace is true.
func (u *unwritten) add(key, edge string, v elb.Verdict, replace bool) {
	of := u.verdicts[key]
	if of == nil {
		of = map[string]elb.Verdict{}
		u.verdicts[key] = of
	}
	if _, exists := of[edge]; !exists || replace {
		of[edge] = v
	}
}

// Report receives a report of the edge. It never waits for the store. It ignores reports of an edge that is no longer
// attached.
func (a *Attachment) Report(r route.Report) {
	p := a.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.edges[a.id] != a {
		return
	}
	for _, v := range r.Targets {
		p.pending.add(v.Key, a.id, v, true)
	}
	for arn, b := range r.Listeners {
		a.bound[arn] = b
		p.pending.listeners[arn] = struct{}{}
	}
	p.count(a.id, &r)
	if len(r.Targets)+len(r.Listeners) > 0 {
		signal(p.reported)
	}
}

// dropDetached makes record remove the reports of edges that are no longer attached from the store.
func (p *Publisher) dropDetached() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending.detached = true
	signal(p.reported)
}

// record writes reports to the store until ctx ends. Reports that arrive during a write are written together by the
// next one.
func (p *Publisher) record(ctx context.Context) {
	for {
		select {
		case <-p.reported:
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
		p.log.Warn("the reports of edges could not be written", "error", err, "retry_in", retryAfter)
		p.putBack(u)
		select {
		case <-time.After(retryAfter):
			signal(p.reported)
		case <-ctx.Done():
			return
		}
	}
}

// take removes and returns what is to be written. It also returns the ids of the attached edges, and where each edge
// has bound the listeners of which rows may have changed, by ARN and edge.
func (p *Publisher) take() (edges []string, u unwritten, bound map[string]map[string]elb.Bound) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u, p.pending = p.pending, newUnwritten()
	if u.detached { // any listener's row may have a report of an edge that is no longer attached
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

// putBack adds what could not be written again, except verdicts that were replaced by newer ones in the meantime.
func (p *Publisher) putBack(u unwritten) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, of := range u.verdicts {
		for edge, v := range of {
			p.pending.add(key, edge, v, false)
		}
	}
	maps.Copy(p.pending.listeners, u.listeners)
	p.pending.detached = p.pending.detached || u.detached
}

// writeTargets writes verdicts on targets. It ignores those on registrations that no longer exist.
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
	if u.detached && len(edges) > 0 {
		removeDetached(tx, edges)
	}
}

// removeDetached removes the verdicts of edges that are not in edges from the rows of targets.
func removeDetached(tx *state.Tx, edges []string) {
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
