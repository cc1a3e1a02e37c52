package admin_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/adaptertest"
	"github.com/berthhq/berth/socketio/admin"
	"github.com/berthhq/berth/socketio/engineio"
	"github.com/berthhq/berth/socketio/internal/testenv"
)

// serveUI serves the published pages of @socket.io/admin-ui and a server with some namespaces.
func serveUI(t *testing.T) (io *socketio.Server, url string) {
	t.Helper()
	pages := filepath.Join("..", "internal", "testenv", "node", "node_modules", "@socket.io", "admin-ui", "ui", "dist")
	if _, err := os.Stat(pages); err != nil {
		testenv.Missing(t, "@socket.io/admin-ui (run npm ci in socketio/internal/testenv/node)")
	}
	counter := admin.NewCounter()
	io = socketio.New(socketio.Options{Engine: engineio.Options{Metrics: counter}})
	a := admin.New(io, admin.Options{Details: true, ServerID: "our server", Counter: counter,
		Check: func(user, password string) bool {
			return user == "admin" && password == "secret"
		}})
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	mux.Handle("/", http.FileServer(http.Dir(pages)))
	ts := httptest.NewServer(mux)
	done := make(chan error, 1)
	go func() { done <- a.Run(t.Context()) }()
	t.Cleanup(func() {
		<-done
		io.Close()
		ts.CloseClientConnections()
		ts.Close()
	})
	return io, ts.URL
}

// The official UI in a real browser logs in, shows servers, sockets, rooms and events, and its commands take effect on
// clients (socketio.md 3.5).
func TestOfficialUI(t *testing.T) {
	io, url := serveUI(t)
	ns := io.Of("/")
	ns.OnConnect(func(s *socketio.Socket) { s.Join("lobby") })
	left := make(chan string, 10)
	ns.OnRoom(func(s *socketio.Socket, room string, joined bool) {
		if room == "kitchen" && !joined {
			left <- s.ID()
		}
	})
	ns.On("hello", func(s *socketio.Socket, e *socketio.Event) { _ = s.Emit("hello", &e.Args) })
	addr := strings.TrimPrefix(url, "http://")
	p, q := adaptertest.Dial(t, addr, "40"), adaptertest.Dial(t, addr, "40")

	b := testenv.StartBrowser(t)
	b.Do("goto", "url", url)
	b.Do("fill", "selector", ".v-dialog .v-text-field", "text", "Server URL", "inside", "input", "value", url)
	b.Do("fill", "selector", ".v-dialog .v-text-field", "text", "Username", "inside", "input", "value", "admin")
	b.Do("fill", "selector", ".v-dialog .v-text-field", "text", "Password", "inside", "input", "value", "wrong")
	b.Do("click", "selector", ".v-dialog button[type=submit]")
	b.Do("see", "selector", ".v-dialog .red--text", "text", "Invalid credentials")
	b.Do("fill", "selector", ".v-dialog .v-text-field", "text", "Password", "inside", "input", "value", "secret")
	b.Do("click", "selector", ".v-dialog button[type=submit]")
	b.Do("see", "selector", ".v-main .v-card", "text", "Clients")

	b.Do("goto", "url", url+"/#/servers/")
	b.Do("see", "selector", "tbody tr", "text", "our server")
	b.Do("goto", "url", url+"/#/sockets/")
	b.Do("see", "selector", "tbody tr", "text", p.ID)
	b.Do("see", "selector", "tbody tr", "text", q.ID)
	b.Do("goto", "url", url+"/#/rooms/")
	b.Do("see", "selector", "tbody tr", "text", "lobby")

	page := url + "/#/n/" + "%2F" + "/sockets/" + p.ID
	b.Do("goto", "url", page)
	b.Do("see", "selector", ".v-card", "text", "lobby")
	b.Do("fill", "selector", ".select-room input[type=text]", "value", "kitchen")
	b.Do("click", "selector", "form button[type=submit]")
	b.Do("see", "selector", "tbody tr", "text", "kitchen")
	if rooms := ns.Socket(p.ID).Rooms(); !slices.Contains(rooms, "kitchen") {
		t.Fatal(rooms)
	}
	b.Do("click", "selector", "tbody tr", "text", "kitchen", "inside", "button:has(.mdi-tag-off-outline)")
	if got := <-left; got != p.ID {
		t.Fatal(got)
	}
	b.Do("goto", "url", page) // the click on the row has opened another page
	b.Do("see", "selector", ".v-card", "text", "lobby")
	if texts := b.Texts(".v-card:visible:has(.select-room) tbody tr"); slices.ContainsFunc(texts,
		func(s string) bool { return strings.Contains(s, "kitchen") }) || len(texts) != 2 {
		t.Fatal(texts)
	}

	p.Say(`42["hello","from p"]`)
	p.Want(`42["hello","from p"]`)
	if err := ns.Emit("everybody", "at once"); err != nil {
		t.Fatal(err)
	}
	p.Want(`42["everybody","at once"]`)
	q.Want(`42["everybody","at once"]`)
	b.Do("goto", "url", url+"/#/events/")
	for _, id := range []string{p.ID, q.ID} { // a broadcast is shown once for each receiver
		b.Do("see", "selector", "tbody tr:has-text('everybody'):has-text('Event sent')", "text", id)
	}
	b.Do("see", "selector", "tbody tr:has-text('hello'):has-text('Event received')", "text", p.ID)
	b.Do("see", "selector", "tbody tr:has-text('kitchen')", "text", p.ID)

	b.Do("goto", "url", page)
	b.Do("click", "selector", "tbody tr:has(.mdi-logout) >> nth=1", "inside", "button:has(.mdi-logout)")
	p.Want("41")
	b.Do("goto", "url", url+"/#/sockets/")
	b.Do("see", "selector", "tbody tr", "text", q.ID)
	b.Do("gone", "selector", "tbody tr", "text", p.ID)
	if ns.Socket(p.ID) != nil || ns.Socket(q.ID) == nil {
		t.Fatal("another socket was disconnected")
	}
}
