package redisadapter_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/adaptertest"
	"github.com/berthhq/berth/socketio/internal/testenv"
	"github.com/berthhq/berth/socketio/redisadapter"
)

// replaceable is a server that can be replaced by another one at a new address.
type replaceable struct {
	mu   sync.Mutex
	io   *socketio.Server
	http *httptest.Server
	addr string
}

func (r *replaceable) start(t *testing.T, redis *testenv.Redis) {
	streams := redisadapter.NewStreams(client(t, redis), redisadapter.StreamOptions{}, redisadapter.Options{})
	io := socketio.New(socketio.Options{Adapter: streams.Connect, Recovery: &socketio.Recovery{}})
	ts := httptest.NewServer(io)
	r.mu.Lock()
	r.io, r.http, r.addr = io, ts, strings.TrimPrefix(ts.URL, "http://")
	r.mu.Unlock()
}

func (r *replaceable) stop(t *testing.T) {
	r.mu.Lock()
	io, ts := r.io, r.http
	r.mu.Unlock()
	if err := io.Drain(t.Context(), 50*time.Millisecond); err != nil {
		t.Error(err)
	}
	io.Close()
	ts.Close()
}

func (r *replaceable) where() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.addr
}

// The servers are replaced one by one while numbered events are sent. With the streams format and recovery, every
// client gets each event once and in order.
func TestDeployLosesNothing(t *testing.T) {
	redis := testenv.StartRedis(t)
	servers := []*replaceable{{}, {}, {}}
	for _, s := range servers {
		s.start(t, redis)
	}
	sender := &replaceable{}
	sender.start(t, redis)
	defer sender.stop(t)
	defer func() {
		for _, s := range servers {
			s.stop(t)
		}
	}()

	const clients = 12
	var wg sync.WaitGroup
	var mu sync.Mutex
	moves, counts := 0, make([]int, clients)
	started := make(chan struct{}, clients)
	for i := range clients {
		wg.Go(func() {
			at := i
			p := adaptertest.Dial(t, servers[at%3].where(), "40")
			started <- struct{}{}
			for next := 0; ; {
				var got []string
				switch text := p.Next(); text {
				case "closed":
					at++
					old := p
					p = dialAgain(t, func() string { at++; return servers[at%3].where() }, old)
					if p.ID != old.ID {
						t.Errorf("client %d was not recovered", i)
						return
					}
					mu.Lock()
					moves++
					mu.Unlock()
					got = p.Early
				default:
					got = []string{text}
				}
				for _, text := range got {
					if text == `42["end"]` {
						mu.Lock()
						counts[i] = next
						mu.Unlock()
						return
					}
					if want := fmt.Sprintf(`42["n",%d]`, next); text != want {
						t.Errorf("client %d got %s, want %s", i, text, want)
						return
					}
					next++
				}
			}
		})
	}
	for range clients {
		<-started
	}
	stop := make(chan struct{})
	sent := make(chan int)
	go func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-stop:
				sent <- n
				return
			case <-tick.C:
				_ = sender.io.Of("/").Emit("n", n)
			}
		}
	}()
	time.Sleep(200 * time.Millisecond) // a client can only be recovered after its first event
	for _, s := range servers {
		s.stop(t)
		s.start(t, redis)
	}
	close(stop)
	n := <-sent
	_ = sender.io.Of("/").Emit("end")
	wg.Wait()
	for i, c := range counts {
		if c != n && !t.Failed() {
			t.Errorf("client %d got %d of %d", i, c, n)
		}
	}
	if moves < clients {
		t.Errorf("only %d moves", moves)
	}
	t.Logf("%d events to %d clients that moved %d times", n, clients, moves)
}

// dialAgain tries one server after the other, as a client behind a load balancer does.
func dialAgain(t *testing.T, where func() string, old *adaptertest.Client) *adaptertest.Client {
	connect := fmt.Sprintf(`40{"pid":%q,"offset":%q}`, old.PID, old.Offset)
	for {
		if p, err := adaptertest.TryDial(t, where(), connect); err == nil {
			if p.Offset == "" { // it has received no event
				p.Offset = old.Offset
			}
			return p
		}
		time.Sleep(5 * time.Millisecond)
	}
}
