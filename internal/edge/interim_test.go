package edge

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/elb"
)

// everInterim sends interim responses until the connection ends, one at each pause.
func everInterim(status string, pause time.Duration) func(net.Conn, *http.Request) {
	return func(c net.Conn, _ *http.Request) {
		for {
			if _, err := io.WriteString(c, "HTTP/1.1 "+status+"\r\n\r\n"); err != nil {
				return
			}
			time.Sleep(pause)
		}
	}
}

// If a target sends interim responses without end, the client gets 502 after a number of them, of bytes, or a time.
func TestInterimResponsesAreBounded(t *testing.T) {
	for _, c := range []struct {
		name, request string
		target        func(net.Conn, *http.Request)
		least, most   time.Duration
	}{
		{"a flood to HTTP/1.1", simpleGet, everInterim("102 Processing", 0), 0, time.Second},
		{"a flood to HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", everInterim("103 Early Hints", 0), 0, time.Second},
		{"a flood of 100", simpleGet, everInterim("100 Continue", 0), 0, time.Second},
		{"large ones", simpleGet, everInterim("103 Early Hints\r\nLink: "+strings.Repeat("x", 30<<10), 0), 0,
			time.Second},
		{"one now and then", simpleGet, everInterim("102 Processing", 50*time.Second),
			600 * time.Second, 660 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, p := newPipes(t)
				f.target("tg", "10.0.0.1:80")
				p.serve("10.0.0.1:80", c.target)
				f.apply()
				conn, br := p.connect(t)
				began := time.Now()
				io.WriteString(conn, c.request)
				res, err := http.ReadResponse(br, nil)
				for err == nil && res.StatusCode < 200 {
					res, err = http.ReadResponse(br, nil)
				}
				if err != nil || res.StatusCode != 502 {
					t.Fatalf("%v %v", res, err)
				}
				if took := time.Since(began); took < c.least || took > c.most {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// A hundred interim responses reach the client, and so does the final one after them.
func TestInterimResponsesPass(t *testing.T) {
	f := newFront(t, nil)
	f.target("tg", f.rawServer(func(nc net.Conn) {
		http.ReadRequest(bufio.NewReader(nc))
		io.WriteString(nc, strings.Repeat("HTTP/1.1 103 Early Hints\r\nContent-Length: 3\r\n"+
			"Connection: X-Hop\r\nX-Hop: 1\r\nLink: </a>\r\n\r\n", maxInterim)+
			"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")
	}))
	f.apply()
	got, err := f.everything(simpleGet)
	if err != nil || strings.Count(got, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n") != maxInterim ||
		!strings.HasSuffix(got, "abc") {
		t.Errorf("%v %.300q", err, got)
	}
}

// A client that leaves ends the request although its target keeps sending interim responses.
func TestClientThatLeavesDuringInterimResponses(t *testing.T) {
	for _, request := range []string{simpleGet, "GET / HTTP/1.0\r\n\r\n"} {
		synctest.Test(t, func(t *testing.T) {
			f, p := newPipes(t)
			f.target("tg", "10.0.0.1:80")
			var cut time.Time
			p.serve("10.0.0.1:80", func(c net.Conn, r *http.Request) {
				everInterim("100 Continue", 20*time.Second)(c, r)
				cut = time.Now()
			})
			f.apply()
			conn, _ := p.connect(t)
			io.WriteString(conn, request)
			time.Sleep(30 * time.Second)
			left := time.Now()
			conn.Close()
			if e := f.entry(1); e.Status != 460 || !e.Ended.Equal(left) {
				t.Errorf("status %d, ended %v after the client left", e.Status, e.Ended.Sub(left))
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if cut.IsZero() {
				t.Error("the target's connection is still open")
			}
		})
	}
}

// A probe that gets interim responses without end fails at once, and not only at its timeout.
func TestProbeBoundsInterimResponses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, p := newPipes(t)
		f.check(func(h *elb.HealthCheck) { h.UnhealthyThreshold = 2 })
		key := f.unseen("tg", "10.0.0.1:80")
		var sent atomic.Int64
		p.targets["10.0.0.1:80"] = func(c net.Conn) {
			http.ReadRequest(bufio.NewReader(c))
			for {
				if _, err := io.WriteString(c, "HTTP/1.1 102 Processing\r\n\r\n"); err != nil {
					return
				}
				sent.Add(1)
			}
		}
		f.apply()
		time.Sleep(45 * time.Second)
		synctest.Wait()
		if got := f.states(key); got != "unhealthy Target.FailedHealthChecks Health checks failed" {
			t.Error(got)
		}
		if n := sent.Load(); n == 0 || n > 100*(maxInterim+3*4096/27) { // what is buffered may come beside what is read
			t.Errorf("the target could send %d interim responses to some 32 probes", n)
		}
	})
}
