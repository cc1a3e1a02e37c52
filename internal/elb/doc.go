// Package elb holds the nouns of Elastic Load Balancing v2: load balancers, listeners, rules,
// target groups, targets and what is known of their health, with the values AWS allows for them and
// the words it refuses others with.
//
// Everything here is a plain value or a pure function; values that are in the state are immutable
// by contract. The package does not know requests, sockets or time: callers pass what was minted
// and what was seen. Two kinds of rows exist side by side. Specs (LoadBalancer, Listener, Rule,
// TargetGroup, Target) are written by API actions and by control/target; observations
// (TargetHealth, BoundListener) are written by publish alone, from what the edge reports.
package elb
