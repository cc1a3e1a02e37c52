package admin

import (
	"context"
	"encoding/json"
	"time"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/adapter"
)

// mark is what a server adds, for the UI, to the data of a socket that other servers get.
type mark struct {
	ClientID  string `json:"clientId"`
	Transport string `json:"transport"`
}

// socket is the description of a socket that the UI gets.
type socket struct {
	ID string `json:"id"`
	mark
	NSP       string          `json:"nsp"`
	Data      json.RawMessage `json:"data"`
	Handshake json.RawMessage `json:"handshake"`
	Rooms     []string        `json:"rooms"`
}

const clientIDLength = 12 // characters of the session's id; the whole id is a secret

func markOf(s *socketio.Socket) mark { return mark{s.SessionID()[:clientIDLength], s.Transport()} }

// stamp returns the current time in the form that the UI expects.
func stamp() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000Z") }

// watch has everything that happens in a namespace sent to the UI.
func (a *Admin) watch(ns *socketio.Namespace) {
	ns.OnDescribe(describe)
	name := ns.Name()
	emit := func(event string, args ...any) { a.sent(a.ns.Emit(event, args...)) }
	ns.OnConnect(func(s *socketio.Socket) {
		emit("socket_connected", serialise(ns, s.Describe()), stamp())
	})
	ns.OnUpgrade(func(s *socketio.Socket) {
		emit("socket_updated", map[string]string{"id": s.ID(), "nsp": name, "transport": s.Transport()})
	})
	ns.OnRoom(func(s *socketio.Socket, room string, joined bool) {
		event := "room_left"
		if joined {
			event = "room_joined"
		}
		emit(event, name, room, s.ID(), stamp())
	})
	ns.OnDisconnect(func(s *socketio.Socket, why socketio.Reason) {
		emit("socket_disconnected", name, s.ID(), string(why), stamp())
	})
	if ns == a.ns {
		return
	}
	ns.OnAny(func(s *socketio.Socket, e *socketio.Event) {
		emit("event_received", name, s.ID(), list(e.Name, &e.Args), stamp())
	})
	ns.OnAnyOutgoing(func(s *socketio.Socket, event string, args []any) {
		emit("event_sent", name, s.ID(), list(event, args...), stamp())
	})
}

// list returns an event and its arguments as one JSON array. Binary data becomes base64 text.
func list(event string, args ...any) json.RawMessage {
	p, err := socketio.NewPayload(event, args...)
	if err != nil {
		return json.RawMessage("[]")
	}
	return socketio.Inline(p)
}

// describe adds the mark to the data of a socket that other servers get, if the data is an object.
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

// serialise returns the description of a socket for the UI: without the mark in its data, and without the client's
// credentials in its handshake.
func serialise(ns *socketio.Namespace, r adapter.Socket) socket {
	out := socket{ID: r.ID, NSP: ns.Name(), Data: r.Data, Handshake: r.Handshake, Rooms: r.Rooms}
	var data, handshake map[string]json.RawMessage
	if json.Unmarshal(r.Data, &data) == nil && data != nil {
		_ = json.Unmarshal(data["_admin"], &out.mark) // servers without an Admin add no mark
		delete(data, "_admin")
		out.Data, _ = json.Marshal(data)
	}
	if json.Unmarshal(r.Handshake, &handshake) == nil && handshake != nil {
		delete(handshake, "auth")
		out.Handshake, _ = json.Marshal(handshake)
	}
	return out
}

// allSockets returns the sockets of all namespaces, of this server and of those others that answer in time.
func (a *Admin) allSockets(ctx context.Context) []socket {
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
