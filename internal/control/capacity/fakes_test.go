package capacity

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

const (
	region, account = "us-east-1", "123456789012"
	prefix          = "arn:aws:ecs:us-east-1:123456789012:"
	clusterARN      = prefix + "cluster/c"
	definitionARN   = prefix + "task-definition/web:1"
)

// stage is a store with a cluster, a capacity provider p of the group g, and a task definition of 512 CPU units and 512
// MiB. It has the controller beside it, in a synctest bubble. Tests play the group, its instances and their agents.
type stage struct {
	t     *testing.T
	store *state.Store
	ctx   context.Context
	tasks int

	mu         sync.Mutex
	points     []string
	namespaces map[string]bool // of the points
}

// Put implements Points.
func (s *stage) Put(_ time.Time, data []meter.Datum) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range data {
		s.namespaces[d.Metric.Namespace] = true
		s.points = append(s.points, fmt.Sprintf("%s %s %v", d.At.Format("15:04"), d.Metric.Name, d.Summary.Sum))
	}
	return nil
}

// play runs a script in a bubble with the controller.
func play(t *testing.T, script func(s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		s := &stage{t: t, store: store, ctx: ctx, namespaces: map[string]bool{}}
		s.put(s.setting)
		done := make(chan error)
		go func() {
			done <- New(control.System(store, slog.New(slog.DiscardHandler)), s, scaling.PaceOfAWS).Run(ctx)
		}()
		synctest.Wait()
		script(s)
		cancel()
		<-done
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}

func (s *stage) setting(tx *state.Tx) {
	g := &fleet.AutoScalingGroup{Name: "g", ID: "1", Region: region, Account: account, Max: 10,
		Launch: fleet.LaunchSource{Configuration: "small"}}
	tx.LaunchConfigurations.Put(&fleet.LaunchConfiguration{Name: "small", Region: region, Account: account,
		Data: fleet.LaunchData{InstanceType: "t3.micro"}})
	tx.AutoScalingGroups.Put(g)
	tx.CapacityProviders.Put(&ecs.CapacityProvider{CapacityProviderARN: ecs.ProviderARN(clusterARN, "p"), Name: "p",
		Status: ecs.CapacityProviderActive, PolicyID: "policy", HighID: "high", LowID: "low",
		AutoScalingGroupProvider: ecs.AutoScalingGroupProvider{AutoScalingGroupARN: g.ARN(),
			ManagedScaling: ecs.ManagedScaling{Status: ecs.Enabled, TargetCapacity: 100, MinimumScalingStepSize: 1,
				MaximumScalingStepSize: 10000, InstanceWarmupPeriod: 300}}})
	tx.Clusters.Put(&ecs.Cluster{ClusterARN: clusterARN, ClusterName: "c", Status: ecs.ClusterActive,
		CapacityProviders: []string{"p"}})
	tx.TaskDefinitions.Put(&ecs.TaskDefinition{TaskDefinitionARN: definitionARN, Family: "web", NetworkMode: "bridge",
		ContainerDefinitions: []ecs.ContainerDefinition{{Name: "web", CPU: 512, Memory: 512, Essential: true}}})
}

// put changes the store and waits until the controller has nothing to do.
func (s *stage) put(fn func(tx *state.Tx)) {
	s.t.Helper()
	if err := s.store.Update(s.ctx, func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		s.t.Fatal(err)
	}
	synctest.Wait()
}

// wait lets time pass.
func (s *stage) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// ask makes tasks that wait for the capacity provider, as RunTask and control/service do, and returns their ARNs.
func (s *stage) ask(n int, edit ...func(*ecs.Task)) (arns []string) {
	s.t.Helper()
	s.put(func(tx *state.Tx) {
		for range n {
			s.tasks++
			t := &ecs.Task{TaskARN: fmt.Sprintf("%stask/c/%03d", prefix, s.tasks), ClusterARN: clusterARN,
				TaskDefinitionARN: definitionARN, Group: "service:web", ServiceARN: prefix + "service/c/web",
				CapacityProviderName: "p", LaunchType: "EC2", Need: ecs.Resources{CPU: 512, Memory: 512},
				LastStatus: ecs.Provisioning, DesiredStatus: ecs.Running, CreatedAt: time.Now(),
				Waiting: &ecs.Placement{}, Version: 1}
			for _, e := range edit {
				e(t)
			}
			tx.Tasks.Put(t)
			arns = append(arns, t.TaskARN)
		}
	})
	return arns
}

// register adds a container instance of 1024 CPU units, as dispatch does.
func (s *stage) register(name, provider string, edit ...func(*ecs.ContainerInstance)) string {
	s.t.Helper()
	ci := &ecs.ContainerInstance{ContainerInstanceARN: prefix + "container-instance/c/" + name, ClusterARN: clusterARN,
		EC2InstanceID: name, Status: ecs.InstanceActive, AgentConnected: true, CapacityProviderName: provider,
		Registered: ecs.Resources{CPU: 1024, Memory: 2048},
		Attributes: []ecs.Attribute{{Name: ecs.AttributeZone, Value: "us-east-1a"}}}
	for _, e := range edit {
		e(ci)
	}
	s.put(func(tx *state.Tx) { tx.ContainerInstances.Put(ci) })
	return ci.ContainerInstanceARN
}

// end makes a task end, as its agent does.
func (s *stage) end(arn string) {
	s.t.Helper()
	s.put(func(tx *state.Tx) {
		t, _ := tx.Tasks.Get(arn)
		tx.Tasks.Put(t.Ended(ecs.EssentialContainerExited, "Essential container in task exited", time.Now()))
	})
}

func (s *stage) task(arn string) *ecs.Task {
	s.t.Helper()
	t, ok := s.store.View().Tasks.Get(arn)
	if !ok {
		s.t.Fatalf("there is no task %s", arn)
	}
	return t
}

// on returns the names of the instances of tasks; "-" for one that waits.
func (s *stage) on(arns ...string) (names []string) {
	for _, a := range arns {
		t := s.task(a)
		name := "-"
		if ci, ok := s.store.View().ContainerInstances.Get(t.ContainerInstanceARN); ok {
			name = ci.EC2InstanceID
		}
		names = append(names, name)
	}
	return names
}

func (s *stage) expect(arns []string, want ...string) {
	s.t.Helper()
	if got := s.on(arns...); fmt.Sprint(got) != fmt.Sprint(want) {
		s.t.Errorf("the tasks are on %v, want %v", got, want)
	}
}

// published returns the points since the last call.
func (s *stage) published() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.points
	s.points = nil
	return all
}
