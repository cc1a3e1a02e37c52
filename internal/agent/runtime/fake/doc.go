// Package fake is a container runtime in memory, for tests and for simulations of whole clusters. Containers
// are Go functions, and images are names of them. It uses the process's clock, so it works in a
// testing/synctest bubble.
//
// An Engine is safe for concurrent use. It has one goroutine for each running container; [Engine.Close]
// ends them and waits. [Engine.Down] and [Engine.Up] simulate a Docker daemon that is stopped and started: in
// between, containers continue to run, every call fails with runtime.ErrUnavailable, and streams end.
package fake
