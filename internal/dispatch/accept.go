package dispatch

import (
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/coder/websocket"

	"github.com/berthhq/berth/internal/acs"
)

// accept makes a WebSocket of a handshake, for frames of up to acs.MaxFrame bytes. If it returns an
// error, it has already answered the agent.
func accept(w http.ResponseWriter, r *http.Request) (*websocket.Conn, error) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(acs.MaxFrame)
	return conn, nil
}

// detached calls serve in a goroutine, so that the handler of the WebSocket can return: net/http then
// frees the handler's buffers and stack, which take more memory than a quiet session does. If serve
// panics, only its session ends, as it would in a handler.
func (d *Dispatcher) detached(serve func()) {
	go func() {
		defer func() {
			if p := recover(); p != nil {
				d.log.Error("an agent's session failed", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			}
		}()
		serve()
	}()
}
