// Package publish sends the configuration of load balancers from the state to edges, and writes the edges' reports to
// the state.
//
// Only this package writes rows of elb.TargetHealth and elb.BoundListener. It writes several reports in one
// transaction. elb.HealthBy combines the reports of several edges on a target into one verdict. Each edge has an id and
// is attached while it serves. It first gets the whole configuration and then changes, always from the newest snapshot;
// changes that happen while the edge applies one are sent together. Sync waits until every attached edge has applied a
// revision, so that an API action answers after its change has taken effect. Sync does not wait for a detached edge,
// and while other edges are attached, the reports of a detached edge do not count.
//
// A Publisher is safe for concurrent use. Its goroutines end before Run returns. It stores nothing that a restart would
// lose: edges that attach again get the whole configuration, with the last verdicts on targets, and report everything
// again. The package does not depend on how traffic is routed or where an edge runs.
package publish

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/route"
	"github.com/berthhq/berth/internal/state"
)

// Edge receives configurations. Apply returns nil when the edge serves with c and sends no new request to a target that
// c drains. It returns route.ErrGap if it needs the whole configuration.
type Edge interface {
	Apply(ctx context.Context, c route.Config) error
}

// Publisher connects a store with edges. Use New to create one.
type Publisher struct {
	store    *state.Store
	log      *slog.Logger
	ended    chan struct{} // closed when Run has returned
	reported chan struct{} // has a token when rows may have to be written
	feed     Feed          // nil if Measure was not called

	mu      sync.Mutex // guards the fields below
	edges   map[string]*Attachment
	waiting map[*wait]struct{}
	pending unwritten
	sums    map[route.Subject]*sums
	hosts   map[string]hosts // by the ARN of a target group; without groups that have changed since they were counted
}

// wait is a call of Sync that waits for edges to apply a revision.
type wait struct {
	rev  uint64
	on   map[*Attachment]struct{} // the edges that have not applied it
	done chan struct{}            // closed when all have
}

// Attachment is an edge that is being served.
type Attachment struct {
	p      *Publisher
	id     string
	sub    *state.Subscription[rowKey]
	cancel context.CancelCauseFunc
	ctx    context.Context // ends when the edge is detached

	served uint64               // the last revision that it has applied; guarded by p.mu
	bound  map[string]elb.Bound // its last report on each listener; guarded by p.mu
}

var (
	// ErrEnded is returned by Sync after the publisher's Run has returned.
	ErrEnded = errors.New("publish: ended")
	// ErrReplaced is returned by Attachment.Run if another edge has attached with the same id.
	ErrReplaced = errors.New("publish: another edge has attached with the same id")
	// ErrDetached is returned by Attachment.Run after Detach.
	ErrDetached = errors.New("publish: the edge was detached")
)

// New returns a publisher for the store.
func New(store *state.Store, logger *slog.Logger) *Publisher {
	return &Publisher{store: store, log: logger, ended: make(chan struct{}), reported: make(chan struct{}, 1),
		edges: map[string]*Attachment{}, waiting: map[*wait]struct{}{}, pending: newUnwritten(),
		sums: map[route.Subject]*sums{}, hosts: map[string]hosts{}}
}

// Run writes the reports of edges to the store until ctx ends.
func (p *Publisher) Run(ctx context.Context) error {
	var measuring sync.WaitGroup
	defer measuring.Wait()
	defer close(p.ended)
	if p.feed != nil {
		measuring.Go(func() { p.followHosts(ctx) })
		measuring.Go(func() { p.gauge(ctx) })
	}
	p.record(ctx)
	return context.Cause(ctx)
}

// Attach attaches the edge with an id; from now on Sync waits for it. Call Run on the result to publish to the edge. If
// the edge was attached already, that attachment ends, and calls of Sync that waited for it wait for the new one.
func (p *Publisher) Attach(id string) *Attachment {
	ctx, cancel := context.WithCancelCause(context.Background())
	a := &Attachment{p: p, id: id, sub: state.Subscribe(p.store, concerns), ctx: ctx, cancel: cancel,
		bound: map[string]elb.Bound{}}
	p.mu.Lock()
	old := p.edges[id]
	p.edges[id] = a
	for w := range p.waiting {
		if _, waits := w.on[old]; waits {
			w.on[a] = struct{}{}
			a.sub.Want(w.rev)
		}
	}
	p.mu.Unlock()
	if old != nil {
		old.leave(ErrReplaced)
	}
	p.dropDetached()
	return a
}

// Detach ends Run. Sync no longer waits for the edge, and while others are attached, its reports do not count.
func (a *Attachment) Detach() { a.leave(ErrDetached) }

func (a *Attachment) leave(why error) {
	if a.ctx.Err() != nil {
		return
	}
	a.cancel(why)
	a.sub.Close()
	p := a.p
	p.mu.Lock()
	if p.edges[a.id] == a {
		delete(p.edges, a.id)
	}
	for w := range p.waiting {
		p.stopWaiting(w, a)
	}
	p.mu.Unlock()
	p.dropDetached()
}

// Run publishes to the edge until ctx ends, the edge fails, or it is detached. The edge is detached when Run returns.
func (a *Attachment) Run(ctx context.Context, edge Edge) error {
	defer a.Detach()
	return a.publish(ctx, edge)
}

// publish does the same as Run, but leaves the edge attached when it returns.
func (a *Attachment) publish(ctx context.Context, edge Edge) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(a.ctx, func() { cancel(context.Cause(a.ctx)) })()
	snap := a.p.store.View()
	c := whole(snap, a.id)
	for {
		err := edge.Apply(ctx, c)
		if errors.Is(err, route.ErrGap) && c.Since != 0 {
			c = whole(a.p.store.View(), a.id)
			continue
		}
		if err == nil {
			a.applied(c.Revision)
			c, err = a.next(ctx, c.Revision)
		}
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// next waits for a change of the configuration since a revision, and returns it.
func (a *Attachment) next(ctx context.Context, since uint64) (route.Config, error) {
	for {
		keys, rev, err := a.sub.NextRev(ctx)
		if err != nil {
			return route.Config{}, err
		}
		rev = max(rev, since)
		if len(keys) > 0 {
			c := changed(a.p.store.View(), keys)
			c.Since, c.Revision = since, rev
			a.forgetListeners(c.Gone.Listeners)
			a.p.forgetCounts(c.Gone)
			return c, nil
		}
		a.applied(rev)
	}
}

func (a *Attachment) forgetListeners(arns []string) {
	a.p.mu.Lock()
	defer a.p.mu.Unlock()
	for _, arn := range arns {
		delete(a.bound, arn)
	}
}

// applied records that the edge has applied rev, and ends the waits for rev and earlier revisions.
func (a *Attachment) applied(rev uint64) {
	p := a.p
	p.mu.Lock()
	defer p.mu.Unlock()
	a.served = rev
	for w := range p.waiting {
		if w.rev <= rev {
			p.stopWaiting(w, a)
		}
	}
}

// stopWaiting removes the edge from those that w waits for. mu must be held.
func (p *Publisher) stopWaiting(w *wait, a *Attachment) {
	delete(w.on, a)
	if len(w.on) == 0 {
		delete(p.waiting, w)
		close(w.done)
	}
}

// Sync waits until every edge that is attached now has applied revision rev or a later one, or is detached. An edge
// that attaches during the call begins with rev or a later revision.
func (p *Publisher) Sync(ctx context.Context, rev uint64) error {
	select {
	case <-p.ended:
		return ErrEnded
	default:
	}
	w := p.await(rev)
	select {
	case <-w.done:
		return nil
	case <-p.ended:
		return ErrEnded
	case <-ctx.Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.waiting, w)
		return context.Cause(ctx)
	}
}

func (p *Publisher) await(rev uint64) *wait {
	w := &wait{rev, map[*Attachment]struct{}{}, make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.edges {
		if a.served < rev {
			w.on[a] = struct{}{}
			a.sub.Want(rev)
		}
	}
	if len(w.on) == 0 {
		close(w.done)
	} else {
		p.waiting[w] = struct{}{}
	}
	return w
}

// attached returns the ids of the attached edges. mu must be held.
func (p *Publisher) attached() []string { return slices.Sorted(maps.Keys(p.edges)) }

// signal puts a token into a channel of capacity one, unless it has one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// retryAfter is the delay before reports that could not be written are written again.
const retryAfter = time.Second
