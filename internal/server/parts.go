package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/config"
	"github.com/berthhq/berth/internal/oplog"
	"github.com/berthhq/berth/internal/state/journal/file"
)

// part is a part of the server with everything that is done with it from start to end. Fields that are nil are
// skipped.
type part struct {
	name string

	// stores lists what the part has in the data directory. A part that stores something has reset, or says in
	// keeps why a reset does not remove it (TestEveryStoreIsReset).
	stores []string
	keeps  string

	// open prepares the part. It changes nothing that others see, since this server may not lead.
	open func(ctx context.Context) error

	// lead is called once when this server begins to lead, in the order of the list.
	lead func(ctx context.Context) error

	// run lasts until ctx ends. A part with leads runs while this server leads, others on every server. An
	// error ends the server.
	run   runner
	leads bool

	// reset removes what the part stores, after the rows have been deleted. It may call gone as soon as
	// nothing of it runs or can be read, before everything is removed.
	reset func(ctx context.Context, gone func()) error

	// close ends what open started. Parts are closed in reverse order.
	close func() error
}

// runner runs until its context ends.
type runner func(ctx context.Context) error

// parts lists the parts of the server, in the order in which they are opened.
func (s *Server) parts() []part {
	return slices.Concat(s.stored(), s.driven(), s.controllers(), s.served())
}

// stored are the parts that store something, and those that they need.
func (s *Server) stored() []part {
	return []part{
		{
			name: "data", stores: config.Files, keeps: "the owner's keys and the server's identity outlive the rows",
			open: s.openData,
		},
		{
			name: "state", stores: file.Files, open: s.openState,
			lead:  func(ctx context.Context) error { return s.store.Lead(ctx) },
			reset: func(ctx context.Context, _ func()) error { return s.store.Compact(ctx) },
			close: func() error { return s.store.Close() },
		},
		{
			name: "authority", stores: []string{"ca"}, keeps: "programs of this machine trust its root",
		},
		{
			name: "block", stores: []string{config.BlockFile},
			keeps: "other servers of the machine know this one by it", open: s.claimBlock, lead: s.writeBlock,
			run: s.keepGateway, leads: true,
			close: func() error { return errors.Join(s.closeGateway(), s.claim.Release()) },
		},
		{
			name: "audit", stores: []string{"audit"}, keeps: "a reset is one of the calls it records",
			open: s.openAudit, close: func() error { return s.audit.Close() },
		},
		{
			name: "listener", stores: []string{config.AddressFile}, keeps: "commands find the running server by it",
			open: s.openListener, close: s.closeListener,
		},
		{name: "callers", open: s.openCallers},
		{name: "budget", open: s.openBudget},
		{
			name: "registry", stores: []string{"registry"}, open: s.openRegistry, leads: true,
			run:   func(ctx context.Context) error { return s.registry.Run(ctx) },
			reset: func(context.Context, func()) error { return s.blobs.Reset() },
		},
		{
			name: "logs", stores: []string{"logs"}, open: s.openLogs,
			reset: func(context.Context, func()) error { return s.logs.Keep(func(string) bool { return false }) },
			close: func() error { return s.logs.Close() },
		},
		{
			name: "metrics", stores: []string{"metrics"}, open: s.openMetrics, run: s.keepMetrics, leads: true,
			reset: func(context.Context, func()) error {
				s.feed.Forget()
				return s.points.Reset()
			},
			close: func() error { return s.points.Close(time.Now()) },
		},
	}
}

// driven are the drivers of other processes.
func (s *Server) driven() []part {
	return []part{
		{
			name: "machines", stores: []string{"instances"}, open: s.openMachines, leads: true,
			run: func(ctx context.Context) error {
				var both sync.WaitGroup
				defer both.Wait()
				both.Go(func() { s.sweep(ctx) })
				return s.machines.Run(ctx)
			},
			reset: func(ctx context.Context, gone func()) error { return s.machines.Clean(ctx, s.known(), gone) },
		},
		{name: "image names", run: s.forgetEarlierImages, leads: true},
		{
			name: "caches", stores: []string{"cache"}, open: s.openCaches, leads: true,
			run:   func(ctx context.Context) error { return s.caches.Run(ctx) },
			reset: func(ctx context.Context, _ func()) error { return s.noCaches(ctx) },
		},
	}
}

// served are the parts that answer callers, and those that report on the server.
func (s *Server) served() []part {
	return []part{
		{
			name: "dispatch", open: s.openDispatch, leads: true,
			run: func(ctx context.Context) error { return s.dispatch.Run(ctx) },
		},
		{name: "edge", open: s.openEdge, run: func(ctx context.Context) error { return s.edge.Run(ctx) }},
		{name: "publish", run: func(ctx context.Context) error { return s.publisher.Run(ctx) }},
		{name: "attached edge", run: func(ctx context.Context) error { return s.attached.Run(ctx, s.edge) }},
		{name: "ready", run: s.tellReady},
		{
			name: "oplog", leads: true,
			open: func(context.Context) error { s.oplog = oplog.New(s.store, s.cfg.Logger); return nil },
			run:  func(ctx context.Context) error { return s.oplog.Run(ctx) },
		},
		{name: "API", open: s.openAPI, run: s.serveAPI},
		{name: "registry with TLS", open: s.openSecureRegistry, run: s.serveSecureRegistry,
			close: s.closeSecureRegistry},
	}
}

// storage returns the path of a name in the data directory. It panics if no part lists the name in stores, so
// that a reset cannot miss it.
func (s *Server) storage(name string) string {
	if !slices.ContainsFunc(s.parts(), func(p part) bool { return slices.Contains(p.stores, name) }) {
		panic("server: no part says that it stores " + name)
	}
	return s.dir.Sub(name)
}

// openAll opens the parts. Close closes what was opened, also after an error.
func (s *Server) openAll(ctx context.Context) error {
	for _, p := range s.parts() {
		if p.open != nil {
			if err := p.open(ctx); err != nil {
				return err
			}
		}
		s.opened = append(s.opened, p)
	}
	return nil
}

// lead makes this server the one that writes. With one server, that is at its start.
func (s *Server) lead(ctx context.Context) error {
	for _, p := range s.opened {
		if p.lead == nil {
			continue
		}
		if err := p.lead(ctx); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// runAll runs the parts with this value of leads until ctx ends. It calls fail with the error of a part that
// ends earlier.
func (s *Server) runAll(ctx context.Context, leads bool, fail context.CancelCauseFunc) {
	var running sync.WaitGroup
	defer running.Wait()
	for _, p := range s.opened {
		if p.run == nil || p.leads != leads {
			continue
		}
		running.Go(func() {
			if err := p.run(ctx); err != nil && ctx.Err() == nil {
				fail(fmt.Errorf("%s: %w", p.name, err))
			}
		})
	}
}

// Close closes what New opened. Run must have returned.
func (s *Server) Close() error {
	var errs []error
	for _, p := range slices.Backward(s.opened) {
		if p.close != nil {
			errs = append(errs, p.close())
		}
	}
	s.opened = nil
	return errors.Join(errs...)
}
