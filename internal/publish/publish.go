// Package publish brings the load balancers of the state to the edges, and what the edges see back into the state.
//
// It owns the rows of elb.TargetHealth and elb.BoundListener: it alone writes them, coalesced, from
// the edges' reports; what several edges see becomes one verdict by elb.HealthBy. Every edge has an
// id and is attached for as long as it serves. It is given the whole configuration first and then
// what has changed, always of the newest snapshot; changes that come while it takes one up are
// taken up together. Sync tells when every attached edge has taken up a revision, so that an API
// action can answer once what it did is in force. An edge that is detached holds nothing up, and
// its view counts no more.
//
// A Publisher is safe for concurrent use. What it started ends with Run. It keeps nothing that a
// restart would lose: edges that attach again are given the whole state, with the last verdicts on
// targets, and report anew. It refuses to know how traffic is routed, and where an edge runs.
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

// Edge takes configurations. Apply returns nil once the edge serves by c and sends nothing new to a
// target that c drains, and route.ErrGap when it needs the whole configuration.
type Edge interface {
	Apply(ctx context.Context, c route.Config) error
}

// Publisher stands between a store and edges. Make one with New.
type Publisher struct {
	store *state.Store
	log   *slog.Logger
	ended chan struct{} // closed when Run has returned
	heard chan struct{} // holds a token when rows may have to be written
	feed  Feed          // nil when nothing is measured

	mu      sync.Mutex // guards what follows
	edges   map[string]*Attachment
	waiting map[*wait]struct{}
	unsaid  unwritten
	sums    map[route.Subject]*sums
	hosts   map[string]hosts // by the ARN of a target group; those that have not changed since they were counted
}

// wait is somebody who waits for edges to take up a revision.
type wait struct {
	rev  uint64
	on   map[*Attachment]struct{}
	done chan struct{}
}

// Attachment is an edge that is being served.
type Attachment struct {
	p      *Publisher
	id     string
	sub    *state.Subscription[rowKey]
	cancel context.CancelCauseFunc
	ctx    context.Context // ends when the edge is detached

	served uint64               // the revision it has taken up; guarded by p.mu
	bound  map[string]elb.Bound // what it said of listeners; guarded by p.mu
}

var (
	// ErrEnded is returned by Sync when nothing is published any more.
	ErrEnded = errors.New("publish: ended")
	// ErrReplaced is why an edge is detached when another one attaches with its id.
	ErrReplaced = errors.New("publish: another edge has attached with the same id")
	// ErrDetached is why Run returns when Detach was called.
	ErrDetached = errors.New("publish: the edge was detached")
)

// New makes a publisher of the store.
func New(store *state.Store, logger *slog.Logger) *Publisher {
	return &Publisher{store: store, log: logger, ended: make(chan struct{}), heard: make(chan struct{}, 1),
		edges: map[string]*Attachment{}, waiting: map[*wait]struct{}{}, unsaid: newUnwritten(),
		sums: map[route.Subject]*sums{}, hosts: map[string]hosts{}}
}

// Run writes what edges report into the store until ctx ends.
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

// Attach begins to count an edge among those that Sync waits for. Its Run publishes to it. An
// attachment with the same id ends: it was that edge's, and who waits for it waits for the new one.
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
	p.settle()
	return a
}

// Detach ends Run, and the edge counts no more.
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
		p.passed(w, a)
	}
	p.mu.Unlock()
	p.settle()
}

// Run publishes to the edge until ctx ends, the edge fails, or it is detached. It detaches the edge when it returns.
func (a *Attachment) Run(ctx context.Context, edge Edge) error {
	defer a.Detach()
	return a.publish(ctx, edge)
}

// publish is Run without the end: the edge stays attached.
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
			a.arrived(c.Revision)
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

// next waits for a change that concerns the edge.
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
		a.arrived(rev)
	}
}

func (a *Attachment) forgetListeners(arns []string) {
	a.p.mu.Lock()
	defer a.p.mu.Unlock()
	for _, arn := range arns {
		delete(a.bound, arn)
	}
}

// arrived tells those who waited for the edge to take up rev or an earlier revision.
func (a *Attachment) arrived(rev uint64) {
	p := a.p
	p.mu.Lock()
	defer p.mu.Unlock()
	a.served = rev
	for w := range p.waiting {
		if w.rev <= rev {
			p.passed(w, a)
		}
	}
}

// passed notes that somebody does not wait for the edge any more. mu is held.
func (p *Publisher) passed(w *wait, a *Attachment) {
	delete(w.on, a)
	if len(w.on) == 0 {
		delete(p.waiting, w)
		close(w.done)
	}
}

// Sync returns once every edge that is attached now serves by a revision that is rev or later, or
// is detached. An edge that attaches later begins with a later one.
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

// attached returns the ids of the edges that are served. mu is held.
func (p *Publisher) attached() []string { return slices.Sorted(maps.Keys(p.edges)) }

// signal leaves a token in a channel of capacity one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// retryAfter is how long to wait before a report that could not be written is tried again.
const retryAfter = time.Second
