package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/berthhq/berth/socketio"
)

// The server is a handler. In the browser:
//
//	const socket = io();
//	socket.emit("say", "hello");
func Example() {
	io := socketio.New(socketio.Options{})
	defer io.Close()
	chat := io.Of("/")
	chat.OnConnect(func(s *socketio.Socket) { s.Join("lobby") })
	chat.On("say", socketio.Typed(func(_ *socketio.Socket, text string) {
		_ = chat.To("lobby").Emit("said", text)
	}))
	http.Handle("/socket.io/", io)

	client := connect(io)
	client.say(`42["say","hello"]`)
	fmt.Println(client.next())
	// Output: 42["said","hello"]
}

// A handler whose result is the acknowledgement. In the browser:
//
//	const receipt = await socket.emitWithAck("order", { item: "tea" });
func ExampleAnswer() {
	type order struct{ Item string }
	type receipt struct {
		Number int `json:"number"`
	}
	io := socketio.New(socketio.Options{})
	defer io.Close()
	io.Of("/").On("order", socketio.Answer(func(_ context.Context, _ *socketio.Socket, o order) (receipt, error) {
		if o.Item == "" {
			return receipt{}, errors.New("order what?")
		}
		return receipt{Number: 1}, nil
	}))

	client := connect(io)
	client.say(`421["order",{"item":"tea"}]`)
	fmt.Println(client.next())
	client.say(`422["order",{}]`)
	fmt.Println(client.next())
	// Output:
	// 431[{"number":1}]
	// 432[{"error":"order what?"}]
}

// Several arguments, each of its own type.
func ExampleTyped2() {
	io := socketio.New(socketio.Options{})
	defer io.Close()
	io.Of("/").On("move", socketio.Typed2(func(s *socketio.Socket, piece string, to [2]int) {
		_ = s.Emit("moved", piece, to)
	}))

	client := connect(io)
	client.say(`42["move","rook",[3,4]]`)
	fmt.Println(client.next())
	// Output: 42["moved","rook",[3,4]]
}

// A handler passes the arguments of an event on without decoding them.
func ExampleArgs() {
	io := socketio.New(socketio.Options{})
	defer io.Close()
	io.Of("/").On("relay", func(s *socketio.Socket, e *socketio.Event) {
		_ = s.Emit("relayed", &e.Args)
		_ = e.Ack("done")
	})

	client := connect(io)
	client.say(`427["relay",{"any":["thing"]},2.5]`)
	fmt.Println(client.next())
	fmt.Println(client.next())
	// Output:
	// 42["relayed",{"any":["thing"]},2.5]
	// 437["done"]
}

// A middleware checks what a client sends to join a namespace. The client gets the text of the error.
func ExampleNamespace_Use() {
	type user struct{ Name string }
	io := socketio.New(socketio.Options{})
	defer io.Close()
	io.Of("/admin").Use(func(s *socketio.Socket) error {
		var auth struct{ Token string }
		if s.Handshake().DecodeAuth(&auth) != nil || auth.Token != "secret" {
			return &socketio.Refusal{Message: "no", Data: map[string]int{"retryAfter": 60}}
		}
		s.SetData(user{Name: "root"}) // for handlers: socketio.DataOf[user](s)
		return nil
	})

	client := connect(io)
	client.say(`40/admin,{"token":"guessed"}`)
	fmt.Println(client.next())
	// Output: 44/admin,{"message":"no","data":{"retryAfter":60}}
}

// The server collects one acknowledgement from every client of all servers.
func ExampleSelection_EmitWithAck() {
	io := socketio.New(socketio.Options{})
	defer io.Close()
	joined := make(chan struct{})
	io.Of("/").OnConnect(func(s *socketio.Socket) {
		s.Join("players")
		close(joined)
	})
	client := connect(io)
	<-joined
	go func() {
		client.next() // 420["ready?"]
		client.say(`430["yes"]`)
	}()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	answers, err := io.Of("/").To("players").EmitWithAck(ctx, "ready?")
	if errors.Is(err, socketio.ErrTimeout) {
		fmt.Println("not everybody has answered")
	}
	for _, a := range answers {
		var text string
		_ = a.Decode(0, &text)
		fmt.Println(text)
	}
	// Output: yes
}

// A server sends an event to the other servers of its cluster, and gets their answers.
func ExampleNamespace_OnServer() {
	io := socketio.New(socketio.Options{}) // with an Adapter, to have others
	defer io.Close()
	ns := io.Of("/")
	ns.OnServer("clients", func(e *socketio.ServerEvent) { _ = e.Ack(ns.Len()) })

	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	answers, err := ns.ServerSideAsk(ctx, "clients")
	fmt.Println(len(answers), err)
	// Output: 0 <nil>
}

// Before a server ends, it closes the connections of its clients, spread over some time. The clients reconnect by
// themselves, to another server.
func ExampleServer_Drain() {
	io := socketio.New(socketio.Options{})
	client := connect(io)

	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	if err := io.Drain(ctx, 10*time.Millisecond); err != nil {
		fmt.Println("some clients are left:", err)
	}
	io.Close()
	fmt.Println(client.next())
	// Output: closed
}
