// Package docker is the container runtime of Docker Engine 19.03 and newer (API 1.40), through the engine's
// official Go client.
//
// An Engine has no state except the client's connections and a lock, and is safe for concurrent use. It starts
// no goroutine that outlives a call or stream.
package docker
