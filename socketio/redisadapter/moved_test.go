package redisadapter_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/adaptertest"
	"github.com/berthhq/berth/socketio/internal/testenv"
	"github.com/berthhq/berth/socketio/redisadapter"
)

// A client that is recovered on another server has its data there with the same type, and its session is kept for as
// long as the server's options say.
func TestClientMovesWithItsData(t *testing.T) {
	type user struct {
		Name string `json:"name"`
	}
	r := testenv.StartRedis(t)
	start := func() (string, *socketio.Namespace, chan string) {
		streams := redisadapter.NewStreams(client(t, r), redisadapter.StreamOptions{}, redisadapter.Options{})
		io := socketio.New(socketio.Options{
			Adapter: streams.Connect, Recovery: &socketio.Recovery{MaxDisconnection: 30 * time.Second},
		})
		in := make(chan string, 1)
		io.Of("/").Use(func(s *socketio.Socket) error { s.SetData(user{"ann"}); return nil })
		io.Of("/").OnConnect(func(s *socketio.Socket) {
			u, ok := socketio.DataOf[user](s)
			_, other := socketio.DataOf[[]int](s)
			in <- fmt.Sprint(s.Recovered(), " ", u.Name, " ", ok, " ", other)
		})
		ts := httptest.NewServer(io)
		t.Cleanup(func() { io.Close(); ts.Close() })
		return strings.TrimPrefix(ts.URL, "http://"), io.Of("/"), in
	}
	a, ns, inA := start()
	b, _, inB := start()
	ready(t, r, "streams", 2)
	p := join(t, a)
	if got := <-inA; got != "false ann true false" {
		t.Fatal(got)
	}
	if err := ns.To(p.ID).Emit("hello"); err != nil {
		t.Fatal(err)
	}
	p.Want(`42["hello"]`)
	ns.Socket(p.ID).CloseConnection()
	rc := client(t, r)
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		left := rc.PTTL(t.Context(), "sio:session:"+p.PID).Val()
		if left > 0 && left <= 30*time.Second {
			break
		}
		if left > 0 || time.Now().After(end) {
			t.Fatalf("the session is kept for %v", left)
		}
	}
	adaptertest.Dial(t, b, fmt.Sprintf(`40{"pid":%q,"offset":%q}`, p.PID, p.Offset))
	if got := <-inB; got != "true ann true false" {
		t.Fatal(got)
	}
}
