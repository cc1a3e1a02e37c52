package engineio

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/berthhq/berth/socketio/internal/link"
)

// Options of a Server. The zero value has the reference server's defaults.
type Options struct {
	// Path is the prefix of the URL path that is served. Default "/engine.io/".
	Path string
	// PingInterval is the time between two heartbeats. Default 25 s.
	PingInterval time.Duration
	// PingTimeout is how long an answer to a heartbeat may take. Default 20 s.
	PingTimeout time.Duration
	// UpgradeTimeout is how long a half-done upgrade may take. Default 10 s.
	UpgradeTimeout time.Duration
	// MaxPayload is the size of the largest message or polling body accepted, in bytes. Default
	// 1,000,000.
	MaxPayload int
	// MaxBuffer is how many unsent bytes a session may have before it is closed with ReasonSlow; a
	// single message is always accepted. Default 4 MiB.
	MaxBuffer int
	// MaxSessions is how many sessions there may be; further handshakes get status 503. Default no limit.
	MaxSessions int
	// Full, when set, reports whether there is no room for new sessions at present; handshakes then get status
	// 503. It must be quick and safe for concurrent use.
	Full func() bool
	// Transports are those offered, of "polling" and "websocket". Default both.
	Transports []string
	// NoUpgrades keeps polling sessions on polling.
	NoUpgrades bool
	// Allow may refuse a new session; the error's text is sent to the client with status 403.
	Allow func(*http.Request) error
	// CORS answers cross-origin requests; nil leaves all CORS headers out.
	CORS *CORS
	// Cookie, when set, is sent with the handshake of polling sessions; its value is the session id.
	Cookie *http.Cookie
	// Header, when set, may add headers to any answer; first is true on the handshake.
	Header func(h http.Header, r *http.Request, first bool)
	// NewID makes session ids: 20 characters of [A-Za-z0-9_-]. Default 120 random bits.
	NewID func() string
	// PerMessageDeflate offers compression on WebSockets, without context takeover, so that it costs
	// no memory between messages.
	PerMessageDeflate bool
	// CompressAbove is the size in bytes from which messages and polling bodies are compressed.
	// Default 1024.
	CompressAbove int
	// Metrics, when set, counts sessions and packets.
	Metrics Metrics
	// NewWorker, when set, makes a Worker for each goroutine that reads from WebSockets of several sessions.
	NewWorker func() Worker
	// Log is the logger. Default: nothing is logged.
	Log *slog.Logger
}

// Metrics counts sessions and packets. Its methods must be quick and safe for concurrent use.
type Metrics interface {
	// Opened and Closed count sessions.
	Opened()
	Closed(Reason)
	// Packets counts message packets and their bytes, in (true) or out.
	Packets(in bool, packets, bytes int)
}

// Worker lets the layer above use the goroutine that has called Receiver.Message for work that is
// left, which is cheaper than another goroutine. Begin is called before a batch of messages and
// Work after it, on the same goroutine. Work may block: if it takes longer than about ten
// milliseconds, another goroutine continues reading, with a Worker of its own, and Replaced is
// called. Messages from polling, and on other systems than Linux from WebSockets, are delivered
// without Begin and Work.
type Worker = link.Worker

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	num := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	def(&o.PingInterval, 25*time.Second)
	def(&o.PingTimeout, 20*time.Second)
	def(&o.UpgradeTimeout, 10*time.Second)
	num(&o.MaxPayload, 1_000_000)
	num(&o.MaxBuffer, 4<<20)
	num(&o.CompressAbove, 1024)
	if o.Path == "" {
		o.Path = "/engine.io/"
	}
	if o.Transports == nil {
		o.Transports = []string{Polling, WebSocket}
	}
	if o.NewID == nil {
		o.NewID = NewID
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}
