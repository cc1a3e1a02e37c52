package server

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// front serves h with the limits of the API, on connections that the test makes.
func front(t *testing.T, max int, h http.Handler) (dial func() net.Conn) {
	t.Helper()
	c := newConnections(max)
	s := &http.Server{Handler: c.pace(h), ReadHeaderTimeout: headerTime, IdleTimeout: idleTime,
		ConnState: c.follow, ConnContext: c.context}
	l := &pipes{accept: make(chan net.Conn), closed: make(chan struct{})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Close()
		<-served
	})
	return func() net.Conn {
		here, there := net.Pipe()
		t.Cleanup(func() { here.Close() })
		l.accept <- there
		return here
	}
}

// pipes is a listener of net.Pipe's connections.
type pipes struct {
	accept chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accept:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func healthy(t *testing.T, conn net.Conn) {
	t.Helper()
	go io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("health: %v, %v", resp, err)
	}
}

// ended waits until the server closes a connection and returns how long that took.
func ended(conn net.Conn) time.Duration {
	began := time.Now()
	io.Copy(io.Discard, conn)
	return time.Since(began)
}

func ok(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/unread":
		return
	case "/long": // more than net/http buffers until the handler returns
		io.WriteString(w, strings.Repeat("x", 100_000))
		return
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// The connections of callers that send nothing, only a part of a request, or nothing more, are closed.
func TestWaitingCallersAreLetGo(t *testing.T) {
	const post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
	for name, c := range map[string]struct {
		send   string
		within time.Duration
	}{
		"nothing":       {"", headerTime},
		"half a header": {"GET / HTTP/1.1\r\nHost:", headerTime},
		"no more":       {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", idleTime},
		"no body":       {post, stallTime},
		"half a body":   {post + strings.Repeat("x", 1000), stallTime + time.Second},
		"unread body":   {"GET /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx", unreadTime},
		"long answer":   {"GET /long HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx", unreadTime},
		"longer body":   {"GET /long HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n", unreadTime},
		"long, chunked": {"GET /long HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n", unreadTime},
		"unread chunk":  {"GET /unread HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n", unreadTime},
	} {
		synctest.Test(t, func(t *testing.T) {
			conn := front(t, 10, http.HandlerFunc(ok))()
			go io.WriteString(conn, c.send)
			if took := ended(conn); took > c.within+time.Second {
				t.Errorf("%s: the connection ends after %v, want %v", name, took, c.within)
			}
		})
	}
}

// A request whose body arrives too slowly ends. One whose body arrives quickly enough does not, however long it takes.
func TestPaceOfBodies(t *testing.T) {
	for rate, want := range map[int]int{slowestBody / 8: 0, 2 * slowestBody: http.StatusOK} {
		synctest.Test(t, func(t *testing.T) {
			conn := front(t, 10, http.HandlerFunc(ok))()
			const seconds = 300
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", rate*seconds)
				for range seconds {
					if _, err := conn.Write(make([]byte, rate)); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			}()
			status := 0
			if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
				status = resp.StatusCode
			}
			if status != want {
				t.Errorf("%d bytes a second: status %d, want %d", rate, status, want)
			}
			<-sent
		})
	}
}

// A handler may work for longer than a body may take.
func TestLongWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := front(t, 10, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ok(w, r)
			select {
			case <-r.Context().Done():
				panic(http.ErrAbortHandler)
			case <-time.After(stallTime + 10*time.Second):
			}
		}))()
		go io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
		if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%v, %v", resp, err)
		}
	})
}

// At the limit of connections, a new one is answered. The one that has been idle for longest is closed for it, or else
// the one with the slowest body.
func TestHealthIsAnsweredAtTheBound(t *testing.T) {
	for name, send := range map[string]string{
		"idle": "", "half a header": "GET /",
		"half a body":    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx",
		"an unread body": "POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx",
	} {
		synctest.Test(t, func(t *testing.T) {
			dial := front(t, 5, http.HandlerFunc(ok))
			var held []net.Conn
			for range 5 {
				conn := dial()
				go io.WriteString(conn, send)
				held = append(held, conn)
				time.Sleep(time.Second)
				synctest.Wait()
			}
			healthy(t, dial())
			if took := ended(held[0]); took != 0 {
				t.Errorf("%s: the oldest connection ends %v after the new one came", name, took)
			}
		})
	}
}

// One address cannot have all connections, except loopback.
func TestConnectionsOfOneSource(t *testing.T) {
	for source, want := range map[string]int{"192.0.2.1": 5, "127.0.0.1": 10} {
		c := newConnections(10)
		for port := range 100 {
			c.follow(&from{
				addr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(source), uint16(port))),
			}, http.StateNew)
		}
		if len(c.all) != want || c.idle.Len() != want {
			t.Errorf("%s has %d connections, %d of them idle, want %d", source, len(c.all), c.idle.Len(), want)
		}
		for conn := range c.all {
			c.follow(conn, http.StateClosed)
		}
		if len(c.all)+c.idle.Len()+len(c.sources) != 0 {
			t.Errorf("something is left: %+v", c)
		}
	}
}

// from is a connection from an address.
type from struct {
	net.Conn
	addr net.Addr
}

func (f *from) RemoteAddr() net.Addr { return f.addr }
func (f *from) Close() error         { return nil }

// At its start, the server logs how many container instances can connect within the limit of open files.
func TestStartSaysHowManyInstancesFit(t *testing.T) {
	for _, c := range []struct {
		limit uint64
		want  string
	}{
		{1024, `level=WARN msg="limit on open files and connections" limit=1024 container_instances=120 ` +
			`api_connections=480 advice="raise it with ulimit -n, or with LimitNOFILE= in a systemd unit"`},
		{20_000, `level=INFO msg="limit on open files and connections" limit=20000 container_instances=2492 ` +
			`api_connections=9968`},
		{0, "container_instances=4 "},
	} {
		var log strings.Builder
		s := &Server{cfg: Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}}
		s.logDescriptors(c.limit)
		if !strings.Contains(log.String(), c.want) {
			t.Errorf("at a limit of %d the log says %s, want %s", c.limit, &log, c.want)
		}
	}
}
