// Package admin speaks the protocol of @socket.io/admin-ui, so that the official UI shows and controls
// Go servers, alone or in one cluster with Node.js servers.
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
	// Check reports whether a username and password are right. Compare in constant time, or a hash. nil
	// refuses everybody.
	Check func(username, password string) bool
	// ReadOnly leaves out everything that changes clients.
	ReadOnly bool
	// Details sends every socket, room and event to the UI, as its development mode does. It costs a
	// message for each of them.
	Details bool
	// ServerID names this server. Default its host name.
	ServerID string
	// Every is the time between two reports. Default 2 s.
	Every time.Duration
	// Counter is what the server was made with as Metrics; nil leaves the traffic out.
	Counter *Counter
	// Log gets what cannot be sent. Default: nothing is logged.
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

// maxSessions bounds the logins that are remembered.
const maxSessions = 1000

// New adds the namespace to a server. Call it before clients come.
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
	a.host, _ = os.Hostname() // no name is reported as none
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

// authenticate takes a password, or the session that was given for one before.
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
		clear(a.sessions) // everybody logs in again
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

func (a *Admin) greet(s *socketio.Socket) {
	a.sent(s.Emit("config", map[string]any{"supportedFeatures": a.features()}))
	if a.opt.Details {
		ctx, cancel := context.WithTimeout(s.Context(), 5*time.Second)
		defer cancel()
		a.sent(s.Emit("all_sockets", a.everybody(ctx)))
	}
}

func (a *Admin) sent(err error) {
	if err != nil {
		a.opt.Log.Warn("admin: not sent", "error", err)
	}
}

// selection returns what the UI's namespace and filter name.
func (a *Admin) selection(nsp, filter string) socketio.Selection {
	all := a.io.Of(nsp).All()
	if filter != "" {
		return all.To(filter)
	}
	return all
}

// control takes the UI's commands.
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

// known keeps the UI from making namespaces.
func (a *Admin) known(nsp string) bool {
	for _, name := range a.io.Namespaces() {
		if name == nsp {
			return true
		}
	}
	return false
}
