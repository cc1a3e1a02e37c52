// Package agent is the machine end of the road: it makes a machine a container
// instance of a cluster, as the Amazon ECS agent does, and speaks the same
// protocol (package acs).
//
// [Run] registers the instance, keeps the ACS and TCS sessions, hands assignments
// to the task engine, ships logs, answers containers on the task metadata address
// and watches the runtime, until its context ends. Containers go on running after
// it, and a later Run with the same data directory takes them up again. Every
// goroutine that Run starts has ended when it returns.
//
// The agent decides nothing about where tasks run or how many. Docker missing or
// stopped, or a control plane that is away, are not errors: it waits and says so.
package agent
