package target

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

const (
	group    = "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/web/1"
	service  = "arn:aws:ecs:us-east-1:1:service/c/web"
	instance = "arn:aws:ecs:us-east-1:1:container-instance/c/1"
)

// world is a store with a service behind a load balancer, and the controller's loop, in a synctest bubble.
type world struct {
	*testing.T
	store      *state.Store
	controller *Controller

	mu     sync.Mutex
	synced []uint64
	deaf   error  // returned by Sync
	during func() // called once, by the next Sync before it answers
}

func inBubble(t *testing.T, targetType string, attributes map[string]string, run func(*world)) {
	inBubbleOf(t, 2, targetType, attributes, run)
}

// inBubbleOf is inBubble with the given number of workers.
func inBubbleOf(t *testing.T, workers int, targetType string, attributes map[string]string, run func(*world)) {
	synctest.Test(t, func(t *testing.T) {
		store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		w := &world{T: t, store: store}
		w.controller = New(control.System(store, slog.New(slog.DiscardHandler)), w)
		w.update(func(tx *state.Tx) {
			tx.Services.Put(&ecs.Service{ServiceARN: service, ServiceName: "web", Status: ecs.ServiceActive})
			tx.ContainerInstances.Put(&ecs.ContainerInstance{ContainerInstanceARN: instance,
				EC2InstanceID: "i-1", Address: "127.0.1.2", Status: ecs.InstanceActive})
			tx.TargetGroups.Put(&elb.TargetGroup{ARN: group, TargetType: targetType, Attributes: attributes})
			tx.Rules.Put(&elb.Rule{ARN: "rule", ListenerARN: "listener", Actions: []elb.Action{
				{Type: elb.ActionForward,
					Forward: &elb.Forward{TargetGroups: []elb.WeightedGroup{{ARN: group, Weight: 1}}}}}})
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- control.New(w.controller.Env, "target", workers, w.controller).Run(ctx)
		}()
		run(w)
		cancel()
		<-ended
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}

func (w *world) Sync(_ context.Context, rev uint64) error {
	w.mu.Lock()
	w.synced = append(w.synced, rev)
	answer, during := w.deaf, w.during
	w.during = nil
	w.mu.Unlock()
	if during != nil {
		during()
	}
	return answer
}

func (w *world) edgeIs(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deaf = err
}

// syncs returns how often Sync was called.
func (w *world) syncs() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.synced)
}

// update changes the store and waits until the controller has nothing left to do.
func (w *world) update(fn func(*state.Tx)) {
	w.Helper()
	if err := w.store.Update(w.Context(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		w.Fatal(err)
	}
	synctest.Wait()
}

// task adds a task whose container runs with the host port published.
func (w *world) task(name string, hostPort int, change func(*ecs.Task)) string {
	t := &ecs.Task{TaskARN: "arn:aws:ecs:us-east-1:1:task/c/" + name, ServiceARN: service,
		ContainerInstanceARN: instance,
		LastStatus:           ecs.Activating, DesiredStatus: ecs.Running, AvailabilityZone: "us-east-1a",
		LoadBalancers: []ecs.LoadBalancer{{TargetGroupARN: group, ContainerName: "app", ContainerPort: 3000}},
		Containers: []ecs.Container{{Name: "app", LastStatus: ecs.Running,
			NetworkBindings: []ecs.NetworkBinding{{ContainerPort: 3000, HostPort: hostPort, Protocol: "tcp"}}}}}
	if change != nil {
		change(t)
	}
	w.update(func(tx *state.Tx) { tx.Tasks.Put(t) })
	return t.TaskARN
}

func (w *world) change(arn string, fn func(*ecs.Task) *ecs.Task) {
	w.Helper()
	w.update(func(tx *state.Tx) {
		t, _ := tx.Tasks.Get(arn)
		tx.Tasks.Put(fn(t))
	})
}

func (w *world) stop(arn string) {
	w.Helper()
	w.change(arn, func(t *ecs.Task) *ecs.Task { return t.Stop("c", "r", time.Now()) })
}

// drained records that the edge has drained the target.
func (w *world) drained(id string, port int) {
	w.Helper()
	w.update(func(tx *state.Tx) {
		key := elb.TargetKey(group, id, port)
		t, ok := tx.Targets.Get(key)
		if !ok {
			w.Fatalf("no target %s", key)
		}
		tx.TargetHealth.Put(&elb.TargetHealth{
			Verdict: elb.Verdict{Key: key, Registered: t.Registered, State: elb.Healthy, Drained: true},
		})
	})
}

// status returns the states of the task and of the group's targets as text.
func (w *world) status(arn string) string {
	snap := w.store.View()
	t, _ := snap.Tasks.Get(arn)
	out := string(t.LastStatus)
	for target := range snap.Targets.Prefix(elb.TargetPrefix(group)) {
		out += fmt.Sprintf(" %s@%s:%d", target.ID, target.Address, target.Port)
		if target.IsDraining() {
			out += " draining"
		}
	}
	return out
}

func (w *world) expect(arn, want string) {
	w.Helper()
	if got := w.status(arn); got != want {
		w.Errorf("got %q, want %q", got, want)
	}
}

func (w *world) events() []string {
	var out []string
	for e := range w.store.View().ServiceEvents.By(state.ServiceEventsByService, service) {
		out = append(out, strings.ReplaceAll(e.Message, group, "TG"))
	}
	return out
}

func (w *world) expectEvents(want ...string) {
	w.Helper()
	if got := w.events(); !slices.Equal(got, want) {
		w.Errorf("events %q, want %q", got, want)
	}
}
