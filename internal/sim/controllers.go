package sim

import (
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/control/alarm"
	"github.com/berthhq/berth/internal/control/capacity"
	"github.com/berthhq/berth/internal/control/fleet"
	"github.com/berthhq/berth/internal/control/instance"
	"github.com/berthhq/berth/internal/control/reap"
	"github.com/berthhq/berth/internal/control/scale"
	"github.com/berthhq/berth/internal/control/service"
	"github.com/berthhq/berth/internal/control/target"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

// control starts the controllers of a server that decide about services, instances and load balancers, and the
// simulated agents and edge.
func (w *world) control(e control.Env) {
	w.fleet = fleet.New(e, w.machines, nil, scaling.PaceOfAWS)
	w.driven = append(w.driven,
		drive(e, "control/service", control.Planned(e, service.New(service.Usual()))),
		drive(e, "control/instance", control.Planned(e, instance.Controller{})),
		drive(e, "control/reap", control.Planned(e, reap.Controller{})),
		drive(e, "control/target", control.Controller[target.Key](target.New(e, nil))),
		drive(e, "control/alarm", control.Controller[string](alarm.New(e, w.points, scaling.PaceOfAWS))),
		drive(e, "control/scale", control.Planned(e, scale.New(w.points, scaling.PaceOfAWS))),
		drive(e, "agents", control.Planned(e, w.agents)),
		drive(e, "edge", control.Planned(e, &edge{holds: w.holds})),
	)
	w.driven = append(w.driven, w.fleet.Manual()...)
	w.driven = append(w.driven, capacity.New(e, w.points, scaling.PaceOfAWS).Manual()...)
}

func drive[K comparable](e control.Env, name string, c control.Controller[K]) control.Driven {
	l := control.New(e, name, 1, c)
	l.Backoff = control.Backoff{First: time.Second, Cap: 15 * time.Second}
	return l.Manual()
}

// holds reports whether clients are connected to a task behind a target.
func (w *world) holds(t *state.Tables, key string) bool {
	for task := range t.Tasks.By(state.TasksByTarget, key) {
		a := w.byARN[task.ServiceARN]
		if a == nil {
			continue
		}
		for _, x := range a.workers {
			if x.task.TaskARN == task.TaskARN && x.clients > 0 {
				return true
			}
		}
	}
	return false
}
