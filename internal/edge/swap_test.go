package edge

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/elb"
)

// Targets are replaced under load, thirty times. No request fails, and none reaches a target after the Apply that
// drains it has returned (alb.md D1, D8: "0 requests after the call returned").
func TestNoRequestIsLostWhileTargetsAreReplaced(t *testing.T) {
	f := newFront(t, nil)
	var served atomic.Int64
	drained := map[string]time.Time{} // by address: when the Apply that drained it had returned
	start := func() (key, address string) {
		address = f.server(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, "ok")
		})
		return f.target("tg", address), address
	}
	key, address := start()
	f.apply()

	stop := make(chan struct{})
	var clients sync.WaitGroup
	for i := range 4 {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: i == 0}}
			defer client.CloseIdleConnections()
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				res, err := client.Post(f.url(), "text/plain", bytes.NewReader(make([]byte, n%3*4000)))
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || res.StatusCode != 200 || string(body) != "ok" {
					t.Errorf("%d %q %v", res.StatusCode, body, err)
					return
				}
				served.Add(1)
			}
		})
	}
	for range 30 {
		next, nextAddress := start()
		f.apply()
		f.drain(key, time.Hour)
		f.apply()
		drained[address] = time.Now()
		f.awaitDrained(key) // as the stop gate does, before the target is removed
		f.entry(int(served.Load()) + 20)
		f.config.Targets = f.config.Targets[1:]
		key, address = next, nextAddress
	}
	close(stop)
	clients.Wait()
	for n := range int(served.Load()) {
		e := f.entry(n + 1)
		if e.Status != 200 {
			t.Errorf("%d: %s %s %s reused %v received %d age %v", e.Status, e.ErrorReason, e.Method, e.Target,
				e.Reused, e.Received, e.Ended.Sub(e.Created))
		}
		sent := e.Created.Add(e.Request)
		if at, ok := drained[e.Target]; ok && sent.After(at) {
			t.Errorf("a request was sent %v after its target was drained", sent.Sub(at))
		}
	}
	t.Logf("%d requests, none lost", served.Load())
}

// Groups, targets and ports that are removed leave nothing in what the edge keeps beside its tables.
func TestNothingIsKeptOfWhatIsGone(t *testing.T) {
	f := newFront(t, nil)
	f.apply()
	base := f.config
	for i := range 20 {
		f.config = base
		f.group(fmt.Sprint("tg", i), nil)
		f.rule(1, onPath("/new"), forward(fmt.Sprint("tg", i)))
		f.target(fmt.Sprint("tg", i), "127.0.0.1:1")
		f.config.Listeners = append(f.config.Listeners[:1:1],
			elb.Listener{ARN: "other", LoadBalancerARN: "web", Protocol: elb.HTTP, Port: 1000 + i})
		f.config.Revision = uint64(i)
		f.apply()
	}
	f.config = base
	f.apply()
	f.end() // the loop's own maps may be read
	if e := f.edge; len(e.groups) != 1 || len(e.upstreams) != 0 || len(e.ports) != 1 {
		t.Errorf("groups %v, upstreams %v, ports %v", e.groups, e.upstreams, e.ports)
	}
}
