package edge

import (
	"context"
	"maps"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/internal/route"
)

// counts are the counters of one subject. They outlive every table; counting takes no lock.
type counts struct {
	began                     time.Time
	n                         [route.Counters]atomic.Uint64
	clients, targets, sockets atomic.Int64
	reported                  route.SubjectCounts // as last reported; only the loop of Run uses it
}

// tally is the set of counters for a request or connection; those that do not apply are nil.
type tally struct{ balancer, listener, group, target *counts }

func (c *counts) add(what route.Counter, n uint64) {
	if c != nil {
		c.n[what].Add(n)
	}
}

// add adds to all counters except the listener's, which counts errors only.
func (t *tally) add(what route.Counter, n uint64) {
	t.balancer.add(what, n)
	t.group.add(what, n)
	t.target.add(what, n)
}

// addError counts an error for the listener.
func (t *tally) addError(what route.Counter) {
	t.balancer.add(what, 1)
	t.listener.add(what, 1)
}

// keptListener is what is kept of a listener across compilations.
type keptListener struct{ balancer, listener *counts }

func tallyOf(l *route.Listener) tally {
	if l == nil {
		return tally{}
	}
	k := l.Kept.(*keptListener)
	return tally{balancer: k.balancer, listener: k.listener}
}

// count counts a request when it has ended, or has become a WebSocket.
func (x *exchange) count() {
	t, e := &x.tally, &x.entry
	if t.balancer == nil {
		return
	}
	if x.up != nil {
		t.add(route.Requests, 1)
		if e.FailOpen {
			t.add(route.FailOpen, 1)
		}
	}
	if e.NonSticky {
		t.add(route.NonSticky, 1)
	}
	t.addStatus(e)
	t.addBytes(e.Received, e.Sent, x.c.ipv6)
	if x.c.ipv6 && x.up != nil {
		t.add(route.IPv6Requests, 1)
	}
	if e.Target1st >= 0 {
		t.addResponse(e.Target1st)
	}
	if x.rule != nil {
		t.balancer.add(route.RuleEvaluations, uint64(x.rule.Tried))
	}
	if e.Reason != "-" {
		t.balancer.add(route.NonCompliant, 1)
	}
	if x.dropped {
		t.balancer.add(route.DroppedHeaders, 1)
	}
	switch {
	case x.redirectTooLong:
		t.balancer.add(route.RedirectsTooLong, 1)
	case e.Action == "redirect":
		t.balancer.add(route.Redirects, 1)
	case e.Action == "fixed-response":
		t.balancer.add(route.FixedResponses, 1)
	}
}

// addStatus counts the status by who sent it.
func (t *tally) addStatus(e *Entry) {
	class := route.Counter(e.Status/100 - 1)
	if class < 0 || class > 4 {
		return
	}
	t.balancer.add(route.Answered+class, 1)
	t.group.add(route.Answered+class, 1)
	if of := route.Counter(e.TargetStatus/100 - 1); of >= 0 && of <= 4 {
		t.add(route.TargetStatus+of, 1)
		if e.Status == e.TargetStatus {
			return
		}
	}
	t.add(route.OwnStatus+class, 1)
	if t.group == nil {
		t.balancer.add(route.GrouplessStatus+class, 1)
	}
	switch e.Status {
	case 500:
		t.add(route.Own500, 1)
	case 502:
		t.add(route.Own502, 1)
	case 503:
		t.add(route.Own503, 1)
	case 504:
		t.add(route.Own504, 1)
	}
}

func (t *tally) addBytes(received, sent int64, ipv6 bool) {
	t.add(route.ReceivedBytes, uint64(received))
	t.add(route.SentBytes, uint64(sent))
	if ipv6 {
		t.balancer.add(route.IPv6Bytes, uint64(received+sent))
	}
}

func (t *tally) addResponse(took time.Duration) {
	within := route.ResponsesWithin
	for _, bound := range route.ResponseBounds {
		if took <= bound {
			break
		}
		within++
	}
	t.add(route.Responses, 1)
	t.add(route.ResponseNanoseconds, uint64(took))
	t.add(within, 1)
}

// openTarget counts a new connection to a target, closeTarget its end.
func (t *tally) openTarget() {
	t.add(route.TargetConnections, 1)
	t.moveTargets(1)
}

func (t *tally) closeTarget() { t.moveTargets(-1) }

func (t *tally) moveTargets(by int64) {
	for _, c := range []*counts{t.balancer, t.group, t.target} {
		if c != nil {
			c.targets.Add(by)
		}
	}
}

// moveSockets adds to or subtracts from the number of open WebSockets.
func (t *tally) moveSockets(by int64) {
	for _, c := range []*counts{t.balancer, t.group, t.target} {
		if c != nil {
			c.sockets.Add(by)
		}
	}
}

// count counts the connection once, for the load balancer of the listener. If load balancers share the port,
// the first request says which one it is.
func (c *client) count(l *route.Listener) {
	if c.balancer != nil || l == nil {
		return
	}
	c.balancer = tallyOf(l).balancer
	c.balancer.add(route.ClientConnections, 1)
	c.balancer.clients.Add(1)
}

// countsOf returns the counters of a subject, new ones if there are none.
func (e *Edge) countsOf(s route.Subject) *counts {
	c := e.counts[s]
	if c == nil {
		c = &counts{began: time.Now()}
		e.counts[s] = c
	}
	return c
}

// forgetCounts removes the counters of what was deleted. Requests under way go on counting, without effect.
func (e *Edge) forgetCounts(gone route.Gone) {
	for _, key := range gone.Targets {
		delete(e.counts, route.Subject{Target: key})
	}
	if len(gone.LoadBalancers)+len(gone.Listeners)+len(gone.TargetGroups) == 0 {
		return
	}
	dead := map[string]bool{}
	for _, arns := range [][]string{gone.LoadBalancers, gone.Listeners, gone.TargetGroups} {
		for _, arn := range arns {
			dead[arn] = true
		}
	}
	maps.DeleteFunc(e.counts, func(s route.Subject, _ *counts) bool {
		return dead[s.LoadBalancerARN] || dead[s.ListenerARN] || dead[s.TargetGroupARN]
	})
}

// now returns the present values.
func (c *counts) now(s route.Subject) route.SubjectCounts {
	out := route.SubjectCounts{Subject: s, Began: c.began, Clients: c.clients.Load(), Targets: c.targets.Load(),
		Sockets: c.sockets.Load()}
	for i := range c.n {
		out.Counts[i] = c.n[i].Load()
	}
	return out
}

// reportCounts reports the counters that had traffic since the last report.
func (e *Edge) reportCounts() {
	if e.cfg.Reporter == nil {
		return
	}
	r := e.newReport()
	for s, c := range e.counts {
		if now := c.now(s); now != c.reported {
			c.reported = now
			r.Counts = append(r.Counts, now)
		}
	}
	if len(r.Counts) > 0 {
		e.cfg.Reporter.Report(r)
	}
}

// Flush makes the edge report its counters now; otherwise it does every few seconds. It returns when the
// reporter has them.
func (e *Edge) Flush(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case e.flushes <- done:
	case <-e.done:
		return ErrEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	<-done
	return nil
}
