package socketio_test

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/engineio"
	"github.com/berthhq/berth/socketio/internal/lean"
	"github.com/berthhq/berth/socketio/internal/testenv"
)

// stormClients is how many clients reconnect at once in a test; `make bench-storm` has 20,000.
const stormClients = 1500

// stormServer counts how many clients are in its middleware at the same time.
type stormServer struct {
	io   *socketio.Server
	http *http.Server
	ln   net.Listener

	inside, most atomic.Int64
}

func startStorm(t *testing.T, addr string, opt socketio.Options) *stormServer {
	t.Helper()
	s := &stormServer{io: socketio.New(opt)}
	s.io.Of("/").Use(func(*socketio.Socket) error {
		now := s.inside.Add(1)
		for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
		}
		time.Sleep(time.Millisecond) // as if it asked a database
		s.inside.Add(-1)
		return nil
	})
	var err error
	for until := time.Now().Add(patience); ; { // the one before has just ended
		if s.ln, err = net.Listen("tcp", addr); err == nil {
			break
		}
		if time.Now().After(until) {
			t.Fatal(err)
		}
	}
	s.http = &http.Server{Handler: s.io}
	go func() { _ = socketio.NewGate(0).Serve(s.http, s.ln) }()
	t.Cleanup(func() { s.io.Close(); s.http.Close() })
	return s
}

// abrupt closes everything at once. The benchmark kills the process.
func (s *stormServer) abrupt(*testing.T) {
	s.http.Close()
	s.io.Close()
}

// graceful drains the server.
func (s *stormServer) graceful(t *testing.T) {
	s.ln.Close()
	go func() {
		if err := s.io.Drain(t.Context(), time.Second); err != nil {
			t.Error(err)
		}
		s.io.Close()
	}()
}

// When a server is killed or drained, each client joins the next server exactly once, and the middlewares of that
// server get only a limited number of clients at a time.
func TestStorm(t *testing.T) {
	const joining = 8
	opt := socketio.Options{MaxJoining: joining, Engine: engineio.Options{Transports: []string{engineio.WebSocket}}}
	now := startStorm(t, "127.0.0.1:0", opt)
	addr := now.ln.Addr().String()
	var mu sync.Mutex
	rolls := make([]int, stormClients)
	all := make(chan struct{}, stormClients)
	pool := &lean.Pool{
		Addr: addr, First: 20 * time.Millisecond, Most: 100 * time.Millisecond,
		From: []netip.Addr{netip.MustParseAddr("127.0.1.1"), netip.MustParseAddr("127.0.1.2")},
		On: func(i int, text []byte) {
			if string(text) == `42["roll"]` {
				mu.Lock()
				rolls[i]++
				mu.Unlock()
				all <- struct{}{}
			}
		},
	}
	defer pool.Close()
	pool.Start(stormClients)
	arrived(t, now, pool, stormClients)
	for _, how := range []struct {
		name string
		end  func(*stormServer, *testing.T)
	}{{"abrupt", (*stormServer).abrupt}, {"graceful", (*stormServer).graceful}} {
		t.Run(how.name, func(t *testing.T) {
			before := pool.Joins.Load()
			how.end(now, t)
			now = startStorm(t, addr, opt)
			arrived(t, now, pool, before+stormClients)
			if most := now.most.Load(); most > joining {
				t.Errorf("%d clients were in the middleware at the same time, want at most %d", most, joining)
			}
			if got := pool.Joins.Load() - before; got != stormClients {
				t.Errorf("%d joins for %d clients", got, stormClients)
			}
			if now.io.Clients() != stormClients {
				t.Errorf("the server has %d connections", now.io.Clients())
			}
			mu.Lock()
			clear(rolls)
			mu.Unlock()
			if err := now.io.Of("/").Emit("roll"); err != nil {
				t.Fatal(err)
			}
			for range stormClients {
				select {
				case <-all:
				case <-time.After(patience):
					t.Fatal("not all clients got the broadcast")
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for i, n := range rolls {
				if n != 1 {
					t.Errorf("client %d got it %d times", i, n)
				}
			}
		})
	}
}

// arrived waits until all clients have joined the server.
func arrived(t *testing.T, s *stormServer, pool *lean.Pool, joins int64) {
	t.Helper()
	for until := time.Now().Add(6 * patience); ; time.Sleep(5 * time.Millisecond) {
		if pool.Joins.Load() >= joins && pool.In.Load() == stormClients && s.io.Of("/").Len() == stormClients {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("%d of %d are back, and %d failed", s.io.Of("/").Len(), stormClients, pool.Failures.Load())
		}
	}
}

// While MaxWaiting clients wait to join, others are refused and try again by themselves.
func TestFullJoinQueue(t *testing.T) {
	io := socketio.New(socketio.Options{MaxJoining: 1, MaxWaiting: 1})
	entered, open := make(chan struct{}, 10), make(chan struct{})
	let := sync.OnceFunc(func() { close(open) })
	defer let() // the server waits for its middlewares, also when the test has failed or is skipped
	io.Of("/").Use(func(*socketio.Socket) error {
		entered <- struct{}{}
		<-open
		return nil
	})
	addr := serve(t, io)
	first := dial(t, addr)
	first.say("40")
	<-entered
	second := dial(t, addr)
	second.say("40")
	var res *http.Response
	for res == nil { // until the second client waits to join
		r, err := http.Get("http://" + addr + "/socket.io/?EIO=4&transport=polling")
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK {
			res = r
		}
	}
	if after, err := strconv.Atoi(res.Header.Get("Retry-After")); res.StatusCode != http.StatusServiceUnavailable ||
		err != nil || after < 1 || after > 5 {
		t.Fatal(res.Status, res.Header)
	}
	node := testenv.StartNode(t, "client.mjs", "http://"+addr)
	c := &official{node, t, "a"}
	c.do(nil, "open", map[string]any{"options": map[string]any{"reconnectionDelay": 20}})
	c.want(`["connect_error","xhr poll error",null]`)
	let()
	for got := c.next(); got[0] != "connect"; got = c.next() {
		if got[0] != "connect_error" {
			t.Fatal(got)
		}
	}
	for _, p := range []*peer{first, second} {
		if got := p.next(); !strings.HasPrefix(got, "40{") {
			t.Fatal(got)
		}
	}
}

// A client that disconnects while it waits to join does not join later.
func TestLeftTheJoinQueue(t *testing.T) {
	io := socketio.New(socketio.Options{MaxJoining: 1})
	entered, open := make(chan string, 10), make(chan struct{})
	let := sync.OnceFunc(func() { close(open) })
	defer let() // the server waits for its middlewares, also when the test has failed or is skipped
	io.Of("/").Use(func(s *socketio.Socket) error {
		entered <- string(s.Handshake().Auth)
		<-open
		return nil
	})
	addr := serve(t, io)
	for i := range 3 {
		p := dial(t, addr)
		p.say(fmt.Sprintf(`40{"n":%d}`, i))
		if i == 0 {
			<-entered
		}
		p.say("47") // not a packet: the one before it has been read then
		p.want("closed")
	}
	last := dial(t, addr)
	last.say(`40{"n":3}`)
	let()
	if got := last.next(); !strings.HasPrefix(got, "40{") {
		t.Fatal(got)
	}
	if got := <-entered; got != `{"n":3}` || len(entered) > 0 {
		t.Fatal(got, len(entered))
	}
}
