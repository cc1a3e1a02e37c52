package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/internal/testenv"
)

// official is a real JavaScript client in a Node.js process.
type official struct {
	*testenv.Node
	t  *testing.T
	id string
}

func (o *official) do(v any, what string, more map[string]any) {
	o.t.Helper()
	c := map[string]any{"do": what, "id": o.id}
	for k, x := range more {
		c[k] = x
	}
	o.Ask(v, c)
}

func (o *official) next() []any {
	o.t.Helper()
	var v []any
	o.do(&v, "next", nil)
	return v
}

func (o *official) want(text string) {
	o.t.Helper()
	v := o.next()
	if got, _ := json.Marshal(v); string(got) != text {
		o.t.Fatalf("client %s got %s, want %s", o.id, got, text)
	}
}

// open connects a client and returns its socket id.
func (o *official) open(options map[string]any, nsp string) string {
	o.t.Helper()
	o.do(nil, "open", map[string]any{"options": options, "nsp": nsp})
	v := o.next()
	if v[0] != "connect" {
		o.t.Fatalf("client %s: %v", o.id, v)
	}
	return v[1].(string)
}

func transports(names ...string) map[string]any { return map[string]any{"transports": names} }

func echoServer(parser ...socketio.Parser) *socketio.Server {
	opt := socketio.Options{}
	if len(parser) > 0 {
		opt.Parser = parser[0]
	}
	io := socketio.New(opt)
	ns := io.Of("/")
	ns.On("echo", func(s *socketio.Socket, e *socketio.Event) { _ = s.Emit("echo", &e.Args) })
	ns.On("ask", func(_ *socketio.Socket, e *socketio.Event) { _ = e.Ack(&e.Args) })
	return io
}

// The official client exchanges events, acknowledgements in both directions and binary data over every transport.
func TestOfficialClient(t *testing.T) {
	for name, options := range map[string]map[string]any{
		"polling": transports("polling"), "websocket": transports("websocket"),
		"upgrade":         transports("polling", "websocket"),
		"base64":          {"transports": []string{"websocket"}, "forceBase64": true},
		"msgpack":         {"transports": []string{"websocket"}, "parser": "msgpack"},
		"msgpack polling": {"transports": []string{"polling"}, "parser": "msgpack"},
	} {
		t.Run(name, func(t *testing.T) {
			io := echoServer()
			if options["parser"] != nil {
				io = echoServer(socketio.MsgPack)
			}
			node := testenv.StartNode(t, "client.mjs", "http://"+serve(t, io))
			c := &official{node, t, "a"}
			id := c.open(options, "/")
			if name == "upgrade" {
				var transport string
				if c.do(&transport, "upgraded", nil); transport != "websocket" {
					t.Fatal(transport)
				}
			}
			binary := map[string]any{"bytes": []int{1, 2, 255}}
			for range 3 {
				c.do(nil, "emit", map[string]any{
					"args": []any{"echo", 1, "été \" \\ \n", nil, map[string]any{"b": binary}, binary},
				})
				c.want(`["echo",1,"été \" \\ \n",null,{"b":{"bytes":[1,2,255]}},{"bytes":[1,2,255]}]`)
			}
			var answer any
			if c.do(&answer, "ask", map[string]any{"args": []any{"ask", binary}}); fmt.Sprint(
				answer) != "map[bytes:[1 2 255]]" {
				t.Fatal(answer)
			}
			args, err := io.Of("/").Socket(id).EmitWithAck(t.Context(), "question", "six times nine", []byte{7})
			var text string
			var b []byte
			if err != nil || args.Scan(&text, &b) != nil || text != "six times nine" || string(b) != "\x07" {
				t.Fatal(text, b, err)
			}
			c.want(`["question","six times nine",{"bytes":[7]}]`)
		})
	}
}

// Messages so large that they need several polls are sent in both directions while the client changes its transport.
// None is lost, none arrives twice, and their order is kept.
func TestNothingIsLostInAnUpgrade(t *testing.T) {
	io := echoServer()
	const n = 300
	io.Of("/").OnConnect(func(s *socketio.Socket) {
		for i := range n {
			_ = s.Emit("count", i, strings.Repeat("x", 1000))
		}
	})
	node := testenv.StartNode(t, "client.mjs", "http://"+serve(t, io))
	c := &official{node, t, "a"}
	c.open(transports("polling", "websocket"), "/")
	for i := range n {
		if v := c.next(); v[0] != "count" || v[1] != float64(i) {
			t.Fatalf("event %d is %v", i, v[:2])
		}
	}
}

func TestMiddlewareAndAuth(t *testing.T) {
	io := socketio.New(socketio.Options{})
	io.Of("/admin").Use(func(s *socketio.Socket) error {
		var auth struct{ Token string }
		_ = json.Unmarshal(s.Handshake().Auth, &auth)
		switch auth.Token {
		case "right":
			return nil
		case "":
			return errors.New("no token")
		}
		return &socketio.Refusal{Message: "wrong token", Data: map[string]int{"retry": 3}}
	})
	io.Of("/admin").OnConnect(func(s *socketio.Socket) { _ = s.Emit("hello", s.Handshake().Auth) })
	node := testenv.StartNode(t, "client.mjs", "http://"+serve(t, io))
	for id, auth := range map[string]map[string]any{"none": {}, "wrong": {"token": "x"}} {
		c := &official{node, t, id}
		c.do(nil, "open", map[string]any{"nsp": "/admin", "options": map[string]any{"auth": auth}})
		if id == "none" {
			c.want(`["connect_error","no token",null]`)
		} else {
			c.want(`["connect_error","wrong token",{"retry":3}]`)
		}
	}
	c := &official{node, t, "right"}
	c.open(map[string]any{"auth": map[string]any{"token": "right"}}, "/admin")
	c.want(`["hello",{"token":"right"}]`)
}

// Client and server see the right reasons of disconnects (socketio.md 1.2), and a client that the server disconnects
// does not reconnect by itself.
func TestDisconnectReasons(t *testing.T) {
	io := socketio.New(socketio.Options{})
	reasons := make(chan string, 10)
	ns := io.Of("/")
	joined := make(chan struct{}, 10)
	ns.OnConnect(func(s *socketio.Socket) { s.Join("room"); joined <- struct{}{} })
	ns.OnDisconnect(func(s *socketio.Socket, why socketio.Reason) { reasons <- fmt.Sprint(why, len(s.Rooms())) })
	node := testenv.StartNode(t, "client.mjs", "http://"+serve(t, io))
	for _, step := range []struct {
		name   string
		end    func(*official, *socketio.Socket)
		server string
		client string
	}{
		{"client leaves", func(c *official, _ *socketio.Socket) { c.do(nil, "close", nil) },
			"client namespace disconnect2", "io client disconnect"},
		{"server disconnects", func(_ *official, s *socketio.Socket) { s.Disconnect(false) },
			"server namespace disconnect2", "io server disconnect"},
		{"server closes", func(_ *official, s *socketio.Socket) { s.Disconnect(true) },
			"server namespace disconnect2", "io server disconnect"},
		{"client drops", func(c *official, _ *socketio.Socket) { c.do(nil, "drop", nil) },
			"transport close2", "forced close"},
	} {
		t.Run(step.name, func(t *testing.T) {
			c := &official{node, t, step.name}
			id := c.open(map[string]any{"transports": []string{"websocket"}, "reconnection": false}, "/")
			<-joined
			step.end(c, ns.Socket(id))
			c.want(`["disconnect","` + step.client + `"]`)
			if got := <-reasons; got != step.server {
				t.Fatalf("the server says %q", got)
			}
		})
	}
}

// Disconnect(true) makes the client leave every namespace, and in each the client gets its "disconnect" event.
func TestDisconnectWithClosingLeavesAllNamespaces(t *testing.T) {
	io := socketio.New(socketio.Options{})
	left := make(chan string, 2)
	for _, name := range []string{"/", "/other"} {
		io.Of(name).OnDisconnect(func(s *socketio.Socket, why socketio.Reason) {
			left <- fmt.Sprint(s.Namespace().Name(), " ", why, " ", s.Connected())
		})
	}
	io.Of("/other").On("bye", func(s *socketio.Socket, _ *socketio.Event) { s.Disconnect(true) })
	p := join(t, serve(t, io), "")
	p.say("40/other")
	p.next()
	p.say(`42/other,["bye"]`)
	p.want("41")
	p.want("41/other,")
	p.want("closed")
	got := []string{<-left, <-left}
	slices.Sort(got)
	if got[0] != "/ server namespace disconnect false" || got[1] != "/other server namespace disconnect false" {
		t.Fatal(got)
	}
}

func TestAckEndsWithTheClient(t *testing.T) {
	io := echoServer()
	connected := make(chan *socketio.Socket, 1)
	io.Of("/").OnConnect(func(s *socketio.Socket) { connected <- s })
	p := join(t, serve(t, io), "")
	s := <-connected
	go func() { p.next(); p.Close() }()
	if _, err := s.EmitWithAck(context.Background(), "question"); !errors.Is(err, socketio.ErrDisconnected) {
		t.Fatal(err)
	}
	<-s.Context().Done()
	if !errors.Is(context.Cause(s.Context()), socketio.ErrDisconnected) {
		t.Fatal(context.Cause(s.Context()))
	}
}
