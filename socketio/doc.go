// Package socketio is a Socket.IO server: protocol 5 on Engine.IO 4, understood by the JavaScript
// client of version 3 and 4 and able to form a cluster with Node.js servers.
//
// A Server is an http.Handler. Handlers are registered per namespace, before the first client connects:
//
//	io := socketio.New(socketio.Options{})
//	io.Of("/").On("chat", socketio.Typed(func(s *socketio.Socket, text string) {
//		s.To("lobby").Emit("chat", text)
//	}))
//	http.Handle("/socket.io/", io)
//
// The arguments of an event stay undecoded until a handler decodes them, so passing an event on costs no decoding.
// An event that goes to many clients is encoded once.
//
// Concurrency: everything exported is safe for concurrent use unless its documentation says otherwise. The handlers
// of one Socket run one after the other, in the order of the events; those of different sockets run at the same time.
// A handler may block, even to wait for an acknowledgement of its own client: only later events of the same socket
// wait for it. Sending never waits for a client: each client has a bounded buffer, and a client that does not read is
// disconnected. If a client sends events faster than they are handled, the server stops reading from it for a while.
package socketio
