package edge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/route"
)

// front is an edge under test with one load balancer "web" that listens on port 80, and its means of access.
type front struct {
	t       testing.TB
	edge    *Edge
	config  route.Config
	mu      sync.Mutex
	ports   map[string]net.Listener // by the requested address
	health  map[string]elb.Verdict
	bound   map[string]elb.Bound
	counts  map[route.Subject]route.SubjectCounts
	entries []Entry
	// recorded wakes goroutines that wait for another entry or report. Its lock is mu.
	recorded *sync.Cond
	end      func()
}

// newFront starts an edge; change may replace parts of its Config.
func newFront(t testing.TB, change func(*Config)) *front {
	f := &front{t: t, ports: map[string]net.Listener{}, health: map[string]elb.Verdict{},
		bound: map[string]elb.Bound{}, counts: map[route.Subject]route.SubjectCounts{}}
	f.recorded = sync.NewCond(&f.mu)
	cfg := Config{Key: [32]byte{1}, Reporter: f, Record: f.record,
		Logger: slog.New(slog.DiscardHandler), Listen: f.listen}
	if change != nil {
		change(&cfg)
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	f.edge = e
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- e.Run(ctx) }()
	f.end = sync.OnceFunc(func() { cancel(); <-ended })
	t.Cleanup(f.end)
	f.config.LoadBalancers = []elb.LoadBalancer{{ARN: "web", Name: "web", DNSName: "web-1.us-east-1.elb.amazonaws.com"}}
	f.config.Listeners = []elb.Listener{{ARN: "listener", LoadBalancerARN: "web", Protocol: elb.HTTP, Port: 80}}
	f.group("tg", nil)
	f.rule(0, nil, forward("tg"))
	return f
}

// listen opens a free port on loopback, for every address.
func (f *front) listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ports[address] = l
	return l, err
}

func (f *front) Report(r route.Report) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range r.Counts {
		f.counts[c.Subject] = c
	}
	for _, h := range r.Targets {
		f.health[h.Key] = h
	}
	maps.Copy(f.bound, r.Listeners)
	f.recorded.Broadcast()
}

func (f *front) record(e *Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entries = append(f.entries, *e)
	f.recorded.Broadcast()
}

// entry waits for the record of the n-th request.
func (f *front) entry(n int) Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.entries) < n {
		f.recorded.Wait()
	}
	return f.entries[n-1]
}

// awaitDrained waits until the edge has reported that the target is drained.
func (f *front) awaitDrained(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.health[key].Drained {
		f.recorded.Wait()
	}
}

func (f *front) apply() {
	f.t.Helper()
	f.config.Revision++
	if err := f.edge.Apply(context.Background(), f.config); err != nil {
		f.t.Fatal(err)
	}
}

// url is the address of port 80 of the load balancer.
func (f *front) url() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return "http://" + f.ports["127.0.0.1:80"].Addr().String()
}

func (f *front) address() string { return strings.TrimPrefix(f.url(), "http://") }

func (f *front) group(arn string, attributes map[string]string) {
	f.config.TargetGroups = append(f.config.TargetGroups,
		elb.TargetGroup{ARN: arn, Protocol: elb.HTTP, Attributes: attributes,
			HealthCheck: elb.DefaultHealthCheck()})
}

func (f *front) rule(priority int, conditions []elb.Condition, action elb.Action) {
	f.config.Rules = append(f.config.Rules,
		elb.Rule{ARN: fmt.Sprint("rule", priority), ListenerARN: "listener", Priority: priority,
			Conditions: conditions, Actions: []elb.Action{action}})
}

// target registers a target that was found healthy before this edge was started.
func (f *front) target(group, address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		f.t.Fatal(err)
	}
	t := elb.Target{TargetGroupARN: group, ID: host, Address: host, Registered: time.Unix(1, 0)}
	fmt.Sscan(port, &t.Port)
	f.config.Targets = append(f.config.Targets, t)
	f.config.Health = append(f.config.Health, elb.Verdict{Key: t.Key(), Registered: t.Registered, State: elb.Healthy})
	return t.Key()
}

// drain deregisters a target.
func (f *front) drain(key string, delay time.Duration) {
	targets := append([]elb.Target(nil), f.config.Targets...)
	for i := range targets {
		if targets[i].Key() == key {
			targets[i].Draining, targets[i].DrainUntil = time.Now(), time.Now().Add(delay)
		}
	}
	f.config.Targets = targets
}

// server starts a target that answers with h, and with 200 to probes.
func (f *front) server(h http.HandlerFunc) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() == "ELB-HealthChecker/2.0" {
			return
		}
		h(w, r)
	}))
	f.t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// rawServer starts a target that calls handle for each connection. Health checks fail.
func (f *front) rawServer(handle func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer c.Close(); handle(c) })
		}
	})
	f.t.Cleanup(func() { l.Close(); f.end(); wg.Wait() })
	return l.Addr().String()
}

func (f *front) say(name string) string {
	return f.server(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, name) })
}

// get does a request without following redirects; change may alter it.
func (f *front) get(path string, change func(*http.Request)) (*http.Response, string) {
	f.t.Helper()
	req, err := http.NewRequest("GET", f.url()+path, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return res, string(body)
}

// raw sends text as it is and returns the response to it.
func (f *front) raw(text string) *http.Response {
	f.t.Helper()
	c, err := net.Dial("tcp", f.address())
	if err != nil {
		f.t.Fatal(err)
	}
	defer c.Close()
	go io.WriteString(c, text)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		f.t.Fatalf("after %.60q: %v", text, err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	res.Body = io.NopCloser(strings.NewReader(string(body)))
	return res
}

func forward(groups ...string) elb.Action {
	a := &elb.Forward{}
	for _, g := range groups {
		a.TargetGroups = append(a.TargetGroups, elb.WeightedGroup{ARN: g, Weight: 1})
	}
	return elb.Action{Type: elb.ActionForward, Forward: a}
}

func onPath(pattern string) []elb.Condition {
	return []elb.Condition{{Field: elb.FieldPath, Values: []string{pattern}}}
}

// reported returns the latest report of the target's health.
func (f *front) reported(key string) elb.Verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.health[key]
}

// upstream returns what the edge keeps for the target.
func (f *front) upstream(key string) *upstream {
	u, ok := f.edge.byID.Load(idOf(key))
	if !ok {
		f.t.Fatalf("the edge keeps nothing for %s", key)
	}
	return u.(*upstream)
}
