// Package engineio is the lower half of Socket.IO: Engine.IO protocol 4 on HTTP long-polling and
// WebSocket, with the upgrade from one to the other, heartbeats and the close rules.
//
// A Server is an http.Handler. Each client has a Session, which keeps its identity when the transport
// changes. What the layer above wants to know of a session it learns through a Receiver; what it
// sends is a Message, encoded once however many sessions get it.
//
// Concurrency: Send, Flush and Close of a Session may be called from anywhere and never wait for the
// peer. Messages reach a Receiver one at a time. A quiet WebSocket holds no goroutine and no buffer
// on Linux. A session's unsent bytes are bounded by Options.MaxBuffer; the session of a client that
// does not read is closed with ReasonSlow.
//
// The package knows nothing of namespaces, events or rooms. WebTransport, JSONP and protocol 3 are
// left out.
package engineio
