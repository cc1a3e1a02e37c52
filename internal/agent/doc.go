// Package agent makes a machine a container instance of a cluster, as the Amazon ECS agent does, with the same
// protocol (package acs).
//
// [Run] registers the instance, keeps the ACS and TCS sessions, passes assignments to the task engine, ships
// logs, serves the task metadata endpoint and watches the container runtime, until its context ends. Containers
// go on running, and a later Run with the same data directory takes them over. Every goroutine that Run starts
// has ended when it returns.
//
// The agent does not decide where tasks run or how many. That Docker or the control plane does not answer is
// not an error: the agent waits, and logs why.
package agent
