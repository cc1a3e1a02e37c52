package engineio

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/berthhq/berth/socketio/internal/link"
	"github.com/berthhq/berth/socketio/internal/wsframe"
)

// Close codes of RFC 6455. 0 stands for a close frame without a body, as the reference server sends
// for errors of the layers above.
const (
	closeProtocol = 1002
	closeInvalid  = 1007
	closeTooBig   = 1009
)

// wsConn is a WebSocket under a session, either its transport or the candidate of an upgrade. The
// fields below in are guarded by the session's lock.
type wsConn struct {
	s    *Session
	link link.Link
	in   wsframe.Reader

	writing   bool
	blocked   bool   // the kernel's buffer is full; Writable will be called
	rest      []byte // what the kernel did not accept
	shutting  bool   // a close frame follows the queue
	closeCode int
	deflate   bool
	timer     *time.Timer // bounds the upgrade, later the closing
}

var errStop = errors.New("engineio: connection is closing")

// serveWebSocket upgrades the HTTP connection. s is nil for a handshake.
func (srv *Server) serveWebSocket(w http.ResponseWriter, r *http.Request, s *Session) {
	reply := append([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"+
		"Connection: Upgrade\r\nSec-WebSocket-Accept: "),
		wsframe.AcceptKey(r.Header.Get("Sec-Websocket-Key"))...)
	reply = append(reply, "\r\n"...)
	for k, vs := range w.Header() {
		for _, v := range vs {
			reply = append(reply, k+": "+v+"\r\n"...)
		}
	}
	deflate := srv.opt.PerMessageDeflate && offersDeflate(r.Header)
	if deflate {
		reply = append(reply, deflateAnswer...)
	}
	reply = append(reply, "\r\n"...)
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		srv.opt.Log.Error("engineio: WebSockets need a server that can hijack connections", "error", err)
		errRequest.write(w, r)
		return
	}
	_ = conn.SetDeadline(time.Time{})
	var early []byte
	if n := buf.Reader.Buffered(); n > 0 {
		early, _ = buf.Reader.Peek(n)
	}
	ws := &wsConn{s: s, in: wsframe.Reader{Limit: srv.opt.MaxPayload}, deflate: deflate}
	if deflate {
		ws.in.Inflate = srv.deflater.inflate
	}
	err = srv.links.Attach(conn, early, func(l link.Link) link.Sink {
		ws.link = l
		if s == nil {
			srv.begin(r, ws, reply)
		} else {
			s.candidate(ws, reply)
		}
		return ws
	})
	if err != nil {
		srv.opt.Log.Warn("engineio: cannot serve a WebSocket", "error", err)
	}
}

// begin opens a session whose first transport is a WebSocket.
func (srv *Server) begin(r *http.Request, ws *wsConn, reply []byte) {
	if s := srv.open(r, ws, &Message{wire: reply}); s != nil {
		s.Flush()
		return
	}
	ws.link.Close()
}

// Readable implements link.Sink.
func (w *wsConn) Readable(p []byte) {
	if w.s == nil {
		return
	}
	switch err := w.in.Feed(p, w.frame); {
	case err == nil, errors.Is(err, errStop):
	case errors.Is(err, wsframe.ErrTooBig):
		w.refuse(closeTooBig)
	case errors.Is(err, wsframe.ErrUTF8):
		w.refuse(closeInvalid)
	default:
		w.refuse(closeProtocol)
	}
}

func (w *wsConn) frame(op wsframe.Op, payload []byte) error {
	s := w.s
	s.mu.Lock()
	state, main := s.state, s.ws == w
	s.mu.Unlock()
	switch {
	case op == wsframe.Close:
		w.closed(payload)
		return errStop
	case op == wsframe.Pong, main && state != stateOpen, state == stateClosed:
		return nil // of a closing transport only the answer to the close frame counts
	case op == wsframe.Ping && !main:
		_, _ = w.link.Write(wsframe.AppendFrame(nil, wsframe.Pong, payload))
	case op == wsframe.Ping:
		s.Send(&Message{wire: wsframe.AppendFrame(nil, wsframe.Pong, payload)})
	case !main:
		return w.probePacket(op, payload)
	case op == wsframe.Binary:
		s.receive(packet{kind: packetMessage, binary: true, data: payload})
	default:
		p, err := decodeText(payload)
		if err != nil {
			s.closeWith(ReasonParseError)
			return nil
		}
		s.receive(p)
	}
	return nil
}

// closed answers the peer's close frame.
func (w *wsConn) closed(payload []byte) {
	code := 0
	if len(payload) >= 2 {
		code = int(payload[0])<<8 | int(payload[1])
	}
	s := w.s
	s.mu.Lock()
	main, ours := s.ws == w, w.shutting
	s.mu.Unlock()
	if !ours {
		_, _ = w.link.Write(wsframe.AppendClose(nil, code))
	}
	w.link.Close()
	if main {
		s.fail(ReasonTransportClose)
	}
}

// refuse ends the connection because of what the client sent.
func (w *wsConn) refuse(code int) {
	s := w.s
	s.mu.Lock()
	main := s.ws == w
	w.closeCode = code
	s.mu.Unlock()
	if main {
		s.closeWith(ReasonTransportError)
		return
	}
	w.hangUp(code)
}

// hangUp closes the connection after a close frame.
func (w *wsConn) hangUp(code int) {
	_, _ = w.link.Write(wsframe.AppendClose(nil, code))
	w.link.Close()
}

// Broken implements link.Sink.
func (w *wsConn) Broken(err error) {
	s := w.s
	if s == nil {
		return
	}
	s.mu.Lock()
	main := s.ws == w
	if w.timer != nil {
		w.timer.Stop()
	}
	if s.probe == w {
		s.dropProbe()
	}
	s.mu.Unlock()
	if !main {
		return
	}
	if errors.Is(err, io.EOF) || errors.Is(err, link.ErrClosed) {
		s.fail(ReasonTransportClose)
	} else {
		s.fail(ReasonTransportError)
	}
}
