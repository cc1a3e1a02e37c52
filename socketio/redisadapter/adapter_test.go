package redisadapter_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/adaptertest"
	"github.com/berthhq/berth/socketio/redisadapter"
	"github.com/berthhq/berth/socketio/testenv"
)

func client(t *testing.T, r *testenv.Redis) *redis.Client {
	t.Helper()
	opt, err := redis.ParseURL(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(opt)
	t.Cleanup(func() { c.Close() })
	return c
}

// connector joins a cluster of that kind.
func connector(t *testing.T, r *testenv.Redis, kind string) socketio.Connector {
	t.Helper()
	c := client(t, r)
	switch kind {
	case "sharded", "static":
		mode := redisadapter.Dynamic
		if kind == "static" {
			mode = redisadapter.Static
		}
		s, err := redisadapter.NewSharded(c, mode, redisadapter.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s.Connect
	case "streams":
		return redisadapter.NewStreams(c, redisadapter.StreamOptions{}, redisadapter.Options{}).Connect
	case "specific":
		return redisadapter.New(c, redisadapter.Options{OwnResponseChannel: true}).Connect
	default:
		return redisadapter.New(c, redisadapter.Options{}).Connect
	}
}

func TestAdapters(t *testing.T) {
	for _, kind := range []string{"classic", "specific", "sharded", "static", "streams"} {
		t.Run(kind, func(t *testing.T) {
			r := testenv.StartRedis(t)
			adaptertest.Run(t, kind == "streams", func(t *testing.T) socketio.Connector { return connector(t, r, kind) })
		})
	}
}
