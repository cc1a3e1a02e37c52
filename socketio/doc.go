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
// Arguments of events stay the bytes they came in until a handler decodes them, so handing an event
// on costs no decoding. What goes to many clients is encoded once.
//
// Concurrency: everything exported is safe for concurrent use unless it says otherwise. The handlers
// of one Socket run one after the other, in the order of the events; those of different sockets run
// at the same time. A handler may wait, for an acknowledgement of the same client too: only later
// events of its own socket wait for it. Sending never waits for a client: each has a bounded buffer,
// and the one that does not read is disconnected. A client that sends faster than its events are handled
// is held back.
package socketio
