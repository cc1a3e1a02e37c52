package socketio

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/berthhq/berth/socketio/adapter"
	"github.com/berthhq/berth/socketio/engineio"
	"github.com/berthhq/berth/socketio/packet"
)

// conn is one client: an Engine.IO session and the sockets, one per namespace, that share it.
type conn struct {
	srv       *Server
	session   *engineio.Session
	handshake *request
	partial   *partial // only used by Message

	mu       sync.Mutex
	sockets  []*Socket
	ended    bool
	paused   bool
	full     int32       // sockets with too many queued events
	awaiting int32       // sockets that wait for acknowledgements, which must be read
	timer    *time.Timer // closes the session of a client that has not joined a namespace in time
}

func (srv *Server) accept(session *engineio.Session, r *http.Request) engineio.Receiver {
	c := &conn{srv: srv, session: session, handshake: newRequest(r)}
	c.timer = time.AfterFunc(srv.opt.ConnectTimeout, c.closeUnjoined)
	return c
}

// closeUnjoined closes the session of a client that has joined nothing within Options.ConnectTimeout.
func (c *conn) closeUnjoined() {
	c.mu.Lock()
	none := len(c.sockets) == 0
	c.mu.Unlock()
	if none {
		c.session.Close()
	}
}

// Message implements engineio.Receiver.
func (c *conn) Message(data []byte, binary bool) error {
	switch {
	case c.srv.opt.Parser == MsgPack:
		if !binary {
			return packet.ErrInvalid
		}
		p, attachments, err := unpack(data)
		if err != nil {
			return err
		}
		return c.packet(&p, attachments)
	case binary:
		return c.attachment(data)
	}
	if c.partial != nil { // attachments must follow their packet without anything in between
		return packet.ErrInvalid
	}
	p, err := packet.Decode(data)
	if err != nil {
		return err
	}
	if p.Attachments > 0 {
		if p.Data, err = normalise(p.Data, p.Attachments); err != nil {
			return err
		}
		c.partial = &partial{packet: p}
		return nil
	}
	return c.packet(&p, nil)
}

func (c *conn) attachment(data []byte) error {
	if c.partial == nil {
		return packet.ErrInvalid
	}
	c.partial.attachments = append(c.partial.attachments, data)
	if len(c.partial.attachments) < c.partial.packet.Attachments {
		return nil
	}
	whole := c.partial
	c.partial = nil
	return c.packet(&whole.packet, whole.attachments)
}

func (c *conn) packet(p *packet.Packet, attachments [][]byte) error {
	s := c.socket(p.Namespace)
	switch {
	case p.Type == packet.Connect && s == nil:
		return c.connect(p.Namespace, p.Data)
	case s == nil:
		return packet.ErrInvalid
	}
	switch p.Type {
	case packet.Event, packet.BinaryEvent:
		return s.onEvent(p, attachments)
	case packet.Ack, packet.BinaryAck:
		s.onAck(p, attachments)
		return nil
	case packet.Disconnect:
		s.end(ReasonClientDisconnect)
		return nil
	default:
		return packet.ErrInvalid
	}
}

func (c *conn) socket(nsp string) *Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.sockets {
		if s.ns.name == nsp {
			return s
		}
	}
	return nil
}

// connect handles a CONNECT packet. If the namespace does not exist, it answers with an error. Otherwise the client
// joins when the join queue starts it.
func (c *conn) connect(nsp string, auth []byte) error {
	ns := c.srv.enter(nsp, Handshake{req: c.handshake, Auth: auth})
	if ns == nil {
		c.refuse(nsp, "Invalid namespace", nil)
		return nil
	}
	s := newSocket(ns, c, auth)
	c.mu.Lock()
	ok := !c.ended && len(c.sockets) < c.srv.opt.MaxNamespaces
	if ok {
		c.sockets = append(c.sockets, s)
	}
	c.mu.Unlock()
	if !ok {
		ns.exit()
		return packet.ErrInvalid
	}
	c.srv.joins.add(s)
	return nil
}

// refuse answers a CONNECT packet with an error.
func (c *conn) refuse(nsp, message string, data any) {
	text, err := json.Marshal(struct {
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	}{message, data})
	if err != nil {
		text, _ = json.Marshal(map[string]string{"message": message})
	}
	c.session.Send(c.srv.message(packet.Packet{Type: packet.ConnectError, Namespace: nsp}, adapter.Payload{JSON: text}))
}

// joined is called when the client has joined a namespace.
func (c *conn) joined() {
	c.mu.Lock()
	c.stopTimer()
	c.mu.Unlock()
}

func (c *conn) stopTimer() {
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

func (c *conn) forget(s *Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, other := range c.sockets {
		if other == s {
			c.sockets = append(c.sockets[:i:i], c.sockets[i+1:]...)
			return
		}
	}
}

// adjustReading adds to the number of sockets with too many queued events, and to the number of sockets that wait for
// acknowledgements; both arguments may be negative. Reading from a client stops while one of its sockets has too many
// events, unless a socket waits for an acknowledgement, which could not be read otherwise.
func (c *conn) adjustReading(full, awaiting int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.full += full
	c.awaiting += awaiting
	pause := c.full > 0 && c.awaiting == 0
	if pause == c.paused {
		return
	}
	c.paused = pause
	if pause {
		c.session.Pause()
	} else {
		c.session.Resume()
	}
}

// awaitsAck reports whether a socket waits for an acknowledgement of the client.
func (c *conn) awaitsAck() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.awaiting > 0
}

// Closed implements engineio.Receiver.
func (c *conn) Closed(why engineio.Reason) {
	c.mu.Lock()
	c.ended = true
	c.stopTimer()
	all := c.sockets
	c.sockets = nil
	c.mu.Unlock()
	for _, s := range all {
		s.end(Reason(why))
	}
}

// all returns the sockets of the client.
func (c *conn) all() []*Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.sockets)
}

// Upgraded implements engineio.Upgrader.
func (c *conn) Upgraded() {
	for _, s := range c.all() {
		for _, f := range s.ns.hooks.Load().upgrade {
			s.guard("upgrade", func() { f(s) })
		}
	}
}
