package engineio

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/socketio/internal/link"
	"github.com/berthhq/berth/socketio/internal/wsframe"
)

// Receiver is the layer above a session. Calls of Message do not overlap. Closed may be called
// during one, and nothing that follows matters.
type Receiver interface {
	// Message receives one message, which then belongs to the receiver. It must not block. An error
	// ends the session with ReasonForcedClose.
	Message(data []byte, binary bool) error
	// Closed is called once, when the session has ended.
	Closed(Reason)
}

// Upgrader is a Receiver that is notified when its session has changed to a WebSocket.
type Upgrader interface {
	// Upgraded must not block.
	Upgraded()
}

// Server is an http.Handler for Engine.IO. Make one with New and end it with Close.
type Server struct {
	opt    Options
	start  time.Time
	accept func(*Session, *http.Request) Receiver
	links  link.Group
	wg     sync.WaitGroup

	mu       sync.RWMutex
	sessions map[string]*Session
	draining atomic.Bool
	opening  sync.WaitGroup // sessions that are registered and not accepted yet
	empty    chan struct{}  // closed by the last session that ends while the server drains

	out      flusher
	gather   sync.Pool // *[]byte in which small messages are put together
	deflater deflater
}

// New returns a server. accept is called for each new session, before anything is received from it,
// and returns the layer above. What it sends follows the handshake.
func New(opt Options, accept func(*Session, *http.Request) Receiver) *Server {
	srv := &Server{opt: opt.withDefaults(), start: time.Now(), accept: accept,
		sessions: make(map[string]*Session), empty: make(chan struct{})}
	srv.links.NewWorker = srv.opt.NewWorker
	srv.out.limit, srv.out.pause = runtime.GOMAXPROCS(0), srv.links.Help
	return srv
}

// Len returns the number of sessions.
func (srv *Server) Len() int {
	srv.mu.RLock()
	defer srv.mu.RUnlock()
	return len(srv.sessions)
}

// Unnoticed returns the longest time that a client may be gone before the heartbeat shows it.
func (srv *Server) Unnoticed() time.Duration { return srv.opt.PingInterval + srv.opt.PingTimeout }

// Polling returns the number of sessions on long-polling.
func (srv *Server) Polling() int {
	n := 0
	for _, s := range srv.snapshot() {
		if !s.onWebSocket() {
			n++
		}
	}
	return n
}

// ServeHTTP serves every request below Options.Path.
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.URL.Path, srv.opt.Path) {
		http.NotFound(w, r)
		return
	}
	if srv.opt.Header != nil {
		srv.opt.Header(w.Header(), r, r.URL.Query().Get("sid") == "")
	}
	if srv.opt.CORS.Apply(w, r) {
		return
	}
	s, bad := srv.verify(r)
	switch {
	case bad != nil:
		bad.write(w, r)
	case s == nil && srv.draining.Load():
		unavailable(w, 1) // another server answers
	case s == nil && srv.full():
		unavailable(w, 1+rand.IntN(maxRetry))
	case wsframe.IsUpgrade(r):
		srv.serveWebSocket(w, r, s)
	default:
		srv.servePolling(w, r, s)
	}
}

// maxRetry is the longest time, in seconds, after which a refused client is asked to try again. The
// JavaScript client does not look at it and waits up to five seconds by itself.
const maxRetry = 5

func unavailable(w http.ResponseWriter, seconds int) {
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	http.Error(w, "no new sessions here", http.StatusServiceUnavailable)
}

func (srv *Server) full() bool {
	return srv.opt.MaxSessions > 0 && srv.Len() >= srv.opt.MaxSessions || srv.opt.Full != nil && srv.opt.Full()
}

// verify makes the protocol's checks in the reference server's order, and returns the session.
func (srv *Server) verify(r *http.Request) (*Session, *refusal) {
	q := r.URL.Query()
	transport, upgrade := q.Get("transport"), wsframe.IsUpgrade(r)
	if !slices.Contains(srv.opt.Transports, transport) {
		return nil, &errTransport
	}
	if upgrade != (transport == WebSocket) || (upgrade && !wsframe.ValidKey(r.Header)) {
		return nil, &errRequest
	}
	if sid := q.Get("sid"); sid != "" {
		s := srv.session(sid)
		switch {
		case s == nil:
			return nil, &errSession
		case !upgrade && s.onWebSocket():
			return nil, &errRequest
		}
		return s, nil
	}
	if r.Method != http.MethodGet {
		return nil, &errMethod
	}
	if srv.opt.Allow != nil {
		if err := srv.opt.Allow(r); err != nil {
			return nil, &refusal{codeForbidden, err.Error()}
		}
	}
	if q.Get("EIO") != "4" {
		return nil, &errProtocol
	}
	return nil, nil
}

func (srv *Server) session(id string) *Session {
	srv.mu.RLock()
	defer srv.mu.RUnlock()
	return srv.sessions[id]
}

// open registers a new session and queues its handshake, or returns nil when the server is closed.
func (srv *Server) open(r *http.Request, ws *wsConn, extra ...*Message) *Session {
	s := &Session{id: srv.opt.NewID(), srv: srv, ws: ws}
	if ws != nil {
		ws.s = s
	}
	s.queue = append(extra, s.handshake())
	for _, m := range s.queue {
		s.queued += len(m.wire)
	}
	srv.mu.Lock()
	if srv.sessions == nil || srv.draining.Load() {
		srv.mu.Unlock()
		return nil
	}
	srv.sessions[s.id] = s
	srv.opening.Add(1)
	srv.mu.Unlock()
	defer srv.opening.Done()
	s.recv = srv.accept(s, r)
	s.mu.Lock()
	if s.state == stateOpen {
		s.due = time.Since(srv.start) + srv.opt.PingInterval
		s.timer = time.AfterFunc(srv.opt.PingInterval, s.beat)
	}
	s.mu.Unlock()
	if srv.opt.Metrics != nil {
		srv.opt.Metrics.Opened()
	}
	return s
}

func (s *Session) handshake() *Message {
	upgrades := []string{}
	if s.ws == nil && !s.srv.opt.NoUpgrades && slices.Contains(s.srv.opt.Transports, WebSocket) {
		upgrades = append(upgrades, WebSocket)
	}
	text, _ := json.Marshal(struct {
		SID          string   `json:"sid"`
		Upgrades     []string `json:"upgrades"`
		PingInterval int64    `json:"pingInterval"`
		PingTimeout  int64    `json:"pingTimeout"`
		MaxPayload   int      `json:"maxPayload"`
	}{s.id, upgrades, s.srv.opt.PingInterval.Milliseconds(), s.srv.opt.PingTimeout.Milliseconds(),
		s.srv.opt.MaxPayload})
	return control(packetOpen, string(text))
}

func (srv *Server) remove(s *Session) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if _, ok := srv.sessions[s.id]; !ok {
		return
	}
	delete(srv.sessions, s.id)
	if len(srv.sessions) == 0 && srv.draining.Load() {
		close(srv.empty)
	}
}

// refuseNew starts draining. When it returns, every session has been accepted and may be closed.
func (srv *Server) refuseNew() {
	srv.mu.Lock()
	if !srv.draining.Swap(true) && len(srv.sessions) == 0 {
		close(srv.empty)
	}
	srv.mu.Unlock()
	srv.opening.Wait()
}

// Drain refuses new sessions with 503 and closes the present ones one after the other, evenly over
// the given time, so that their clients do not all reconnect to another server at once. It returns
// when none is left or ctx is done. A client that has not polled for half a minute counts as gone.
func (srv *Server) Drain(ctx context.Context, over time.Duration) error {
	srv.refuseNew()
	all := srv.snapshot()
	start := time.Now()
	for i, s := range all {
		// Relative to the start, so that the time for closing does not add up.
		if wait := time.Until(start.Add(over * time.Duration(i) / time.Duration(len(all)))); wait > 0 {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(wait):
			}
		}
		s.closeWith(ReasonShutdown)
	}
	select {
	case <-srv.empty:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (srv *Server) snapshot() []*Session {
	srv.mu.RLock()
	defer srv.mu.RUnlock()
	all := make([]*Session, 0, len(srv.sessions))
	for _, s := range srv.sessions {
		all = append(all, s)
	}
	return all
}

// upgradeGrace is how long Close waits for clients that are about to change to their WebSocket.
// Such a client has stopped polling. Unless its WebSocket is closed, it notices only at its next
// ping that the server has closed.
const upgradeGrace = time.Second

// Close ends all sessions with ReasonShutdown and waits until every goroutine of the server is done.
func (srv *Server) Close() {
	srv.refuseNew()
	all := srv.snapshot()
	for _, s := range all {
		s.closeWith(ReasonShutdown)
	}
	ctx, cancel := context.WithTimeout(context.Background(), upgradeGrace)
	defer cancel()
	for _, s := range all {
		if decided := s.undecided(); decided != nil {
			select {
			case <-decided:
			case <-ctx.Done():
			}
		}
	}
	srv.mu.Lock()
	if len(srv.sessions) > 0 {
		close(srv.empty)
	}
	srv.sessions = nil
	srv.mu.Unlock()
	srv.out.wg.Wait()
	srv.links.Close()
	srv.wg.Wait()
}
