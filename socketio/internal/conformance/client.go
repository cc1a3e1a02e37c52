package main

import (
	"log/slog"
	"time"

	"github.com/berthhq/berth/socketio"
)

type mixed struct {
	Hello   string          `json:"hello"`
	Message socketio.Binary `json:"message"`
	Goodbye string          `json:"goodbye"`
}

const isoMillis = "2006-01-02T15:04:05.000Z07:00"

func now() string { return time.Now().UTC().Format(isoMillis) }

// clientHandlers registers the events that the tests of the JavaScript client expect in the main namespace.
func clientHandlers(ns *socketio.Namespace, log *slog.Logger) {
	emit := func(event string, args ...any) socketio.Handler {
		return func(s *socketio.Socket, _ *socketio.Event) { check(log, s.Emit(event, args...)) }
	}
	ns.On("hi", emit("hi"))
	ns.On("echo", func(_ *socketio.Socket, e *socketio.Event) { check(log, e.Ack(&e.Args)) })
	ns.On("ack", askBack(log))
	ns.On("getAckDate", func(_ *socketio.Socket, e *socketio.Event) { check(log, e.Ack(now())) })
	ns.On("getDate", func(s *socketio.Socket, _ *socketio.Event) { check(log, s.Emit("takeDate", now())) })
	ns.On("getDateObj", func(s *socketio.Socket, _ *socketio.Event) {
		check(log, s.Emit("takeDateObj", map[string]string{"date": now()}))
	})
	ns.On("getUtf8", func(s *socketio.Socket, _ *socketio.Event) {
		for _, text := range []string{"てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "utf8 — string"} {
			check(log, s.Emit("takeUtf8", text))
		}
	})
	ns.On("false", emit("false", false))
	ns.On("doge", emit("doge", []byte("asdfasdf")))
	ns.On("getbin", emit("takebin", []byte("asdfasdf")))
	ns.On("getHandshake", func(s *socketio.Socket, e *socketio.Event) { check(log, e.Ack(s.Handshake())) })
	ns.On("getId", getID)
	binaryHandlers(ns, emit)
}

// askBack sends the client an event. If the client acknowledges it with 5 and {test: true}, it sends "got it". It does
// not wait for the acknowledgement, because the client may send its next event before.
func askBack(log *slog.Logger) socketio.Handler {
	return func(s *socketio.Socket, _ *socketio.Event) {
		check(log, s.EmitAsk("ack", func(args *socketio.Args, err error) {
			var n int
			var obj struct {
				Test bool `json:"test"`
			}
			if err == nil && args.Scan(&n, &obj) == nil && n == 5 && obj.Test {
				check(log, s.Emit("got it"))
			}
		}))
	}
}

func binaryHandlers(ns *socketio.Namespace, emit func(string, ...any) socketio.Handler) {
	on := func(event, answer string, ok func(*socketio.Event) bool) {
		reply := emit(answer)
		ns.On(event, func(s *socketio.Socket, e *socketio.Event) {
			if ok(e) && answer != "" {
				reply(s, e)
			}
		})
	}
	isBinary := func(e *socketio.Event) bool {
		var b []byte
		return e.Args.Decode(0, &b) == nil && string(e.Args.Raw(0)[:2]) == `{"`
	}
	isMixed := func(e *socketio.Event) bool {
		var m mixed
		return e.Args.Decode(0, &m) == nil && m.Hello == "lol" && m.Goodbye == "gotcha" && len(m.Message) > 0
	}
	always := func(*socketio.Event) bool { return true }
	on("buffa", "buffack", isBinary)
	on("jsonbuff", "jsonbuff-ack", isMixed)
	on("abuff1", "", isBinary)
	on("abuff2", "abuff2-ack", always)
	on("blob", "back", isBinary)
	on("jsonblob", "jsonblob-ack", isMixed)
	on("blob1", "", isBinary)
	on("blob2", "", always)
	on("blob3", "blob3-ack", isBinary)
}
