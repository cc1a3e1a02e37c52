package edge

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/route"
)

// live is a table with what outlives it at hand. It is never changed.
type live struct {
	table     *route.Table
	upstreams []*upstream      // by route.Target.Index
	turns     []*atomic.Uint64 // by route.Group.Index
	byID      map[stickyID]*upstream
	groups    map[stickyID]string // ARNs
	displaced map[int]int         // port of a listener to the port it is really served at
}

func (l *live) upstream(t *route.Target) *upstream { return l.upstreams[t.Index] }

// busy is what least_outstanding_requests goes by. A WebSocket counts for its whole life (alb.md B2).
func (l *live) busy(t *route.Target) int64 { return l.upstreams[t.Index].busy.Load() }

// apply takes a configuration: targets first, so that the table has where to point, then the table, then the gates.
func (e *Edge) apply(ctx context.Context, c route.Config) {
	e.config = c
	known := map[string]elb.TargetHealth{}
	for _, h := range c.Health {
		known[h.Key] = h
	}
	table := route.Compile(c)
	for _, problem := range table.Problems {
		e.log.Warn("left out of the edge's table", "problem", problem)
	}
	keep := map[string]bool{}
	for _, t := range table.Targets {
		keep[t.Key] = true
		e.keepUpstream(ctx, t, known[t.Key])
	}
	registered := map[string]bool{}
	for i := range c.Targets {
		registered[c.Targets[i].Key()] = true
	}
	var unused, gone []*upstream
	for key, u := range e.upstreams {
		switch {
		case keep[key]:
		case registered[key]:
			unused = append(unused, u)
		default:
			gone = append(gone, u)
			delete(e.upstreams, key)
		}
	}
	e.bind(table)
	e.swap()
	e.forgetTurns()
	for _, u := range unused {
		u.retire()
	}
	for _, u := range gone {
		u.remove()
	}
}

// forgetTurns drops the turns of groups that are there no more. A group that no rule uses for a while keeps its own.
func (e *Edge) forgetTurns() {
	there := map[string]bool{}
	for i := range e.config.TargetGroups {
		there[e.config.TargetGroups[i].ARN] = true
	}
	maps.DeleteFunc(e.turns, func(arn string, _ *atomic.Uint64) bool { return !there[arn] })
}

// keepUpstream makes or updates what is kept of a target. A target that was registered anew is judged from the start; a verdict
// from before the edge's own start stands until a probe says otherwise.
func (e *Edge) keepUpstream(ctx context.Context, t *route.Target, known elb.TargetHealth) {
	u := e.upstreams[t.Key]
	if u != nil && u.address != t.Address.String() {
		u.remove()
		u = nil
	}
	if u == nil {
		u = newUpstream(e, t)
		e.upstreams[t.Key] = u
	}
	u.setRegistration(t, known, time.Now())
	if t.Draining {
		u.stopProbe()
	} else {
		u.startProbe(ctx, t.Group, t.Registered)
	}
}

// swap compiles the configuration with the health that is seen now, puts it to use and closes the gates of targets that drain.
func (e *Edge) swap() {
	next := e.compile()
	e.live.Store(next)
	for _, t := range next.table.Targets {
		next.upstream(t).setDraining(t.Draining, t.DrainUntil)
	}
}

func (e *Edge) compile() *live {
	c := e.config
	c.Health = nil
	for _, u := range e.upstreams {
		c.Health = append(c.Health, u.currentHealth())
	}
	table := route.Compile(c)
	l := &live{table: table, byID: map[stickyID]*upstream{}, groups: map[stickyID]string{}, displaced: map[int]int{}}
	for _, t := range table.Targets {
		u := e.upstreams[t.Key]
		l.upstreams = append(l.upstreams, u)
		l.byID[u.id] = u
	}
	for _, g := range table.Groups {
		if e.turns[g.ARN] == nil {
			e.turns[g.ARN] = new(atomic.Uint64)
		}
		l.turns = append(l.turns, e.turns[g.ARN])
		l.groups[idOf(g.ARN)] = g.ARN
	}
	for number, p := range e.ports {
		if p.bound != 0 && p.bound != number {
			l.displaced[number] = p.bound
		}
	}
	return l
}

// cutExpired cuts the targets whose deregistration delay is over (alb.md D3, D5) and returns how long until the next is.
func (e *Edge) cutExpired(now time.Time) time.Duration {
	next := time.Hour
	for _, u := range e.upstreams {
		if until, draining := u.drainsUntil(); draining {
			if left := until.Sub(now); left > 0 {
				next = min(next, left)
			} else {
				u.cut()
			}
		}
	}
	return next
}

// report tells the reporter what changed since it was last told.
func (e *Edge) report() {
	var r route.Report
	for _, u := range e.upstreams {
		if h, changed := u.unreported(); changed {
			r.Targets = append(r.Targets, h)
		}
	}
	for _, p := range e.ports {
		r.Listeners = append(r.Listeners, p.unreported(e.live.Load().table)...)
	}
	if e.cfg.Reporter != nil && len(r.Targets)+len(r.Listeners) > 0 {
		e.cfg.Reporter.Report(r)
	}
}

// sweep closes connections that were idle for too long and tries ports again that could not be bound.
func (e *Edge) sweep() {
	for _, u := range e.upstreams {
		u.closeIdle(time.Now().Add(-maxIdlePooled))
	}
	unbound := slices.Collect(maps.Values(e.ports))
	for _, p := range slices.AppendSeq(unbound, maps.Values(e.own)) {
		if p.listener == nil {
			e.bind(e.live.Load().table)
			e.swap()
			return
		}
	}
}
