package redisadapter_test

import (
	"context"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/adaptertest"
	"github.com/berthhq/berth/socketio/testenv"
)

const patience = 10 * time.Second

// goNode is one of our servers.
type goNode struct {
	ns   *socketio.Namespace
	addr string
	told chan string
}

func startGo(t *testing.T, name string, join socketio.Connector, recovery *socketio.Recovery) *goNode {
	t.Helper()
	g := &goNode{told: make(chan string, 10)}
	io := socketio.New(socketio.Options{Adapter: join, Recovery: recovery})
	g.ns = io.Of("/")
	g.ns.OnConnect(func(s *socketio.Socket) { s.SetData(map[string]string{"at": name}) })
	g.ns.OnServer("ask", func(args *socketio.Args, answer func(any)) {
		var v string
		_ = args.Decode(0, &v)
		answer(name + " got " + v)
	})
	g.ns.OnServer("tell", func(args *socketio.Args, _ func(any)) { g.told <- string(args.Raw(0)) })
	ts := httptest.NewServer(io)
	t.Cleanup(func() {
		io.Close()
		ts.Close()
	})
	g.addr = strings.TrimPrefix(ts.URL, "http://")
	return g
}

func join(t *testing.T, addr string) *adaptertest.Client { return adaptertest.Dial(t, addr, "40") }

// ready waits until Redis counts n servers of that kind.
func ready(t *testing.T, r *testenv.Redis, kind string, n int64) {
	t.Helper()
	c := client(t, r)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		var counts map[string]int64
		var err error
		enough := true
		switch kind {
		case "sharded":
			counts, err = c.PubSubShardNumSub(ctx, "socket.io#/#").Result()
		case "streams":
			counts, err = c.PubSubNumSub(ctx, "socket.io#/#").Result()
		default:
			counts, err = c.PubSubNumSub(ctx, "socket.io-request#/#", "socket.io-response#/#").Result()
			enough = c.PubSubNumPat(ctx).Val() == 1
		}
		for _, count := range counts {
			enough = enough && count == n
		}
		if err == nil && enough {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%v servers, want %d: %v", counts, n, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func sorted(list []string) string {
	slices.Sort(list)
	return strings.Join(list, " ")
}

func publish(t *testing.T, r *testenv.Redis, channel string, bodies ...string) {
	t.Helper()
	c := client(t, r)
	for _, b := range bodies {
		if err := c.Publish(t.Context(), channel, b).Err(); err != nil {
			t.Fatal(err)
		}
	}
}
