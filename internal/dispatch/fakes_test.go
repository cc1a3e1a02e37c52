package dispatch_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/dispatch"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/identity"
	"github.com/berthhq/berth/internal/meter/gather"
	"github.com/berthhq/berth/internal/role"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

const (
	region     = "us-east-1"
	account    = "123456789012"
	keyID      = "AKIDEXAMPLE0000000AB"
	keySecret  = "secretsecret"
	clusterARN = "arn:aws:ecs:us-east-1:123456789012:cluster/agt"
)

// world is a control plane: state, the ECS actions that agents call, and dispatch.
type world struct {
	t     *testing.T
	store *state.Store
	d     *dispatch.Dispatcher
	http  http.Handler
	usage chan usage // what was measured, in order
}

// usage is a sample that the feed of a world got.
type usage struct {
	name gather.Name
	gather.Sample
}

func newWorld(t *testing.T, change func(*dispatch.Config)) *world {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	store, err := state.Open(t.Context(), mem.New(), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	minter, err := identity.NewMinter(make([]byte, identity.MasterKeySize))
	if err != nil {
		t.Fatal(err)
	}
	keys := identity.NewKeyRing(identity.AccessKey{ID: keyID, Secret: keySecret, Principal: identity.Root(account)})
	verifier := &sigv4.Verifier{Keys: keys, Minter: minter}
	w := &world{t: t, store: store, usage: make(chan usage, 1000)}
	cfg := dispatch.Config{Store: store, Verifier: verifier, Minter: minter, Feed: w, Logger: log}
	if change != nil {
		change(&cfg)
	}
	w.d = dispatch.New(cfg)
	api, err := awswire.NewHandler(awswire.Config{Verifier: verifier, Logger: log}, awswire.Service{
		Name: "ecs", Protocols: []awswire.Protocol{awswire.JSON11},
		TargetPrefix: "AmazonEC2ContainerServiceV20141113",
		Operations:   w.d.Operations(),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", api)
	mux.Handle("GET /acs/ws", w.d.ACS())
	mux.Handle("GET /tcs/ws", w.d.TCS())
	w.http = mux
	w.update(func(tx *state.Tx) {
		tx.Clusters.Put(&ecs.Cluster{ClusterARN: clusterARN, ClusterName: "agt", Status: ecs.ClusterActive})
	})
	return w
}

// Sample is dispatch.Feed's.
func (w *world) Sample(_ time.Duration, name gather.Name, s gather.Sample) {
	select {
	case w.usage <- usage{name, s}:
	default:
	}
}

// Drop is dispatch.Feed's.
func (w *world) Drop(gather.Reason) {}

func (w *world) update(fn func(tx *state.Tx)) {
	w.t.Helper()
	err := w.store.Update(context.WithoutCancel(w.t.Context()), func(tx *state.Tx) error { fn(tx); return nil })
	if err != nil {
		w.t.Fatal(err)
	}
}

// run runs the dispatcher until the test ends.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.d.Run(ctx)
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	w.t.Cleanup(stop)
	return stop
}

// listen serves the API and the websockets.
func (w *world) listen(l net.Listener) (stop func()) {
	s := &http.Server{Handler: w.http}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(l)
	}()
	stop = sync.OnceFunc(func() { s.Close(); <-done })
	w.t.Cleanup(stop)
	return stop
}

// wait waits until ok returns true for a task of the store, or until the context of the test ends.
func (w *world) wait(arn, what string, ok func(*ecs.Task) bool) *ecs.Task {
	w.t.Helper()
	sub := state.Subscribe(w.store, func(state.Change, *state.Snapshot) []string { return []string{"all"} })
	defer sub.Close()
	for {
		if t, found := w.store.View().Tasks.Get(arn); found && ok(t) {
			return t
		}
		if _, err := sub.Next(w.t.Context()); err != nil {
			t, _ := w.store.View().Tasks.Get(arn)
			w.t.Fatalf("the test ended while waiting for %s of %s; it is %+v", what, arn, t)
		}
	}
}

func (w *world) waitStatus(arn string, s ecs.TaskStatus) *ecs.Task {
	w.t.Helper()
	return w.wait(arn, string(s), func(t *ecs.Task) bool { return t.LastStatus == s })
}

// waitInstance waits until there is a connected container instance.
func (w *world) waitInstance() *ecs.ContainerInstance {
	w.t.Helper()
	sub := state.Subscribe(w.store, func(state.Change, *state.Snapshot) []string { return []string{"all"} })
	defer sub.Close()
	for {
		for ci := range w.store.View().ContainerInstances.All() {
			if ci.AgentConnected && ci.Status == ecs.InstanceActive {
				return ci
			}
		}
		if _, err := sub.Next(w.t.Context()); err != nil {
			w.t.Fatal("the test ended while waiting for a container instance")
		}
	}
}

// define registers a task definition.
func (w *world) define(d *ecs.TaskDefinition) *ecs.TaskDefinition {
	d.TaskDefinitionARN = ecs.ARN(region, account, ecs.TypeTaskDefinition, d.Name())
	d.Status = ecs.TaskDefinitionActive
	if d.NetworkMode == "" {
		d.NetworkMode = ecs.NetworkBridge
	}
	w.update(func(tx *state.Tx) {
		tx.TaskDefinitions.Put(d)
		if d.TaskRoleARN != "" && !strings.HasPrefix(d.TaskRoleARN, "arn:") {
			tx.Roles.Put(&role.Role{Account: account, Name: d.TaskRoleARN, Path: "/"})
		}
	})
	return d
}

// place adds a task on an instance, as the scheduler does.
func (w *world) place(ci *ecs.ContainerInstance, d *ecs.TaskDefinition, id string, change func(*ecs.Task)) string {
	arn := ecs.ARN(region, account, ecs.TypeTask, "agt/"+id)
	t := &ecs.Task{
		TaskARN: arn, ClusterARN: clusterARN, TaskDefinitionARN: d.TaskDefinitionARN,
		ContainerInstanceARN: ci.ContainerInstanceARN, Group: "family:" + d.Family,
		LaunchType: "EC2", Need: d.Need(ecs.Overrides{}), LastStatus: ecs.Pending, DesiredStatus: ecs.Running,
		HealthStatus: ecs.UnknownHealth, CreatedAt: time.Now(), Version: 1,
	}
	if d.TaskRoleARN != "" {
		t.CredentialsID = "cred-" + id
	}
	for _, c := range d.ContainerDefinitions {
		t.Containers = append(t.Containers, ecs.Container{
			ContainerARN: "arn:aws:ecs:us-east-1:123456789012:container/agt/" + id + "/" + c.Name, TaskARN: arn,
			Name: c.Name, Image: c.Image, LastStatus: ecs.Pending, HealthStatus: ecs.UnknownHealth,
		})
	}
	if change != nil {
		change(t)
	}
	w.update(func(tx *state.Tx) { tx.Tasks.Put(t) })
	return arn
}

// stop requests that a task stops.
func (w *world) stop(arn string) {
	w.update(func(tx *state.Tx) {
		if t, ok := tx.Tasks.Get(arn); ok {
			tx.Tasks.Put(t.Stop(ecs.UserInitiated, "Task stopped by user", time.Now()))
		}
	})
}
