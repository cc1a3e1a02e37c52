package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/adaptertest"
	"github.com/berthhq/berth/socketio/admin"
	"github.com/berthhq/berth/socketio/engineio"
)

func start(t *testing.T, opt admin.Options) (*socketio.Server, *admin.Admin, string) {
	t.Helper()
	opt.Counter = admin.NewCounter()
	opt.Check = func(user, password string) bool { return user == "admin" && password == "secret" }
	io := socketio.New(socketio.Options{Engine: engineio.Options{Metrics: opt.Counter}})
	a := admin.New(io, opt)
	ts := httptest.NewServer(io)
	t.Cleanup(func() { io.Close(); ts.Close() })
	return io, a, strings.TrimPrefix(ts.URL, "http://")
}

const login = `40/admin,{"username":"admin","password":"secret"}`

// event waits for an event of the UI's namespace and returns its arguments.
func event(t *testing.T, c *adaptertest.Client, name string) []json.RawMessage {
	t.Helper()
	for {
		var args []json.RawMessage
		text := strings.TrimPrefix(c.Next(), "42/admin,")
		if json.Unmarshal([]byte(text), &args) == nil && len(args) > 0 && string(args[0]) == `"`+name+`"` {
			return args[1:]
		}
	}
}

// When the UI logs in, it gets a session before the answer to its CONNECT packet. With the session it can reconnect
// without a password.
func TestLogin(t *testing.T) {
	_, _, addr := start(t, admin.Options{ReadOnly: true})
	c := adaptertest.DialIn(t, addr, "/admin", login)
	if len(c.Early) != 1 || !strings.HasPrefix(c.Early[0], `42/admin,["session","`) {
		t.Fatal(c.Early)
	}
	if got := c.Next(); got != `42/admin,["config",{"supportedFeatures":["AGGREGATED_EVENTS"]}]` {
		t.Fatal(got)
	}
	session := strings.TrimSuffix(strings.TrimPrefix(c.Early[0], `42/admin,["session",`), "]")
	again := adaptertest.DialIn(t, addr, "/admin", `40/admin,{"sessionId":`+session+`}`)
	if len(again.Early) != 0 {
		t.Fatal(again.Early)
	}
	for _, auth := range []string{
		"", `{}`, `{"username":"admin","password":"wrong"}`, `{"sessionId":""}`, `{"sessionId":7}`,
	} {
		p := adaptertest.Dial(t, addr, "40")
		p.Say("40/admin," + auth)
		if got := p.Next(); got != `44/admin,{"message":"invalid credentials"}` {
			t.Errorf("%s: %s", auth, got)
		}
	}
}

func TestReports(t *testing.T) {
	_, a, addr := start(t, admin.Options{ServerID: "me", Every: 10 * time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	defer func() { cancel(); <-done }()
	c := adaptertest.DialIn(t, addr, "/admin", login)
	var s struct {
		ServerID     string
		ClientsCount int
		Namespaces   []struct {
			Name         string
			SocketsCount int
		}
		AggregatedEvents []struct {
			Type  string
			Count int
		}
	}
	event(t, c, "server_stats") // these counts may have been taken before the client joined
	if err := json.Unmarshal(event(t, c, "server_stats")[0], &s); err != nil {
		t.Fatal(err)
	}
	if s.ServerID != "me" || s.ClientsCount != 1 || fmt.Sprint(s.Namespaces) != "[{/ 0} {/admin 1}]" {
		t.Fatalf("%+v", s)
	}
	seen := map[string]bool{}
	for !seen["packetsOut"] || !seen["bytesOut"] {
		if err := json.Unmarshal(event(t, c, "server_stats")[0], &s); err != nil {
			t.Fatal(err)
		}
		for _, e := range s.AggregatedEvents {
			seen[e.Type] = e.Count > 0
		}
	}
}

func TestCommandsAndDetails(t *testing.T) {
	io, _, addr := start(t, admin.Options{Details: true})
	io.Of("/").On("echo", func(s *socketio.Socket, e *socketio.Event) { _ = s.Emit("echo", &e.Args) })
	p := adaptertest.Dial(t, addr, "40")
	c := adaptertest.DialIn(t, addr, "/admin", login)
	var all []struct {
		ID, ClientID, Transport, NSP string
		Handshake                    map[string]any
		Rooms                        []string
	}
	if err := json.Unmarshal(event(t, c, "all_sockets")[0], &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all[0].ID != p.ID || all[0].Transport != "websocket" || len(all[0].ClientID) != 12 ||
		len(all[0].Handshake) != 8 {
		t.Fatalf("%+v", all)
	}
	c.Say(`42/admin,["emit","/","` + p.ID + `","hello",1,{"a":2}]`)
	p.Want(`42["hello",1,{"a":2}]`)
	if got := event(t, c, "event_sent"); string(got[1]) != `"`+p.ID+`"` || string(got[2]) != `["hello",1,{"a":2}]` {
		t.Fatalf("%s", got)
	}
	if err := io.Of("/").Emit("all", []byte{1, 2}, "x"); err != nil { // a broadcast is reported once for each receiver
		t.Fatal(err)
	}
	p.Next()
	p.Next()
	if got := event(t, c, "event_sent"); string(got[1]) != `"`+p.ID+`"` || string(got[2]) != `["all","AQI=","x"]` {
		t.Fatalf("%s", got)
	}
	c.Say(`42/admin,["join","/","room",null]`)
	if got := event(t, c, "room_joined"); string(got[1]) != `"room"` || string(got[2]) != `"`+p.ID+`"` {
		t.Fatalf("%s", got)
	}
	p.Say(`42["echo","x"]`)
	if got := event(t, c, "event_received"); string(got[2]) != `["echo","x"]` {
		t.Fatalf("%s", got)
	}
	if got := event(t, c, "event_sent"); string(got[2]) != `["echo","x"]` {
		t.Fatalf("%s", got)
	}
	p.Want(`42["echo","x"]`)
	c.Say(`42/admin,["leave","/","room","room"]`)
	if got := event(t, c, "room_left"); string(got[1]) != `"room"` {
		t.Fatalf("%s", got)
	}
	c.Say(`42/admin,["emit","/nowhere",null,"x"]`) // this must not make a namespace
	c.Say(`42/admin,["_disconnect","/",false,null]`)
	p.Want("41")
	if got := event(t, c, "socket_disconnected"); string(got[2]) != `"server namespace disconnect"` {
		t.Fatalf("%s", got)
	}
	if n := io.Namespaces(); len(n) != 2 {
		t.Fatal(n)
	}
}
