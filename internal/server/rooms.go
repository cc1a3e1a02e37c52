package server

import (
	"context"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/control/fleet"
	"github.com/berthhq/berth/internal/control/instance"
	"github.com/berthhq/berth/internal/control/reap"
	"github.com/berthhq/berth/internal/control/retention"
	"github.com/berthhq/berth/internal/control/service"
	"github.com/berthhq/berth/internal/control/target"
)

// Where AWS waits, so that its own size and distances work out, a machine of one's own need not (docs/decisions/0010-pace.md).
const (
	healthyAfter = time.Second
	retryBase    = 2 * time.Second
	placeAgain   = 10 * time.Second
)

// stableAfter is how long a task must have been running for its end not to count as a failed start. On AWS it need not have
// been running for any time (docs/decisions/0360-early-ends.md).
const stableAfter = 40 * time.Second

// rooms are the goroutines of the server, by name. Each runs until its context ends.
func (s *Server) rooms() map[string]func(context.Context) error {
	loop := func(name string, workers int, r control.Reconciler) func(context.Context) error {
		return func(ctx context.Context) error {
			return control.Run(ctx, s.store, s.cfg.Logger.With("room", name), name, workers, r)
		}
	}
	return map[string]func(context.Context) error{
		"control/service": loop("control/service", 4, service.New(s.store, s.cfg.Logger.With("room", "control/service"),
			s.serviceTimes(), time.Now)),
		"control/instance": loop("control/instance", 2, instance.New(s.store, time.Now)),
		"control/reap":     loop("control/reap", 1, reap.New(s.store, time.Now)),
		"control/fleet":    fleet.New(s.store, s.machines, s.machines, s.cfg.Logger.With("room", "control/fleet")).Run,
		"machine/local":    s.machines.Run,
		"gateway":          s.keepGateway,
		"control/target":   loop("control/target", 4, target.New(s.store, s.publisher)),
		"control/cache":    s.caches.Run,
		"control/retention": func(ctx context.Context) error {
			return retention.Run(ctx, s.store, s.logs, time.Now, s.cfg.Logger.With("room", "control/retention"))
		},
		"registry": s.registry.Run,
		"metrics":  func(ctx context.Context) error { return s.meters.forgetDeleted(ctx, s.store) },
		"dispatch": s.dispatch.Run,
		"oplog":    s.oplog.Run,
		"edge":     s.edge.Run,
		"publish":  func(ctx context.Context) error { return s.publisher.Run(ctx, s.edge) },
	}
}

func (s *Server) serviceTimes() service.Config {
	c := service.Config{HealthyAfter: healthyAfter, RetryBase: retryBase, PlaceAgain: placeAgain, StableAfter: stableAfter}
	if s.cfg.AWSRestarts {
		c.StableAfter = 0
	}
	return c
}
