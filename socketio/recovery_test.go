package socketio_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/internal/testenv"
)

// ids returns sid and pid of the answer to a CONNECT packet.
func ids(t *testing.T, welcome string) (sid, pid string) {
	t.Helper()
	if n, err := fmt.Sscanf(strings.NewReplacer(`"`, " ", ",", " ").Replace(welcome),
		`40{ sid : %s   pid : %s }`, &sid, &pid); n != 2 {
		t.Fatalf("%q: %v", welcome, err)
	}
	return sid, pid
}

func offset(t *testing.T, event string) string {
	t.Helper()
	i := strings.LastIndex(event, `,"`)
	if i < 0 || !strings.HasSuffix(event, `"]`) {
		t.Fatalf("%q has no offset", event)
	}
	return event[i+2 : len(event)-2]
}

// A recovered client gets the missed events first, and then the CONNECT packet with its old ids. It has its rooms and
// data again, does not get volatile events, and middlewares are not called (socketio.md 1.3).
func TestRecovery(t *testing.T) {
	asked := 0
	gone := make(chan socketio.Reason, 100)
	back := make(chan *socketio.Socket, 100)
	io := socketio.New(socketio.Options{Recovery: &socketio.Recovery{}})
	ns := io.Of("/")
	ns.Use(func(*socketio.Socket) error { asked++; return nil })
	ns.OnConnect(func(s *socketio.Socket) {
		if !s.Recovered() {
			s.Join("room")
			s.SetData("kept")
			_ = s.Emit("hello")
		}
		back <- s
	})
	ns.OnDisconnect(func(_ *socketio.Socket, why socketio.Reason) { gone <- why })
	addr := serve(t, io)

	p := dial(t, addr)
	p.say("40")
	sid, pid := ids(t, p.next())
	last := offset(t, p.next())
	<-back
	p.Close()
	if why := <-gone; why != "transport close" {
		t.Fatal(why)
	}
	_ = ns.To("room").Emit("missed", 1)
	_ = ns.To("elsewhere").Emit("missed", 2)
	_ = ns.To("room").Except(sid).Emit("missed", 3)
	_ = ns.To("room").Volatile().Emit("missed", 4)
	_ = ns.To(sid).Emit("missed", 5, []byte{9})

	again := `40{"pid":"` + pid + `","offset":"` + last + `"}`
	p = dial(t, addr)
	p.say(again)
	if got := p.next(); !strings.HasPrefix(got, `42["missed",1,"`) {
		t.Fatal(got)
	}
	if got := p.next(); !strings.HasPrefix(got, `451-["missed",5,{"_placeholder":true,"num":0},"`) {
		t.Fatal(got)
	}
	if f := p.frame(); string(f.Data) != "\x09" {
		t.Fatal(f)
	}
	if s2, p2 := ids(t, p.next()); s2 != sid || p2 != pid {
		t.Fatal("other ids", s2, p2)
	}
	s := <-back
	if !s.Recovered() || s.Data() != "kept" ||
		fmt.Sprint(s.Rooms()) != fmt.Sprint([]string{sid, "room"}) || asked != 1 {
		t.Fatal(s.Recovered(), s.Data(), s.Rooms(), asked)
	}

	// A client comes back while the server has not noticed yet that its old connection is dead. The new connection
	// takes the session over.
	q := dial(t, addr)
	q.say(again)
	q.next()
	q.next()
	q.next()
	if s2, _ := ids(t, q.next()); s2 != sid {
		t.Fatal("not taken over")
	}
	p.want("closed")
	<-back

	// A client with an unknown session or an unknown offset gets a new session.
	for _, ask := range []string{strings.Replace(again, pid, "unknown", 1),
		strings.Replace(again, last, "zz", 1), `40{"pid":7}`, `40{"pid":"x"}`} {
		p = dial(t, addr)
		p.say(ask)
		if s2, _ := ids(t, p.next()); s2 == sid {
			t.Fatalf("%s is recovered", ask)
		}
	}
}

func TestRecoveryIsBounded(t *testing.T) {
	io := socketio.New(socketio.Options{Recovery: &socketio.Recovery{MaxBytes: 1000}})
	ns := io.Of("/")
	gone := make(chan socketio.Reason, 100)
	ns.OnConnect(func(s *socketio.Socket) { _ = s.Emit("hello") })
	ns.OnDisconnect(func(_ *socketio.Socket, why socketio.Reason) { gone <- why })
	addr := serve(t, io)
	p := dial(t, addr)
	p.say("40")
	sid, pid := ids(t, p.next())
	last := offset(t, p.next())
	p.Close()
	<-gone
	for range 100 {
		_ = ns.Emit("missed", strings.Repeat("x", 100))
	}
	p = dial(t, addr)
	p.say(`40{"pid":"` + pid + `","offset":"` + last + `"}`)
	if s2, _ := ids(t, p.next()); s2 == sid {
		t.Fatal("recovered although events were dropped")
	}
}

// The official client comes back by itself and says that it was recovered.
func TestOfficialClientRecovers(t *testing.T) {
	io := socketio.New(socketio.Options{Recovery: &socketio.Recovery{}})
	ns := io.Of("/")
	gone := make(chan string, 100)
	ns.OnDisconnect(func(s *socketio.Socket, _ socketio.Reason) { gone <- s.ID() })
	node := testenv.StartNode(t, "client.mjs", "http://"+serve(t, io))
	c := &official{node, t, "a"}
	id := c.open(map[string]any{
		"transports": []string{"websocket"}, "reconnectionDelay": 300, "randomizationFactor": 0,
	}, "/")
	_ = ns.Emit("first", 1)
	if v := c.next(); v[0] != "first" {
		t.Fatal(v)
	}
	ns.Socket(id).CloseConnection()
	if got := <-gone; got != id {
		t.Fatal(got)
	}
	_ = ns.Emit("missed", 1)
	c.want(`["disconnect","transport close"]`)
	if v := c.next(); v[0] != "missed" { // the client reports these before its "connect" event
		t.Fatal(v)
	}
	c.want(`["connect","` + id + `",true]`)
}

func TestDynamicNamespaces(t *testing.T) {
	io := socketio.New(socketio.Options{})
	io.OfMatch(func(name string, _ socketio.Handshake) bool { return strings.HasPrefix(name, "/room-") }).
		On("echo", func(s *socketio.Socket, e *socketio.Event) { _ = s.Emit("echo", s.Namespace().Name(), &e.Args) })
	addr := serve(t, io)
	p := join(t, addr, "/room-1")
	p.say(`42/room-1,["echo",1]`)
	p.want(`42/room-1,["echo","/room-1",1]`)
	p.say(`40/other,`)
	p.want(`44/other,{"message":"Invalid namespace"}`)
	if n := len(io.Namespaces()); n != 2 {
		t.Fatalf("%d namespaces", n)
	}
	p.say(`41/room-1,`)
	for until := time.Now().Add(patience); len(io.Namespaces()) != 1; {
		if time.Now().After(until) {
			t.Fatal("the namespace outlives its last client")
		}
		time.Sleep(time.Millisecond)
	}
}
