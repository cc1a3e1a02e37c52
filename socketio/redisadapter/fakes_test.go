package redisadapter_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/adapter"
	"github.com/berthhq/berth/socketio/adaptertest"
	"github.com/berthhq/berth/socketio/internal/testenv"
)

const patience = 10 * time.Second

// goNode is one of our servers.
type goNode struct {
	ns   *socketio.Namespace
	addr string
	told chan string
}

func startGo(t *testing.T, name string, join adapter.Connector, recovery *socketio.Recovery) *goNode {
	t.Helper()
	g := &goNode{told: make(chan string, 10)}
	io := socketio.New(socketio.Options{Adapter: join, Recovery: recovery})
	g.ns = io.Of("/")
	g.ns.OnConnect(func(s *socketio.Socket) { s.SetData(map[string]string{"at": name}) })
	g.ns.OnServer("ask", func(e *socketio.ServerEvent) {
		var v string
		_ = e.Args.Decode(0, &v)
		_ = e.Ack(name + " got " + v)
	})
	g.ns.OnServer("tell", func(e *socketio.ServerEvent) { g.told <- string(e.Args.Raw(0)) })
	ts := httptest.NewServer(io)
	t.Cleanup(func() {
		io.Close()
		ts.Close()
	})
	g.addr = strings.TrimPrefix(ts.URL, "http://")
	return g
}

func join(t *testing.T, addr string) *adaptertest.Client { return adaptertest.Dial(t, addr, "40") }

// ready waits until n servers of that kind have subscribed.
func ready(t *testing.T, r server, kind string, n int64) {
	t.Helper()
	nodes := []*redis.Client{}
	if cluster, ok := r.(*testenv.RedisCluster); ok {
		for _, node := range cluster.Nodes {
			nodes = append(nodes, client(t, node))
		}
	} else {
		nodes = append(nodes, client(t, r))
	}
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		counts, patterns := map[string]int64{}, int64(0)
		var failed error
		for _, c := range nodes {
			found, err := listeners(t.Context(), c, kind)
			failed = errors.Join(failed, err)
			for ch, count := range found {
				counts[ch] += count
			}
			patterns += c.PubSubNumPat(t.Context()).Val()
		}
		enough := failed == nil && (kind == "sharded" || kind == "streams" || patterns > 0)
		for _, count := range counts {
			enough = enough && count == n
		}
		if enough {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%v servers, want %d: %v", counts, n, failed)
		}
	}
}

// listeners returns how many subscribers the channels of the main namespace have on one node of Redis.
func listeners(ctx context.Context, c *redis.Client, kind string) (map[string]int64, error) {
	switch kind {
	case "sharded":
		return c.PubSubShardNumSub(ctx, "socket.io#/#").Result()
	case "streams":
		return c.PubSubNumSub(ctx, "socket.io#/#").Result()
	default:
		return c.PubSubNumSub(ctx, "socket.io-request#/#", "socket.io-response#/#").Result()
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
