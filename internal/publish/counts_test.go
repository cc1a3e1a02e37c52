package publish

import (
	"encoding/json"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/gather"
	"github.com/berthhq/berth/internal/route"
	"github.com/berthhq/berth/internal/state"
)

var webSubject = route.Subject{LoadBalancerARN: "web"}

// requests returns the report of an edge that has counted n requests since its start.
func requests(epoch int64, n uint64) route.Report {
	c := route.SubjectCounts{Subject: webSubject, Began: time.Unix(epoch, 0), Clients: 1}
	c.Counts[route.Requests] = n
	return route.Report{Epoch: epoch, Counts: []route.SubjectCounts{c}}
}

// merged stands in for the feed. It has, for each metric, the sum of what was merged.
type merged map[gather.Name]meter.Summary

func (m merged) Merge(name gather.Name, s meter.Summary)              { m[name] = m[name].Add(s) }
func (merged) Sample(_ time.Duration, _ gather.Name, _ gather.Sample) {}

// total returns the number of requests that all edges have counted, and the number of open connections.
func (p *Publisher) total() (n uint64, open int64) {
	for _, c := range p.Counts() {
		n, open = n+c.Counts[route.Requests], open+c.Clients
	}
	return n, open
}

// Two edges serve requests and are restarted. Some of their reports are lost, arrive twice or arrive late.
// The total is the number of requests that were served and reported. It never falls.
func TestCountsAreSums(t *testing.T) {
	store := open(t)
	defer store.Close()
	update(t, store, func(tx *state.Tx) { tx.LoadBalancers.Put(&elb.LoadBalancer{ARN: "web"}) })
	rapid.Check(t, func(rt *rapid.T) {
		p, counted := New(store, slog.New(slog.DiscardHandler)), merged{}
		p.Measure(counted)
		attached := []*Attachment{p.Attach("a"), p.Attach("b")}
		epoch, now, told, old := []int64{1, 1}, []uint64{0, 0}, []uint64{0, 0}, make([][]route.Report, 2)
		ended := uint64(0) // requests that an edge reported before a restart
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			i := rapid.IntRange(0, 1).Draw(rt, "edge")
			switch rapid.SampledFrom([]string{
				"serve", "report", "report", "repeat", "restart", "return",
			}).Draw(rt, "what") {
			case "serve":
				now[i] += uint64(rapid.IntRange(1, 9).Draw(rt, "n"))
			case "report":
				r := requests(epoch[i], now[i])
				attached[i].Report(r)
				told[i], old[i] = now[i], append(old[i], r)
			case "repeat":
				if len(old[i]) > 0 {
					attached[i].Report(rapid.SampledFrom(old[i]).Draw(rt, "old"))
				}
			case "restart": // requests that were not reported are lost
				ended += told[i]
				epoch[i], now[i], told[i] = epoch[i]+1, 0, 0
			case "return": // the edge was disconnected, and continues to count
				attached[i].Detach()
				attached[i] = p.Attach([]string{"a", "b"}[i])
			}
			if got, _ := p.total(); got != ended+told[0]+told[1] {
				rt.Fatalf("%d requests, want %d", got, ended+told[0]+told[1])
			}
			measured := counted[subjectOf("web", "").metric("RequestCount", count)]
			if measured.Sum != float64(ended+told[0]+told[1]) {
				rt.Fatalf("the metric has %+v requests, want %d", measured, ended+told[0]+told[1])
			}
		}
	})
}

// When an edge has gone, its open connections are no longer in the total. When a load balancer is deleted,
// its counts are deleted too, and a later report does not bring them back.
func TestCountsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := open(t)
		update(t, store, func(tx *state.Tx) { tx.LoadBalancers.Put(&elb.LoadBalancer{ARN: "web"}) })
		p := New(store, slog.New(slog.DiscardHandler))
		end := start(t, p, &fakeEdge{})
		synctest.Wait()
		a, b := p.edges["a"], p.Attach("b")
		a.Report(requests(1, 3))
		b.Report(requests(1, 4))
		if n, open := p.total(); n != 7 || open != 2 {
			t.Errorf("%d requests, %d open", n, open)
		}
		b.Detach()
		if n, open := p.total(); n != 7 || open != 1 {
			t.Errorf("%d requests, %d open", n, open)
		}
		update(t, store, func(tx *state.Tx) { tx.LoadBalancers.Delete("web") })
		synctest.Wait()
		a.Report(requests(1, 5))
		if len(p.sums) != 0 {
			t.Errorf("%d subjects are remembered", len(p.sums))
		}
		end()
		store.Close()
	})
}

// Counts are the same after a round trip through JSON, in which each has its name.
func TestCountsInJSON(t *testing.T) {
	var c, back route.Counts
	for i := range c {
		c[i] = uint64(i + 1)
	}
	text, err := json.Marshal(c)
	if err != nil || json.Unmarshal(text, &back) != nil || back != c {
		t.Errorf("%s %v", text, err)
	}
}
