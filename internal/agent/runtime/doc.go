// Package runtime says what the agent needs of a container runtime, in plain
// values, as interfaces of a few methods each. Package runtimetest is the
// specification in executable form; docker and fake pass it.
//
// Implementations are safe for concurrent use. Every method that talks to the
// engine returns an error that matches [ErrUnavailable] when the engine cannot
// be reached, which is never a statement about a container: the caller keeps
// what it knew and asks again. Streams end, with an error, when the engine goes.
//
// A runtime knows containers, images, networks and volumes. It refuses to know
// tasks: grouping containers, ordering them and deciding what to do when one
// ends is the agent's work.
package runtime
