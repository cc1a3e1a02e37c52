// Package fake is a container runtime in memory for tests and simulations of whole clusters. Containers are Go
// functions, images are names of them, and time is the process's time (so it works in a testing/synctest
// bubble).
//
// An Engine is safe for concurrent use. It owns one goroutine for each running container; [Engine.Close] ends
// them and waits. [Engine.Down] and [Engine.Up] simulate a Docker daemon that is stopped and started:
// containers go on, every call fails with runtime.ErrUnavailable, and streams end.
package fake
