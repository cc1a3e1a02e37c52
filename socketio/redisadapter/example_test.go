package redisadapter_test

import (
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/redisadapter"
)

// Go and Node.js servers share one Redis. Clients that reconnect get the events that they missed.
func Example() {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"})
	defer client.Close()
	streams := redisadapter.NewStreams(client, redisadapter.StreamOptions{}, redisadapter.Options{Log: slog.Default()})
	io := socketio.New(socketio.Options{
		Adapter:  streams.Connect,
		Recovery: &socketio.Recovery{MaxDisconnection: time.Minute},
		CORS:     &socketio.CORS{Origins: []string{"https://app.example"}},
	})
	defer io.Close()
}
