// Package chattest has the tests of the program examples/chat. They run it with real clients, a real Redis and the
// Node.js server of examples/chat-node. They are not in the module of the examples, because that module cannot import
// the internal packages that they need.
package chattest
