package edge

import (
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/elb"
)

// The timers are exactly those of alb.md 5.3.
func TestTimers(t *testing.T) {
	silent := func(c net.Conn, r *http.Request) { io.Copy(io.Discard, c) }
	for _, c := range []struct {
		name   string
		target func(net.Conn, *http.Request)
		run    func(t *testing.T, f *front, p *pipes)
	}{
		{"silent target is 504", silent, func(t *testing.T, f *front, p *pipes) {
			conn, br := p.connect(t)
			if status, took := ask(t, conn, br, simpleGet); status != 504 || took != 7*time.Second {
				t.Errorf("%d after %v", status, took)
			}
		}},
		{"connect timeout is 504", nil, func(t *testing.T, f *front, p *pipes) {
			conn, br := p.connect(t)
			if status, took := ask(t, conn, br, simpleGet); status != 504 || took != 10*time.Second {
				t.Errorf("%d after %v", status, took)
			}
		}},
		{"silence in the middle of a head is 408", ok, func(t *testing.T, f *front, p *pipes) {
			conn, br := p.connect(t)
			if status, took := ask(t, conn, br, "GET / HT"); status != 408 || took != 7*time.Second {
				t.Errorf("%d after %v", status, took)
			}
		}},
		{"silence in the middle of a body is 408", silent, func(t *testing.T, f *front, p *pipes) {
			conn, br := p.connect(t)
			if status, took := ask(t, conn, br, "POST / HTTP/1.1\r\nHost: a\r\n"+
				"Content-Length: 9\r\n\r\nab"); status != 408 || took != 7*time.Second {
				t.Errorf("%d after %v", status, took)
			}
		}},
		{"an idle connection is closed", ok, func(t *testing.T, f *front, p *pipes) {
			conn, br := p.connect(t)
			if status, _ := ask(t, conn, br, simpleGet); status != 200 {
				t.Errorf("%d", status)
			}
			if took := ended(t, br); took != 7*time.Second {
				t.Errorf("closed after %v", took)
			}
		}},
		{"an unused connection is closed", ok, func(t *testing.T, f *front, p *pipes) {
			_, br := p.connect(t)
			if took := ended(t, br); took != 7*time.Second {
				t.Errorf("closed after %v", took)
			}
		}},
		{"bytes restart the clock", func(c net.Conn, r *http.Request) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
			for range 4 {
				time.Sleep(5 * time.Second)
				io.WriteString(c, "x")
			}
		}, func(t *testing.T, f *front, p *pipes) {
			conn, br := p.connect(t)
			if status, took := ask(t, conn, br, simpleGet); status != 200 || took != 20*time.Second {
				t.Errorf("%d after %v", status, took)
			}
		}},
		{"a slow upload is no silence", func(c net.Conn, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			ok(c, r)
		}, func(t *testing.T, f *front, p *pipes) {
			conn, br := p.connect(t)
			io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
			for range 4 {
				time.Sleep(5 * time.Second)
				io.WriteString(conn, "x")
			}
			if status := await(t, br); status != 200 {
				t.Errorf("%d", status)
			}
		}},
		{"an old connection is asked to close", ok, func(t *testing.T, f *front, p *pipes) {
			lb := &f.config.LoadBalancers[0]
			lb.Attributes = maps.Clone(lb.Attributes)
			lb.Attributes["client_keep_alive.seconds"] = "60"
			f.apply()
			conn, br := p.connect(t)
			for i := range 11 {
				time.Sleep(6 * time.Second)
				io.WriteString(conn, simpleGet)
				res, err := http.ReadResponse(br, nil)
				if err != nil {
					t.Fatal(err)
				}
				io.ReadAll(res.Body)
				if res.Close != (i == 10) { // the first request after 60 s is answered and is the last
					t.Errorf("request %d: close %v", i, res.Close)
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, p := newPipes(t)
				f.idle("7")
				f.target("tg", "10.0.0.1:80")
				if c.target != nil {
					p.serve("10.0.0.1:80", c.target)
				}
				f.apply()
				c.run(t, f, p)
			})
		})
	}
}

func TestIdleWebSocketIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, p := newPipes(t)
		f.idle("7")
		f.target("tg", "10.0.0.1:80")
		p.targets["10.0.0.1:80"] = echoUpgrade
		f.apply()
		conn, br := p.connect(t)
		io.WriteString(conn, upgradeRequest+"\r\n")
		if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 {
			t.Fatal(res, err)
		}
		expect(t, br, "hello")
		for range 5 { // bytes in either direction keep it open
			time.Sleep(6 * time.Second)
			io.WriteString(conn, "x")
			expect(t, br, "x")
		}
		if took := ended(t, br); took != 7*time.Second {
			t.Errorf("closed after %v", took)
		}
	})
}

// alb.md D1-D7.
func TestDraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, p := newPipes(t)
		gone := f.target("tg", "10.0.0.1:80")
		f.target("tg", "10.0.0.2:80")
		var old, fresh atomic.Int32
		slow := func(c net.Conn, r *http.Request) {
			old.Add(1)
			time.Sleep(20 * time.Second)
			ok(c, r)
		}
		p.serve("10.0.0.1:80", slow)
		p.serve("10.0.0.2:80", func(c net.Conn, r *http.Request) { fresh.Add(1); ok(c, r) })
		f.apply()
		first, firstBR := p.connect(t)
		io.WriteString(first, simpleGet) // in its turn, to the first target
		time.Sleep(time.Second)
		f.drain(gone, 60*time.Second)
		f.apply()
		other, otherBR := p.connect(t)
		for range 5 {
			if status, _ := ask(t, other, otherBR, simpleGet); status != 200 {
				t.Errorf("%d", status)
			}
		}
		if old.Load() != 1 || fresh.Load() != 5 || f.reported(gone).Drained {
			t.Errorf("requests %d and %d, drained %v", old.Load(), fresh.Load(), f.reported(gone).Drained) // alb.md D1
		}
		if status := await(t, firstBR); status != 200 { // a request that is under way gets its response
			t.Errorf("%d", status)
		}
		synctest.Wait()
		if !f.reported(gone).Drained { // alb.md D2
			t.Error("nothing is in flight and it is not reported as drained")
		}
		if status, _ := ask(t, first, firstBR, simpleGet); status != 200 || old.Load() != 1 { // alb.md D6
			t.Errorf("the kept connection: %d, %d requests", status, old.Load())
		}
	})
}

func TestDelayOverCutsRequests(t *testing.T) { // alb.md D3, D7
	for _, delay := range []time.Duration{0, 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			f, p := newPipes(t)
			key := f.target("tg", "10.0.0.1:80")
			p.serve("10.0.0.1:80", func(c net.Conn, r *http.Request) { io.Copy(io.Discard, c) })
			f.apply()
			conn, br := p.connect(t)
			io.WriteString(conn, simpleGet)
			time.Sleep(time.Second)
			began := time.Now()
			f.drain(key, delay)
			f.apply()
			if status := await(t, br); status != 502 || time.Since(began) != delay {
				t.Errorf("%d after %v, want 502 after %v", status, time.Since(began), delay)
			}
		})
	}
}

// A request that has chosen a target, and was not sent before the target is deregistered, goes to another target
// (alb.md D8).
func TestGateClosesOnRequestsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, p := newPipes(t)
		leaving := f.target("tg", "10.0.0.1:80")
		f.target("tg", "10.0.0.2:80")
		var reached atomic.Int32
		p.serve("10.0.0.1:80", func(c net.Conn, r *http.Request) { reached.Add(1) })
		p.serve("10.0.0.2:80", ok)
		dial := f.edge.cfg.Dial
		f.edge.cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			if address == "10.0.0.1:80" {
				time.Sleep(3 * time.Second)
			}
			return dial(ctx, address)
		}
		f.apply()
		conn, br := p.connect(t)
		began := time.Now()
		io.WriteString(conn, simpleGet) // in its turn, to the first target
		time.Sleep(time.Second)
		f.drain(leaving, time.Hour)
		f.apply()
		if status := await(t, br); status != 200 || time.Since(began) != 3*time.Second || reached.Load() != 0 {
			t.Errorf("%d after %v, %d requests reached the draining target", status, time.Since(began), reached.Load())
		}
	})
}

// When a rule forwards to another target group, as in a blue/green switch, requests that are under way continue.
func TestGroupThatIsNoLongerUsedFinishesItsRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, p := newPipes(t)
		f.group("green", nil)
		f.target("tg", "10.0.0.1:80")
		f.target("green", "10.0.0.2:80")
		var blue atomic.Int32
		p.serve("10.0.0.1:80", func(c net.Conn, r *http.Request) { blue.Add(1); time.Sleep(5 * time.Second); ok(c, r) })
		p.serve("10.0.0.2:80", ok)
		f.apply()
		conn, br := p.connect(t)
		io.WriteString(conn, simpleGet)
		time.Sleep(time.Second)
		f.config.Rules = nil
		f.rule(0, nil, forward("green"))
		f.apply()
		if status := await(t, br); status != 200 {
			t.Errorf("%d for the request under way", status)
		}
		if status, took := ask(t, conn, br, simpleGet); status != 200 || took != 0 || blue.Load() != 1 {
			t.Errorf("%d after %v", status, took)
		}
		f.config.Rules = nil
		f.rule(0, nil, forward("tg")) // and back
		f.apply()
		if status, _ := ask(t, conn, br, simpleGet); status != 200 || blue.Load() != 2 {
			t.Errorf("%d after the way back", status)
		}
	})
}

func TestShutDownLetsRequestsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, p := newPipes(t)
		f.edge.cfg.Grace = 30 * time.Second
		f.target("tg", "10.0.0.1:80")
		p.serve("10.0.0.1:80", func(c net.Conn, r *http.Request) { time.Sleep(10 * time.Second); ok(c, r) })
		f.apply()
		busy, busyBR := p.connect(t)
		io.WriteString(busy, simpleGet)
		_, idleBR := p.connect(t)
		time.Sleep(time.Second)
		began := time.Now()
		go f.end()
		if took := ended(t, idleBR); took != 0 {
			t.Errorf("the idle connection was closed after %v", took)
		}
		if status := await(t, busyBR); status != 200 || time.Since(began) != 9*time.Second {
			t.Errorf("%d after %v", status, time.Since(began))
		}
		f.end()
		if err := f.edge.Apply(t.Context(), f.config); err != ErrEnded {
			t.Errorf("Apply: %v", err)
		}
	})
}

// A response that has begun and then pauses does not delay the end of the edge by more than its grace period.
func TestShutDownCutsSilentStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, p := newPipes(t)
		f.edge.cfg.Grace = 2 * time.Second
		f.idle("4000")
		f.target("tg", "10.0.0.1:80")
		p.serve("10.0.0.1:80", func(c net.Conn, r *http.Request) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"+
				"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
			io.Copy(io.Discard, c)
		})
		f.apply()
		conn, br := p.connect(t)
		io.WriteString(conn, simpleGet)
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.ReadFull(res.Body, make([]byte, 1))
		began := time.Now()
		f.end()
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("the edge ended after %v", took)
		}
	})
}

func TestKeepsItsTableWithoutControlPlane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, p := newPipes(t)
		key := f.target("tg", "10.0.0.1:80")
		probes := p.serve("10.0.0.1:80", ok)
		f.apply()
		time.Sleep(5 * time.Hour) // nobody calls Apply again
		conn, br := p.connect(t)
		if status, _ := ask(t, conn, br, simpleGet); status != 200 {
			t.Errorf("%d", status)
		}
		probes.set("500 no")
		time.Sleep(2 * time.Minute)
		if f.reported(key).State != elb.Unhealthy {
			t.Error("probing has ended")
		}
	})
}

// When a client closes its connection during a response that pauses, the edge notices it at once, and counts it as a
// client that left (alb.md 5.7: 460). Another response, whose client stays, continues.
func TestClientThatLeavesASilentStream(t *testing.T) {
	for _, framing := range []string{
		"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", "Content-Length: 9\r\n\r\nx", "\r\nx",
	} {
		synctest.Test(t, func(t *testing.T) {
			f, p := newPipes(t)
			f.idle("4000")
			f.target("tg", "10.0.0.1:80")
			var closed time.Time
			p.serve("10.0.0.1:80", func(c net.Conn, r *http.Request) {
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"+framing)
				io.Copy(io.Discard, c)
				closed = time.Now()
			})
			f.apply()
			conn, br := p.connect(t)
			io.WriteString(conn, simpleGet)
			res, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			io.ReadFull(res.Body, make([]byte, 1))
			time.Sleep(time.Hour)
			synctest.Wait()
			if !closed.IsZero() {
				t.Fatal("the stream was cut while its client was there")
			}
			left := time.Now()
			conn.Close()
			synctest.Wait()
			if !closed.Equal(left) {
				t.Errorf("the target's connection was closed at %v, the client left at %v", closed, left)
			}
			if e := f.entry(1); e.Status != 460 || e.TargetStatus != 200 {
				t.Errorf("status %d, of the target %d, %s", e.Status, e.TargetStatus, e.ErrorReason)
			}
		})
	}
}

// Bytes of the body that the edge reads while it watches whether the client is there arrive complete, even in the
// middle of a chunk's frame.
func TestStreamThatComesByTheByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, p := newPipes(t)
		f.idle("9")
		f.target("tg", "10.0.0.1:80")
		p.serve("10.0.0.1:80", func(c net.Conn, r *http.Request) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			for _, b := range []byte("3\r\none\r\n4\r\n two\r\n0\r\n\r\n") {
				time.Sleep(time.Second)
				c.Write([]byte{b})
			}
		})
		f.apply()
		conn, br := p.connect(t)
		for range 2 { // the connection can be used for another request
			io.WriteString(conn, simpleGet)
			res, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(res.Body); err != nil || string(body) != "one two" {
				t.Errorf("%q %v", body, err)
			}
		}
	})
}

// A target that does not read delays no change of the configuration. Once it drains, it does not get the rest of a
// head, and the request goes to the other target (alb.md D8). A request whose head was sent completely continues.
func TestGateWaitsForNoTarget(t *testing.T) {
	for _, c := range []struct {
		name  string
		until string // what of the request the leaving target reads before it drains
		want  int
	}{
		{"nothing was read", "", 200},
		{"a part of the head was read", "POST / HT", 200},
		{"the head was read", "\r\n\r\n", 201},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, p := newPipes(t)
				leaving := f.target("tg", "10.0.0.1:80")
				f.target("tg", "10.0.0.2:80")
				p.serve("10.0.0.1:80", ok) // probes
				p.serve("10.0.0.2:80", func(c net.Conn, r *http.Request) { io.Copy(io.Discard, r.Body); ok(c, r) })
				f.apply()
				time.Sleep(time.Second)
				drained, rest := make(chan bool), make(chan string, 1)
				p.mu.Lock()
				p.targets["10.0.0.1:80"] = func(conn net.Conn) {
					var seen []byte
					for b := make([]byte, 1); !strings.Contains(string(seen), c.until); seen = append(seen, b...) {
						conn.Read(b)
					}
					<-drained
					if c.want == 201 {
						io.ReadFull(conn, make([]byte, len("abc")))
						io.WriteString(conn, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
					}
					all, _ := io.ReadAll(conn) // until the edge closes it
					rest <- string(all)
				}
				p.mu.Unlock()
				conn, br := p.connect(t)
				// in its turn, to the first target
				io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
				synctest.Wait()
				began := time.Now()
				f.drain(leaving, time.Hour)
				f.apply()
				if took := time.Since(began); took != 0 {
					t.Errorf("Apply waited for %v", took)
				}
				close(drained)
				if status := await(t, br); status != c.want {
					t.Errorf("%d, want %d", status, c.want)
				}
				f.end()
				if got := <-rest; c.want == 200 && got != "" {
					t.Errorf("the draining target got %q", got)
				}
			})
		})
	}
}
