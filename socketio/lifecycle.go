package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/berthhq/berth/socketio/adapter"
	"github.com/berthhq/berth/socketio/engineio"
	"github.com/berthhq/berth/socketio/packet"
)

// recoverWithin bounds how long an adapter may look for what a client missed.
const recoverWithin = 5 * time.Second

// run implements task: the first time it lets the client join, later it handles events that have come.
func (s *Socket) run() {
	if s.started {
		s.work(nil)
		return
	}
	s.started = true
	s.start()
}

// start lets the client join or refuses it, and then handles the events that have come meanwhile.
func (s *Socket) start() {
	in := s.tryJoin()
	s.ns.srv.joins.done()
	if !in {
		return
	}
	s.conn.joined()
	s.ns.notifyRooms(s, []string{s.id}, true)
	for _, f := range s.ns.hooks.Load().connect {
		s.guard("connect", func() { f(s) })
	}
	s.work(nil)
}

// tryJoin reports whether the client has joined and is still connected.
func (s *Socket) tryJoin() bool {
	if s.recover() {
		return s.Connected()
	}
	if err := s.admit(); err != nil {
		s.reject(err)
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.enter(nil)
}

// left reports whether the client has disconnected.
func (s *Socket) left() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == socketGone
}

func (s *Socket) admit() (err error) {
	for _, m := range s.ns.hooks.Load().use {
		s.guard("middleware", func() { err = m(s) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Socket) reject(err error) {
	s.conn.forget(s)
	s.mu.Lock()
	gone := s.state == socketGone
	s.state = socketGone
	full := s.discard()
	s.mu.Unlock()
	s.conn.adjustReading(full, 0)
	if gone {
		return // and counted out
	}
	s.ns.exit()
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok {
		refusal = &Refusal{Message: err.Error()}
	}
	s.conn.refuse(s.ns.name, refusal.Message, refusal.Data)
}

// enter puts the socket into its namespace and sends the client what it missed and then the answer to
// its CONNECT. It is called with the lock held and reports whether the client is still connected.
func (s *Socket) enter(missed []adapter.Missed) bool {
	if s.state == socketGone {
		return false
	}
	for i, m := range missed {
		s.sent.add(&missed[i].Offset)
		s.conn.session.Send(s.ns.srv.message(packet.Packet{Type: packet.Event, Namespace: s.ns.name},
			withOffset(m.Payload, m.Offset)))
	}
	if s.ns.keeper != nil && s.pid == "" {
		s.pid = engineio.NewID()
	}
	s.state = socketJoined
	s.ns.rooms.add(s)
	s.conn.session.Send(s.connectReply())
	return true
}

// recover restores the socket that the client had before, if the client asks for it and it is possible.
func (s *Socket) recover() bool {
	if s.ns.keeper == nil || len(s.handshake.Auth) == 0 {
		return false
	}
	var ask struct {
		PID    string `json:"pid"`
		Offset string `json:"offset"`
	}
	if json.Unmarshal(s.handshake.Auth, &ask) != nil || ask.PID == "" {
		return false
	}
	if s.ns.srv.opt.Recovery.Middlewares && s.admit() != nil {
		return false // asked again, and refused, by the way of a new client
	}
	s.ns.replace(ask.PID)
	ctx, cancel := context.WithTimeout(context.Background(), recoverWithin)
	defer cancel()
	joined := false
	var lost *adapter.Saved
	found := s.ns.keeper.Recover(ctx, ask.PID, ask.Offset, func(was adapter.Saved, missed []adapter.Missed) {
		s.mu.Lock()
		s.id, s.pid, s.recovered = was.SID, was.PID, true
		if s.values = was.Value; s.values == nil && len(was.Data) > 0 {
			s.values = was.Data
		}
		if was.Sent != "" {
			s.sent.first.Store(&was.First)
			s.sent.last.Store(&was.Sent)
		}
		joined = s.enter(missed)
		s.mu.Unlock()
		if joined {
			s.Join(was.Rooms...)
		} else { // gone again meanwhile, and may come back
			lost = &was
		}
	})
	if lost != nil {
		s.ns.keeper.Save(*lost)
	}
	return found
}

// replace ends the old connection of a client that has come back before the server noticed that it
// had gone.
func (ns *Namespace) replace(pid string) {
	if old := ns.rooms.private(pid); old != nil {
		old.conn.session.Fail(engineio.ReasonTransportClose)
	}
}

func (s *Socket) connectReply() *engineio.Message {
	text := append(append(make([]byte, 0, 64), `{"sid":"`...), s.id...)
	if s.pid != "" {
		text = append(append(text, `","pid":"`...), s.pid...)
	}
	return s.ns.srv.message(packet.Packet{Type: packet.Connect, Namespace: s.ns.name},
		adapter.Payload{JSON: append(text, `"}`...)})
}

// end takes the socket out of its namespace, once. The disconnect handlers are called after the events
// that came before.
func (s *Socket) end(why Reason) {
	s.mu.Lock()
	before := s.state
	s.state = socketGone
	acks, cancel := s.acks, s.cancel
	s.acks = nil
	full, awaiting := int32(0), int32(0)
	if before == socketJoining {
		full = s.discard()
	}
	if len(acks) > 0 {
		awaiting = -1
	}
	s.mu.Unlock()
	if before == socketGone {
		return
	}
	s.conn.adjustReading(full, awaiting)
	s.conn.forget(s)
	if cancel != nil {
		cancel(fmt.Errorf("%w: %s", ErrDisconnected, why))
	}
	for _, done := range acks {
		done(nil, ErrDisconnected)
	}
	if before == socketJoined {
		s.remove(why)
		if h := s.ns.hooks.Load(); len(h.disconnecting)+len(h.disconnect)+len(h.room) > 0 {
			s.enqueue(&Event{socket: s, task: func() { s.callDisconnectHandlers(why) }})
		}
	}
	s.ns.exit()
}

// remove takes the socket out of its rooms and saves it if the client may come back as the same.
func (s *Socket) remove(why Reason) {
	keep := s.ns.keeper != nil && keptReason(why)
	at := ""
	if keep { // first: what is applied from here on may not reach the client any more
		at = s.ns.keeper.Position()
	}
	s.ns.deleted(s.ns.rooms.remove(s))
	if !keep {
		return
	}
	first, last := s.sent.offsets()
	s.ns.keeper.Save(adapter.Saved{
		SID: s.id, PID: s.pid, Rooms: s.Rooms(), Data: s.data(), Value: s.Data(),
		For: s.ns.srv.opt.Recovery.MaxDisconnection, First: first, Sent: last, At: at,
	})
}

func (s *Socket) callDisconnectHandlers(why Reason) {
	h := s.ns.hooks.Load()
	for _, f := range h.disconnecting {
		f(s, why)
	}
	s.ns.notifyRooms(s, s.Rooms(), false)
	for _, f := range h.disconnect {
		f(s, why)
	}
}
