package server

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/machine"
	"github.com/berthhq/berth/internal/state"
)

// elsewhere is a machine.Site without machines: its instances are names in a map, with addresses of
// a network that this machine is not in.
type elsewhere struct {
	reports chan machine.Report

	mu      sync.Mutex
	running map[string]bool // by id; false after an instance was stopped and before it is removed
}

func (e *elsewhere) NextAddress(taken fleet.AddressSet) (netip.Addr, error) {
	a := netip.MustParseAddr("203.0.113.1")
	for taken.Contains(a) {
		a = a.Next()
	}
	return a, nil
}

func (e *elsewhere) Start(_ context.Context, in *fleet.Instance) error {
	e.set(in.ID, true)
	e.reports <- machine.Report{ID: in.ID, Status: fleet.MachineStatus{Phase: fleet.PhaseUp, Since: time.Now()}}
	return nil
}

func (e *elsewhere) Stop(_ context.Context, id string) error { e.set(id, false); return nil }

func (e *elsewhere) Forget(_ context.Context, id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.running, id)
	return nil
}

func (e *elsewhere) set(id string, runs bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running[id] = runs
}

func (e *elsewhere) count() (running, known int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, runs := range e.running {
		if runs {
			running++
		}
	}
	return running, len(e.running)
}

func (e *elsewhere) Next(ctx context.Context) (machine.Report, error) {
	select {
	case r := <-e.reports:
		return r, nil
	case <-ctx.Done():
		return machine.Report{}, context.Cause(ctx)
	}
}

func (e *elsewhere) Busy(string) []netip.Prefix { return nil }

func (e *elsewhere) ConsoleOutput(string) ([]byte, time.Time, error) { return nil, time.Time{}, nil }

func (e *elsewhere) Run(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }

func (e *elsewhere) Clean(_ context.Context, keep func(string) bool, dead func()) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id := range e.running {
		if !keep(id) {
			delete(e.running, id)
		}
	}
	dead()
	return nil
}

// Another machine.Site can replace that of this machine, from a group's desired capacity to a reset. Nothing of this
// machine is used for its instances.
func TestInstancesRunElsewhere(t *testing.T) {
	site := &elsewhere{reports: make(chan machine.Report, 100), running: map[string]bool{}}
	s := run(t, func(c *Config) { c.Machines = site })
	query := func(service, version, action string, args ...string) string {
		t.Helper()
		form := url.Values{"Action": {action}, "Version": {version}}
		for i := 0; i < len(args); i += 2 {
			form.Set(args[i], args[i+1])
		}
		body := form.Encode()
		code, answer := do(t, s, "POST", "/", body, func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			sign(s, service, body)(r)
		})
		if code != http.StatusOK {
			t.Fatalf("%s = %d %s", action, code, answer)
		}
		return answer
	}
	const autoscaling = "2011-01-01"
	query("autoscaling", autoscaling, "CreateLaunchConfiguration", "LaunchConfigurationName", "lc",
		"ImageId", fleet.Images("us-east-1")[0].ID, "InstanceType", "t2.micro")
	query("autoscaling", autoscaling, "CreateAutoScalingGroup", "AutoScalingGroupName", "g",
		"LaunchConfigurationName", "lc", "MinSize", "0", "MaxSize", "3", "DesiredCapacity", "2",
		"AvailabilityZones.member.1", "us-east-1a")
	settle(t, s, "two in service", func(v *state.Snapshot) bool {
		up := 0
		for i := range v.Instances.All() {
			if i.Scaling.Lifecycle == fleet.LifecycleInService && i.Machine.Phase == fleet.PhaseUp {
				up++
			}
		}
		return up == 2
	})
	if runs, _ := site.count(); runs != 2 {
		t.Errorf("%d run", runs)
	}
	described := query("ec2", "2016-11-15", "DescribeInstances")
	for _, address := range []string{"203.0.113.1<", "203.0.113.2<"} {
		if !strings.Contains(described, address) {
			t.Errorf("%s is not described", address)
		}
	}
	if entries, err := os.ReadDir(filepath.Join(s.dir.Path, "instances")); err == nil && len(entries) > 0 {
		t.Errorf("this machine has %v", entries)
	}
	query("autoscaling", autoscaling, "SetDesiredCapacity", "AutoScalingGroupName", "g", "DesiredCapacity", "1")
	settle(t, s, "one in service", func(v *state.Snapshot) bool {
		runs, _ := site.count()
		for i := range v.Instances.All() {
			if i.State == fleet.Terminated {
				return runs == 1
			}
		}
		return false
	})
	if err := s.Reset(t.Context(), func() {}); err != nil {
		t.Error(err)
	}
	if _, known := site.count(); known != 0 {
		t.Errorf("after a reset %d are known", known)
	}
}

// settle waits until a condition on the state is true. It looks at each change.
func settle(t *testing.T, s *Server, what string, ok func(*state.Snapshot) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	sub := state.Subscribe(s.store, func(state.Change, *state.Snapshot) []int { return []int{1} })
	defer sub.Close()
	for !ok(s.store.View()) {
		if _, err := sub.Next(ctx); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
}
