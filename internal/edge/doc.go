// Package edge is the data plane of the load balancers: it listens on their ports, proxies HTTP/1 and
// WebSockets to targets, keeps clients with their targets by cookie, probes the targets' health, and drains
// deregistered targets.
//
// An Edge gets a route.Config by Apply and needs nothing else: when the control plane is gone, it continues
// serving, probing and draining with its last table. It reports what it sees to a Reporter. Configurations and
// reports are plain values, so an edge may run in the control plane's process or in its own (package link).
//
// Concurrency: the table in use is one atomic pointer, which requests read without a lock. Everything that
// changes it (Apply, results of probes, ends of drains) runs in the goroutine of Run. Health, round-robin
// positions and counts of requests are kept outside of the table and survive its replacement. When Apply has
// returned, no request is sent to a target that the new configuration drains, unless it was sent already: each
// target has a gate that senders pass, and closing the gate interrupts the writes of those inside. Apply waits
// for no connection.
//
// The edge does not know why targets come and go: it does not know the state, ECS, or the API.
package edge
