package edge

import (
	"container/heap"
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/route"
)

// live is a table and what belongs to it. It never changes.
type live struct {
	table     *route.Table
	displaced map[int]int // by a listener's port, the port where it is bound
}

// group is what is kept of a target group across compilations.
type group struct {
	id   stickyID
	turn atomic.Uint64
	now  atomic.Pointer[route.Group] // as last compiled; nil before that
}

// use is what is kept of a target group to which rules of a load balancer refer.
type use struct {
	group  *group
	counts *counts // of the group behind this load balancer
}

func keptUse(u *route.Use) *use              { return u.Kept.(*use) }
func keptUpstream(t *route.Target) *upstream { return t.Kept.(*upstream) }

// busy is the number for least_outstanding_requests. A WebSocket counts for its whole life (alb.md B2).
func busy(t *route.Target) int64 { return keptUpstream(t).busy.Load() }

// apply applies a configuration: targets first, since groups refer to them, then groups, then the table, then
// the gates.
func (e *Edge) apply(ctx context.Context, c route.Config) error {
	if err := e.compiler.Apply(c); err != nil {
		return err
	}
	known := map[string]elb.Verdict{}
	for _, h := range c.Health {
		known[h.Key] = h
	}
	changes := e.compiler.Compile()
	e.keepUpstreams(ctx, changes.Targets, known)
	for _, u := range changes.Uses {
		of := route.Subject{LoadBalancerARN: u.LoadBalancerARN, TargetGroupARN: u.GroupARN}
		u.Kept = &use{e.group(u.GroupARN), e.countsOf(of)}
	}
	for _, l := range changes.Listeners {
		l.Kept = &keptListener{e.countsOf(route.Subject{LoadBalancerARN: l.LoadBalancerARN}),
			e.countsOf(route.Subject{LoadBalancerARN: l.LoadBalancerARN, ListenerARN: l.ARN})}
	}
	e.take(changes)
	e.take(e.compiler.Compile()) // with the present health of targets that were probed before
	for _, t := range changes.Targets {
		u := keptUpstream(t)
		e.toReport = append(e.toReport, u)
		if t.Draining {
			u.setDraining(true, t.DrainUntil)
			heap.Push(&e.drains, drain{t.DrainUntil, u})
		}
	}
	for _, key := range changes.Retired {
		if u := e.upstreams[key]; u != nil {
			u.retire()
		}
	}
	e.forget(changes.Gone)
	if c.Since == 0 {
		e.tellAll(known)
	}
	e.revision.Store(c.Revision)
	return nil
}

// take puts compiled values to use.
func (e *Edge) take(changes route.Changes) {
	for _, problem := range changes.Problems {
		e.log.Warn("left out of what the edge serves", "problem", problem)
	}
	for _, g := range changes.Groups {
		e.group(g.ARN).now.Store(g)
	}
	if changes.Table != nil {
		e.bind(changes.Table)
		e.serveBy(changes.Table)
	}
}

func (e *Edge) group(arn string) *group {
	g := e.groups[arn]
	if g == nil {
		g = &group{id: idOf(arn)}
		e.groups[arn] = g
	}
	return g
}

// serveBy makes the table the one in use.
func (e *Edge) serveBy(t *route.Table) {
	l := &live{table: t, displaced: map[int]int{}}
	for number, p := range e.ports {
		if p.bound != 0 && p.bound != number {
			l.displaced[number] = p.bound
		}
	}
	e.live.Store(l)
	e.portsToReport = true
}

// forget deletes what the edge stores about deleted rows. A group that no rule uses for a while keeps its
// round-robin positions.
func (e *Edge) forget(gone route.Gone) {
	for _, key := range gone.Targets {
		if u := e.upstreams[key]; u != nil {
			delete(e.upstreams, key)
			e.byID.CompareAndDelete(u.id, u)
			u.remove()
		}
	}
	for _, arn := range gone.TargetGroups {
		delete(e.groups, arn)
	}
	e.forgetCounts(gone)
}

// keepUpstreams creates or updates what is kept of targets. The health of a newly registered target starts
// afresh; the health known from before the edge's start stands until a probe changes it.
func (e *Edge) keepUpstreams(ctx context.Context, targets []*route.Target, known map[string]elb.Verdict) {
	for _, t := range targets {
		g := e.compiler.Group(elb.GroupOfTargetKey(t.Key))
		u := e.upstreams[t.Key]
		if u != nil && u.address != t.Address.String() {
			u.remove()
			u = nil
		}
		if u == nil {
			u = newUpstream(e, t, g.TLS)
			e.upstreams[t.Key] = u
			e.byID.Store(u.id, u)
		}
		t.Kept = u
		u.setRegistration(t, known[t.Key], time.Now())
		e.compiler.Judge(u.currentHealth())
		if t.Draining {
			u.stopProbe()
			continue
		}
		u.setDraining(false, time.Time{}) // before it can be chosen
		u.startProbe(ctx, g, t.Registered)
	}
}

// judged applies the results of probes.
func (e *Edge) judged() {
	for _, u := range e.noticed.take() {
		if e.upstreams[u.key] == u {
			e.compiler.Judge(u.currentHealth())
			e.toReport = append(e.toReport, u)
		}
	}
	e.take(e.compiler.Compile())
}

// drain is the end of a target's deregistration delay.
type drain struct {
	until time.Time
	u     *upstream
}

// drains is a heap; the delay that ends first is at the top.
type drains []drain

func (d drains) Len() int           { return len(d) }
func (d drains) Less(i, j int) bool { return d[i].until.Before(d[j].until) }
func (d drains) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *drains) Push(x any)        { *d = append(*d, x.(drain)) }
func (d *drains) Pop() any {
	old := *d
	last := old[len(old)-1]
	old[len(old)-1] = drain{}
	*d = old[:len(old)-1]
	return last
}

// cutExpired cuts the targets whose deregistration delay has ended (alb.md D3, D5), and returns how long until
// the next one. A target may have been registered or deregistered again since.
func (e *Edge) cutExpired(now time.Time) time.Duration {
	for len(e.drains) > 0 {
		first := e.drains[0]
		if left := first.until.Sub(now); left > 0 {
			return left
		}
		heap.Pop(&e.drains)
		if until, draining := first.u.drainsUntil(); draining && until.Equal(first.until) {
			first.u.cut()
		}
	}
	return time.Hour
}

// tellAll marks everything for a report that differs from what the control plane knows.
func (e *Edge) tellAll(known map[string]elb.Verdict) {
	for key, u := range e.upstreams {
		u.knownToBe(known[key])
		e.toReport = append(e.toReport, u)
	}
	for _, p := range e.ports {
		clear(p.reported)
	}
	for _, c := range e.counts {
		c.reported = route.SubjectCounts{}
	}
	e.portsToReport = true
}

func (e *Edge) newReport() route.Report {
	return route.Report{Epoch: e.epoch, Revision: e.revision.Load()}
}

// report reports what has changed since the last report.
func (e *Edge) report() {
	r := e.newReport()
	r.Listeners = map[string]elb.Bound{}
	for _, u := range e.toReport {
		if e.upstreams[u.key] != u {
			continue
		}
		if h, changed := u.unreported(); changed {
			r.Targets = append(r.Targets, h)
		}
	}
	clear(e.toReport)
	e.toReport = e.toReport[:0]
	if e.portsToReport {
		e.portsToReport = false
		for _, p := range e.ports {
			p.unreported(e.live.Load().table, r.Listeners)
		}
	}
	if e.cfg.Reporter != nil && len(r.Targets)+len(r.Listeners) > 0 {
		e.cfg.Reporter.Report(r)
	}
}

// sweep closes connections that have been idle for too long, and tries again to bind ports that could not be
// bound.
func (e *Edge) sweep() {
	for _, u := range e.upstreams {
		u.closeIdle(time.Now().Add(-maxIdlePooled))
	}
	unbound := slices.Collect(maps.Values(e.ports))
	for _, p := range slices.AppendSeq(unbound, maps.Values(e.own)) {
		if p.listener == nil {
			t := e.live.Load().table
			e.bind(t)
			e.serveBy(t)
			return
		}
	}
}
