// Command conformance is a server for the official test suites of Engine.IO, Socket.IO and the JavaScript client. The
// suites are not part of this repository; docs/socketio.md says where they are and how to run them.
//
//	go run ./socketio/internal/conformance --suite engine.io --listen 127.0.0.1:3000
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/berthhq/berth/socketio/engineio"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:3000", "address to listen on")
	suite := flag.String("suite", "socket.io", "engine.io, socket.io or client")
	debug := flag.Bool("debug", false, "log at debug level")
	flag.Parse()
	level := slog.LevelWarn
	if *debug {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *suite, log); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, listen, suite string, log *slog.Logger) error {
	var h http.Handler
	var closeAll func()
	switch suite {
	case "engine.io":
		s := engineSuite(log)
		h, closeAll = s, s.Close
	case "socket.io":
		s := socketSuite(log)
		h, closeAll = s, s.Close
	case "client":
		s := clientSuite(log)
		h, closeAll = s, s.Close
	default:
		return fmt.Errorf("no suite %q: engine.io, socket.io or client", suite)
	}
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Println("listening on", ln.Addr())
	hs := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-ctx.Done()
		closeAll()
		hs.Close()
	}()
	if err := hs.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-done
	return nil
}

// suiteOptions has the settings that the two protocol suites expect.
func suiteOptions(log *slog.Logger) engineio.Options {
	return engineio.Options{
		PingInterval: 300 * time.Millisecond,
		PingTimeout:  200 * time.Millisecond,
		MaxPayload:   1_000_000,
		CORS:         &engineio.CORS{Origins: []string{"*"}},
		Log:          log,
	}
}
