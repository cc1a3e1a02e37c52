package reap

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/deploy"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

const (
	taskARN       = "arn:aws:ecs:us-east-1:123456789012:task/c/1"
	definitionARN = "arn:aws:ecs:us-east-1:123456789012:task-definition/f:1"
	serviceARN    = "arn:aws:ecs:us-east-1:123456789012:service/c/s"
	clusterARN    = "arn:aws:ecs:us-east-1:123456789012:cluster/c"
	instanceARN   = "arn:aws:ecs:us-east-1:123456789012:container-instance/c/i"
)

// forgetting runs script while the controller runs, in a synctest bubble. put changes the store.
func forgetting(t *testing.T, script func(t *testing.T, store *state.Store, put func(func(*state.Tx)))) {
	synctest.Test(t, func(t *testing.T) {
		store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			env := control.System(store, slog.New(slog.DiscardHandler))
			done <- control.New(env, "reap", 1, control.Planned(env, Controller{})).Run(ctx)
		}()
		script(t, store, func(fn func(*state.Tx)) {
			t.Helper()
			if err := store.Update(ctx, func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
				t.Fatal(err)
			}
		})
		cancel()
		<-done
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}

// progress returns the progress of a service with deployments of these task definitions.
func progress(definitions ...string) *ecs.ServiceProgress {
	p := &ecs.ServiceProgress{ServiceARN: serviceARN}
	for _, d := range definitions {
		p.Deployments = append(p.Deployments, ecs.Deployment{Revision: ecs.ServiceRevision{TaskDefinition: d}})
	}
	return p
}

// A stopped task can be described for an hour (ecs.md 1.5.5). A task definition that was deleted is removed when
// nothing uses it (1.4.2).
func TestWhatIsOverIsForgottenInTime(t *testing.T) {
	forgetting(t, func(t *testing.T, store *state.Store, put func(func(*state.Tx))) {
		now := time.Now()
		put(func(tx *state.Tx) {
			tx.Tasks.Put(&ecs.Task{TaskARN: taskARN, TaskDefinitionARN: definitionARN,
				LastStatus: ecs.Stopped, DesiredStatus: ecs.Stopped, StoppedAt: now})
			tx.TaskDefinitions.Put(&ecs.TaskDefinition{
				TaskDefinitionARN: definitionARN, Status: ecs.TaskDefinitionDeleteInProgress,
			})
			tx.Services.Put(&ecs.Service{ServiceARN: serviceARN, Status: ecs.ServiceInactive, DeletedAt: now})
			tx.ServiceProgress.Put(progress(definitionARN))
			tx.ServiceEvents.Put(&ecs.Event{ServiceARN: serviceARN, Sequence: 1})
			tx.Clusters.Put(&ecs.Cluster{ClusterARN: clusterARN, Status: ecs.ClusterInactive, DeletedAt: now})
			tx.ContainerInstances.Put(&ecs.ContainerInstance{
				ContainerInstanceARN: instanceARN, Status: ecs.InstanceInactive, DeregisteredAt: now,
			})
		})
		left := func() int {
			s := store.View()
			return s.Tasks.Len() + s.TaskDefinitions.Len() + s.Services.Len() + s.ServiceProgress.Len() +
				s.ServiceEvents.Len() + s.Clusters.Len() + s.ContainerInstances.Len()
		}
		for _, step := range []struct {
			after time.Duration
			want  int
		}{{59 * time.Minute, 7}, {2 * time.Minute, 0}} {
			time.Sleep(step.after)
			synctest.Wait()
			if got := left(); got != step.want {
				t.Errorf("%d things are left %v after the start, want %d", got, time.Since(now), step.want)
			}
		}
	})
}

// A deleted task definition is removed when no deployment uses it any more, whether or not the deployment had
// tasks (ecs.md 1.4.2).
func TestDefinitionGoesWithItsDeployment(t *testing.T) {
	forgetting(t, func(t *testing.T, store *state.Store, put func(func(*state.Tx))) {
		const other = definitionARN + "2"
		service := func(definitions ...string) {
			put(func(tx *state.Tx) {
				tx.Services.Put(&ecs.Service{ServiceARN: serviceARN, Status: ecs.ServiceActive})
				tx.ServiceProgress.Put(progress(definitions...))
			})
			synctest.Wait()
		}
		service(definitionARN)
		put(func(tx *state.Tx) {
			tx.TaskDefinitions.Put(&ecs.TaskDefinition{
				TaskDefinitionARN: definitionARN, Status: ecs.TaskDefinitionDeleteInProgress,
			})
			tx.TaskDefinitions.Put(&ecs.TaskDefinition{TaskDefinitionARN: other, Status: ecs.TaskDefinitionActive})
		})
		service(other, definitionARN)
		if n := store.View().TaskDefinitions.Len(); n != 2 {
			t.Errorf("%d definitions while both are in use", n)
		}
		service(other)
		if _, ok := store.View().TaskDefinitions.Get(definitionARN); ok {
			t.Error("the definition is still there after its deployment has ended")
		}
		service()
		if _, ok := store.View().TaskDefinitions.Get(other); !ok {
			t.Error("a definition was removed that was not deleted by a call")
		}
	})
}

// Service deployments are stored for 90 days, and the latest one as long as the service exists (ecs.md 3.6).
func TestServiceDeploymentsAreForgotten(t *testing.T) {
	forgetting(t, func(t *testing.T, store *state.Store, put func(func(*state.Tx))) {
		service := &ecs.Service{ServiceARN: serviceARN, Status: ecs.ServiceActive}
		start := func(id string) {
			put(func(tx *state.Tx) {
				deploy.Start(tx, service, ecs.ServiceRevision{}, deploy.IDs{Revision: id, Deployment: id}, time.Now())
			})
		}
		put(func(tx *state.Tx) { tx.Services.Put(service) })
		start("1")
		start("2") // stops the first one
		for _, step := range []struct {
			after time.Duration
			want  int
		}{{89 * 24 * time.Hour, 2}, {25 * time.Hour, 1}, {1000 * 24 * time.Hour, 1}} {
			time.Sleep(step.after)
			synctest.Wait()
			if n := store.View().ServiceDeployments.Len(); n != step.want {
				t.Errorf("%d service deployments, want %d", n, step.want)
			}
		}
	})
}

// The row of a deregistered instance stays while one of its tasks waits for a load balancer. Without the row
// the task would never end.
func TestInstanceOutlivesItsTasks(t *testing.T) {
	forgetting(t, func(t *testing.T, store *state.Store, put func(func(*state.Tx))) {
		task := ecs.Task{TaskARN: taskARN, ContainerInstanceARN: instanceARN, LastStatus: ecs.Deactivating,
			DesiredStatus: ecs.Stopped}
		put(func(tx *state.Tx) {
			tx.ContainerInstances.Put(&ecs.ContainerInstance{
				ContainerInstanceARN: instanceARN, Status: ecs.InstanceInactive, DeregisteredAt: time.Now(),
			})
			tx.Tasks.Put(&task)
		})
		time.Sleep(2 * time.Hour)
		if store.View().ContainerInstances.Len() != 1 {
			t.Error("the instance was removed before its task")
		}
		ended := *task.Ended(ecs.TerminationNotice, "over", time.Now())
		put(func(tx *state.Tx) { tx.Tasks.Put(&ended) })
		time.Sleep(2 * time.Minute)
		if store.View().ContainerInstances.Len() != 0 {
			t.Error("the instance was not removed after its task")
		}
	})
}

// Rows in use are never removed, however old they are.
func TestNothingThatLivesIsForgotten(t *testing.T) {
	store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	err = store.Update(t.Context(), func(tx *state.Tx) error {
		tx.Tasks.Put(&ecs.Task{TaskARN: taskARN, LastStatus: ecs.Stopping, DesiredStatus: ecs.Stopped,
			TaskDefinitionARN: definitionARN})
		tx.TaskDefinitions.Put(&ecs.TaskDefinition{
			TaskDefinitionARN: definitionARN, Status: ecs.TaskDefinitionDeleteInProgress,
		})
		tx.Services.Put(&ecs.Service{ServiceARN: serviceARN, Status: ecs.ServiceDraining})
		tx.Clusters.Put(&ecs.Cluster{ClusterARN: clusterARN, Status: ecs.ClusterActive})
		tx.ContainerInstances.Put(&ecs.ContainerInstance{
			ContainerInstanceARN: instanceARN, Status: ecs.InstanceDraining,
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	env := control.System(store, slog.New(slog.DiscardHandler))
	env.Now = func() time.Time { return time.Now().Add(1000 * time.Hour) }
	c := control.Planned(env, Controller{})
	before := store.View().Rev
	for _, key := range []Key{{task, taskARN}, {definition, definitionARN}, {service, serviceARN},
		{cluster, clusterARN}, {instance, instanceARN}} {
		if again, err := c.Reconcile(t.Context(), key); again != 0 || err != nil {
			t.Errorf("%s: %v, %v", key, again, err)
		}
	}
	if after := store.View().Rev; after != before {
		t.Error("a row in use was removed")
	}
}

// The history of alarms is stored for two weeks, also after the alarm was deleted (ecs.md 7.5).
func TestHistoryOfAlarmsIsForgottenInTime(t *testing.T) {
	forgetting(t, func(t *testing.T, store *state.Store, put func(func(*state.Tx))) {
		item := func(arn string) {
			put(func(tx *state.Tx) { tx.AddAlarmHistory(&alarm.HistoryItem{ARN: arn, At: time.Now()}) })
		}
		item("a")
		time.Sleep(24 * time.Hour)
		item("a")
		item("b")
		for _, step := range []struct {
			after time.Duration
			want  int
		}{
			{13*24*time.Hour - time.Minute, 3}, {2 * time.Minute, 2}, {24*time.Hour - 2*time.Minute, 2},
			{time.Minute, 0},
		} {
			time.Sleep(step.after)
			synctest.Wait()
			if got := store.View().AlarmHistory.Len(); got != step.want {
				t.Errorf("%d items at %v, want %d", got, time.Now(), step.want)
			}
		}
	})
}
