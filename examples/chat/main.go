// Command chat is a Socket.IO chat server in Go: the application of the article, without Node.js. Any
// number of these, and of the Node.js servers in ../chat-node, form one chat when they share a Redis.
//
// It is configured by the environment, as the article's container is:
//
//	PORT            port to listen on, default 3000
//	REDIS_ENDPOINT  redis://host:port; without it the server has no other servers
//	DRAIN_SECONDS   time over which clients are disconnected after SIGTERM, default 5
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/adapter"
	"github.com/berthhq/berth/socketio/redisadapter"
)

func main() {
	log := slog.New(slog.NewTextHandler(os.Stdout, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Getenv, log); err != nil {
		log.Error("chat ended", "error", err)
		os.Exit(1)
	}
}

// run serves until ctx is done, and then disconnects the clients one after the other.
func run(ctx context.Context, env func(string) string, log *slog.Logger) error {
	port, drain, err := settings(env)
	if err != nil {
		return err
	}
	where := locate(ctx, env, port)
	cluster, closeRedis, err := connect(env("REDIS_ENDPOINT"), log)
	if err != nil {
		return err
	}
	defer closeRedis()
	room := newChat(where, log)
	opt := socketio.Options{Log: log}
	if cluster != nil {
		opt.Adapter = cluster(room.redisChanged)
	}
	io := socketio.New(opt)
	defer io.Close()
	room.serve(io)

	ln, err := net.Listen("tcp", ":"+strconv.Itoa(port))
	if err != nil {
		return err
	}
	hs := &http.Server{Handler: routes(io, where), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- socketio.NewGate(0).Serve(hs, ln) }()
	log.Info("chat listens", "address", ln.Addr().String(), "host", where.Host, "task", where.Task,
		"redis", env("REDIS_ENDPOINT"))
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	return leave(io, hs, drain, failed, log)
}

// leave closes the connections one after the other. It sends no DISCONNECT, so clients connect again
// by themselves, to another server.
func leave(io *socketio.Server, hs *http.Server, over time.Duration, failed <-chan error, log *slog.Logger) error {
	log.Info("chat is asked to stop", "clients", io.Clients(), "over", over)
	ctx, cancel := context.WithTimeout(context.Background(), over+5*time.Second)
	defer cancel()
	if err := io.Drain(ctx, over); err != nil {
		log.Warn("not all clients were sent away in time", "error", err)
	}
	io.Close()
	if err := hs.Shutdown(ctx); err != nil {
		hs.Close()
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	log.Info("chat has stopped")
	return nil
}

func settings(env func(string) string) (port int, drain time.Duration, err error) {
	port, seconds := 3000, 5
	for name, v := range map[string]*int{"PORT": &port, "DRAIN_SECONDS": &seconds} {
		text := env(name)
		if text == "" {
			continue
		}
		if *v, err = strconv.Atoi(text); err != nil || *v < 0 || *v > 65535 {
			return 0, 0, fmt.Errorf("%s=%q is not a number from 0 to 65535", name, text)
		}
	}
	return port, time.Duration(seconds) * time.Second, nil
}

// connect returns the connector to the cluster, or nil if there is no Redis. Redis need not run
// yet.
func connect(endpoint string, log *slog.Logger) (func(changed func(lost bool)) adapter.Connector, func(), error) {
	if endpoint == "" {
		log.Warn("REDIS_ENDPOINT is not set: this server is alone")
		return nil, func() {}, nil
	}
	opt, err := redis.ParseURL(endpoint)
	if err != nil {
		return nil, nil, fmt.Errorf("REDIS_ENDPOINT=%q: %w; it should be redis://host:port", endpoint, err)
	}
	client := redis.NewClient(opt)
	join := func(changed func(bool)) adapter.Connector {
		return redisadapter.New(client, redisadapter.Options{
			Log: log, OnLost: func() { changed(true) }, OnBack: func() { changed(false) },
		}).Connect
	}
	return join, func() { client.Close() }, nil
}
