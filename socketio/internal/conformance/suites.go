package main

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/engineio"
)

// echo sends every message back.
type echo struct{ s *engineio.Session }

func (e echo) Message(data []byte, binary bool) error {
	if binary {
		e.s.Send(engineio.Bytes(data))
		return nil
	}
	e.s.Send(engineio.Seal(append(engineio.NewBuffer(len(data)), data...)))
	return nil
}

func (echo) Closed(engineio.Reason) {}

func engineSuite(log *slog.Logger) *engineio.Server {
	open := func(s *engineio.Session, _ *http.Request) engineio.Receiver { return echo{s} }
	return engineio.New(suiteOptions(log), open)
}

func socketSuite(log *slog.Logger) *socketio.Server {
	io := socketio.New(socketio.Options{Engine: suiteOptions(log), ConnectTimeout: time.Second, Log: log})
	auth := func(s *socketio.Socket) { check(log, s.Emit("auth", orEmpty(s.Handshake().Auth))) }
	root := io.Of("/")
	root.OnConnect(auth)
	root.On("message", func(s *socketio.Socket, e *socketio.Event) { check(log, s.Emit("message-back", &e.Args)) })
	root.On("message-with-ack", func(_ *socketio.Socket, e *socketio.Event) { check(log, e.Ack(&e.Args)) })
	io.Of("/custom").OnConnect(auth)
	return io
}

func orEmpty(auth json.RawMessage) json.RawMessage {
	if auth == nil {
		return json.RawMessage("{}")
	}
	return auth
}

func check(log *slog.Logger, err error) {
	if err != nil {
		log.Error("conformance: not sent", "error", err)
	}
}

func clientSuite(log *slog.Logger) *socketio.Server {
	io := socketio.New(socketio.Options{
		Log:      log,
		Recovery: &socketio.Recovery{},
		Engine: engineio.Options{
			PingInterval: 2 * time.Second,
			// The delay is for the tests of the client's connection timeout.
			Allow: func(*http.Request) error { time.Sleep(10 * time.Millisecond); return nil },
		},
	})
	io.Of("/foo").On("getId", getID)
	for _, nsp := range []string{"/timeout_socket", "/valid", "/asd"} {
		io.Of(nsp)
	}
	io.Of("/abc").OnConnect(func(s *socketio.Socket) { check(log, s.Emit("handshake", s.Handshake())) })
	io.Of("/").Use(func(s *socketio.Socket) error {
		if s.Handshake().Query().Get("fail") != "" {
			//lint:ignore ST1005 the official suite expects this text
			return errors.New("Auth failed (main namespace)")
		}
		return nil
	})
	//lint:ignore ST1005 the official suite expects this text
	io.Of("/no").Use(func(*socketio.Socket) error { return errors.New("Auth failed (custom namespace)") })
	clientHandlers(io.Of("/"), log)
	return io
}

func getID(s *socketio.Socket, e *socketio.Event) { _ = e.Ack(s.ID()) }
