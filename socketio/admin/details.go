package admin

import (
	"context"
	"encoding/json"
	"time"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/adapter"
)

// mark is what servers keep in a socket's data for the UI.
type mark struct {
	ClientID  string `json:"clientId"`
	Transport string `json:"transport"`
}

// socket is a socket as the UI knows it.
type socket struct {
	ID string `json:"id"`
	mark
	NSP       string          `json:"nsp"`
	Data      json.RawMessage `json:"data"`
	Handshake json.RawMessage `json:"handshake"`
	Rooms     []string        `json:"rooms"`
}

const clientIDLength = 12 // of the session's id, which is a secret as a whole

func markOf(s *socketio.Socket) mark { return mark{s.SessionID()[:clientIDLength], s.Transport()} }

func stamp() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000Z") }

// watch sends the UI what happens in a namespace.
func (a *Admin) watch(ns *socketio.Namespace) {
	ns.OnDescribe(describe)
	name := ns.Name()
	tell := func(event string, args ...any) { a.sent(a.ns.Emit(event, args...)) }
	ns.OnConnect(func(s *socketio.Socket) {
		tell("socket_connected", serialise(ns, s.Describe()), stamp())
	})
	ns.OnUpgrade(func(s *socketio.Socket) {
		tell("socket_updated", map[string]string{"id": s.ID(), "nsp": name, "transport": s.Transport()})
	})
	ns.OnRoom(func(s *socketio.Socket, room string, joined bool) {
		event := "room_left"
		if joined {
			event = "room_joined"
		}
		tell(event, name, room, s.ID(), stamp())
	})
	ns.OnDisconnect(func(s *socketio.Socket, why socketio.Reason) {
		tell("socket_disconnected", name, s.ID(), string(why), stamp())
	})
	if ns == a.ns {
		return
	}
	ns.OnAny(func(s *socketio.Socket, e *socketio.Event) {
		tell("event_received", name, s.ID(), list(e.Name, &e.Args), stamp())
	})
	ns.OnAnyOutgoing(func(s *socketio.Socket, event string, args []any) {
		tell("event_sent", name, s.ID(), list(event, args...), stamp())
	})
}

// list returns an event as one array. Binary in it becomes base64 text.
func list(event string, args ...any) json.RawMessage {
	p, err := socketio.NewPayload(event, args...)
	if err != nil {
		return json.RawMessage("[]")
	}
	return socketio.Inline(p)
}

// describe marks the data that other servers get, if it is an object.
func describe(s *socketio.Socket, data json.RawMessage) json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil || fields == nil {
		return data
	}
	text, err := json.Marshal(markOf(s))
	if err != nil {
		return data
	}
	fields["_admin"] = text
	if marked, err := json.Marshal(fields); err == nil {
		return marked
	}
	return data
}

// serialise takes the mark out of a socket's data, and what is secret out of its handshake.
func serialise(ns *socketio.Namespace, r adapter.Socket) socket {
	out := socket{ID: r.ID, NSP: ns.Name(), Data: r.Data, Handshake: r.Handshake, Rooms: r.Rooms}
	var data, handshake map[string]json.RawMessage
	if json.Unmarshal(r.Data, &data) == nil && data != nil {
		_ = json.Unmarshal(data["_admin"], &out.mark) // another's data may have none
		delete(data, "_admin")
		out.Data, _ = json.Marshal(data)
	}
	if json.Unmarshal(r.Handshake, &handshake) == nil && handshake != nil {
		delete(handshake, "auth")
		out.Handshake, _ = json.Marshal(handshake)
	}
	return out
}

// everybody returns all sockets of all namespaces on all servers, as far as they answer.
func (a *Admin) everybody(ctx context.Context) []socket {
	all := []socket{}
	for _, name := range a.io.Namespaces() {
		ns := a.io.Of(name)
		found, err := ns.All().Sockets(ctx)
		a.sent(err)
		for _, r := range found {
			all = append(all, serialise(ns, r.Socket))
		}
	}
	return all
}
