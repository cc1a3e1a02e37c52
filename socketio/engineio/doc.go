// Package engineio implements Engine.IO protocol 4, on which Socket.IO is built: HTTP long-polling and WebSocket, the
// upgrade from one to the other, heartbeats and the rules for closing.
//
// A Server is an http.Handler. Each client has a Session, which stays the same when the transport
// changes. The layer above receives messages through a Receiver, and sends a Message, which is
// encoded once for any number of sessions.
//
// Send, Flush and Close of a Session may be called concurrently and never wait for the peer. A
// Receiver gets messages one at a time. On Linux an idle WebSocket has no goroutine and no buffer.
// A session may have at most Options.MaxBuffer unsent bytes; if its client does not read, it is
// closed with ReasonSlow.
//
// The package does not know namespaces, events or rooms. It does not implement WebTransport,
// JSONP and protocol 3.
package engineio
