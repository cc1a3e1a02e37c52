package main

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/redis/go-redis/v9"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/engineio"
	"github.com/berthhq/berth/socketio/redisadapter"
)

// runServer is our side of the comparison: the same three events as bench.mjs.
func runServer(ctx context.Context, addr, redisURL string) error {
	opt := socketio.Options{Engine: engineio.Options{Transports: []string{engineio.WebSocket}}}
	if redisURL != "" {
		ro, err := redis.ParseURL(redisURL)
		if err != nil {
			return err
		}
		client := redis.NewClient(ro)
		defer client.Close()
		opt.Adapter = redisadapter.New(client, redisadapter.Options{}).Connect
	}
	io := socketio.New(opt)
	defer io.Close()
	ns := io.Of("/")
	ns.On("ack", func(_ *socketio.Socket, e *socketio.Event) { _ = e.Ack(&e.Args) })
	ns.On("echo", func(s *socketio.Socket, e *socketio.Event) { _ = s.Emit("echo", &e.Args) })
	ns.On("all", func(_ *socketio.Socket, e *socketio.Event) { _ = ns.Emit("all", &e.Args) })
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	hs := &http.Server{Handler: io}
	go func() {
		<-ctx.Done()
		hs.Close()
	}()
	if err := hs.Serve(ln); err != http.ErrServerClosed {
		return err
	}
	return nil
}
