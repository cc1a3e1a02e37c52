package harness

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// Load is a number of clients that request one URL. Each makes up to 100 requests a second, and they take turns: of n
// clients that are answered at once, one makes a request every 10/n ms. So the load notices a short moment without a
// server, and leaves the machine to what it tests.
type Load struct {
	stop chan struct{}
	all  sync.WaitGroup

	mu       sync.Mutex // guards what follows
	answers  map[string]int
	failures []Failure
}

// Failure is a request that was not answered with 200.
type Failure struct {
	From, To time.Time
	What     string
}

func (f Failure) String() string {
	return fmt.Sprintf("%s, after %v: %s", f.From.Format("15:04:05.000"), f.To.Sub(f.From), f.What)
}

// Visit starts that many clients. Every second one opens a connection for each request.
func Visit(url string, clients int) *Load {
	return visit(url, clients, func(i int) http.RoundTripper { return &http.Transport{DisableKeepAlives: i%2 == 1} })
}

func visit(url string, clients int, transport func(client int) http.RoundTripper) *Load {
	l := &Load{stop: make(chan struct{}), answers: map[string]int{}}
	for i := range clients {
		c := &http.Client{Transport: transport(i), Timeout: 20 * time.Second}
		l.all.Go(func() { l.ask(c, url, time.Duration(i)*every/time.Duration(clients)) })
	}
	return l
}

// every is the time between two requests of a client.
const every = 10 * time.Millisecond

// ask makes requests until the load ends. It makes the first one after a delay and the time between two requests.
func (l *Load) ask(c *http.Client, url string, delay time.Duration) {
	defer c.CloseIdleConnections()
	select {
	case <-l.stop:
		return
	case <-time.After(delay):
	}
	pace := time.NewTicker(every)
	defer pace.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-pace.C:
		}
		from := time.Now()
		body, err := page(c, url)
		l.note(from, body, err)
	}
}

func (l *Load) note(from time.Time, body string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failures = append(l.failures, Failure{from, time.Now(), err.Error()})
		return
	}
	l.answers[body]++
}

func page(c *http.Client, url string) (string, error) {
	resp, err := c.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return string(body), err
}

// Stop ends the clients. It returns how often each body was the answer, and the requests that failed.
func (l *Load) Stop() (answers map[string]int, failures []Failure) {
	close(l.stop)
	l.all.Wait()
	return l.answers, l.failures
}

// LosesNothing ends the clients and fails the test if a request failed. It returns how often each body was the answer.
func (l *Load) LosesNothing(t testing.TB) (answers map[string]int) {
	t.Helper()
	answers, failures := l.Stop()
	t.Logf("answers: %v", answers)
	for _, f := range failures[:min(10, len(failures))] {
		t.Errorf("one of %d failures: %s", len(failures), f)
	}
	return answers
}
