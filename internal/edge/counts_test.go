package edge

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/route"
)

// count makes the edge report its counts, and returns the latest ones of a subject.
func (f *front) count(s route.Subject) route.SubjectCounts {
	f.t.Helper()
	if err := f.edge.Flush(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[s]
}

var (
	web   = route.Subject{LoadBalancerARN: "web"}
	webTG = route.Subject{LoadBalancerARN: "web", TargetGroupARN: "tg"}
)

// expectCounts compares the counters that are not 0, except bytes, connections and times.
func (f *front) expectCounts(s route.Subject, want map[route.Counter]uint64) {
	f.t.Helper()
	got := map[route.Counter]uint64{}
	for i, n := range f.count(s).Counts {
		switch c := route.Counter(i); {
		case n == 0, c >= route.ResponsesWithin, slices.Contains([]route.Counter{route.ReceivedBytes, route.SentBytes,
			route.ClientConnections, route.TargetConnections, route.ResponseNanoseconds}, c):
		default:
			got[c] = n
		}
	}
	if !maps.Equal(got, want) {
		f.t.Errorf("counted of %+v: %v, want %v", s, got, want)
	}
}

// The edge counts what CloudWatch's metrics of load balancers need (alb.md 9.4), by load balancer, target group and
// target.
func TestCounts(t *testing.T) {
	f := newFront(t, nil)
	f.group("none", nil)
	f.rule(10, onPath("/fixed"), elb.Action{FixedResponse: &elb.FixedResponse{StatusCode: 404}})
	f.rule(20, onPath("/moved"), elb.Action{Redirect: &elb.Redirect{StatusCode: 301, Path: "/"}})
	f.rule(30, onPath("/none"), forward("none"))
	key := f.target("tg", f.server(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/teapot" {
			w.WriteHeader(http.StatusTeapot)
		}
		io.WriteString(w, "hello")
	}))
	f.apply()
	for _, path := range []string{"/", "/teapot", "/fixed", "/moved", "/none"} {
		f.get(path, nil)
	}
	f.raw("nonsense\r\n\r\n")
	f.entry(6)
	f.expectCounts(web, map[route.Counter]uint64{route.Requests: 2, route.Answered + 1: 1, route.Answered + 2: 1,
		route.Answered + 3: 3, route.Answered + 4: 1, route.TargetStatus + 1: 1, route.TargetStatus + 3: 1,
		route.OwnStatus + 2: 1, route.OwnStatus + 3: 2, route.OwnStatus + 4: 1, route.Own503: 1,
		route.GrouplessStatus + 2: 1, route.GrouplessStatus + 3: 2, route.Redirects: 1, route.FixedResponses: 1,
		route.RuleEvaluations: 3 + 3 + 1 + 2 + 3, route.NonCompliant: 1, route.MalformedRequests: 1,
		route.Responses: 2})
	f.expectCounts(webTG, map[route.Counter]uint64{route.Requests: 2, route.Answered + 1: 1, route.Answered + 3: 1,
		route.TargetStatus + 1: 1, route.TargetStatus + 3: 1, route.Responses: 2})
	f.expectCounts(route.Subject{Target: key}, map[route.Counter]uint64{route.Requests: 2, route.TargetStatus + 1: 1,
		route.TargetStatus + 3: 1, route.Responses: 2})
	f.expectCounts(route.Subject{LoadBalancerARN: "web", ListenerARN: "listener"},
		map[route.Counter]uint64{route.MalformedRequests: 1})
	c := f.count(web).Counts
	sum := uint64(0)
	for _, n := range c[route.ResponsesWithin:] {
		sum += n
	}
	if sum != 2 || c[route.ResponseNanoseconds] == 0 || c[route.ReceivedBytes] == 0 || c[route.SentBytes] < 10 ||
		c[route.ClientConnections] < 2 || c[route.TargetConnections] != 1 {
		t.Errorf("%v", c)
	}
}

// A target that refuses a connection counts as one connection error, and the answer as one of the load balancer.
func TestCountsOfFailingTargets(t *testing.T) {
	f := newFront(t, nil)
	f.target("tg", "127.0.0.1:1")
	f.apply()
	f.get("/", nil)
	f.entry(1)
	f.expectCounts(webTG, map[route.Counter]uint64{route.Requests: 1, route.Answered + 4: 1, route.OwnStatus + 4: 1,
		route.Own502: 1, route.ConnectionErrors: 1})
}

// No count is lost when tables are replaced, or when a request ends after its target was removed. The counts of
// something that was deleted are dropped, and begin at 0 if it is created again.
func TestCountsOutliveTables(t *testing.T) {
	f := newFront(t, nil)
	arrived, goOn := make(chan struct{}), make(chan struct{})
	key := f.target("tg", f.server(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(arrived)
			<-goOn
		}
		io.WriteString(w, "hello")
	}))
	f.apply()
	f.get("/", nil)
	ended := make(chan struct{})
	go func() { defer close(ended); f.get("/slow", nil) }()
	<-arrived
	if c := f.count(web); c.Clients < 1 || c.Targets != 1 {
		t.Errorf("open: %+v", c)
	}
	targets := f.config.Targets
	f.drain(key, time.Hour)
	f.apply()
	f.rule(1, onPath("/x"), forward("tg"))
	f.apply()
	close(goOn)
	<-ended
	f.entry(2)
	f.config.Targets = nil
	f.apply()
	f.expectCounts(webTG, map[route.Counter]uint64{
		route.Requests: 2, route.Answered + 1: 2, route.TargetStatus + 1: 2, route.Responses: 2,
	})
	if c := f.count(web); c.Targets != 0 {
		t.Errorf("open: %+v", c)
	}
	base := f.config
	f.config = route.Config{Revision: f.config.Revision}
	f.apply()
	f.config = base
	f.config.Targets = targets
	f.apply()
	f.get("/", nil)
	f.entry(3)
	f.expectCounts(webTG, map[route.Counter]uint64{
		route.Requests: 1, route.Answered + 1: 1, route.TargetStatus + 1: 1, route.Responses: 1,
	})
	f.end()
	if n := len(f.edge.counts); n != 4 {
		t.Errorf("counts of %d subjects", n)
	}
}

// A WebSocket counts as a request when it begins. Its bytes count when it ends.
func TestCountsOfWebSockets(t *testing.T) {
	f := newFront(t, nil)
	f.target("tg", f.rawServer(echoUpgrade))
	f.apply()
	c, br, _ := f.dialUpgrade("")
	expect(t, br, "hello")
	io.WriteString(c, "ping")
	expect(t, br, "ping") // by now it is a WebSocket
	f.expectCounts(webTG, map[route.Counter]uint64{route.Requests: 1, route.Answered: 1, route.TargetStatus: 1,
		route.Responses: 1, route.WebSockets: 1})
	if got := f.count(webTG); got.Sockets != 1 {
		t.Errorf("%+v", got)
	}
	c.Close()
	f.entry(1)
	if got := f.count(webTG); got.Sockets != 0 || got.Targets != 0 {
		t.Errorf("%+v", got)
	}
}
