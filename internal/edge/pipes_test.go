package edge

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/elb"
)

// pipes is a network of in-memory connections, for tests with fake time.
type pipes struct {
	mu       sync.Mutex
	accepted map[string]chan net.Conn // by listener address
	targets  map[string]func(net.Conn)
	wg       sync.WaitGroup
}

type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) listen(address string) (net.Listener, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	p.accepted[address] = l.conns
	return l, nil
}

// dial connects to a target; an address without one never answers.
func (p *pipes) dial(ctx context.Context, address string) (net.Conn, error) {
	p.mu.Lock()
	handle := p.targets[address]
	p.mu.Unlock()
	if handle == nil {
		<-ctx.Done()
		return nil, os.ErrDeadlineExceeded
	}
	near, far := net.Pipe()
	p.wg.Go(func() { defer far.Close(); handle(far) })
	return near, nil
}

// newPipes returns a front whose connections are pipes.
func newPipes(t *testing.T) (*front, *pipes) {
	p := &pipes{accepted: map[string]chan net.Conn{}, targets: map[string]func(net.Conn){}}
	f := newFront(t, func(c *Config) { c.Listen, c.Dial = p.listen, p.dial })
	t.Cleanup(func() { f.end(); p.wg.Wait() })
	return f, p
}

// connect opens a client's connection to port 80.
func (p *pipes) connect(t *testing.T) (net.Conn, *bufio.Reader) {
	near, far := net.Pipe()
	p.mu.Lock()
	conns := p.accepted["127.0.0.1:80"]
	p.mu.Unlock()
	conns <- far
	t.Cleanup(func() { near.Close() })
	return near, bufio.NewReader(near)
}

// serve makes a target at an address. It answers each request with the function, and health checks as probe says, with
// 200 at first.
func (p *pipes) serve(address string, handle func(c net.Conn, r *http.Request)) *probed {
	probed := &probed{status: "200 OK"}
	p.targets[address] = func(c net.Conn) {
		br := bufio.NewReader(c)
		for {
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			if r.UserAgent() == "ELB-HealthChecker/2.0" {
				probed.answer(c, r)
				return
			}
			handle(c, r)
		}
	}
	return probed
}

// probed says how a target answers health checks.
type probed struct {
	mu     sync.Mutex
	status string // "" is silence, "close" is a closed connection
	times  []time.Time
	last   *http.Request
}

func (p *probed) set(status string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status, p.times = status, nil
}

func (p *probed) answer(c net.Conn, r *http.Request) {
	p.mu.Lock()
	status := p.status
	p.times, p.last = append(p.times, time.Now()), r
	p.mu.Unlock()
	switch status {
	case "":
		io.Copy(io.Discard, c)
	case "close":
	default:
		io.WriteString(c, "HTTP/1.1 "+status+"\r\nContent-Length: 0\r\n\r\n")
	}
}

func ok(c net.Conn, r *http.Request) {
	io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
}

const simpleGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

// ask sends text, and returns the status and how long the response took.
func ask(t *testing.T, c net.Conn, br *bufio.Reader, text string) (int, time.Duration) {
	t.Helper()
	began := time.Now()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return await(t, br), time.Since(began)
}

func await(t *testing.T, br *bufio.Reader) int {
	t.Helper()
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode
}

// ended reads until the end, and returns how long that took.
func ended(t *testing.T, br *bufio.Reader) time.Duration {
	t.Helper()
	began := time.Now()
	if b, err := io.ReadAll(br); len(b) > 0 || err != nil && !errors.Is(err, io.ErrClosedPipe) {
		t.Fatalf("read %q, %v", b, err)
	}
	return time.Since(began)
}

func (f *front) states(keys ...string) string {
	var out []string
	for _, k := range keys {
		h := f.reported(k)
		out = append(out, strings.TrimSpace(h.State+" "+h.Reason+" "+h.Description))
	}
	return strings.Join(out, "; ")
}

func (f *front) unseen(group, address string) string {
	key := f.target(group, address)
	f.config.Health = f.config.Health[:len(f.config.Health)-1]
	return key
}

func (f *front) idle(seconds string) {
	f.config.LoadBalancers[0].Attributes = map[string]string{"idle_timeout.timeout_seconds": seconds}
}

func (f *front) check(change func(*elb.HealthCheck)) { change(&f.config.TargetGroups[0].HealthCheck) }
