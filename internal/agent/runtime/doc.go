// Package runtime defines what the agent needs of a container runtime, in plain values, as interfaces of a few
// methods each. Package runtimetest is the specification in executable form; docker and fake pass it.
//
// Implementations are safe for concurrent use. Every method that calls the engine returns an error that matches
// [ErrUnavailable] if the engine cannot be reached. That says nothing about a container: the caller keeps what
// it knew and asks again. Streams end with an error when the engine ends.
//
// A runtime knows containers, images, networks and volumes, but not tasks: the agent groups and orders
// containers and decides what to do when one ends.
package runtime
