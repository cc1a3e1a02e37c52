package socketio_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/berthhq/berth/socketio"
)

func Example() {
	io := socketio.New(socketio.Options{Log: slog.Default()})
	defer io.Close()

	chat := io.Of("/")
	chat.OnConnect(func(s *socketio.Socket) { s.Join("lobby") })
	chat.On("say", socketio.Typed(func(s *socketio.Socket, text string) {
		_ = s.To("lobby").Emit("said", s.ID(), text)
	}))
	chat.OnDisconnect(func(s *socketio.Socket, why socketio.Reason) {
		slog.Info("gone", "id", s.ID(), "why", why)
	})

	http.Handle("/socket.io/", io)
	_ = http.ListenAndServe("127.0.0.1:3000", nil)
}

// A handler whose result is the acknowledgement.
func ExampleAnswer() {
	type order struct{ Item string }
	type receipt struct {
		Number int `json:"number"`
	}
	io := socketio.New(socketio.Options{})
	io.Of("/shop").On("order", socketio.Answer(func(ctx context.Context, s *socketio.Socket, o order) (receipt, error) {
		if o.Item == "" {
			return receipt{}, errors.New("order what?")
		}
		return receipt{Number: 1}, nil
	}))
}

// Handing an event on costs no decoding.
func ExampleArgs() {
	io := socketio.New(socketio.Options{})
	ns := io.Of("/")
	ns.On("relay", func(s *socketio.Socket, e *socketio.Event) {
		_ = s.Broadcast().Emit("relayed", &e.Args)
		_ = e.Ack("done")
	})
	ns.On("upload", func(_ *socketio.Socket, e *socketio.Event) {
		var name string
		var data []byte
		if err := e.Args.Scan(&name, &data); err != nil {
			_ = e.Ack(map[string]string{"error": err.Error()})
			return
		}
		_ = e.Ack(len(data))
	})
}

// Middlewares see what a client sends with its CONNECT; the error is what it is told.
func ExampleNamespace_Use() {
	type user struct{ Name string }
	io := socketio.New(socketio.Options{})
	io.Of("/admin").Use(func(s *socketio.Socket) error {
		var auth struct{ Token string }
		if s.Handshake().DecodeAuth(&auth) != nil || auth.Token != "secret" {
			return &socketio.Refusal{Message: "no", Data: map[string]int{"retryAfter": 60}}
		}
		s.SetData(user{Name: "root"}) // for handlers: socketio.DataOf[user](s)
		return nil
	})
}

// One acknowledgement of every client, on all servers.
func ExampleSelection_EmitWithAck() {
	io := socketio.New(socketio.Options{})
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	answers, err := io.Of("/").To("players").EmitWithAck(ctx, "ready?")
	if errors.Is(err, socketio.ErrMissing) {
		slog.Warn("not everybody is", "ready", len(answers))
	}
}

// Clients are sent away over ten seconds, and come back to another server.
func ExampleServer_Drain() {
	io := socketio.New(socketio.Options{})
	stop := make(chan os.Signal, 1)
	<-stop
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	_ = io.Drain(ctx, 10*time.Second)
	io.Close()
}
