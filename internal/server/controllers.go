package server

import (
	"context"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/control/alarm"
	"github.com/berthhq/berth/internal/control/cache"
	"github.com/berthhq/berth/internal/control/capacity"
	"github.com/berthhq/berth/internal/control/fleet"
	"github.com/berthhq/berth/internal/control/instance"
	"github.com/berthhq/berth/internal/control/notify"
	"github.com/berthhq/berth/internal/control/reap"
	"github.com/berthhq/berth/internal/control/retention"
	"github.com/berthhq/berth/internal/control/scale"
	"github.com/berthhq/berth/internal/control/service"
	"github.com/berthhq/berth/internal/control/target"
)

// controllers are the parts that run while this server leads.
func (s *Server) controllers() []part {
	return []part{
		s.controller("control/service", func(name string, e control.Env) runner {
			return control.New(e, name, 4, control.Planned(e, service.New(s.serviceTimes()))).Run
		}),
		s.controller("control/instance", func(name string, e control.Env) runner {
			return control.New(e, name, 2, control.Planned(e, instance.Controller{})).Run
		}),
		s.controller("control/reap", func(name string, e control.Env) runner {
			return control.New(e, name, 1, control.Planned(e, reap.Controller{})).Run
		}),
		s.controller("control/fleet", func(_ string, e control.Env) runner {
			return fleet.New(e, s.machines, s.machines, s.cfg.Pace).Run
		}),
		{name: "metrics of groups", leads: true, run: func(ctx context.Context) error {
			return (&fleet.Meter{Store: s.store, Feed: s.feed, Now: time.Now}).Run(ctx)
		}},
		s.controller("control/capacity", func(_ string, e control.Env) runner {
			return capacity.New(e, s.points, s.cfg.Pace).Run
		}),
		s.controller("control/target", func(name string, e control.Env) runner {
			return control.New(e, name, 4, target.New(e, s.publisher)).Run
		}),
		s.controller("control/cache", func(name string, e control.Env) runner {
			return control.New(e, name, 1, cache.New(e, s.caches)).Run
		}),
		{name: "metrics of caches", leads: true, run: func(ctx context.Context) error {
			m := &cache.Meter{Store: s.store, Nodes: s.caches, Feed: s.feed, Now: time.Now}
			return m.Run(ctx)
		}},
		s.controller("control/retention", func(name string, e control.Env) runner {
			return control.New(e, name, 1, retention.New(e, s.logs)).Run
		}),
		s.controller("control/alarm", func(name string, e control.Env) runner {
			return control.New(e, name, 2, alarm.New(e, s.points, s.cfg.Pace)).Run
		}),
		s.controller("control/scale", func(name string, e control.Env) runner {
			return control.New(e, name, 2, control.Planned(e, scale.New(s.points, s.cfg.Pace))).Run
		}),
		s.controller("control/notify", func(name string, e control.Env) runner {
			return control.New(e, name, notify.Workers, notify.New(e, notify.Config{
				Sender: notify.NewSender(), Secret: s.signingSecret, Published: s.published,
			})).Run
		}),
	}
}

// controller returns the part of the controller with that name.
func (s *Server) controller(name string, of func(string, control.Env) runner) part {
	return part{name: name, leads: true, run: func(ctx context.Context) error {
		return of(name, control.System(s.store, s.cfg.Logger.With("part", name)))(ctx)
	}}
}

func (s *Server) serviceTimes() service.Config {
	c := service.Usual()
	if s.cfg.AWSRestarts {
		c.StableAfter = 0
	}
	return c
}
