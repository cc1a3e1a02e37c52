package redisadapter_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/berthhq/berth/socketio/adapter"
	"github.com/berthhq/berth/socketio/adaptertest"
	"github.com/berthhq/berth/socketio/internal/testenv"
	"github.com/berthhq/berth/socketio/redisadapter"
)

// server is a Redis, alone or a cluster.
type server interface {
	URL() string
}

// universal returns a client for the single Redis or for the cluster.
func universal(t *testing.T, r server) redis.UniversalClient {
	t.Helper()
	cluster, ok := r.(*testenv.RedisCluster)
	if !ok {
		return client(t, r)
	}
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: cluster.Addrs()})
	t.Cleanup(func() { c.Close() })
	return c
}

func client(t *testing.T, r server) *redis.Client {
	t.Helper()
	opt, err := redis.ParseURL(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(opt)
	t.Cleanup(func() { c.Close() })
	return c
}

// connector returns a Connector with an adapter of that kind.
func connector(t *testing.T, r server, kind string) adapter.Connector {
	t.Helper()
	c := universal(t, r)
	switch kind {
	case "sharded", "static":
		mode := redisadapter.Dynamic
		if kind == "static" {
			mode = redisadapter.Static
		}
		return redisadapter.NewSharded(c, mode, redisadapter.Options{}).Connect
	case "streams":
		return redisadapter.NewStreams(c, redisadapter.StreamOptions{}, redisadapter.Options{}).Connect
	case "specific":
		return redisadapter.New(c, redisadapter.Options{OwnResponseChannel: true}).Connect
	default:
		return redisadapter.New(c, redisadapter.Options{}).Connect
	}
}

// The adapters pass the same tests on a Redis Cluster, where channels are spread over three masters.
func TestAdaptersOnRedisCluster(t *testing.T) {
	r := testenv.StartRedisCluster(t)
	for _, kind := range []string{"classic", "sharded", "static", "streams"} {
		t.Run(kind, func(t *testing.T) {
			adaptertest.Run(t, kind == "streams", func(t *testing.T) adapter.Connector { return connector(t, r, kind) })
		})
	}
}

func TestAdapters(t *testing.T) {
	for _, kind := range []string{"classic", "specific", "sharded", "static", "streams"} {
		t.Run(kind, func(t *testing.T) {
			r := testenv.StartRedis(t)
			adaptertest.Run(t, kind == "streams", func(t *testing.T) adapter.Connector { return connector(t, r, kind) })
		})
	}
}
