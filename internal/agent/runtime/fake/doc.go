// Package fake is a container runtime in memory: whole clusters run on it in
// tests and in simulation. Containers are Go functions, images are names of
// them, time is whatever time the process has (so it works inside a
// testing/synctest bubble).
//
// An Engine is safe for concurrent use. It owns one goroutine per running
// container; [Engine.Close] ends them and waits. [Engine.Down] and [Engine.Up]
// play a Docker daemon that is stopped and started again: containers go on,
// every call fails with runtime.ErrUnavailable, streams end.
package fake
