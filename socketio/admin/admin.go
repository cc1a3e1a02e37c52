// Package admin implements the protocol of @socket.io/admin-ui, so that the official UI can show and control Go
// servers, also in a cluster with Node.js servers.
//
//	counter := admin.NewCounter()
//	io := socketio.New(socketio.Options{Engine: engineio.Options{Metrics: counter, …}})
//	a := admin.New(io, admin.Options{Counter: counter, Check: check})
//	go a.Run(ctx)
//
// The UI itself is not part of this package: it is a static page that connects to the namespace.
package admin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/berthhq/berth/socketio"
)

// Options of an Admin.
type Options struct {
	// Namespace that the UI connects to. Default "/admin".
	Namespace string
	// Check reports whether a username and password are right. It should compare in constant time, or compare hashes.
	// If it is nil, nobody can log in.
	Check func(username, password string) bool
	// ReadOnly turns off the commands that change something.
	ReadOnly bool
	// Details sends the UI every change of a socket or room and every event, as the official package does in
	// development mode. Each is a message.
	Details bool
	// ServerID is the name of this server in the UI. Default: its host name.
	ServerID string
	// Every is the time between two reports. Default 2 s.
	Every time.Duration
	// Counter must be the one that the server's options have as engineio.Options.Metrics. If it is nil, reports have no
	// traffic.
	Counter *Counter
	// Log gets messages that could not be sent. Default: nothing is logged.
	Log *slog.Logger
}

// Admin is the UI's namespace on a server.
type Admin struct {
	io      *socketio.Server
	ns      *socketio.Namespace
	opt     Options
	host    string
	started time.Time

	mu       sync.Mutex
	sessions map[string]struct{}
}

// maxSessions is how many logins are remembered.
const maxSessions = 1000

// New adds the UI's namespace to a server. Call it before the first client connects.
func New(io *socketio.Server, opt Options) *Admin {
	if opt.Namespace == "" {
		opt.Namespace = "/admin"
	}
	if opt.Every <= 0 {
		opt.Every = 2 * time.Second
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	a := &Admin{io: io, opt: opt, started: time.Now(), sessions: make(map[string]struct{})}
	a.host, _ = os.Hostname() // on an error the name is empty
	if a.opt.ServerID == "" {
		a.opt.ServerID = a.host
	}
	a.ns = io.Of(opt.Namespace)
	a.ns.Use(a.authenticate)
	a.ns.OnConnect(a.greet)
	if !opt.ReadOnly {
		a.control()
	}
	if opt.Details {
		io.OnNamespace(a.watch)
	}
	return a
}

var errCredentials = errors.New("invalid credentials")

// authenticate is a middleware. It accepts a username and password, or the session that an earlier login has got.
func (a *Admin) authenticate(s *socketio.Socket) error {
	var auth struct{ Username, Password, SessionID string }
	if err := json.Unmarshal(s.Handshake().Auth, &auth); err != nil {
		return errCredentials
	}
	a.mu.Lock()
	_, known := a.sessions[auth.SessionID]
	a.mu.Unlock()
	if known {
		return nil
	}
	if a.opt.Check == nil || !a.opt.Check(auth.Username, auth.Password) {
		return errCredentials
	}
	id := newSession()
	a.mu.Lock()
	if len(a.sessions) >= maxSessions {
		clear(a.sessions) // every user must log in again
	}
	a.sessions[id] = struct{}{}
	a.mu.Unlock()
	return s.Emit("session", id)
}

func newSession() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func (a *Admin) features() []string {
	var f []string
	if !a.opt.ReadOnly {
		f = append(f, "EMIT", "JOIN", "LEAVE", "DISCONNECT", "MJOIN", "MLEAVE", "MDISCONNECT")
	}
	f = append(f, "AGGREGATED_EVENTS")
	if a.opt.Details {
		f = append(f, "ALL_EVENTS")
	}
	return f
}

// greet sends a UI that has connected what it needs at the start.
func (a *Admin) greet(s *socketio.Socket) {
	a.sent(s.Emit("config", map[string]any{"supportedFeatures": a.features()}))
	if a.opt.Details {
		ctx, cancel := context.WithTimeout(s.Context(), 5*time.Second)
		defer cancel()
		a.sent(s.Emit("all_sockets", a.allSockets(ctx)))
	}
}

// sent logs err, if it is not nil.
func (a *Admin) sent(err error) {
	if err != nil {
		a.opt.Log.Warn("admin: not sent", "error", err)
	}
}

// selection returns the sockets that a command of the UI is for: those of a namespace, or only those in the room filter
// if it is not empty.
func (a *Admin) selection(nsp, filter string) socketio.Selection {
	all := a.io.Of(nsp).All()
	if filter != "" {
		return all.To(filter)
	}
	return all
}

// control registers handlers for the UI's commands.
func (a *Admin) control() {
	a.ns.On("emit", func(_ *socketio.Socket, e *socketio.Event) {
		var nsp, filter, event string
		if e.Args.Scan(&nsp, &filter, &event) != nil || event == "" || !a.known(nsp) {
			return
		}
		a.sent(a.selection(nsp, filter).Emit(event, e.Args.From(3)))
	})
	a.ns.On("join", a.command(func(s socketio.Selection, room string) { s.Join(room) }))
	a.ns.On("leave", a.command(func(s socketio.Selection, room string) { s.Leave(room) }))
	a.ns.On("_disconnect", func(_ *socketio.Socket, e *socketio.Event) {
		var nsp, filter string
		var closing bool
		if e.Args.Scan(&nsp, &closing, &filter) == nil && a.known(nsp) {
			a.selection(nsp, filter).Disconnect(closing)
		}
	})
}

func (a *Admin) command(do func(s socketio.Selection, room string)) socketio.Handler {
	return func(_ *socketio.Socket, e *socketio.Event) {
		var nsp, room, filter string
		if e.Args.Scan(&nsp, &room, &filter) == nil && room != "" && a.known(nsp) {
			do(a.selection(nsp, filter), room)
		}
	}
}

// known reports whether a namespace exists. Without this check, the UI could make namespaces, because Server.Of does.
func (a *Admin) known(nsp string) bool {
	for _, name := range a.io.Namespaces() {
		if name == nsp {
			return true
		}
	}
	return false
}
