// Package edge is the door: it listens on the ports of the load balancers, proxies HTTP/1 and WebSocket to targets, keeps clients
// with their targets by cookie, probes the targets' health and drains those that leave.
//
// An Edge lives from a route.Config handed to Apply and needs nothing else: with the control plane gone it goes on serving its
// last table, probing and draining. What it sees it tells a Reporter. Both ends of that are plain values, so an edge may run in the
// control plane's process or in one of its own.
//
// Concurrency: the table in use is one atomic pointer; requests take no lock of the table. Everything that changes it (Apply,
// verdicts of probes, ends of drains) goes through the one goroutine of Run. Health, turns and counts of requests live outside of
// the table and survive its replacement. When Apply has returned, no request that had not yet been sent to a target that the new
// configuration drains will be sent to it: each target has a gate that senders pass, and closing it ends the writes of those inside.
// Apply waits for no connection.
//
// The edge refuses to know why targets come and go: it does not know the state, ECS, or the API.
package edge
