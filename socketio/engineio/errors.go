package engineio

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/berthhq/berth/socketio/internal/wsframe"
)

// The reasons why sessions end. The texts are those that clients and handlers see with the
// reference server; ReasonSlow is our own.
const (
	ReasonTransportClose Reason = "transport close"
	ReasonTransportError Reason = "transport error"
	ReasonForcedClose    Reason = "forced close"
	ReasonPingTimeout    Reason = "ping timeout"
	ReasonParseError     Reason = "parse error"
	ReasonShutdown       Reason = "server shutting down"
	ReasonSlow           Reason = "send buffer full"
)

// Reason says why a session ended.
type Reason string

// The transports by name.
const (
	Polling   = "polling"
	WebSocket = "websocket"
)

// refusal is the HTTP answer to a request that is refused, with the protocol's code.
type refusal struct {
	code    int
	message string
}

var (
	errTransport = refusal{0, "Transport unknown"}
	errSession   = refusal{1, "Session ID unknown"}
	errMethod    = refusal{2, "Bad handshake method"}
	errRequest   = refusal{3, "Bad request"}
	errProtocol  = refusal{5, "Unsupported protocol version"}
)

const codeForbidden = 4

// write answers r. WebSocket handshakes get plain text and status 400 for every code, because a
// browser does not show the answer.
func (e refusal) write(w http.ResponseWriter, r *http.Request) {
	if wsframe.IsUpgrade(r) {
		w.Header().Set("Connection", "close")
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Length", strconv.Itoa(len(e.message)))
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(e.message))
		return
	}
	text, _ := json.Marshal(e.message) // a string cannot fail
	w.Header().Set("Content-Type", "application/json")
	status := http.StatusBadRequest
	if e.code == codeForbidden {
		status = http.StatusForbidden
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(`{"code":` + strconv.Itoa(e.code) + `,"message":` + string(text) + `}`))
}
