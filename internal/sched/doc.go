// Package sched decides on which container instance a task runs and which tasks of a service are
// stopped when there are too many. It also explains why a task cannot be placed.
//
// The filters check each instance: it is ACTIVE, its agent is connected, its zone, attributes and
// placement constraints match, and its CPU, memory, GPUs, network interfaces and ports suffice. The
// placement strategies rank the instances that pass, and in reverse they choose the tasks to stop.
// The rules are sections 1.3, 1.6, 1.7.4 and 2 of ecs.md.
//
// Every function is pure: it reads no clock, its only randomness comes from the seed of the
// request, and its result does not depend on the order of maps or instances. Arguments are never
// changed and may be shared by goroutines.
//
// A task is placed on one instance and never split. The package does not know services, deployments
// or how many tasks there should be; package rollout decides that.
package sched
