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

// slow does what it is asked and reports it late: a removal after a second, a creation and a start
// after hours. inspections that fail are counted down.
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

// The removal of a container whose port was taken is not its end, even if the runtime reports it first.
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
		b.wantTold("a", "RUNNING web=RUNNING")
		if c := b.record("a").Containers[0]; c.PortTries != 1 || c.Ports[0].HostPort == 30000 {
			t.Errorf("%d tries, ports %v", c.PortTries, c.Ports)
		}
	})
}

// A container that is reported as stopped does not run, and whatever was created is removed with its task.
func TestTimeoutsLeaveNothingBehind(t *testing.T) {
	for _, c := range []struct {
		name string
		rt   slow
		told []string
	}{
		{"create", slow{create: true}, []string{"STOPPED web=STOPPED"}},
		{"start", slow{start: true}, []string{"RUNNING web=RUNNING", "STOPPED web=STOPPED"}}, // events told that it ran
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.around = func(e *fake.Engine) runtime.Runtime { c.rt.Engine = e; return c.rt }
				b.run()
				b.apply(taskOf("a", container("web", "serve:1")))
				b.settle(2 * time.Minute)
				b.wantTold("a", c.told...)
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

// An end about which the runtime could not be asked is not missed.
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
		b.wantTold("a", "RUNNING web=RUNNING", "STOPPED web=STOPPED")
	})
}

// slowPull takes its time over an image.
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

// A pull that takes long is reported once while it runs, with its beginning; its end is that of the last
// image. A short one is reported with what follows it (ecs.md 1.5.2).
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
				b.wantTold("a", want...)
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
