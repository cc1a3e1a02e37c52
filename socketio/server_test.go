package socketio_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/internal/testenv"
	"github.com/berthhq/berth/socketio/internal/wsframe"
)

// The server serves the files of the JavaScript client with the headers of the official server (socketio.md 4).
func TestBundle(t *testing.T) {
	url := "http://" + serve(t, socketio.New(socketio.Options{}))
	for _, name := range []string{"socket.io.js", "socket.io.min.js", "socket.io.esm.min.js",
		"socket.io.msgpack.min.js", "socket.io.js.map", "socket.io.min.js.map"} {
		for _, encoding := range []string{"gzip", "identity"} {
			req, _ := http.NewRequest("GET", url+"/socket.io/"+name+"?t=1", nil)
			req.Header.Set("Accept-Encoding", encoding)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			kind := "application/javascript; charset=utf-8"
			if strings.HasSuffix(name, ".map") {
				kind = "application/json; charset=utf-8"
			}
			if res.StatusCode != 200 || res.Header.Get("Etag") != `"4.8.4"` ||
				res.Header.Get("Content-Type") != kind ||
				res.Header.Get("Cache-Control") != "public, max-age=0" || res.ContentLength < 1000 {
				t.Errorf("%s: %d %v", name, res.StatusCode, res.Header)
			}
		}
	}
	for _, match := range []string{`"4.8.4"`, `W/"4.8.4"`} {
		req, _ := http.NewRequest("GET", url+"/socket.io/socket.io.js", nil)
		req.Header.Set("If-None-Match", match)
		if res, err := http.DefaultClient.Do(req); err != nil || res.StatusCode != 304 {
			t.Error(res, err)
		}
	}
	if status, body := get(t, url+"/socket.io/other.js"); status != 400 ||
		body != `{"code":0,"message":"Transport unknown"}` {
		t.Error(status, body)
	}
	if status, _ := get(t, url+"/"); status != 404 {
		t.Error(status)
	}
}

func TestRoomsAndSelections(t *testing.T) {
	io := socketio.New(socketio.Options{})
	ns := io.Of("/")
	ns.On("join", socketio.Typed(func(s *socketio.Socket, room string) { s.Join(room) }))
	ns.On("leave", socketio.Typed(func(s *socketio.Socket, room string) { s.Leave(room) }))
	ns.On("to", func(s *socketio.Socket, e *socketio.Event) {
		var room string
		_ = e.Args.Decode(0, &room)
		_ = s.To(room).Emit("room", room)
		_ = e.Ack()
	})
	addr := serve(t, io)
	a, b, c := join(t, addr, ""), join(t, addr, ""), join(t, addr, "")
	for _, p := range []*peer{a, b} {
		p.say(`42["join","r"]`)
	}
	a.say(`421["to","r"]`)
	a.want(`431[]`)
	// b may still be joining when a sends, so its membership is checked again.
	b.say(`422["to","r"]`)
	for {
		got := a.next()
		if got == `42["room","r"]` {
			break
		}
	}
	for got := b.next(); got != `432[]`; got = b.next() {
		if got != `42["room","r"]` {
			t.Fatal(got)
		}
	}
	if err := ns.To("r").To("nowhere").Emit("once"); err != nil {
		t.Fatal(err)
	}
	a.want(`42["once"]`)
	b.want(`42["once"]`)
	if err := ns.Except("r").Emit("rest"); err != nil {
		t.Fatal(err)
	}
	c.want(`42["rest"]`)
}

// Events of one socket are handled in order, one at a time; a handler that waits for its own client's
// acknowledgement gets it.
func TestHandlersOfASocket(t *testing.T) {
	io := socketio.New(socketio.Options{})
	ns := io.Of("/")
	var seen []string
	ns.On("first", func(s *socketio.Socket, e *socketio.Event) {
		args, err := s.EmitWithAck(s.Context(), "question")
		if err != nil {
			t.Error(err)
			return
		}
		seen = append(seen, "first "+string(args.Raw(0)))
	})
	ns.On("second", func(_ *socketio.Socket, e *socketio.Event) {
		seen = append(seen, "second")
		_ = e.Ack(seen)
		if err := e.Ack("again"); !errors.Is(err, socketio.ErrAnswered) {
			t.Error(err)
		}
	})
	p := join(t, serve(t, io), "")
	p.say(`42["first"]`)
	p.say(`427["second"]`)
	p.want(`420["question"]`)
	p.say(`430["answer"]`)
	p.want(`437[["first \"answer\"","second"]]`)
}

func TestEventMiddlewareAndOnAny(t *testing.T) {
	io := socketio.New(socketio.Options{})
	ns := io.Of("/")
	ns.UseEvent(func(_ *socketio.Socket, e *socketio.Event) error {
		if e.Name == "forbidden" {
			return errors.New("no")
		}
		return nil
	})
	ns.OnAny(func(s *socketio.Socket, e *socketio.Event) { _ = s.Emit("any", e.Name, e.Args.Len(), e.WantsAck()) })
	var out []string
	ns.OnAnyOutgoing(func(
		_ *socketio.Socket, event string, args []any,
	) {
		out = append(out, fmt.Sprint(event, len(args)))
	})
	p := join(t, serve(t, io), "")
	p.say(`421["forbidden"]`)
	p.want(`431[{"error":"no"}]`)
	p.say(`422["unknown",1,{"a":[1,2]}]`)
	p.want(`42["any","unknown",2,true]`)
	if len(out) != 1 || out[0] != "any3" {
		t.Fatal(out)
	}
}

func TestPanicEndsOnlyItsClient(t *testing.T) {
	io := socketio.New(socketio.Options{})
	io.Of("/").On("boom", func(*socketio.Socket, *socketio.Event) { panic("boom") })
	io.Of("/").On("echo", func(s *socketio.Socket, e *socketio.Event) { _ = s.Emit("echo", &e.Args) })
	addr := serve(t, io)
	a, b := join(t, addr, ""), join(t, addr, "")
	a.say(`42["boom"]`)
	a.want("closed")
	b.say(`42["echo",1]`)
	b.want(`42["echo",1]`)
}

func TestTypedArguments(t *testing.T) {
	io := socketio.New(socketio.Options{})
	type point struct{ X, Y int }
	io.Of("/").On("point", func(s *socketio.Socket, e *socketio.Event) {
		socketio.Typed(func(_ *socketio.Socket, p point) { _ = e.Ack(p.X + p.Y) })(s, e)
	})
	p := join(t, serve(t, io), "")
	p.say(`421["point",{"X":1,"Y":2}]`)
	p.want(`431[3]`)
	p.say(`422["point"]`) // a missing argument is the zero value
	p.want(`432[0]`)
	p.say(`423["point","no"]`)
	if got := p.next(); !strings.HasPrefix(got, `433[{"error":"argument 0: json: cannot unmarshal`) {
		t.Fatal(got)
	}
}

// Binary data may be anywhere in the arguments. Its placeholders get new numbers when arguments are combined.
func TestBinaryArguments(t *testing.T) {
	io := socketio.New(socketio.Options{})
	type file struct {
		Name string
		Data socketio.Binary
	}
	io.Of("/").On("file", func(s *socketio.Socket, e *socketio.Event) {
		var f file
		if err := e.Args.Decode(0, &f); err != nil {
			t.Error(err)
		}
		_ = s.Emit("both", []byte{9}, &e.Args, f)
	})
	p := join(t, serve(t, io), "")
	p.say(`451-["file",{"Name":"a","Data":{"num":0,"_placeholder":true}}]`) // not in the usual order
	if err := p.Write(wsframe.Binary, []byte{1, 2}); err != nil {
		t.Fatal(err)
	}
	p.want(`453-["both",{"_placeholder":true,"num":0},{"Name":"a","Data":{"_placeholder":true,"num":1}},` +
		`{"Name":"a","Data":{"_placeholder":true,"num":2}}]`)
	for _, want := range []string{"\x09", "\x01\x02", "\x01\x02"} {
		if f := p.frame(); string(f.Data) != want {
			t.Fatalf("%q", f.Data)
		}
	}
}

// A client cannot join more than MaxNamespaces namespaces.
func TestNamespacesAreBounded(t *testing.T) {
	io := socketio.New(socketio.Options{MaxNamespaces: 3})
	io.OfMatch(func(string, socketio.Handshake) bool { return true })
	addr := serve(t, io)
	q := dial(t, addr)
	for i := range 4 {
		_ = q.Send(fmt.Sprintf(`40/n%d,`, i))
	}
	for got := q.next(); got != "closed"; got = q.next() {
		if !strings.HasPrefix(got, "40/n") {
			t.Fatal(got)
		}
	}
}

// A client does not join if a middleware panics.
func TestMiddlewareThatPanics(t *testing.T) {
	io := socketio.New(socketio.Options{Log: slog.New(slog.DiscardHandler)})
	ns := io.Of("/")
	ns.Use(func(*socketio.Socket) error { panic("no auth to look at") })
	ns.OnConnect(func(*socketio.Socket) { t.Error("the client has joined") })
	p := dial(t, serve(t, io))
	p.say("40")
	for text := p.next(); text != "closed"; text = p.next() {
		if strings.HasPrefix(text, "40") {
			t.Errorf("it was welcomed: %s", text)
		}
	}
	io.Close() // waits for what goes on
}

// An object that looks like a placeholder is ordinary data in an event without attachments: it arrives as it was sent
// when a handler passes the event on from one official client to another. In an event with attachments it cannot be
// distinguished from a placeholder. It becomes null, and no connection is closed.
func TestObjectsThatLookLikePlaceholders(t *testing.T) {
	io := echoServer()
	io.Of("/").On("both", func(s *socketio.Socket, e *socketio.Event) {
		_ = s.Emit("echo", &e.Args, json.RawMessage(`[{"num":0, "_placeholder":true}]`),
			map[string]any{"_placeholder": true}, []byte{7})
	})
	node := testenv.StartNode(t, "client.mjs", "http://"+serve(t, io))
	_, addr := officialServer(t, "{}")
	theirs := &official{testenv.StartNode(t, "client.mjs", "http://"+addr), t, "a"}
	ours := &official{node, t, "a"}
	like := map[string]any{"_placeholder": true, "num": 0}
	for _, c := range []*official{theirs, ours} {
		c.open(transports("websocket"), "/")
		for _, args := range [][]any{{"echo", like}, {"echo", "a", map[string]any{"b": like}}} {
			c.do(nil, "emit", map[string]any{"args": args})
			want, _ := json.Marshal(args)
			c.want(string(want))
		}
	}
	ours.do(nil, "emit", map[string]any{"args": []any{"both", like, 1}})
	ours.want(`["echo",null,1,[null],null,{"bytes":[7]}]`)
	ours.do(nil, "emit", map[string]any{"args": []any{"echo", "still here"}})
	ours.want(`["echo","still here"]`)
}
