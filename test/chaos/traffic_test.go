package chaos

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// span is a time with a beginning and an end.
type span struct{ from, to time.Time }

func (s span) meets(o span) bool { return s.from.Before(o.to) && o.from.Before(s.to) }

// failure is a request that was not answered with 200.
type failure struct {
	span
	what string
}

// traffic is a number of clients that request one URL without a pause.
type traffic struct {
	stop chan struct{}
	all  sync.WaitGroup

	mu       sync.Mutex // guards what follows
	answered int
	failures []failure
}

// visit starts that many clients. Every second one makes a new connection for each request.
func visit(url string, clients int) *traffic {
	v := &traffic{stop: make(chan struct{})}
	for i := range clients {
		c := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 1}, Timeout: 20 * time.Second}
		v.all.Go(func() { v.ask(c, url) })
	}
	return v
}

func (v *traffic) ask(c *http.Client, url string) {
	defer c.CloseIdleConnections()
	pace := time.NewTicker(2 * time.Millisecond)
	defer pace.Stop()
	for {
		select {
		case <-v.stop:
			return
		case <-pace.C:
		}
		from := time.Now()
		err := get(c, url)
		v.note(span{from, time.Now()}, err)
	}
}

func (v *traffic) note(s span, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err == nil {
		v.answered++
		return
	}
	v.failures = append(v.failures, failure{s, err.Error()})
}

func get(c *http.Client, url string) error {
	resp, err := c.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", resp.Status)
	}
	return nil
}

// end stops the clients, and fails the test for each failed request that was not during a time when the edge was down.
func (v *traffic) end(t testing.TB, down []span) {
	t.Helper()
	close(v.stop)
	v.all.Wait()
	var unexplained []string
	for _, f := range v.failures {
		explained := false
		for _, d := range down {
			explained = explained || f.meets(d)
		}
		if !explained {
			unexplained = append(unexplained,
				fmt.Sprintf("%s %v: %s", f.from.Format("15:04:05.000"), f.to.Sub(f.from), f.what))
		}
	}
	t.Logf("traffic: %d answered, %d failed, %d of them while the edge was up", v.answered,
		len(v.failures), len(unexplained))
	if v.answered == 0 {
		t.Error("no request was answered")
	}
	if n := len(unexplained); n > 0 {
		t.Errorf("%d requests failed while the edge was up:\n%s", n, strings.Join(unexplained[:min(n, 20)], "\n"))
	}
}
