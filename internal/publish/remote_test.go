package publish

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/edge"
	"github.com/berthhq/berth/internal/edge/link"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/state"
)

// With this variable set, the test binary runs as an edge. It listens on the address in the variable and
// talks to the publisher over its standard input and output.
const asEdge = "BERTH_TEST_EDGE"

func TestMain(m *testing.M) {
	if addr := os.Getenv(asEdge); addr != "" {
		if err := runEdge(context.Background(), addr, streams{os.Stdin, os.Stdout}); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		return
	}
	os.Exit(m.Run())
}

type streams struct {
	io.ReadCloser
	io.WriteCloser
}

func (s streams) Close() error {
	s.WriteCloser.Close() // the other end gets the error
	return s.ReadCloser.Close()
}

// runEdge serves as an edge until its connection ends.
func runEdge(ctx context.Context, addr string, conn io.ReadWriteCloser) error {
	client := link.NewClient(addr)
	e, err := edge.New(edge.Config{Addr: addr, Reporter: client})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { e.Run(ctx) })
	err = client.Run(ctx, conn, e)
	cancel()
	running.Wait()
	return err
}

// away is an edge in another process. Its address is also its id.
type away struct {
	addr string
	cmd  *exec.Cmd
	conn streams
}

func startAway(t *testing.T, addr string) *away {
	a := &away{addr: addr, cmd: exec.Command(os.Args[0])}
	a.cmd.Env, a.cmd.Stderr = append(os.Environ(), asEdge+"="+addr), os.Stderr
	in, err := a.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	a.conn = streams{out, in}
	return a
}

// site is a store with a load balancer and edges in front of one target.
type site struct {
	*testing.T
	store     *state.Store
	publisher *Publisher
	port      int
	target    *elb.Target
}

func newSite(t *testing.T) *site {
	backend := httptest.NewServer(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }))
	t.Cleanup(backend.Close)
	host, port, _ := net.SplitHostPort(strings.TrimPrefix(backend.URL, "http://"))
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	s := &site{T: t, store: open(t), port: free.Addr().(*net.TCPAddr).Port,
		target: &elb.Target{TargetGroupARN: "tg", ID: host, Address: host, Port: n, Registered: time.Now()}}
	s.publisher = New(s.store, slog.New(slog.DiscardHandler))
	update(t, s.store, func(tx *state.Tx) {
		tx.LoadBalancers.Put(&elb.LoadBalancer{ARN: "lb", Name: "lb"})
		tx.Listeners.Put(&elb.Listener{ARN: "l", LoadBalancerARN: "lb", Protocol: elb.HTTP, Port: s.port})
		tx.Rules.Put(&elb.Rule{ARN: "r", ListenerARN: "l", Actions: []elb.Action{{Type: elb.ActionForward,
			Forward: &elb.Forward{TargetGroups: []elb.WeightedGroup{{ARN: "tg", Weight: 1}}}}}})
		tx.TargetGroups.Put(&elb.TargetGroup{ARN: "tg", Protocol: elb.HTTP, HealthCheck: elb.DefaultHealthCheck()})
		tx.Targets.Put(s.target)
	})
	return s
}

// await waits until wanted accepts the target's row.
func (s *site) await(wanted func(*elb.TargetHealth) bool) {
	s.Helper()
	sub := state.Subscribe(s.store, func(c state.Change, _ *state.Snapshot) []string {
		if h, ok := c.(state.Changed[elb.TargetHealth]); ok {
			return []string{h.Key}
		}
		return nil
	})
	defer sub.Close()
	for {
		if h, ok := s.store.View().TargetHealth.Get(s.target.Key()); ok && wanted(h) {
			return
		}
		if _, err := sub.Next(s.Context()); err != nil {
			s.Fatal(err)
		}
	}
}

func (s *site) get(addr string) int {
	s.Helper()
	res, err := http.Get(fmt.Sprintf("http://%s:%d/", addr, s.port))
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

// change updates the target and waits until every edge has applied it.
func (s *site) change(fn func(t elb.Target) elb.Target) {
	s.Helper()
	update(s.T, s.store, func(tx *state.Tx) {
		old, _ := tx.Targets.Get(s.target.Key())
		t := fn(*old)
		tx.Targets.Put(&t)
	})
	if err := s.publisher.Sync(s.Context(), s.store.View().Rev); err != nil {
		s.Fatal(err)
	}
}

func drained(t elb.Target) elb.Target { return *t.Deregister(time.Now(), time.Hour) }
func again(t elb.Target) elb.Target {
	t.Draining, t.DrainUntil, t.Registered = time.Time{}, time.Time{}, time.Now()
	return t
}

// Two edges serve one load balancer: one in this process, over a pipe, and one in another process. A target
// is healthy when both report it healthy. When Sync returns, neither sends a new request to a target that was
// deregistered. When one edge is cut off, Sync waits until it is connected again and has applied the
// deregistration.
func TestTwoEdgesOverStreams(t *testing.T) {
	s := newSite(t)
	defer s.store.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { s.publisher.Run(ctx) })

	far := startAway(t, "127.0.0.3")
	serve, err := s.publisher.Accept(far.conn)
	if err != nil {
		t.Fatal(err)
	}
	running.Go(func() { serve(ctx); far.cmd.Wait() })
	client := link.NewClient("127.0.0.2")
	near, err := edge.New(edge.Config{Addr: "127.0.0.2", Reporter: client})
	if err != nil {
		t.Fatal(err)
	}
	running.Go(func() { near.Run(ctx) })
	connect := func() (cut func()) {
		here, there := net.Pipe()
		ended := make(chan struct{})
		go func() { defer close(ended); client.Run(ctx, there, near) }()
		serve, err := s.publisher.Accept(here)
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() { serve(ctx) })
		return func() { here.Close(); <-ended }
	}
	cut := connect()
	both := func(h *elb.TargetHealth) bool { return h.State == elb.Healthy && len(h.Edges) == 2 }
	s.await(both)
	for _, addr := range []string{"127.0.0.2", "127.0.0.3"} {
		if got := s.get(addr); got != 200 {
			t.Errorf("%s answers %d", addr, got)
		}
	}
	s.change(drained)
	for _, addr := range []string{"127.0.0.2", "127.0.0.3"} {
		if got := s.get(addr); got != 503 {
			t.Errorf("%s answers %d after its only target was deregistered", addr, got)
		}
	}
	s.await(func(h *elb.TargetHealth) bool { return h.Drained })
	s.change(again)
	s.await(both)

	cut()
	synced := make(chan struct{})
	go func() {
		defer close(synced)
		s.change(drained)
	}()
	s.await(func(h *elb.TargetHealth) bool { return h.Edges[far.addr].Drained })
	select {
	case <-synced:
		t.Error("Sync returned although an edge that was cut off may still send requests")
	default:
	}
	cut = connect()
	defer func() { cancel(); cut() }()
	<-synced
	for _, addr := range []string{"127.0.0.2", "127.0.0.3"} {
		if got := s.get(addr); got != 503 {
			t.Errorf("%s answers %d after the deregistration", addr, got)
		}
	}
	s.await(func(h *elb.TargetHealth) bool { return h.Drained })
}

// When an edge is cut off, Sync returns once its lease has ended. By then the edge serves nothing.
func TestLeaseOfAnEdgeThatWasCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := open(t)
		p := New(store, slog.New(slog.DiscardHandler))
		end := start(t, p)
		update(t, store, putTarget("10.0.0.1"))
		e := &fakeEdge{}
		here, there := net.Pipe()
		var running sync.WaitGroup
		running.Go(func() { link.NewClient("far").Run(t.Context(), there, e) })
		serve, err := p.Accept(here)
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() { serve(t.Context()) })
		time.Sleep(time.Minute)
		if !e.has("10.0.0.1") {
			t.Fatal("the edge does not serve the target")
		}
		here.Close()
		update(t, store, func(tx *state.Tx) { tx.Targets.Delete(elb.TargetKey("tg", "10.0.0.1", 80)) })
		cut := time.Now()
		if err := p.Sync(t.Context(), store.View().Rev); err != nil {
			t.Fatal(err)
		}
		waited := time.Since(cut)
		if taken := e.taken(); len(taken[len(taken)-1].Targets) > 0 {
			t.Error("Sync returned while the edge served a target that was deregistered")
		}
		if waited < link.Lease-5*time.Second || waited > link.Lease+5*time.Second {
			t.Errorf("Sync waited %v", waited)
		}
		running.Wait()
		end()
		store.Close()
	})
}
