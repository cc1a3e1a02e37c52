package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/runtime"
	"github.com/berthhq/berth/internal/agent/runtime/fake"
)

// slow is a runtime that is slow: a removal takes a second, a creation and a start take hours. The first
// inspections fail, as many as inspections counts.
type slow struct {
	*fake.Engine
	create, start bool
	inspections   *int
}

var errInspect = errors.New("inspect: internal error")

func (s slow) Remove(ctx context.Context, id string) error {
	err := s.Engine.Remove(ctx, id)
	time.Sleep(time.Second)
	return err
}

func (s slow) Create(ctx context.Context, spec runtime.Spec) (string, error) {
	id, err := s.Engine.Create(ctx, spec)
	if s.create {
		<-ctx.Done()
		return "", context.Cause(ctx)
	}
	return id, err
}

func (s slow) Start(ctx context.Context, id string) error {
	err := s.Engine.Start(ctx, id)
	if s.start {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return err
}

func (s slow) Inspect(ctx context.Context, id string) (runtime.Container, error) {
	if s.inspections != nil && *s.inspections > 0 {
		*s.inspections--
		return runtime.Container{}, errInspect
	}
	return s.Engine.Inspect(ctx, id)
}

// If a container could not start because its port was in use, its removal is not reported as its end, even if
// the runtime reports the removal first.
func TestOtherPortsAreNoEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.around = func(rt *fake.Engine) runtime.Runtime { return slow{Engine: rt} }
		b.run()
		id, err := b.rt.Create(t.Context(), runtime.Spec{Name: "other", Image: "serve:1", Ports: []runtime.Port{
			{HostIP: b.cfg.BindAddress, HostPort: 30000, ContainerPort: 1, Protocol: "tcp"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.rt.Start(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		web := container("web", "serve:1")
		web.PortMappings = []acs.PortMapping{{ContainerPort: 80}}
		b.apply(taskOf("a", web))
		b.settle(10 * time.Second)
		b.wantReports("a", "RUNNING web=RUNNING")
		if c := b.record("a").Containers[0]; c.PortTries != 1 || c.Ports[0].HostPort == 30000 {
			t.Errorf("%d tries, ports %v", c.PortTries, c.Ports)
		}
	})
}

// A container that is reported as stopped does not run, and every container that was created is removed with its task.
func TestTimeoutsLeaveNothingBehind(t *testing.T) {
	for _, c := range []struct {
		name    string
		rt      slow
		reports []string
	}{
		{"create", slow{create: true}, []string{"STOPPED web=STOPPED"}},
		{"start", slow{start: true}, []string{"RUNNING web=RUNNING", "STOPPED web=STOPPED"}}, // reported before
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.around = func(e *fake.Engine) runtime.Runtime { c.rt.Engine = e; return c.rt }
				b.run()
				b.apply(taskOf("a", container("web", "serve:1")))
				b.settle(2 * time.Minute)
				b.wantReports("a", c.reports...)
				there, err := b.rt.List(t.Context(), LabelTask, arnOf("a"))
				if err != nil || len(there) != 1 || there[0].State == runtime.Running {
					t.Errorf("containers %+v, error %v", there, err)
				}
				b.settle(b.cfg.CleanupWait + time.Minute)
				if there, err := b.rt.List(t.Context(), LabelTask, arnOf("a")); err != nil || len(there) != 0 {
					t.Errorf("left behind: %+v, error %v", there, err)
				}
			})
		})
	}
}

// The end of a container is reported even if the first inspections fail.
func TestFailedInspectionIsRepeated(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		failing := 0
		b.around = func(e *fake.Engine) runtime.Runtime { return slow{Engine: e, inspections: &failing} }
		b.run()
		b.apply(taskOf("a", container("web", "serve:1")))
		b.settle(time.Second)
		failing = 1
		id := b.record("a").Containers[0].RuntimeID
		if err := b.rt.Stop(t.Context(), id, time.Second); err != nil {
			t.Fatal(err)
		}
		b.settle(2 * pingEvery)
		b.wantReports("a", "RUNNING web=RUNNING", "STOPPED web=STOPPED")
	})
}

// slowPull is a runtime whose pulls take long.
type slowPull struct {
	*fake.Engine
	image string
	takes time.Duration
}

func (s slowPull) Pull(ctx context.Context, ref string, login *runtime.Auth) (string, error) {
	if ref == s.image {
		select {
		case <-time.After(s.takes):
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
	return s.Engine.Pull(ctx, ref, login)
}

// A long pull is reported once while it lasts, with the time at which it began. It ends with the pull of the
// last image. A short pull is reported with the next change (ecs.md 1.5.2).
func TestALongPullIsTold(t *testing.T) {
	for takes, want := range map[time.Duration][]string{
		longPull / 2: {"PENDING web=RUNNING", "RUNNING side=RUNNING"},
		time.Minute:  {"PENDING", "PENDING web=RUNNING", "RUNNING side=RUNNING"},
	} {
		t.Run(takes.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.cfg.PullBehavior = PullAlways
				b.rt.Publish("far:1", fake.Serve)
				b.rt.Publish("near:1", fake.Serve)
				b.around = func(e *fake.Engine) runtime.Runtime { return slowPull{e, "far:1", takes} }
				b.run()
				began := time.Now()
				side := container("side", "near:1")
				side.DependsOn = []acs.Dependency{{ContainerName: "web", Condition: acs.ConditionStart}}
				b.apply(taskOf("a", container("web", "far:1"), side))
				b.settle(2 * time.Minute)
				b.wantReports("a", want...)
				for i, r := range b.reports {
					if r.PullStartedAt == nil || !r.PullStartedAt.Equal(began) {
						t.Errorf("report %d has pullStartedAt %v, want %v", i, r.PullStartedAt, began)
					}
					if ended := r.PullStoppedAt != nil; ended != (len(r.Containers) > 0) {
						t.Errorf("report %d, %s, has pullStoppedAt %v", i, r.Status, r.PullStoppedAt)
					} else if ended && !r.PullStoppedAt.Equal(began.Add(takes)) {
						t.Errorf("pullStoppedAt %v, want %v", r.PullStoppedAt, began.Add(takes))
					}
				}
			})
		})
	}
}
