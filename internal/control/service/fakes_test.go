package service

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/deploy"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

const (
	clusterARN = "arn:aws:ecs:us-east-1:123456789012:cluster/c"
	serviceARN = "arn:aws:ecs:us-east-1:123456789012:service/c/web"
)

// world is a cluster with a store, the controller and one agent for all instances, in a synctest bubble.
type world struct {
	t       *testing.T
	config  Config
	journal *mem.Journal
	store   *state.Store
	end     func()
	// fails reports whether a task that is about to run ends instead.
	fails func(*ecs.Task) bool
	// lives returns how long after its start a task exits by itself; 0 means never.
	lives func(*ecs.Task) time.Duration
	// revision is the revision of deployments, except for their task definitions.
	revision ecs.ServiceRevision
	// targets are those that a task is registered as when it runs.
	targets []ecs.TaskTarget
}

// usual has the times that the server uses.
var usual = Config{HealthyAfter: time.Second, RetryBase: 2 * time.Second, PlaceAgain: 10 * time.Second,
	StableAfter: 40 * time.Second}

// run makes a world and runs script in it.
func run(t *testing.T, script func(w *world)) { runWith(t, usual, script) }

func runWith(t *testing.T, config Config, script func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, config: config, journal: mem.New(), fails: func(*ecs.Task) bool { return false },
			lives: func(*ecs.Task) time.Duration { return 0 }}
		w.begin()
		w.put(func(tx *state.Tx) {
			tx.Clusters.Put(&ecs.Cluster{ClusterARN: clusterARN, ClusterName: "c", Status: ecs.ClusterActive})
			for _, rev := range []int{1, 2} {
				d := &ecs.TaskDefinition{Family: "web", Revision: rev, Status: ecs.TaskDefinitionActive,
					NetworkMode:       ecs.NetworkBridge,
					TaskDefinitionARN: definition(rev),
					ContainerDefinitions: []ecs.ContainerDefinition{{Name: "web", Image: "web", CPU: 256,
						Memory: 256, Essential: true, PortMappings: []ecs.PortMapping{{ContainerPort: 80}}}}}
				d.Complete()
				d.RequiresAttributes = nil
				tx.TaskDefinitions.Put(d)
			}
		})
		script(w)
		w.end()
	})
}

// begin opens the store and starts the controller and the agents.
func (w *world) begin() {
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	store, err := state.Open(w.t.Context(), w.journal, logger)
	if err != nil {
		w.t.Fatal(err)
	}
	w.store = store
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 2)
	env := control.System(store, logger)
	go func() { done <- control.New(env, "service", 2, control.Planned(env, New(w.config))).Run(ctx) }()
	go func() { done <- control.New(env, "agent", 4, agent{w}).Run(ctx) }()
	w.end = func() {
		cancel()
		<-done
		<-done
		if err := store.Close(); err != nil {
			w.t.Error(err)
		}
	}
}

// restart ends the server and begins another on the same journal after a while.
func (w *world) restart(after time.Duration) {
	w.end()
	w.journal = w.journal.Reopen()
	time.Sleep(after)
	w.begin()
}

func definition(rev int) string {
	return fmt.Sprintf("arn:aws:ecs:us-east-1:123456789012:task-definition/web:%d", rev)
}

func (w *world) put(fn func(tx *state.Tx)) {
	w.t.Helper()
	if err := w.store.Update(w.t.Context(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		w.t.Fatal(err)
	}
}

func instanceARN(id string) string {
	return "arn:aws:ecs:us-east-1:123456789012:container-instance/c/" + id
}

// changeInstance changes a container instance.
func (w *world) changeInstance(id string, fn func(*ecs.ContainerInstance)) {
	w.put(func(tx *state.Tx) {
		ci, _ := tx.ContainerInstances.Get(instanceARN(id))
		n := *ci
		fn(&n)
		tx.ContainerInstances.Put(&n)
	})
}

// connected sets whether the instance's agent is connected.
func (w *world) connected(id string, yes bool) {
	w.changeInstance(id, func(ci *ecs.ContainerInstance) { ci.AgentConnected = yes })
}

// instance adds a container instance of 1024 CPU units and 4096 MiB.
func (w *world) instance(id, zone string) {
	w.put(func(tx *state.Tx) {
		tx.ContainerInstances.Put(&ecs.ContainerInstance{
			ContainerInstanceARN: instanceARN(id), ClusterARN: clusterARN, Status: ecs.InstanceActive,
			AgentConnected: true, Registered: ecs.Resources{CPU: 1024, Memory: 4096},
			Attributes: []ecs.Attribute{{Name: ecs.AttributeZone, Value: zone}},
		})
	})
}

// service makes the service, with a deployment of the first revision.
func (w *world) service(desired int, edit func(*ecs.Service)) {
	s := &ecs.Service{
		ServiceARN: serviceARN, ServiceName: "web", ClusterARN: clusterARN, Status: ecs.ServiceActive,
		SchedulingStrategy: ecs.Replica, LaunchType: "EC2", DesiredCount: desired, CreatedAt: time.Now(),
		DeploymentConfiguration: ecs.DeploymentConfiguration{MinimumHealthyPercent: 100, MaximumPercent: 200},
	}
	if edit != nil {
		edit(s)
	}
	w.put(func(tx *state.Tx) { tx.Services.Put(s) })
	w.start("1", definition(1))
}

// deploy starts a deployment of the second revision.
func (w *world) deploy() { w.start("2", definition(2)) }

// start starts the deployment ecs-svc/ID of a task definition.
func (w *world) start(id, definition string) {
	w.put(func(tx *state.Tx) {
		s, _ := tx.Services.Get(serviceARN)
		rev := w.revision
		rev.TaskDefinition, rev.LaunchType = definition, s.LaunchType
		deploy.Start(tx, s, rev, deploy.IDs{Revision: id, Deployment: "sd-" + id}, time.Now())
	})
}

func (w *world) change(edit func(*ecs.Service)) {
	w.put(func(tx *state.Tx) {
		s, _ := tx.Services.Get(serviceARN)
		n := *s
		edit(&n)
		tx.Services.Put(&n)
	})
}

// get returns how far the service has come.
func (w *world) get() *ecs.ServiceProgress {
	p, ok := w.store.View().ServiceProgress.Get(serviceARN)
	if !ok {
		w.t.Fatal("the service is gone")
	}
	return p
}

// wanted returns the service's row, which has what users request.
func (w *world) wanted() *ecs.Service {
	s, ok := w.store.View().Services.Get(serviceARN)
	if !ok {
		w.t.Fatal("the service is gone")
	}
	return s
}

// running counts RUNNING tasks by the result of key.
func (w *world) running(key func(*ecs.Task) string) map[string]int {
	n := make(map[string]int)
	for t := range w.store.View().Tasks.By(state.TasksByService, serviceARN) {
		if t.LastStatus == ecs.Running {
			n[key(t)]++
		}
	}
	return n
}

// exit ends a task as if its program had ended.
func (w *world) exit(t *ecs.Task) {
	w.put(func(tx *state.Tx) {
		tx.Tasks.Put(t.Ended(ecs.EssentialContainerExited, "Essential container in task exited", time.Now()))
	})
}

func (w *world) events() []string {
	var out []string
	for e := range w.store.View().ServiceEvents.By(state.ServiceEventsByService, serviceARN) {
		out = append(out, e.Message)
	}
	return out
}

// agent acts as the agents of all instances: a task runs one second after it was placed, and has stopped one second
// after it should.
type agent struct{ w *world }

func (a agent) Keys(c state.Change, _ *state.Snapshot) []string {
	if t, ok := c.(state.Changed[ecs.Task]); ok && t.New != nil {
		return []string{t.Key}
	}
	return nil
}

// All returns every task, because some may have been placed before the loop of the agents subscribed.
func (a agent) All(s *state.Snapshot) []string {
	var keys []string
	for t := range s.Tasks.All() {
		keys = append(keys, t.TaskARN)
	}
	return keys
}

func (a agent) Reconcile(ctx context.Context, key string) (time.Duration, error) {
	t, ok := a.w.store.View().Tasks.Get(key)
	if !ok || t.LastStatus == ecs.Stopped {
		return 0, nil
	}
	began, wait := t.CreatedAt, time.Second
	switch {
	case t.DesiredStatus == ecs.Stopped:
		began = t.StoppingAt
	case t.LastStatus == ecs.Running:
		began, wait = t.StartedAt, a.w.lives(t)
		if wait == 0 {
			return 0, nil
		}
	}
	if left := time.Until(began.Add(wait)); left > 0 {
		return left, nil
	}
	return 0, a.w.store.Update(ctx, func(tx *state.Tx) error {
		t, _ := tx.Tasks.Get(key)
		n := *t
		switch {
		case n.DesiredStatus == ecs.Stopped:
			n.LastStatus, n.StoppedAt = ecs.Stopped, time.Now()
		case n.LastStatus == ecs.Running:
			n.Containers = []ecs.Container{{Name: "web", ExitCode: new(3)}}
			n = *n.Ended(ecs.EssentialContainerExited, "Essential container in task exited", time.Now())
		case a.w.fails(t):
			n = *n.Ended(ecs.TaskFailedToStart, "CannotPullContainerError", time.Now())
		default:
			n.LastStatus, n.StartedAt, n.Targets = ecs.Running, time.Now(), a.w.targets
		}
		tx.Tasks.Put(&n)
		return nil
	})
}
