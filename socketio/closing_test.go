package socketio_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/internal/testenv"
)

// closingServer does what testenv/node/server.mjs does. The reasons of disconnects go to reasons.
func closingServer(reasons chan<- string) *socketio.Server {
	return closingServerWith(socketio.Options{}, reasons)
}

func closingServerWith(opt socketio.Options, reasons chan<- string) *socketio.Server {
	io := socketio.New(opt)
	ns := io.Of("/")
	ns.On("bye", func(s *socketio.Socket, e *socketio.Event) {
		var way string
		var events int
		if err := e.Args.Scan(&way, &events); err != nil {
			return
		}
		for i := range events {
			_ = s.Emit("count", i)
		}
		switch way {
		case "disconnect":
			s.Disconnect(true)
		case "close":
			s.CloseConnection()
		case "selection":
			ns.To(s.ID()).Disconnect(true)
		}
	})
	ns.On("echo", func(s *socketio.Socket, e *socketio.Event) { _ = s.Emit("echo", &e.Args) })
	ns.On("ask", func(_ *socketio.Socket, e *socketio.Event) { _ = e.Ack() })
	if reasons != nil {
		ns.OnDisconnect(func(_ *socketio.Socket, why socketio.Reason) { reasons <- string(why) })
	}
	return io
}

// officialServer starts the official server with the given options and returns its address too.
func officialServer(t *testing.T, options string) (node *testenv.Node, addr string) {
	t.Helper()
	node = testenv.StartNode(t, "server.mjs", options)
	var at struct{ Port int }
	node.Read(&at)
	return node, fmt.Sprint("127.0.0.1:", at.Port)
}

// both runs f with the official server and with ours.
func both(t *testing.T, f func(t *testing.T, addr string)) {
	t.Run("Node.js", func(t *testing.T) {
		_, addr := officialServer(t, "{}")
		f(t, addr)
	})
	t.Run("Go", func(t *testing.T) { f(t, serve(t, closingServer(nil))) })
}

// visited is what an official client observed between connecting and disconnecting.
type visited struct {
	Events  [][]any
	Reasons []string
	Error   string
}

// On every transport, and for every way in which the server closes a connection, the client gets what was sent before,
// and then one "disconnect" with the same reason as with the official server.
func TestLastEventsArrive(t *testing.T) {
	const clients, events = 5, 30
	reasons := map[string]string{
		"disconnect": "io server disconnect", "close": "transport close", "selection": "io server disconnect",
	}
	both(t, func(t *testing.T, addr string) {
		node := testenv.StartNode(t, "client.mjs", "http://"+addr)
		for way, reason := range reasons {
			for name, options := range map[string]map[string]any{
				"polling": transports("polling"), "websocket": transports("websocket"), "default": {},
			} {
				var all []visited
				node.Ask(&all, map[string]any{
					"do": "visits", "count": clients, "options": options, "args": []any{"bye", way, events},
				})
				for _, v := range all {
					if len(v.Events) != events || v.Error != "" || !slices.Equal(v.Reasons, []string{reason}) {
						t.Errorf("%s, %s: %d events, %q %s", way, name, len(v.Events), v.Reasons, v.Error)
					}
				}
			}
		}
	})
}

// Clients with default options change their transport while the server closes the connection at their first event. Each
// of them notices at once, and none waits until its heartbeat fails.
func TestClosingWhileClientsUpgrade(t *testing.T) {
	both(t, func(t *testing.T, addr string) {
		node := testenv.StartNode(t, "client.mjs", "http://"+addr)
		for range 2 {
			var all []visited
			node.Ask(&all, map[string]any{"do": "visits", "count": 60, "args": []any{"bye", "disconnect", 0}})
			for _, v := range all {
				if v.Error != "" || !slices.Equal(v.Reasons, []string{"io server disconnect"}) {
					t.Errorf("%q %s", v.Reasons, v.Error)
				}
			}
		}
	})
}

// A server drains or closes while its clients are at different points of connecting and of changing their transport.
// Each client notices, and none gets a DISCONNECT packet, after which it would not reconnect.
func TestLeavingWhileClientsUpgrade(t *testing.T) {
	for name, leave := range map[string]func(*testing.T, *socketio.Server){
		"drain": func(t *testing.T, io *socketio.Server) {
			if err := io.Drain(t.Context(), 0); err != nil {
				t.Error(err)
			}
		},
		"close": func(_ *testing.T, io *socketio.Server) { io.Close() },
	} {
		for connected := int32(1); connected <= 60; connected += 19 {
			t.Run(fmt.Sprint(name, " after ", connected), func(t *testing.T) {
				io := closingServer(nil)
				var seen atomic.Int32
				ready := make(chan struct{})
				io.Of("/").OnConnect(func(*socketio.Socket) {
					if seen.Add(1) == connected {
						close(ready)
					}
				})
				node := testenv.StartNode(t, "client.mjs", "http://"+serve(t, io))
				node.Ask(nil, map[string]any{"do": "startVisits", "count": 60, "args": []any{"echo", "x"}})
				<-ready
				leave(t, io)
				var all []visited
				node.Ask(&all, map[string]any{"do": "endVisits"})
				for _, v := range all {
					refused := v.Error == "xhr poll error" && len(v.Reasons) == 0
					left := len(v.Reasons) == 1 &&
						(v.Reasons[0] == "transport close" || v.Reasons[0] == "transport error")
					if !refused && !left {
						t.Errorf("%q %s", v.Reasons, v.Error)
					}
				}
			})
		}
	}
}
