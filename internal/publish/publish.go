// Package publish brings the load balancers of the state to the edge, and what the edge sees back into the state.
//
// It owns the rows of elb.TargetHealth and elb.BoundListener: it alone writes them, coalesced, from the edge's reports. To the edge
// it hands a route.Config whenever one of the tables it is made of has changed, always of the newest snapshot; changes that come
// while the edge takes one up are taken up together. Sync tells when the edge has taken up a revision, so that an API action can
// answer once what it did is in force.
//
// A Publisher is safe for concurrent use. What it started ends with Run. It keeps nothing that a restart would lose: a new one
// publishes the whole state, with the last verdicts on targets, and the edge reports anew. It refuses to know how traffic is routed.
package publish

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/route"
	"github.com/berthhq/berth/internal/state"
)

// Edge takes configurations. Apply returns once the edge serves by c and sends nothing new to a target that c drains.
type Edge interface {
	Apply(ctx context.Context, c route.Config) error
}

// Publisher stands between a store and an edge. Make one with New.
type Publisher struct {
	store *state.Store
	log   *slog.Logger
	ended chan struct{} // closed when Run has returned

	mu      sync.Mutex // guards what follows
	waiting []wait
	asked   chan struct{} // holds a token when somebody waits
	targets map[string]elb.TargetHealth
	bound   map[string]elb.BoundListener
	heard   chan struct{} // holds a token when there is something reported
}

// wait is somebody who waits for a revision.
type wait struct {
	rev  uint64
	done chan struct{}
}

// ErrEnded is returned by Sync when nothing is published any more.
var ErrEnded = errors.New("publish: ended")

// New makes a publisher of the store. It is the Reporter of the edge that Run is given.
func New(store *state.Store, logger *slog.Logger) *Publisher {
	return &Publisher{store: store, log: logger, ended: make(chan struct{}),
		asked: make(chan struct{}, 1), heard: make(chan struct{}, 1),
		targets: map[string]elb.TargetHealth{}, bound: map[string]elb.BoundListener{}}
}

// Run publishes to the edge, and its reports to the store, until ctx ends or the edge does.
func (p *Publisher) Run(ctx context.Context, edge Edge) error {
	defer close(p.ended)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sub := p.store.Subscribe(concerns)
	defer sub.Close()
	dirty := make(chan struct{}, 1)
	dirty <- struct{}{}
	var running sync.WaitGroup
	running.Go(func() { cancel(watch(ctx, sub, dirty)) })
	running.Go(func() { p.record(ctx) })
	cancel(p.publish(ctx, edge, dirty))
	running.Wait()
	return context.Cause(ctx)
}

// concerns names nothing in particular: any change of a table that configurations are made of makes the one there is dirty.
func concerns(c state.Change) []string {
	for _, v := range []any{c.Old, c.New} {
		switch v.(type) {
		case *elb.LoadBalancer, *elb.Listener, *elb.Rule, *elb.TargetGroup, *elb.Target, *fleet.Block:
			return []string{"edge"}
		}
	}
	return nil
}

func watch(ctx context.Context, sub *state.Subscription, dirty chan<- struct{}) error {
	for {
		if _, err := sub.Next(ctx); err != nil {
			return err
		}
		signal(dirty)
	}
}

// publish hands the newest snapshot over whenever it is dirty or somebody waits for it.
func (p *Publisher) publish(ctx context.Context, edge Edge, dirty <-chan struct{}) error {
	for {
		select {
		case <-dirty:
		case <-p.asked:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		snap := p.store.View()
		if err := edge.Apply(ctx, configOf(snap)); err != nil {
			return err
		}
		p.arrived(snap.Rev)
	}
}

// Sync returns once the edge serves by a revision that is rev or later.
func (p *Publisher) Sync(ctx context.Context, rev uint64) error {
	w := wait{rev, make(chan struct{})}
	p.mu.Lock()
	p.waiting = append(p.waiting, w)
	p.mu.Unlock()
	signal(p.asked)
	select {
	case <-w.done:
		return nil
	case <-p.ended:
		return ErrEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// arrived tells those who waited for rev or earlier.
func (p *Publisher) arrived(rev uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	still := p.waiting[:0]
	for _, w := range p.waiting {
		if w.rev > rev {
			still = append(still, w)
			continue
		}
		close(w.done)
	}
	p.waiting = still
}

// configOf describes a snapshot's load balancers.
func configOf(s *state.Snapshot) route.Config {
	return route.Config{
		Revision:      s.Rev,
		LoadBalancers: values(s.LoadBalancers.All()),
		Listeners:     values(s.Listeners.All()),
		Rules:         values(s.Rules.All()),
		TargetGroups:  values(s.TargetGroups.All()),
		Targets:       values(s.Targets.All()),
		Health:        values(s.TargetHealth.All()),
		Addresses:     addresses(&s.Tables),
	}
}

// addresses are where containers reach each load balancer.
func addresses(t *state.Tables) map[string]netip.Addr {
	block, out := t.Block(), map[string]netip.Addr{}
	for lb := range t.LoadBalancers.All() {
		if at := block.GatewayAddress(lb.Slot); at.IsValid() {
			out[lb.ARN] = at
		}
	}
	return out
}

func values[T any](rows func(func(*T) bool)) []T {
	var out []T
	for r := range rows {
		out = append(out, *r)
	}
	return out
}

// signal leaves a token in a channel of capacity one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// retryAfter is how long to wait before a report that could not be written is tried again.
const retryAfter = time.Second
