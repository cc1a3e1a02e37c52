package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/checkpoint"
	"github.com/berthhq/berth/internal/agent/runtime"
	"github.com/berthhq/berth/internal/agent/runtime/fake"
	"github.com/berthhq/berth/internal/fence"
)

// bench is an engine with the fake runtime. Its other parts are function fields or plain lists.
type bench struct {
	t   *testing.T
	dir string
	rt  *fake.Engine
	e   *Engine
	cfg Config
	// around, if set, wraps the fake runtime.
	around func(*fake.Engine) runtime.Runtime

	mu      sync.Mutex
	reports []Report
	refuse  error // what SubmitTaskStateChange returns
	ids     int

	unshipped atomic.Bool // logs have not been sent
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, dir: t.TempDir(), rt: fake.New()}
	t.Cleanup(b.rt.Close)
	b.rt.Load("serve:1", fake.Serve)
	b.rt.Load("done:1", fake.Exit(0))
	b.rt.Load("fail:1", fake.Exit(3))
	b.rt.Load("brief:1", func(ctx context.Context, p *fake.Process) int {
		select {
		case <-time.After(6 * time.Minute):
			return 1
		case <-p.Term:
			return 0
		case <-ctx.Done():
			return 137
		}
	})
	b.cfg = Config{
		Cluster: "agt", Region: "us-east-1", Instance: "i-1", Zone: "us-east-1a", NetworkPrefix: "berth",
		BindAddress: netip.MustParseAddr("127.0.1.9"), PortFirst: 30000, PortLast: 30009,
		Resources: Resources{CPU: 1024, Memory: 1000, PortsTCP: []int{22}}, PullBehavior: PullPreferCached,
		PullTimeout: time.Hour, CreateTimeout: time.Minute, StartTimeout: time.Minute,
		StopTimeout: 30 * time.Second, CleanupWait: 3 * time.Hour, MaxStopped: 50,
		NewID: func() string {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.ids++
			return fmt.Sprint("id-", b.ids)
		},
	}
	return b
}

// run starts an engine with the bench's checkpoint. It runs until stop is called.
func (b *bench) run() (stop func()) {
	b.t.Helper()
	store, err := checkpoint.Open(b.dir, slog.New(slog.DiscardHandler))
	if err != nil {
		b.t.Fatal(err)
	}
	var rt runtime.Runtime = b.rt
	if b.around != nil {
		rt = b.around(b.rt)
	}
	b.e, err = New(b.cfg, Parts{
		Runtime: rt, Checkpoint: store, Control: b, Registries: b, Logs: b, Redirect: b,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.t.Fatal(err)
	}
	b.e.ports.free = func(netip.Addr, int, string) bool { return true }
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.e.Run(ctx)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-ended
		if err := store.Close(); err != nil {
			b.t.Error(err)
		}
	})
	b.t.Cleanup(stop)
	return stop
}

func (b *bench) SubmitTaskStateChange(_ context.Context, r Report) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil {
		return b.refuse
	}
	b.reports = append(b.reports, r)
	return nil
}

func (b *bench) Resolve(_ context.Context, image string, _ *acs.RegistryAuth) (string, *runtime.Auth, error) {
	return image, nil, nil
}

func (b *bench) Name(image string) string { return image }

func (b *bench) Prepare(context.Context, string, Box) error    { return nil }
func (b *bench) Done(string) bool                              { return !b.unshipped.Load() }
func (b *bench) Add(context.Context, string, netip.Addr) error { return nil }
func (b *bench) Remove(context.Context, string) error          { return nil }
func (b *bench) Guard(context.Context, fence.Network) error    { return nil }

func (b *bench) apply(task acs.Task) {
	b.t.Helper()
	if err := b.e.Apply(task); err != nil {
		b.t.Fatal(err)
	}
}

// settle lets d pass, and then waits until all goroutines of the bubble are idle.
func (b *bench) settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (b *bench) record(id string) Record {
	b.t.Helper()
	for _, r := range b.e.Tasks() {
		if r.Task.ARN == arnOf(id) {
			return r
		}
	}
	b.t.Fatalf("there is no task %s", id)
	return Record{}
}

// statuses returns the reported statuses of a task, each with those of its containers.
func (b *bench) statuses(id string) (out []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.reports {
		if r.Task != arnOf(id) {
			continue
		}
		line := r.Status
		for _, c := range r.Containers {
			line += fmt.Sprintf(" %s=%s", c.Name, c.Status)
		}
		out = append(out, line)
	}
	return out
}

func (b *bench) wantReports(id string, want ...string) {
	b.t.Helper()
	if got := b.statuses(id); !slices.Equal(got, want) {
		b.t.Errorf("the reports of %s are %q, want %q", id, got, want)
	}
}

func arnOf(id string) string { return "arn:aws:ecs:us-east-1:123456789012:task/agt/" + id }

func taskOf(id string, containers ...acs.Container) acs.Task {
	return acs.Task{
		ARN: arnOf(id), DesiredStatus: acs.DesiredRunning, Family: "f", Version: "1", Containers: containers,
	}
}

func stopOf(id string) acs.Task { return acs.Task{ARN: arnOf(id), DesiredStatus: acs.DesiredStopped} }

func container(name, image string) acs.Container {
	return acs.Container{Name: name, Image: image, Essential: true, Memory: 10}
}

var errBusy = errors.New("busy")
