// Package sched decides where tasks go, which of them go away again, and says in plain words why a task cannot be placed.
//
// It owns the filters (is the instance ACTIVE, is its agent connected, do zone, attributes and placement constraints
// match, are CPU, memory, GPUs, network interfaces and ports free), the placement strategies and their inversion for
// scaling in. Rules follow sections 1.3, 1.6, 1.7.4 and 2 of the behaviour reference.
//
// Everything here is a pure function of its arguments: no clock, no randomness but a seed that is passed in, no dependence
// on map order or on the order of instances. Arguments are never changed and may be shared by goroutines.
//
// A task always fits on one instance: nothing here splits one. The package does not know services, deployments or
// how many tasks there should be; that is the business of package rollout.
package sched
