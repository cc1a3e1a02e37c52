package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/machine"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
	"pgregory.net/rapid"
)

// instant is a driver without machines. Its operations succeed at once, unless it is broken.
type instant struct {
	broken  bool
	full    error // why there is no address
	running map[string]bool
	reports []machine.Report
}

func (d *instant) NextAddress(taken fleet.AddressSet) (netip.Addr, error) {
	if d.full != nil {
		return netip.Addr{}, d.full
	}
	a, _ := new(fleet.Block).NextAddress(taken, nil)
	return a, nil
}

func (d *instant) Start(_ context.Context, in *fleet.Instance) error {
	if d.broken {
		return fmt.Errorf("no room for %s", in.ID)
	}
	if !d.running[in.ID] {
		d.running[in.ID] = true
		d.reports = append(d.reports, machine.Report{ID: in.ID, Status: fleet.MachineStatus{Phase: fleet.PhaseUp}})
	}
	return nil
}

func (d *instant) Stop(_ context.Context, id string) error { delete(d.running, id); return nil }

func (d *instant) Forget(context.Context, string) error { return nil }

// manual has the real controllers of groups and instances. The test runs them step by step, with a clock of its own.
type manual struct {
	t      *testing.T
	store  *state.Store
	now    time.Time
	driver *instant
	fleet  *Controller
	driven []control.Driven
}

func newManual(t *testing.T, seed byte) *manual {
	store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w := &manual{
		t: t, store: store, now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC),
		driver: &instant{running: map[string]bool{}},
	}
	env := control.Env{
		Store: store, Logger: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return w.now }, Random: rand.NewChaCha8([32]byte{seed}),
	}
	w.fleet = New(env, w.driver, nil, scaling.PaceOfAWS)
	w.driven = w.fleet.Manual()
	w.update(func(tx *state.Tx) {
		tx.LaunchConfigurations.Put(&fleet.LaunchConfiguration{Name: "lc", Region: region, Account: account,
			Data: fleet.LaunchData{InstanceType: "t2.micro", ImageID: fleet.Images(region)[0].ID}})
		tx.AutoScalingGroups.Put(&fleet.AutoScalingGroup{Name: "g", ID: "uuid", Region: region, Account: account,
			Max: 10, Zones: []string{"us-east-1a", "us-east-1b"}, Launch: fleet.LaunchSource{Configuration: "lc"},
			Policies: []string{fleet.PolicyDefault}})
	})
	return w
}

func (w *manual) close() {
	for _, d := range w.driven {
		d.Close()
	}
	w.store.Close()
}

func (w *manual) update(fn func(*state.Tx)) {
	w.t.Helper()
	if err := w.store.Update(w.t.Context(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		w.t.Fatal(err)
	}
}

func (w *manual) want(n int) {
	w.update(func(tx *state.Tx) {
		g, _ := tx.AutoScalingGroups.Get(groupKey)
		c := g.Clone()
		c.Desired = n
		tx.AutoScalingGroups.Put(c)
	})
}

// after moves the clock by d, and stops at each time at which something is due.
func (w *manual) after(d time.Duration) {
	end := w.now.Add(d)
	for {
		next, waits := control.Drain(w.t.Context(), w.driven...)
		reports := w.driver.reports
		w.driver.reports = nil
		for _, r := range reports {
			if err := w.fleet.Record(w.t.Context(), r); err != nil {
				w.t.Fatal(err)
			}
		}
		switch {
		case len(reports) > 0:
		case !waits || next.After(end):
			w.now = end
			return
		default:
			w.now = next
		}
	}
}

// trace returns all instances with their ids, in the order of keys.
func (w *manual) trace() string {
	var b strings.Builder
	for i := range w.store.View().Instances.All() {
		fmt.Fprintln(&b, i.ID, i.State, i.Scaling.Lifecycle, i.Address, i.TransitionAt)
	}
	return b.String()
}

func (w *manual) running() int {
	return len(slices.Collect(w.store.View().Instances.By(state.InstancesByAutoScalingGroup, groupKey)))
}

// The real controllers run step by step, without goroutines or timers, with random requests and failures. After an
// hour without failures, each group has its desired instances, every instance that runs is a member, and the same seed
// leads to the same ids at the same times.
func TestGroupsByHand(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		type op struct {
			want   int
			broken bool
			wait   time.Duration
		}
		ops := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) op {
			return op{
				rapid.IntRange(0, 6).Draw(rt, "want"), rapid.IntRange(0, 3).Draw(rt, "broken") == 0,
				time.Duration(rapid.IntRange(0, 600).Draw(rt, "seconds")) * time.Second,
			}
		}), 1, 8).Draw(rt, "ops")
		var traces []string
		for range 2 {
			w := newManual(t, 1)
			for _, o := range ops {
				w.driver.broken = o.broken
				w.want(o.want)
				w.after(o.wait)
			}
			w.driver.broken = false
			w.after(time.Hour)
			if want := ops[len(ops)-1].want; w.running() != want || len(w.driver.running) != want {
				rt.Fatalf("%d members and %d machines, want %d\n%s", w.running(),
					len(w.driver.running), want, w.trace())
			}
			traces = append(traces, w.trace())
			w.close()
		}
		if traces[0] != traces[1] {
			rt.Fatalf("two runs with the same seed ended differently:\n%s\n%s", traces[0], traces[1])
		}
	})
}

// Without an address for it no instance is launched, whatever error the driver returns, and the activity says why.
func TestNoAddress(t *testing.T) {
	w := newManual(t, 1)
	defer w.close()
	w.driver.full = errors.New("too many instances are simulated")
	w.want(1)
	w.after(0)
	if n := w.store.View().Instances.Len(); n != 0 {
		t.Errorf("%d instances without an address", n)
	}
	for a := range w.store.View().Activities.All() {
		if want := "There is no address for a new instance: too many instances are simulated.  Launching EC2 " +
			"instance failed."; a.Status != fleet.ActivityFailed || a.StatusMessage != want {
			t.Errorf("the activity is %s: %q", a.Status, a.StatusMessage)
		}
		return
	}
	t.Error("there is no activity")
}
