package publish

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/edge"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/route"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// fakeEdge stores the configurations that it gets. Each takes the time took to apply.
type fakeEdge struct {
	mu      sync.Mutex
	took    time.Duration
	configs []route.Config
}

func (e *fakeEdge) Apply(_ context.Context, c route.Config) error {
	time.Sleep(e.took)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.configs = append(e.configs, c)
	return nil
}

// has reports whether the edge has got a target.
func (e *fakeEdge) has(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(e.configs, func(c route.Config) bool {
		return slices.ContainsFunc(c.Targets, func(t elb.Target) bool { return t.ID == id })
	})
}

func (e *fakeEdge) taken() []route.Config {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.configs
}

func open(t *testing.T) *state.Store {
	t.Helper()
	s, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func update(t *testing.T, s *state.Store, fn func(*state.Tx)) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}

// start runs a publisher with edges whose ids are a, b and so on. end stops them and waits.
func start(t *testing.T, p *Publisher, edges ...Edge) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx) })
	for i, e := range edges {
		a := p.Attach(string(rune('a' + i)))
		running.Go(func() { a.Run(ctx, e) })
	}
	return func() { cancel(); running.Wait() }
}

func putTarget(id string) func(*state.Tx) {
	return func(tx *state.Tx) {
		tx.Targets.Put(&elb.Target{TargetGroupARN: "tg", ID: id, Port: 80, Registered: time.Unix(1, 0)})
	}
}

// Sync returns when the edge has applied the revision or a later one. Changes that arrive together are sent
// in one configuration.
func TestSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := open(t)
		e := &fakeEdge{took: time.Second}
		p := New(store, slog.New(slog.DiscardHandler))
		end := start(t, p, e)
		synctest.Wait() // the edge is applying the first configuration
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				update(t, store, putTarget("10.0.0."+strconv.Itoa(i)))
				if err := p.Sync(t.Context(), store.View().Rev); err != nil {
					t.Error(err)
				}
				if !e.has("10.0.0." + strconv.Itoa(i)) {
					t.Errorf("target %d is not at the edge", i)
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		if n := len(e.taken()); n > 4 {
			t.Errorf("20 changes were sent in %d configurations", n)
		}
		end()
		if err := p.Sync(t.Context(), 1); !errors.Is(err, ErrEnded) {
			t.Errorf("Sync after the end: %v", err)
		}
		store.Close()
	})
}

func TestOtherChangesAreNotSentToEdges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := open(t)
		e := &fakeEdge{}
		end := start(t, New(store, slog.New(slog.DiscardHandler)), e)
		synctest.Wait()
		update(t, store, func(tx *state.Tx) { tx.TargetHealth.Put(&elb.TargetHealth{Verdict: elb.Verdict{Key: "k"}}) })
		synctest.Wait()
		if n := len(e.taken()); n != 1 {
			t.Errorf("%d configurations", n)
		}
		update(t, store, func(tx *state.Tx) { tx.Listeners.Put(&elb.Listener{ARN: "l"}) })
		synctest.Wait()
		if c := e.taken(); len(c) != 2 || len(c[1].Listeners) != 1 {
			t.Errorf("%d configurations", len(c))
		}
		end()
		store.Close()
	})
}

func TestReportsBecomeRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := open(t)
		p := New(store, slog.New(slog.DiscardHandler))
		end := start(t, p)
		a := p.Attach("a")
		update(t, store, putTarget("10.0.0.1"))
		update(t, store, func(tx *state.Tx) { tx.Listeners.Put(&elb.Listener{ARN: "l"}) })
		key := elb.TargetKey("tg", "10.0.0.1", 80)
		seen := elb.Verdict{Key: key, Registered: time.Unix(1, 0), State: elb.Healthy}
		a.Report(route.Report{Targets: []elb.Verdict{seen, {Key: "gone"}},
			Listeners: map[string]elb.Bound{"l": {Address: "127.0.0.1:8080", Reason: "because"}, "gone": {}}})
		synctest.Wait()
		snap := store.View()
		if h, ok := snap.TargetHealth.Get(key); !ok || h.State != elb.Healthy || h.Edges != nil ||
			snap.TargetHealth.Len() != 1 {
			t.Errorf("health %+v", h)
		}
		if b, ok := snap.BoundListeners.Get("l"); !ok || b.Reason != "because" || b.Edges != nil ||
			snap.BoundListeners.Len() != 1 {
			t.Errorf("bound %+v", b)
		}
		a.Report(route.Report{Targets: []elb.Verdict{seen}}) // nothing has changed
		synctest.Wait()
		if now := store.View().Rev; now != snap.Rev {
			t.Errorf("revision %d became %d", snap.Rev, now)
		}
		stale := seen
		stale.Registered, stale.State = time.Unix(0, 0), elb.Unhealthy
		a.Report(route.Report{Targets: []elb.Verdict{stale}}) // of an earlier registration
		synctest.Wait()
		if h, _ := store.View().TargetHealth.Get(key); h.State != elb.Healthy {
			t.Errorf("health %+v", h)
		}
		end()
		store.Close()
	})
}

// From a row in the store to a byte on the wire and back: a request is answered, the target's health is
// written to the state, and a target that was deregistered gets no request after Sync.
func TestStoreToWire(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }))
	defer backend.Close()
	host, port, _ := net.SplitHostPort(strings.TrimPrefix(backend.URL, "http://"))
	store := open(t)
	defer store.Close()
	p := New(store, slog.New(slog.DiscardHandler))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := p.Attach("a")
	e, err := edge.New(edge.Config{Reporter: a, Listen: func(string) (net.Listener, error) { return l, nil }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { e.Run(ctx) })
	running.Go(func() { p.Run(ctx) })
	running.Go(func() { a.Run(ctx, e) })
	defer running.Wait()
	defer cancel()

	n, _ := strconv.Atoi(port)
	target := &elb.Target{TargetGroupARN: "tg", ID: host, Address: host, Port: n, Registered: time.Now()}
	judged := state.Subscribe(store, func(c state.Change, _ *state.Snapshot) []string {
		if h, ok := c.(state.Changed[elb.TargetHealth]); ok && h.New != nil && h.New.State == elb.Healthy {
			return []string{h.Key}
		}
		return nil
	})
	defer judged.Close()
	update(t, store, func(tx *state.Tx) {
		tx.LoadBalancers.Put(&elb.LoadBalancer{ARN: "lb", Name: "lb"})
		tx.Listeners.Put(&elb.Listener{ARN: "l", LoadBalancerARN: "lb", Protocol: elb.HTTP, Port: 80})
		tx.Rules.Put(&elb.Rule{ARN: "r", ListenerARN: "l", Actions: []elb.Action{{Type: elb.ActionForward,
			Forward: &elb.Forward{TargetGroups: []elb.WeightedGroup{{ARN: "tg", Weight: 1}}}}}})
		tx.TargetGroups.Put(&elb.TargetGroup{ARN: "tg", Protocol: elb.HTTP, HealthCheck: elb.DefaultHealthCheck()})
		tx.Targets.Put(target)
	})
	if keys, err := judged.Next(t.Context()); err != nil || keys[0] != target.Key() {
		t.Fatal(keys, err)
	}
	get := func() (int, string) {
		res, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	if status, body := get(); status != 200 || body != "hello" {
		t.Errorf("%d %q", status, body)
	}
	update(t, store, func(tx *state.Tx) { tx.Targets.Put(target.Deregister(time.Now(), time.Hour)) })
	if err := p.Sync(t.Context(), store.View().Rev); err != nil {
		t.Fatal(err)
	}
	if status, _ := get(); status != 503 {
		t.Errorf("the answer is %d, although the only target is draining", status)
	}
}
