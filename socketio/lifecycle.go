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

// recoverWithin is how long an adapter may search for the session and the missed events of a client.
const recoverWithin = 5 * time.Second

// run implements task. The first call lets the client join; later calls handle queued events.
func (s *Socket) run() {
	if s.started {
		s.work(nil)
		return
	}
	s.started = true
	s.start()
}

// start lets the client join or refuses it. If the client has joined, start handles the events that it has sent
// meanwhile.
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

// admit calls the middlewares and returns the first error.
func (s *Socket) admit() (err error) {
	for _, m := range s.ns.hooks.Load().use {
		s.guard("middleware", func() { err = m(s) })
		if err != nil {
			return err
		}
	}
	return nil
}

// reject ends a socket that a middleware has refused, and sends the client the reason.
func (s *Socket) reject(err error) {
	s.conn.forget(s)
	s.mu.Lock()
	gone := s.state == socketGone
	s.state = socketGone
	full := s.discard()
	s.mu.Unlock()
	s.conn.adjustReading(full, 0)
	if gone {
		return // end has called exit
	}
	s.ns.exit()
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok {
		refusal = &Refusal{Message: err.Error()}
	}
	s.conn.refuse(s.ns.name, refusal.Message, refusal.Data)
}

// enter adds the socket to its namespace. It sends the client the missed events, and then the answer to its CONNECT
// packet. It reports whether the client is still connected; if not, it does nothing. The caller holds the lock.
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

// recover gives the socket the id, rooms and data that the client had before, if the client asks for that. It reports
// whether it did.
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
		return false // tryJoin calls the middlewares again, and refuses the client
	}
	s.ns.closeReplaced(ask.PID)
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
		} else { // the client has disconnected meanwhile, and may come back
			lost = &was
		}
	})
	if lost != nil {
		s.ns.keeper.Save(*lost)
	}
	return found
}

// closeReplaced closes the old connection of the client with that private id. The client may have come back before the
// server noticed that its old connection is dead.
func (ns *Namespace) closeReplaced(pid string) {
	if old := ns.rooms.byPrivateID(pid); old != nil {
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

// end takes the socket out of its namespace; a second call does nothing. The disconnect handlers are called after the
// handlers of all events that were received before.
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

// remove takes the socket out of its rooms, and saves its session if the client may be recovered.
func (s *Socket) remove(why Reason) {
	keep := s.ns.keeper != nil && keptReason(why)
	at := ""
	if keep { // before the rooms: an event that is applied from now on may not reach the client
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
