package redisadapter_test

import (
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/internal/testenv"
	"github.com/berthhq/berth/socketio/redisadapter"
)

// restartable is a server that serves a page, which keeps what it receives.
type restartable struct {
	io   *socketio.Server
	http *http.Server
}

func startPage(t *testing.T, r *testenv.Redis, addr string) (*restartable, string) {
	t.Helper()
	streams := redisadapter.NewStreams(client(t, r), redisadapter.StreamOptions{}, redisadapter.Options{})
	s := &restartable{io: socketio.New(socketio.Options{Adapter: streams.Connect, Recovery: &socketio.Recovery{}})}
	s.io.Of("/").OnConnect(func(c *socketio.Socket) {
		if !c.Recovered() {
			c.Join("room")
		}
	})
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", s.io)
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `<!doctype html><script src="/socket.io/socket.io.js"></script><script>
			const seen = [], joins = [], reasons = [], socket = io({reconnectionDelay: 100});
			socket.on("n", (n) => seen.push(n));
			socket.on("connect", () => joins.push([socket.id, socket.recovered]));
			socket.on("disconnect", (reason) => reasons.push(reason));
		</script>`)
	})
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s.http = &http.Server{Handler: mux}
	go func() { _ = s.http.Serve(ln) }()
	t.Cleanup(s.stop)
	return s, ln.Addr().String()
}

func (s *restartable) stop() {
	s.io.Close()
	s.http.Close()
}

// A server is replaced by another while a real browser is connected to it. The browser reconnects by itself, has the
// same socket and the same rooms, and gets every event once, also those that were sent while there was no server at
// all.
func TestChromiumRecovers(t *testing.T) {
	r := testenv.StartRedis(t)
	first, addr := startPage(t, r, "127.0.0.1:0")
	other := startGo(t, "other", connector(t, r, "streams"), &socketio.Recovery{})
	ready(t, r, "streams", 2)
	b := testenv.StartBrowser(t)
	b.Do("goto", "url", "http://"+addr)
	b.Do("until", "js", `socket.io.engine?.transport.name === "websocket"`)
	send := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			if err := other.ns.To("room").Emit("n", i); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(0, 10)
	b.Do("until", "js", `seen.length === 10`)
	if err := first.io.Drain(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	first.stop()
	b.Do("until", "js", `reasons.length === 1`)
	send(10, 20)
	_, _ = startPage(t, r, addr)
	send(20, 30)
	b.Do("until", "js", `joins.length === 2`)
	send(30, 40)
	b.Do("until", "js", `seen.length >= 40`)
	var page struct {
		Seen    []int
		Joins   [][2]any
		Reasons []string
	}
	b.Eval(&page, `({seen, joins, reasons})`)
	for i, n := range page.Seen {
		if n != i {
			t.Fatal(page.Seen)
		}
	}
	if page.Joins[1] != [2]any{page.Joins[0][0], true} || page.Joins[0][1] != false ||
		page.Reasons[0] != "transport close" {
		t.Fatalf("%+v", page)
	}
}
