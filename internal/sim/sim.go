// Package sim simulates how a stack with given settings handles a load. It runs the real controllers, schedulers and
// metrics on a simulated clock. Only machines, agents and containers are simulated.
//
// A simulation has one goroutine, one source of random numbers and no other clock. Its clock advances to the next time
// at which a controller, an agent or a tick of the load is due. The same stack, load, options and seed give the same
// report. The behaviour of tasks is a model: how long they take to start (Options) and what a request costs (Cost). All
// decisions are made by the code of the server.
package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berthhq/berth/internal/blueprint"
)

// Options are the settings of a simulation besides its stack and load.
type Options struct {
	Start time.Time     // when the load begins; seconds are dropped
	Span  time.Duration // how long it lasts, in minutes, at most MaxSpan
	Seed  uint64        // of ids, delays and noise

	Boot     time.Duration // from the start of an instance to the registration of its agent
	Image    time.Duration // to pull an image that an instance does not have yet
	Ready    time.Duration // from a task's image being there to its containers running
	Stop     time.Duration // from the stop of a task to its end
	Patience time.Duration // how long a request waits before it is given up

	// Reserved has numbers of reserved instances. The report says how much each number would be used.
	Reserved []int
	Faults   []Fault
}

// MaxSpan is the longest simulation.
const MaxSpan = 31 * 24 * time.Hour

// settle is how long the stack runs, with the first value of the load, before the report begins.
const settle = 20 * time.Minute

// Usual returns the default options: a day, with the times of a small image on EC2.
func Usual() Options {
	return Options{
		Start: time.Date(2030, 1, 7, 0, 0, 0, 0, time.UTC), Span: 24 * time.Hour, Seed: 1,
		Boot: time.Minute, Image: 15 * time.Second, Ready: 2 * time.Second, Stop: 2 * time.Second,
		Patience: 30 * time.Second,
	}
}

func (o *Options) check() error {
	o.Start, o.Span = o.Start.Truncate(time.Minute), o.Span.Truncate(time.Minute)
	if o.Span < time.Minute || o.Span > MaxSpan {
		return fmt.Errorf("a simulation must last from a minute to %d days", int(MaxSpan.Hours()/24))
	}
	for _, d := range []time.Duration{o.Boot, o.Image, o.Ready, o.Stop, o.Patience} {
		if d < 0 || d > time.Hour {
			return errors.New("the times of instances, tasks and requests must be from 0 to an hour")
		}
	}
	for _, n := range o.Reserved {
		if n < 0 || n > blueprint.MaxCount {
			return fmt.Errorf("a number of reserved instances must be from 0 to %d", blueprint.MaxCount)
		}
	}
	return nil
}

// Run simulates a stack under loads. It does not wait for real time. When ctx ends, it returns the cause.
func Run(ctx context.Context, stack *blueprint.Stack, loads []Load, o Options) (*Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	w, err := newWorld(ctx, stack, loads, o)
	if err != nil {
		return nil, err
	}
	defer w.close()
	if err := w.run(ctx); err != nil {
		return nil, err
	}
	return w.report(), nil
}
