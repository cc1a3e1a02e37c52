// Package chattest tests the program examples/chat from outside, with real clients, a real Redis and
// the Node.js server of examples/chat-node. The examples are a module of their own, in the same
// repository: they cannot import what the tests need.
package chattest
