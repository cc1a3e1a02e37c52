package service

import (
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/deploy"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// BenchmarkStepAfterALoss measures the step of a service with 15,000 tasks on 1,000 instances after one instance was
// removed, and the step of the same service with nothing to do.
func BenchmarkStepAfterALoss(b *testing.B) {
	const instances, each = 1000, 15
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	store, err := state.Open(b.Context(), mem.New(), logger)
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	now := time.Now()
	err = store.Update(b.Context(), func(tx *state.Tx) error {
		tx.Clusters.Put(&ecs.Cluster{ClusterARN: clusterARN, ClusterName: "c", Status: ecs.ClusterActive})
		d := &ecs.TaskDefinition{TaskDefinitionARN: definition(1), Family: "web", Revision: 1,
			Status: ecs.TaskDefinitionActive, NetworkMode: ecs.NetworkBridge,
			ContainerDefinitions: []ecs.ContainerDefinition{{Name: "web", CPU: 16, Memory: 16, Essential: true}}}
		d.Complete()
		d.RequiresAttributes = nil
		tx.TaskDefinitions.Put(d)
		s := &ecs.Service{ServiceARN: serviceARN, ServiceName: "web", ClusterARN: clusterARN,
			Status: ecs.ServiceActive, SchedulingStrategy: ecs.Replica, DesiredCount: instances * each,
			DeploymentConfiguration: ecs.DeploymentConfiguration{MinimumHealthyPercent: 100, MaximumPercent: 200}}
		tx.Services.Put(s)
		rev := ecs.ServiceRevision{TaskDefinition: definition(1), LaunchType: "EC2"}
		deploy.Start(tx, s, rev, deploy.IDs{Revision: "1", Deployment: "sd-1"}, now)
		for i := range instances {
			on := instanceARN(fmt.Sprint(i))
			tx.ContainerInstances.Put(&ecs.ContainerInstance{ContainerInstanceARN: on, ClusterARN: clusterARN,
				Status: ecs.InstanceActive, AgentConnected: true,
				Registered: ecs.Resources{CPU: 16000, Memory: 16000, PortsTCP: []int{22, 2375, 2376, 51678, 51679}},
				Attributes: []ecs.Attribute{{Name: ecs.AttributeZone, Value: fmt.Sprint("us-east-1", i%3)}}})
			for k := range each {
				tx.Tasks.Put(&ecs.Task{TaskARN: fmt.Sprintf("arn:aws:ecs:us-east-1:123456789012:task/c/%d-%d", i, k),
					ClusterARN: clusterARN, ServiceARN: serviceARN, StartedBy: "ecs-svc/1", Group: "service:web",
					ContainerInstanceARN: on, LastStatus: ecs.Running, DesiredStatus: ecs.Running, WasHealthy: true,
					Need: ecs.Resources{CPU: 16, Memory: 16}, CreatedAt: now, StartedAt: now})
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	controller := New(usual)
	env := control.System(store, logger)
	if _, err := control.Planned(env, controller).Reconcile(b.Context(), serviceARN); err != nil {
		b.Fatal(err)
	}
	settled := store.View()
	moment := control.Moment{Now: now.Add(time.Hour), Random: zeros{}}
	step := func(tx *state.Tx) error {
		_, err := controller.Step(tx, serviceARN, moment)
		return err
	}
	b.Run("settled", func(b *testing.B) {
		for b.Loop() {
			_, err = settled.Draft(step)
		}
	})
	b.Run("lost", func(b *testing.B) {
		for b.Loop() {
			_, err = settled.Draft(func(tx *state.Tx) error {
				for t := range tx.Tasks.By(state.TasksByInstance, instanceARN("7")) {
					tx.Tasks.Put(t.Ended(ecs.TerminationNotice, "gone", moment.Now))
				}
				return step(tx)
			})
		}
	})
	if err != nil {
		b.Fatal(err)
	}
}

// zeros is a source of random bytes that are all zero.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
