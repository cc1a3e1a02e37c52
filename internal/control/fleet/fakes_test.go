package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/machine"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// fakeDriver starts machines in two seconds and stops them in one. Tests can make it fail.
type fakeDriver struct {
	reports chan machine.Report

	mu      sync.Mutex
	running map[string]bool
	starts  []string
	forgot  []string
	broken  error        // every Start fails with it
	stuck   func() error // every Stop fails with its result, if it is not nil
}

func newFakeDriver() *fakeDriver {
	return &fakeDriver{reports: make(chan machine.Report, 100), running: map[string]bool{}}
}

func (f *fakeDriver) NextAddress(taken fleet.AddressSet) (netip.Addr, error) {
	a, _ := new(fleet.Block).NextAddress(taken, nil)
	return a, nil
}

func (f *fakeDriver) Start(ctx context.Context, in *fleet.Instance) error {
	f.mu.Lock()
	f.starts = append(f.starts, in.ID)
	broken, runs := f.broken, f.running[in.ID]
	f.mu.Unlock()
	if broken != nil || runs {
		return broken
	}
	select {
	case <-time.After(2 * time.Second):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running[in.ID] = true
	f.reports <- machine.Report{ID: in.ID, Status: fleet.MachineStatus{Phase: fleet.PhaseUp, Since: time.Now()}}
	return nil
}

func (f *fakeDriver) Stop(ctx context.Context, id string) error {
	time.Sleep(time.Second)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stuck != nil {
		return f.stuck()
	}
	delete(f.running, id)
	return nil
}

func (f *fakeDriver) Forget(ctx context.Context, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgot = append(f.forgot, id)
	return nil
}

func (f *fakeDriver) Next(ctx context.Context) (machine.Report, error) {
	select {
	case r := <-f.reports:
		return r, nil
	case <-ctx.Done():
		return machine.Report{}, context.Cause(ctx)
	}
}

func (f *fakeDriver) die(id string) {
	f.reports <- machine.Report{ID: id, Status: fleet.MachineStatus{
		Phase: fleet.PhaseFailed, Reason: "exit code 5", Since: time.Now(),
	}}
}

func (f *fakeDriver) breakWith(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = err
}

func (f *fakeDriver) stickWith(stuck func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stuck = stuck
}

func (f *fakeDriver) runs() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.running)
}

// world is a store with a launch configuration, a driver and a controller that runs.
type world struct {
	t      *testing.T
	store  *state.Store
	driver *fakeDriver
	stop   func()
}

const (
	region  = "us-east-1"
	account = "123456789012"
)

var groupKey = fleet.Key(region, account, "g")

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: s, driver: newFakeDriver()}
	w.update(func(tx *state.Tx) {
		tx.LaunchConfigurations.Put(&fleet.LaunchConfiguration{Name: "lc", Region: region, Account: account,
			CreatedAt: time.Now(),
			Data:      fleet.LaunchData{InstanceType: "t2.micro", ImageID: "ami-0123456789abcdef0"}})
	})
	w.run()
	return w
}

// run starts the controller; stop ends it.
func (w *world) run() {
	ctx, cancel := context.WithCancelCause(context.Background())
	var running sync.WaitGroup
	c := New(control.System(w.store, slog.New(slog.DiscardHandler)), w.driver, w.driver, scaling.PaceOfAWS)
	running.Go(func() { c.Run(ctx) })
	w.stop = func() { cancel(errors.New("test over")); running.Wait() }
}

func (w *world) close() {
	w.stop()
	w.store.Close()
}

func (w *world) update(fn func(*state.Tx)) {
	w.t.Helper()
	if err := w.store.Update(context.Background(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) group(change func(*fleet.AutoScalingGroup)) {
	w.t.Helper()
	w.update(func(tx *state.Tx) {
		g := &fleet.AutoScalingGroup{Name: "g", ID: "uuid", Region: region, Account: account, Max: 10,
			Zones: []string{"us-east-1a", "us-east-1b"}, Launch: fleet.LaunchSource{Configuration: "lc"},
			Policies: []string{fleet.PolicyDefault}}
		if old, ok := tx.AutoScalingGroups.Get(groupKey); ok {
			g = old.Clone()
		}
		change(g)
		tx.AutoScalingGroups.Put(g)
	})
}

func (w *world) want(n int) {
	w.t.Helper()
	w.group(func(g *fleet.AutoScalingGroup) {
		g.Note = fleet.NoteExplicit(time.Now(), g.Desired, n)
		g.Desired = n
	})
}

func (w *world) change(id string, change func(*fleet.Instance)) {
	w.t.Helper()
	w.update(func(tx *state.Tx) {
		i, ok := tx.Instances.Get(fleet.InstanceARN(region, account, id))
		if !ok {
			w.t.Fatalf("no instance %s", id)
		}
		c := i.Clone()
		change(c)
		tx.Instances.Put(c)
	})
}

// after lets d pass and waits until all goroutines are idle.
func (w *world) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// members returns the group's instances by zone and id.
func (w *world) members() []*fleet.Instance {
	m := slices.Collect(w.store.View().Instances.By(state.InstancesByAutoScalingGroup, groupKey))
	slices.SortFunc(m, func(a, b *fleet.Instance) int { return strings.Compare(a.Zone+a.ID, b.Zone+b.ID) })
	return m
}

// inService counts the group's instances in service by zone: "a2 b1".
func (w *world) inService() string {
	zones := map[string]int{}
	for _, m := range w.members() {
		if m.Scaling.Lifecycle == fleet.LifecycleInService && m.State == fleet.Running {
			zones[m.Zone[len(m.Zone)-1:]]++
		}
	}
	var parts []string
	for _, z := range []string{"a", "b", "c"} {
		if zones[z] > 0 {
			parts = append(parts, fmt.Sprint(z, zones[z]))
		}
	}
	return strings.Join(parts, " ")
}

func (w *world) activities() []*fleet.Activity {
	return slices.Collect(w.store.View().Activities.Prefix(fleet.ActivityPrefix(region, account, "g")))
}

// transcript returns all activities of the group, without ids and times.
func (w *world) transcript() string {
	var b strings.Builder
	for _, a := range w.activities() {
		line := fmt.Sprintf("%s | %s | %s\n", a.Status, a.Description, a.Cause)
		if a.Instance != "" {
			line = strings.ReplaceAll(line, a.Instance, "ID")
		}
		b.WriteString(line)
	}
	return b.String()
}
