// Package ecs holds the things Amazon ECS is made of: clusters, task definitions, services and
// their deployments, tasks, container instances. It has their values, the rules they must obey and
// their state machines, and nothing that acts.
//
// Fields are named as in the API (with Go's initialisms), so that the front desk can carry them
// across by name. Values in the state store are immutable: a method that changes something returns
// a changed copy.
//
// Who writes what: actions write specs (everything a caller asked for), controllers write what
// should be (DesiredStatus, new tasks, deployments), dispatch alone writes what was observed
// (statuses, containers, connections). Each field says when it differs from that.
package ecs
