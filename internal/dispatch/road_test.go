package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent"
	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime"
	"github.com/berthhq/berth/internal/agent/runtime/fake"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/fence"
	"github.com/berthhq/berth/internal/state"
)

// These tests run the whole road: our agent with the fake runtime, dispatch with a real store, and between them a
// network that drops, delays and repeats. Time is fake.

// pipes is a network of net.Pipe.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: p.dial, DisableKeepAlives: true}}
}

// weather says what the network does to requests and frames.
type weather struct {
	mu   sync.Mutex
	rand *rand.Rand
	bad  bool
}

func (w *weather) chance(p float64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bad && w.rand.Float64() < p
}

func (w *weather) set(bad bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bad = bad
}

// wait waits for a random time, which is sometimes long.
func (w *weather) wait(ctx context.Context) {
	if !w.chance(0.5) {
		return
	}
	w.mu.Lock()
	d := time.Duration(w.rand.ExpFloat64() * float64(2*time.Second))
	w.mu.Unlock()
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// storm passes requests and frames between the agent and the control plane, in the given weather.
type storm struct {
	weather
	world    http.Handler
	upstream *http.Client
	late     sync.WaitGroup
	sockets  map[string]int // guarded by the weather's mutex, as mute is
	mute     bool
}

func (s *storm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/ws") {
		s.count(r.URL.Path)
		s.relay(w, r)
		return
	}
	s.wait(r.Context())
	body := make([]byte, r.ContentLength)
	if _, err := r.Body.Read(body); err != nil && r.ContentLength > 0 && err.Error() != "EOF" {
		panic(http.ErrAbortHandler)
	}
	if s.chance(0.15) {
		panic(http.ErrAbortHandler) // the request is lost
	}
	answer := s.deliver(r, body)
	if s.chance(0.3) {
		// Said twice, and the second time it is old news.
		again := r.Clone(context.WithoutCancel(r.Context()))
		s.late.Go(func() {
			time.Sleep(time.Minute)
			s.deliver(again, body)
		})
	}
	if s.chance(0.15) {
		panic(http.ErrAbortHandler) // the answer is lost
	}
	w.WriteHeader(answer.Code)
	w.Write(answer.Body.Bytes())
}

func (s *storm) count(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sockets == nil {
		s.sockets = map[string]int{}
	}
	s.sockets[path]++
}

// opened returns how many websockets were requested.
func (s *storm) opened(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sockets[path]
}

// silence drops all frames from now on.
func (s *storm) silence() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mute = true
}

func (s *storm) muted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mute
}

func (s *storm) deliver(r *http.Request, body []byte) *httptest.ResponseRecorder {
	r = r.Clone(r.Context())
	r.Body = readCloser{strings.NewReader(string(body))}
	answer := httptest.NewRecorder()
	s.world.ServeHTTP(answer, r)
	return answer
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// relay passes frames on, and drops, delays or repeats some.
func (s *storm) relay(w http.ResponseWriter, r *http.Request) {
	header := http.Header{}
	for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token"} {
		if v := r.Header.Get(name); v != "" {
			header.Set(name, v)
		}
	}
	up, resp, err := websocket.Dial(r.Context(), "http://"+r.Host+r.URL.RequestURI(),
		&websocket.DialOptions{HTTPClient: s.upstream, HTTPHeader: header})
	if err != nil {
		if resp != nil {
			w.WriteHeader(resp.StatusCode)
			io.Copy(w, resp.Body)
			return
		}
		panic(http.ErrAbortHandler)
	}
	down, err := websocket.Accept(w, r, nil)
	if err != nil {
		up.CloseNow()
		return
	}
	up.SetReadLimit(acs.MaxFrame)
	down.SetReadLimit(acs.MaxFrame)
	ctx, cancel := context.WithCancel(context.Background())
	var both sync.WaitGroup
	pump := func(from, to *websocket.Conn) {
		defer cancel()
		for {
			kind, frame, err := from.Read(ctx)
			if err != nil {
				if code := websocket.CloseStatus(err); code > 0 {
					to.Close(code, "")
				}
				return
			}
			s.wait(ctx)
			times := 1
			switch {
			case s.muted():
				times = 0
			case s.chance(0.02):
				return // the connection breaks
			case s.chance(0.1):
				times = 0
			case s.chance(0.1):
				times = 2
			}
			for range times {
				if to.Write(ctx, kind, frame) != nil {
					return
				}
			}
		}
	}
	both.Go(func() { pump(up, down) })
	both.Go(func() { pump(down, up) })
	both.Wait()
	up.CloseNow()
	down.CloseNow()
}

// noRedirects replaces iptables. Containers of the fake runtime send nothing.
type noRedirects struct{}

func (noRedirects) Add(context.Context, string, netip.Addr) error         { return nil }
func (noRedirects) Remove(context.Context, string) error                  { return nil }
func (noRedirects) Install(context.Context, string, netip.AddrPort) error { return nil }
func (noRedirects) Clear(context.Context) error                           { return nil }
func (noRedirects) Guard(context.Context, fence.Network) error            { return nil }
func (noRedirects) Keep(context.Context) error                            { return nil }
func (noRedirects) Unguard(context.Context) error                         { return nil }

// road is a control plane with one agent.
type road struct {
	*world
	storm  *storm
	engine *fake.Engine
	cfg    agent.Config
	client *http.Client
}

func newRoad(t *testing.T, seed uint64, change func(*agent.Config)) *road {
	t.Helper()
	w := newWorld(t, nil)
	inner, outer := newPipes(), newPipes()
	s := &storm{weather: weather{rand: rand.New(rand.NewPCG(seed, 7))}, world: w.http, upstream: inner.client()}
	w.listen(inner)
	front := &http.Server{Handler: s, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	served := make(chan struct{})
	go func() { defer close(served); front.Serve(outer) }()
	t.Cleanup(func() { front.Close(); <-served; s.late.Wait() })
	e := fake.New()
	t.Cleanup(e.Close)
	e.Load("serve:1", fake.Serve)
	e.Load("fail:1", fake.Exit(3))
	e.Load("stubborn:1", func(ctx context.Context, _ *fake.Process) int { <-ctx.Done(); return 137 })
	cfg, err := agent.NewConfig([]string{
		"ECS_CLUSTER=agt", "ECS_BACKEND_HOST=http://berth.test", "AWS_DEFAULT_REGION=" + region,
		"ECS_DATADIR=" + t.TempDir(), "AWS_ACCESS_KEY_ID=" + keyID, "AWS_SECRET_ACCESS_KEY=" + keySecret,
		"ECS_IMAGE_PULL_BEHAVIOR=prefer-cached", "BERTH_CPU=8192", "BERTH_MEMORY=8192",
		"BERTH_BIND_ADDR=127.0.1.199", "ECS_ENABLE_TASK_CPU_MEM_LIMIT=false",
	})
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&cfg)
	}
	return &road{world: w, storm: s, engine: e, cfg: cfg, client: outer.client()}
}

// startAgent runs the agent until stop is called. Its containers stay.
func (r *road) startAgent() (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan struct{})
	around := agent.Surroundings{
		HTTP: r.client, Redirects: noRedirects{},
		Listen: func(string, string) (net.Listener, error) { return newPipes(), nil },
	}
	go func() {
		defer close(ended)
		err := agent.RunOn(ctx, r.cfg, r.engine, around, slog.New(slog.DiscardHandler))
		if !errors.Is(err, context.Canceled) {
			r.t.Errorf("the agent ended: %v", err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-ended })
	r.t.Cleanup(stop)
	return stop
}

// containers returns the containers that the runtime has for a task.
func (r *road) containers(arn string) []runtime.Container {
	r.t.Helper()
	found, err := r.engine.List(r.t.Context(), engine.LabelTask, arn)
	if err != nil {
		r.t.Fatal(err)
	}
	return found
}

func definition(name, image string) *ecs.TaskDefinition {
	return &ecs.TaskDefinition{
		Family: name, Revision: 1, TaskRoleARN: "task",
		ContainerDefinitions: []ecs.ContainerDefinition{
			{Name: "web", Image: image, Essential: true, CPU: 64, Memory: 64, StopTimeout: 5},
		},
	}
}

// onlyForward watches the tasks of a store and returns every state that has moved back.
func onlyForward(store *state.Store) (violations func() []string) {
	var mu sync.Mutex
	var found []string
	sub := state.Subscribe(store, func(c state.Change, _ *state.Snapshot) []string {
		if c, ok := c.(state.Changed[ecs.Task]); ok && c.Old != nil && c.New != nil {
			mu.Lock()
			defer mu.Unlock()
			found = append(found, backwards(c.Old, c.New)...)
		}
		return nil
	})
	return func() []string {
		sub.Close()
		mu.Lock()
		defer mu.Unlock()
		return found
	}
}

// backwards returns which states of a task have moved back.
func backwards(before, after *ecs.Task) (found []string) {
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	if after.LastStatus.Before(before.LastStatus) {
		say("task: %s to %s", before.LastStatus, after.LastStatus)
	}
	if before.DesiredStatus == ecs.Stopped && after.DesiredStatus != ecs.Stopped {
		say("task is wanted again")
	}
	for _, at := range [][2]time.Time{
		{before.StartedAt, after.StartedAt}, {before.PullStartedAt, after.PullStartedAt},
		{before.PullStoppedAt, after.PullStoppedAt}, {before.StoppingAt, after.StoppingAt},
		{before.ExecutionStoppedAt, after.ExecutionStoppedAt}, {before.StoppedAt, after.StoppedAt},
	} {
		if !at[0].IsZero() && !at[0].Equal(at[1]) {
			say("a time changed from %v to %v", at[0], at[1])
		}
	}
	if before.StopCode != "" && (after.StopCode != before.StopCode || after.StoppedReason != before.StoppedReason) {
		say("stop code %s %q to %s %q", before.StopCode, before.StoppedReason, after.StopCode, after.StoppedReason)
	}
	for i, b := range before.Containers {
		a := after.Containers[i]
		if a.LastStatus.Before(b.LastStatus) {
			say("container: %s to %s", b.LastStatus, a.LastStatus)
		}
		if b.ExitCode != nil && (a.ExitCode == nil || *a.ExitCode != *b.ExitCode) {
			say("container: exit code changed")
		}
		if b.RuntimeID != "" && a.RuntimeID != b.RuntimeID {
			say("container: another one, %s for %s", a.RuntimeID, b.RuntimeID)
		}
	}
	return found
}

// Messages are dropped, delayed or repeated. Tasks still reach the right state, no container is started
// twice, and states only move forward.
func TestRoadInAStorm(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { storming(t, seed) }) })
	}
}

func storming(t *testing.T, seed uint64) {
	r := newRoad(t, seed, nil)
	violations := onlyForward(r.store)
	r.run()
	stopAgent := r.startAgent()
	ci := r.waitInstance()
	r.storm.set(true)
	serve, fail, stubborn := r.define(definition("serve", "serve:1")), r.define(definition("fail", "fail:1")),
		r.define(definition("stubborn", "stubborn:1"))
	var stay, leave, failing []string
	for i := range 4 {
		stay = append(stay, r.place(ci, serve, fmt.Sprintf("a%d", i), nil))
		leave = append(leave, r.place(ci, serve, fmt.Sprintf("b%d", i), nil),
			r.place(ci, stubborn, fmt.Sprintf("c%d", i), nil))
		failing = append(failing, r.place(ci, fail, fmt.Sprintf("d%d", i), nil))
		time.Sleep(7 * time.Second)
	}
	for i, arn := range leave {
		r.stop(arn)
		time.Sleep(time.Duration(i) * time.Second)
		switch i {
		case 2:
			stopAgent()
			time.Sleep(20 * time.Second)
			stopAgent = r.startAgent()
		case 5:
			r.engine.Down()
			time.Sleep(30 * time.Second)
			r.engine.Up()
		}
	}
	time.Sleep(5 * time.Minute)
	r.storm.set(false)
	time.Sleep(10 * time.Minute)

	for _, arn := range stay {
		if task := r.task(arn); task.LastStatus != ecs.Running || task.Connectivity != "CONNECTED" {
			t.Errorf("%s is %s, %s, %s", arn, task.LastStatus, task.Connectivity, task.StoppedReason)
		}
		if c := r.containers(arn); len(c) != 1 || c[0].State != runtime.Running {
			t.Errorf("%s has containers %+v", arn, c)
		}
	}
	for _, arn := range slices.Concat(leave, failing) {
		if task := r.task(arn); task.LastStatus != ecs.Stopped {
			t.Errorf("%s is %s", arn, task.LastStatus)
		}
		if c := r.containers(arn); len(c) > 1 || len(c) == 1 && c[0].State == runtime.Running {
			t.Errorf("%s has containers %+v", arn, c)
		}
	}
	for _, arn := range failing {
		if task := r.task(arn); task.StopCode != ecs.EssentialContainerExited || *task.Containers[0].ExitCode != 3 {
			t.Errorf("%s ended with %s", arn, task.StopCode)
		}
	}
	for _, v := range violations() {
		t.Error(v)
	}
}

func (w *world) task(arn string) *ecs.Task {
	w.t.Helper()
	t, ok := w.store.View().Tasks.Get(arn)
	if !ok {
		w.t.Fatalf("there is no task %s", arn)
	}
	return t
}
