//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/engineio"
	"github.com/berthhq/berth/socketio/redisadapter"
)

// runServer runs our server until ctx is done. It handles the same three events as the Node.js server in bench.mjs, and
// one more that returns how many objects it has allocated.
func runServer(ctx context.Context, addr, redisURL string, typed bool, profile string) error {
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
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
	if typed {
		handleTyped(ns)
	} else {
		handleRaw(ns)
	}
	ns.On("mallocs", func(_ *socketio.Socket, e *socketio.Event) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		_ = e.Ack(m.Mallocs)
	})
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
	go runCommands(io, ln)
	if err := socketio.NewGate(0).Serve(hs, ln); err != http.ErrServerClosed {
		<-ctx.Done() // the command "leave" has closed the listener; the server goes on until it has drained
	}
	return nil
}

func handleRaw(ns *socketio.Namespace) {
	ns.On("ack", func(_ *socketio.Socket, e *socketio.Event) { _ = e.Ack(&e.Args) })
	ns.On("echo", func(s *socketio.Socket, e *socketio.Event) { _ = s.Emit("echo", &e.Args) })
	ns.On("all", func(_ *socketio.Socket, e *socketio.Event) { _ = ns.Emit("all", &e.Args) })
}

func handleTyped(ns *socketio.Namespace) {
	ns.On("ack", socketio.Answer(func(
		_ context.Context, _ *socketio.Socket, v string,
	) (string, error) {
		return v, nil
	}))
	ns.On("echo", socketio.Typed(func(s *socketio.Socket, v string) { _ = s.Emit("echo", v) }))
	ns.On("all", socketio.Typed(func(_ *socketio.Socket, v string) { _ = ns.Emit("all", v) }))
}

// runCommands runs the commands that storm sends as lines on the standard input.
func runCommands(io *socketio.Server, ln net.Listener) {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch verb, arg, _ := strings.Cut(in.Text(), " "); verb {
		case "count":
			fmt.Println(io.Clients(), io.Of("/").Len())
		case "roll":
			_ = io.Of("/").Emit("roll")
		case "leave":
			ln.Close()
		case "drain":
			over, err := time.ParseDuration(arg)
			if err == nil {
				err = io.Drain(context.Background(), over)
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, "drain:", err)
			}
			os.Exit(0)
		}
	}
}
